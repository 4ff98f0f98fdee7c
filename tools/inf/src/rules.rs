//! The rules of an INF. Numbers are InfVerif's (Microsoft Learn, "InfVerif errors and warnings"); names in words are ours.

use std::{collections::BTreeSet, fmt};

use super::parse::{Inf, InfEntry, InfSection};

/// A rule that is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// InfVerif's number of the rule, or our name for it.
    pub rule: &'static str,
    /// Line in the file from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub why: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(formatter, "{}: {}", self.rule, self.why),
            line => write!(formatter, "line {line}: {}: {}", self.rule, self.why),
        }
    }
}

/// Setup classes that are reserved for the system (Microsoft Learn, "System-defined device setup classes reserved for
/// system use").
const RESERVED_CLASSES: [(&str, &str); 9] = [
    ("Adapter", "{4d36e964-e325-11ce-bfc1-08002be10318}"),
    ("APMSupport", "{d45b1c18-c8fa-11d1-9f77-0000f805f530}"),
    ("Computer", "{4d36e966-e325-11ce-bfc1-08002be10318}"),
    ("Decoder", "{6bdd1fc2-810f-11d0-bec7-08002be2092f}"),
    ("1394Debug", "{66f250d6-7801-4a64-b139-eea80a450b24}"),
    ("Enum1394", "{c459df55-db08-11d1-b009-00a0c9081ff6}"),
    ("NoDriver", "{4d36e976-e325-11ce-bfc1-08002be10318}"),
    ("LegacyDriver", "{8ecc055d-047f-11d1-a537-0000f8753ed1}"),
    ("Unknown", "{4d36e97e-e325-11ce-bfc1-08002be10318}"),
];

/// The version of KMDF that the driver is built for (docs/adr/0002-kmdf-1.31.md).
const KMDF_VERSION: &str = "1.31";

/// The architectures that a package is made for.
const INSTALL: [&str; 2] = ["DefaultInstall.NTamd64", "DefaultInstall.NTarm64"];

struct Check<'i> {
    inf: &'i Inf,
    broken: Vec<Broken>,
    /// Sections that something names, in lower case.
    used: BTreeSet<String>,
}

/// All broken rules of an INF, in the order of the lines.
pub fn check(inf: &Inf) -> Vec<Broken> {
    let mut check = Check { inf, broken: Vec::new(), used: BTreeSet::new() };
    check.syntax();
    check.version();
    check.primitive();
    for name in INSTALL {
        check.install(name);
    }
    check.files();
    check.strings();
    check.unused();
    let mut broken = check.broken;
    broken.sort_by_key(|broken| broken.line);
    broken
}

impl Check<'_> {
    fn say(&mut self, rule: &'static str, line: usize, why: impl Into<String>) {
        self.broken.push(Broken { rule, line, why: why.into() });
    }

    /// A section that something names.
    fn named(&mut self, name: &str, by: &str, line: usize) -> Option<InfSection> {
        self.used.insert(name.to_lowercase());
        let section = self.inf.section(name).cloned();
        if section.is_none() {
            self.say("missing section", line, format!("{by} names [{name}], which is not there"));
        }
        section
    }

    fn syntax(&mut self) {
        for line in self.inf.stray.clone() {
            self.say("syntax", line, "this line belongs to no section");
        }
    }

    fn version(&mut self) {
        let Some(version) = self.named("Version", "every INF", 0) else { return };
        let is_signature = |text: &str| ["$WINDOWS NT$", "$CHICAGO$"].iter().any(|one| one.eq_ignore_ascii_case(text));
        if !version.value("Signature").is_some_and(is_signature) {
            self.say("version", version.line, "Signature is not \"$WINDOWS NT$\"");
        }
        for key in ["Class", "ClassGuid", "Provider", "CatalogFile", "DriverVer"] {
            if version.value(key).is_none_or(str::is_empty) {
                self.say("version", version.line, format!("{key} is missing"));
            }
        }
        let (class, guid) =
            (version.value("Class").unwrap_or_default(), version.value("ClassGuid").unwrap_or_default());
        let is_reserved =
            |&&(name, id): &&(&str, &str)| class.eq_ignore_ascii_case(name) || guid.eq_ignore_ascii_case(id);
        if let Some((name, _)) = RESERVED_CLASSES.iter().find(is_reserved) {
            self.say("1284", version.line, format!("class {name} is reserved for the system"));
        }
        if version.value("PnpLockdown") != Some("1") {
            self.say("1324", version.line, "PnpLockdown is not 1: others could change the driver's files");
        }
    }

    /// What makes it a primitive driver, and one that is decorated.
    fn primitive(&mut self) {
        for section in &self.inf.sections {
            let name = section.name.to_lowercase();
            let (line, own) = (section.line, &section.name);
            let rest = name.strip_prefix("defaultinstall").or_else(|| name.strip_prefix("defaultuninstall"));
            let (rule, why) = if name == "manufacturer" {
                (
                    "1297",
                    "a driver without a device has no [Manufacturer]: [DefaultInstall] makes it a primitive driver",
                )
            } else if name.starts_with("defaultuninstall") {
                // pnputil removes what [DefaultInstall] did, and asks for the section only with LegacyUninstall=1.
                ("1422", "a primitive driver has no [DefaultUninstall]: what was installed is removed without it")
            } else if rest.is_some_and(str::is_empty) {
                ("1423", "a primitive driver's [DefaultInstall] has an architecture: .NTamd64 or .NTarm64")
            } else if rest.is_some_and(|rest| rest == ".nt" || is_about(rest) || rest.starts_with(".nt.")) {
                ("1421", "the section lacks its architecture: .NTamd64 or .NTarm64")
            } else if rest.is_some_and(|rest| !is_for_an_architecture(rest)) {
                ("architecture", "the decoration is for no architecture that this driver is built for")
            } else {
                continue;
            };
            self.broken.push(Broken { rule, line, why: format!("[{own}]: {why}") });
            self.used.insert(name);
        }
    }

    /// One architecture's installation.
    fn install(&mut self, name: &str) {
        let Some(install) = self.named(name, "the package of an architecture", 0) else { return };
        for entry in install.all("CopyFiles").cloned() {
            for list in entry.values.iter().filter(|list| !list.starts_with('@')) {
                self.named(list, "CopyFiles", entry.line);
            }
        }
        for entry in install.all("AddReg").cloned() {
            self.say("1323", entry.line, "a driver's values belong under its service: AddReg in the service's section");
            for list in &entry.values {
                self.named(list, "AddReg", entry.line);
            }
        }
        if let Some(services) = self.named(&format!("{name}.Services"), &format!("[{name}]"), install.line) {
            self.services(&services);
        }
        if let Some(framework) = self.named(&format!("{name}.Wdf"), &format!("[{name}]"), install.line) {
            self.framework(&framework);
        }
    }

    /// What an INF that installs a KMDF driver "must contain" (Microsoft Learn, "Specifying WDF directives in INF
    /// files").
    fn framework(&mut self, framework: &InfSection) {
        let Some(entry) = framework.all("KmdfService").next().cloned() else {
            self.say("framework", framework.line, "KmdfService = SERVICE, SECTION is missing");
            return;
        };
        let installed: BTreeSet<_> = INSTALL
            .iter()
            .filter_map(|name| self.inf.section(&format!("{name}.Services")))
            .flat_map(|services| services.all("AddService"))
            .filter_map(|entry| Some(entry.values.first()?.to_lowercase()))
            .collect();
        let service = entry.values.first().map_or("", String::as_str);
        if !installed.contains(&service.to_lowercase()) {
            self.say(
                "framework",
                entry.line,
                format!("KmdfService is about {service:?}, which no AddService installs"),
            );
        }
        let Some(section) = entry.values.get(1).cloned() else {
            self.say("framework", entry.line, "KmdfService names no section");
            return;
        };
        if let Some(version) = self.named(&section, "KmdfService", entry.line)
            && version.value("KmdfLibraryVersion") != Some(KMDF_VERSION)
        {
            let why = format!("KmdfLibraryVersion is not {KMDF_VERSION}, which the driver binds to");
            self.say("framework", version.line, why);
        }
    }

    fn services(&mut self, services: &InfSection) {
        if services.all("AddService").next().is_none() {
            self.say("service", services.line, "no AddService: the driver would not be a service");
        }
        for entry in services.all("AddService").cloned() {
            let flags = entry.values.get(1).and_then(|flags| number(flags)).unwrap_or_default();
            if flags & 0x2 != 0 {
                self.say(
                    "service",
                    entry.line,
                    "SPSVCINST_ASSOCSERVICE (0x2): there is no device to associate it with",
                );
            }
            if flags & 0x10 == 0 {
                let why = "SPSVCINST_NOCLOBBER_STARTTYPE (0x10) is missing: an update would reset the start type";
                self.say("service", entry.line, why);
            }
            match entry.values.get(2) {
                Some(name) => {
                    if let Some(service) = self.named(name, "AddService", entry.line) {
                        self.service(&service);
                    }
                }
                None => self.say("service", entry.line, "AddService names no section"),
            }
        }
    }

    fn service(&mut self, service: &InfSection) {
        for (key, allowed) in [
            ("ServiceType", &["1"][..]),
            ("StartType", &["0", "1", "2", "3", "4"]),
            ("ErrorControl", &["0", "1", "2", "3"]),
        ] {
            let value = service.value(key).and_then(number).map(|value| value.to_string());
            if !value.is_some_and(|value| allowed.contains(&value.as_str())) {
                self.say("service", service.line, format!("{key} is not one of {}", allowed.join(", ")));
            }
        }
        match service.value("ServiceBinary") {
            Some(binary) if !binary.starts_with(r"%13%\") => {
                self.say(
                    "1322",
                    service.line,
                    format!("ServiceBinary is {binary}: the driver runs from the driver store, %13%"),
                );
            }
            Some(binary) => {
                let file = binary[5..].to_lowercase();
                if !self.copied().iter().any(|(copied, _)| *copied == file) {
                    self.say("missing file", service.line, format!("ServiceBinary names {file}, which nobody copies"));
                }
            }
            None => self.say("service", service.line, "ServiceBinary is missing"),
        }
        for entry in service.all("AddReg").cloned() {
            for list in &entry.values {
                if let Some(values) = self.named(list, "AddReg", entry.line) {
                    for value in &values.entries {
                        self.service_value(value);
                    }
                }
            }
        }
    }

    fn service_value(&mut self, entry: &InfEntry) {
        let place = |index: usize| entry.values.get(index).map_or("", String::as_str).to_lowercase();
        let is_below = place(1) == "parameters" || place(1).starts_with(r"parameters\");
        if place(0) != "hkr" {
            self.say("1323", entry.line, "a service's values are relative to it: HKR");
        } else if !is_below {
            self.say("1323", entry.line, "a service's values belong under its Parameters key");
        }
    }

    /// Files of all CopyFiles lists, in lower case, with their lines.
    fn copied(&self) -> Vec<(String, usize)> {
        let mut files = Vec::new();
        for entry in
            INSTALL.iter().filter_map(|name| self.inf.section(name)).flat_map(|install| install.all("CopyFiles"))
        {
            for list in &entry.values {
                match list.strip_prefix('@') {
                    Some(file) => files.push((file.to_lowercase(), entry.line)),
                    None => files.extend(
                        self.inf.section(list).into_iter().flat_map(|section| &section.entries).filter_map(|entry| {
                            Some((entry.values.first().filter(|file| !file.is_empty())?.to_lowercase(), entry.line))
                        }),
                    ),
                }
            }
        }
        files
    }

    /// Files that are copied and files on a disk are the same, and all go to the driver store.
    fn files(&mut self) {
        let copied = self.copied();
        let disks = self.named("SourceDisksNames", "a package", 0);
        let Some(sources) = self.named("SourceDisksFiles", "a package", 0) else { return };
        let listed: Vec<_> =
            sources.entries.iter().filter_map(|entry| Some((entry.key.clone()?.to_lowercase(), entry))).collect();
        for (file, line) in &copied {
            if !listed.iter().any(|(name, _)| name == file) {
                self.say("missing file", *line, format!("{file} is copied, but [SourceDisksFiles] has it not"));
            }
        }
        for (file, entry) in &listed {
            if !copied.iter().any(|(name, _)| name == file) {
                self.say(
                    "unreferenced file",
                    entry.line,
                    format!("{file} is in [SourceDisksFiles], but nobody copies it"),
                );
            }
            let disk = entry.values.first().map_or("", String::as_str);
            let has_disk = disks.as_ref().is_some_and(|disks| disks.all(disk).next().is_some());
            if !has_disk {
                self.say(
                    "missing file",
                    entry.line,
                    format!("{file} is on disk {disk:?}, which [SourceDisksNames] has not"),
                );
            }
        }
        if let Some(destinations) = self.named("DestinationDirs", "a package", 0) {
            for entry in &destinations.entries {
                if entry.values.first().and_then(|directory| number(directory)) != Some(13) {
                    self.say("1322", entry.line, "the files belong into the driver store: 13");
                }
            }
            if destinations.entries.is_empty() {
                self.say("1322", destinations.line, "DefaultDestDir = 13 is missing");
            }
        }
    }

    /// Every %name% is defined, and every definition used.
    fn strings(&mut self) {
        self.used.insert("strings".to_owned());
        let defined: Vec<_> =
            self.inf.section("Strings").into_iter().flat_map(|strings| strings.entries.clone()).collect();
        let mut used = BTreeSet::new();
        for section in self.inf.sections.iter().filter(|section| !section.name.eq_ignore_ascii_case("Strings")) {
            for entry in &section.entries {
                for text in entry.key.iter().chain(&entry.values) {
                    for name in tokens(text) {
                        if !is_directory(&name) && used.insert(name.to_lowercase()) {
                            let is_defined = defined
                                .iter()
                                .any(|one| one.key.as_deref().is_some_and(|key| key.eq_ignore_ascii_case(&name)));
                            if !is_defined {
                                let why = format!("%{name}% is not in [Strings]");
                                self.broken.push(Broken { rule: "missing string", line: entry.line, why });
                            }
                        }
                    }
                }
            }
        }
        for entry in &defined {
            let key = entry.key.as_deref().unwrap_or_default();
            if !used.contains(&key.to_lowercase()) {
                self.say("unreferenced string", entry.line, format!("nobody uses %{key}%"));
            }
        }
    }

    fn unused(&mut self) {
        for section in &self.inf.sections {
            if !self.used.contains(&section.name.to_lowercase()) {
                let why = format!("nobody names [{}]", section.name);
                self.broken.push(Broken { rule: "unreferenced section", line: section.line, why });
            }
        }
    }
}

/// A section beside [DefaultInstall], without a decoration.
fn is_about(rest: &str) -> bool {
    [".services", ".wdf"].contains(&rest)
}

/// `.ntamd64` or `.ntarm64`, and what may follow.
fn is_for_an_architecture(decoration: &str) -> bool {
    [".ntamd64", ".ntarm64"]
        .iter()
        .any(|arch| decoration.strip_prefix(arch).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

/// Decimal, or hexadecimal behind `0x`.
fn number(text: &str) -> Option<u32> {
    let lower = text.to_lowercase();
    lower.strip_prefix("0x").map_or_else(|| lower.parse().ok(), |digits| u32::from_str_radix(digits, 16).ok())
}

/// A directory identifier such as `%13%`.
fn is_directory(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_digit())
}

/// The names between percent signs; two percent signs stand for one.
fn tokens(text: &str) -> Vec<String> {
    text.split('%').skip(1).step_by(2).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::parse::parse, *};

    fn own() -> String {
        include_str!("../../../inf/irqlog.inx").to_owned()
    }

    #[test]
    fn ours_breaks_none() {
        assert_eq!(check(&parse(&own())), []);
    }

    /// Each change of our INF breaks just the rule that it is for.
    #[test]
    fn each_rule_is_broken_by_an_inf_of_its_own() {
        let changes: [(&str, &str, &str); 38] = [
            ("syntax", "[Version]\n", "stray = 1\n[Version]\n"),
            ("version", "\"$WINDOWS NT$\"", "\"$WINDOWS 95$\""),
            ("version", "CatalogFile = irqlog.cat\n", ""),
            ("version", "Provider    = %Provider%\n", "Provider =\nX = %Provider%\n"),
            ("1284", "Class       = ActivityMonitor\n", "Class = Computer\n"),
            ("1284", "{b86dff51-a31e-4bac-b3cf-e8cfe75c9fc2}", "{4D36E97E-E325-11CE-BFC1-08002BE10318}"),
            ("1324", "PnpLockdown = 1\n", ""),
            ("1324", "PnpLockdown = 1\n", "PnpLockdown = 0\n"),
            ("1297", "[SourceDisksNames]", "[Manufacturer]\n%Provider% = X\n[SourceDisksNames]"),
            ("1322", "DefaultDestDir = 13", "DefaultDestDir = 12"),
            ("1322", "DefaultDestDir = 13\n", ""),
            ("1322", r"%13%\irqlog.sys", r"%12%\irqlog.sys"),
            ("1323", "HKR, Parameters, Engine", "HKR,, Engine"),
            ("1323", "HKR, Parameters, Engine", "HKLM, Parameters, Engine"),
            ("1323", "[Files]", "[DefaultInstall.NTamd64]\nAddReg = Parameters\n[Files]"),
            ("1423", "[Files]", "[DefaultInstall]\nCopyFiles = Files\n[Files]"),
            ("1421", "[Files]", "[DefaultInstall.Services]\n[Files]"),
            ("1421", "[Files]", "[DefaultInstall.Wdf]\n[Files]"),
            ("1421", "[Files]", "[DefaultInstall.NT]\nCopyFiles = Files\n[Files]"),
            ("architecture", "[Files]", "[DefaultInstall.NTx86]\nCopyFiles = Files\n[Files]"),
            ("architecture", "[Files]", "[DefaultInstall.NTamd64x]\nCopyFiles = Files\n[Files]"),
            ("1422", "[Files]", "[DefaultUninstall.NTamd64]\n[Files]"),
            ("framework", "KmdfService = irqlog, Framework", "X = irqlog, Framework"),
            ("framework", "KmdfService = irqlog, Framework", "KmdfService = other, Framework"),
            ("framework", "KmdfService = irqlog, Framework", "KmdfService = irqlog"),
            ("missing section", "KmdfService = irqlog, Framework", "KmdfService = irqlog, Nobody"),
            ("framework", "KmdfLibraryVersion = 1.31", "KmdfLibraryVersion = 1.33"),
            (
                "service",
                "AddService = irqlog, 0x00000810, Service\n\n[DefaultInstall.NTarm64.Services]",
                "AddService = irqlog, 0x00000812, Service\n\n[DefaultInstall.NTarm64.Services]",
            ),
            (
                "service",
                "AddService = irqlog, 0x00000810, Service\n\n[DefaultInstall.NTarm64.Services]",
                "AddService = irqlog, 0x00000800, Service\n\n[DefaultInstall.NTarm64.Services]",
            ),
            ("service", "ServiceType   = 1\n", "ServiceType = 16\n"),
            ("service", "StartType     = 1\n", "StartType = 7\n"),
            ("missing section", "AddReg        = Parameters", "AddReg = Parameters, Others"),
            ("missing file", "[Files]\nirqlog.sys\n", "[Files]\nirqlog.sys\nother.sys\n"),
            ("missing file", "irqlog.sys = 1", "irqlog.sys = 2"),
            ("unreferenced file", "irqlog.sys = 1\n", "irqlog.sys = 1\nother.sys = 1\n"),
            ("missing string", "OptionDesc = %Description%", "OptionDesc = %Nobody%"),
            ("unreferenced string", "[Strings]\n", "[Strings]\nNobody = \"x\"\n"),
            ("unreferenced section", "[Strings]\n", "[Nobody]\n[Strings]\n"),
        ];
        for (rule, from, to) in changes {
            let text = own();
            assert!(text.contains(from), "our INF has no {from:?}");
            let broken = check(&parse(&text.replacen(from, to, 1)));
            let rules: BTreeSet<_> = broken.iter().map(|broken| broken.rule).collect();
            assert_eq!(rules, BTreeSet::from([rule]), "{from:?} -> {to:?}: {broken:?}");
            assert!(broken.iter().all(|broken| !broken.why.is_empty()));
        }
    }

    #[test]
    fn an_empty_file_lacks_everything() {
        let broken = check(&parse(""));
        let missing = broken.iter().filter(|broken| broken.rule == "missing section").count();
        assert_eq!(missing, 5, "{broken:?}");
    }
}
