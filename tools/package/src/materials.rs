//! The parts of a package that others wrote: a software bill of materials and the texts of the licences.
//!
//! The bill is CycloneDX 1.5, <https://cyclonedx.org/docs/1.5/json/>.
//!
//! The crates are those that cargo links into irqlog.sys and irqlog.exe for the architecture; beside them there are Rust's
//! own library in both, and the C runtime in irqlog.exe: Debian's for x64, zig's for ARM64.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use irqlog_build::{
    drivers, host,
    shell::{output, root},
};
use irqlog_kit::Arch;
use serde_json::{Value, json};

use crate::layout::{VERSION, crlf};

/// A part of the package that others wrote.
struct Component {
    name: String,
    version: String,
    /// SPDX expression.
    license: String,
    /// Package URL, <https://github.com/package-url/purl-spec>.
    purl: Option<String>,
    /// SHA-256 of the crate.
    checksum: Option<String>,
    /// Texts of its licence.
    texts: Vec<String>,
    /// References of what it is made from.
    parts: BTreeSet<String>,
}

impl Component {
    fn reference(&self) -> String {
        reference(&self.name, &self.version)
    }
}

fn reference(name: &str, version: &str) -> String {
    format!("{name}@{version}")
}

/// Writes `irqlog.cdx.json` and `THIRD-PARTY-LICENSES.txt`.
///
/// # Errors
/// If cargo does not say what is linked, or a crate names no licence.
pub fn write(arch: Arch, folder: &Path, date: u64) -> Result<()> {
    let metadata = metadata()?;
    let mut components = BTreeMap::new();
    for (package, target) in [("irqlog", arch.triple()), ("irqlog-cli", drivers::cli_target(arch))] {
        crates(package, target, &metadata, &mut components)?;
    }
    for (runtime, users) in runtimes(arch)? {
        for user in users {
            let user = components.get_mut(&reference(user, VERSION)).with_context(|| format!("{user} is linked"))?;
            user.parts.insert(runtime.reference());
        }
        components.insert(runtime.reference(), runtime);
    }
    let path = folder.join("irqlog.cdx.json");
    let text = serde_json::to_string_pretty(&bom(&components, arch, date)?)? + "\n";
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    let path = folder.join("THIRD-PARTY-LICENSES.txt");
    fs::write(&path, crlf(&licenses(&components))).with_context(|| format!("writing {}", path.display()))
}

fn bom(components: &BTreeMap<String, Component>, arch: Arch, date: u64) -> Result<Value> {
    let date = der::DateTime::from_unix_duration(Duration::from_secs(date)).context("the date of the build")?;
    let package = reference("irqlog-package", VERSION);
    let listed: Vec<_> = components
        .values()
        .map(|component| {
            let mut value = json!({
                "type": "library",
                "bom-ref": component.reference(),
                "name": component.name,
                "version": component.version,
                "licenses": [{ "expression": component.license }],
            });
            if let Some(purl) = &component.purl {
                value["purl"] = json!(purl);
            }
            if let Some(checksum) = &component.checksum {
                value["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
            }
            value
        })
        .collect();
    let mut dependencies = vec![json!({
        "ref": package,
        "dependsOn": [reference("irqlog", VERSION), reference("irqlog-cli", VERSION)],
    })];
    dependencies.extend(
        components.values().map(|component| json!({ "ref": component.reference(), "dependsOn": component.parts })),
    );
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": date.to_string(),
            "component": {
                "type": "application",
                "bom-ref": package,
                "name": "irqlog",
                "version": VERSION,
                "description": format!("Flight recorder for Windows kernel code, for {}", arch.name()),
                "licenses": [{ "expression": "MIT OR Apache-2.0" }],
            },
        },
        "components": listed,
        "dependencies": dependencies,
    }))
}

/// Each text of a licence once, below the names of the parts that have it.
fn licenses(components: &BTreeMap<String, Component>) -> String {
    let foreign = || components.values().filter(|component| !component.name.starts_with("irqlog"));
    let mut text = "What irqlog.sys and irqlog.exe contain of others, and under which licence:\n\n".to_owned();
    for component in foreign() {
        text.push_str(&format!("  {} {}: {}\n", component.name, component.version, component.license));
    }
    let mut texts: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for component in foreign() {
        for license in &component.texts {
            texts.entry(license).or_default().push(format!("{} {}", component.name, component.version));
        }
    }
    let mut texts: Vec<_> = texts.into_iter().collect();
    texts.sort_by(|left, right| left.1.cmp(&right.1));
    for (license, users) in texts {
        text.push_str(&format!("\n{}\n{}\n\n{}\n", "-".repeat(78), users.join(", "), license.trim_end()));
    }
    text
}

/// What `cargo metadata` says of all crates in Cargo.lock.
struct Metadata {
    packages: BTreeMap<String, Value>,
    checksums: BTreeMap<String, String>,
}

fn metadata() -> Result<Metadata> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root()).args(["metadata", "--locked", "--format-version", "1"]);
    let json: Value = serde_json::from_str(&output(&mut cargo)?).context("what cargo metadata says")?;
    let packages = json["packages"].as_array().context("cargo metadata without packages")?;
    let packages = packages
        .iter()
        .filter_map(|package| {
            Some((reference(package["name"].as_str()?, package["version"].as_str()?), package.clone()))
        })
        .collect();
    let lock = fs::read_to_string(root().join("Cargo.lock")).context("reading Cargo.lock")?;
    let checksums = lock
        .split("[[package]]")
        .filter_map(|entry| {
            let field = |name: &str| {
                let value = entry.lines().find_map(|line| line.strip_prefix(&format!("{name} = ")))?;
                Some(value.trim_matches('"').to_owned())
            };
            Some((reference(&field("name")?, &field("version")?), field("checksum")?))
        })
        .collect();
    Ok(Metadata { packages, checksums })
}

/// The crates that are linked into one of ours, and which of them is made from which.
fn crates(
    package: &str,
    target: &str,
    metadata: &Metadata,
    components: &mut BTreeMap<String, Component>,
) -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root()).args(["tree", "--locked", "--package", package, "--target", target]);
    cargo.args(["--edges", "normal,no-proc-macro", "--no-dedupe", "--prefix", "depth", "--format", " {p}"]);
    let tree = output(&mut cargo)?;
    // The ancestors of the current line.
    let mut path: Vec<String> = Vec::new();
    for line in tree.lines() {
        let (depth, package) = line.split_once(' ').with_context(|| format!("cargo tree says {line:?}"))?;
        let mut words = package.split_whitespace();
        let (Some(name), Some(version)) = (words.next(), words.next()) else { continue };
        let key = reference(name, version.trim_start_matches('v'));
        path.truncate(depth.parse().with_context(|| format!("cargo tree says {line:?}"))?);
        if let Some(parent) = path.last().and_then(|parent| components.get_mut(parent)) {
            parent.parts.insert(key.clone());
        }
        if !components.contains_key(&key) {
            components.insert(key.clone(), component(&key, metadata)?);
        }
        path.push(key);
    }
    Ok(())
}

fn component(key: &str, metadata: &Metadata) -> Result<Component> {
    let package = metadata.packages.get(key).with_context(|| format!("cargo metadata does not know {key}"))?;
    let field = |name: &str| package[name].as_str().map(str::to_owned);
    let (name, version) = (field("name").context("a name")?, field("version").context("a version")?);
    let is_ours = package["source"].is_null();
    let folder = PathBuf::from(field("manifest_path").context("a manifest")?);
    let folder = folder.parent().context("a manifest lies in a folder")?;
    Ok(Component {
        license: field("license").with_context(|| format!("{key} names no licence"))?.replace('/', " OR "),
        purl: (!is_ours).then(|| format!("pkg:cargo/{name}@{version}")),
        checksum: metadata.checksums.get(key).cloned(),
        texts: if is_ours { Vec::new() } else { texts_in(folder)? },
        parts: BTreeSet::new(),
        name,
        version,
    })
}

/// The texts of licences that lie in a folder.
fn texts_in(folder: &Path) -> Result<Vec<String>> {
    const NAMES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE"];
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        if path.is_file() && NAMES.iter().any(|start| name.starts_with(start)) {
            files.push(path);
        }
    }
    files.sort();
    files.iter().map(|file| text(file)).collect()
}

fn text(file: &Path) -> Result<String> {
    let bytes = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    Ok(String::from_utf8_lossy(&bytes).replace("\r\n", "\n"))
}

/// What compilers add, and to which of ours.
fn runtimes(arch: Arch) -> Result<Vec<(Component, &'static [&'static str])>> {
    let of = |name: &str, version: &str, license: &str, texts: Vec<String>| Component {
        name: name.to_owned(),
        version: version.to_owned(),
        license: license.to_owned(),
        purl: None,
        checksum: None,
        texts,
        parts: BTreeSet::new(),
    };
    let release = output(Command::new("rustc").args(["--version"]))?;
    let release = release.split_whitespace().nth(1).context("rustc --version without a version")?;
    let sysroot = PathBuf::from(output(Command::new("rustc").args(["--print", "sysroot"]))?.trim());
    let licenses = sysroot.join("share/doc/rust/licenses");
    let mut rust = Vec::new();
    for name in ["MIT.txt", "Apache-2.0.txt"] {
        rust.push(text(&licenses.join(name))?);
    }
    let mut runtimes: Vec<(_, &'static [_])> =
        vec![(of("rust-std", release, "MIT OR Apache-2.0", rust), &["irqlog", "irqlog-cli"])];
    if arch == Arch::X64 {
        for (name, package, license) in [
            ("mingw-w64-runtime", "mingw-w64-x86-64-dev", "ZPL-2.1"),
            ("libgcc", "gcc-mingw-w64-x86-64-win32", "GPL-3.0-or-later WITH GCC-exception-3.1"),
        ] {
            let version = output(Command::new("dpkg-query").args(["--show", "--showformat=${Version}", package]))?;
            let copyright = text(&Path::new("/usr/share/doc").join(package).join("copyright"))?;
            runtimes.push((of(name, &version, license, vec![copyright]), &["irqlog-cli"]));
        }
    } else {
        let zig = host::zigbuild()?;
        let folder = zig.zig.parent().context("zig lies in a folder")?;
        let copying = texts_in(&folder.join("lib/libc/mingw"))?;
        ensure!(!copying.is_empty(), "zig has no licence of mingw-w64");
        let own = texts_in(folder)?;
        runtimes.push((of("mingw-w64-runtime", host::ZIG_VERSION, "ZPL-2.1", copying), &["irqlog-cli"]));
        runtimes.push((of("zig-compiler-rt", host::ZIG_VERSION, "MIT", own), &["irqlog-cli"]));
    }
    Ok(runtimes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(name: &str, text: &str, parts: &[&str]) -> (String, Component) {
        let component = Component {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            license: "MIT".to_owned(),
            purl: None,
            checksum: None,
            texts: vec![text.to_owned()],
            parts: parts.iter().map(|&part| part.to_owned()).collect(),
        };
        (component.reference(), component)
    }

    #[test]
    fn a_text_stands_once_below_all_who_chose_it() {
        let components = [component("one", "the text", &[]), component("two", "the text", &[])].into();
        let text = licenses(&components);
        assert_eq!(text.matches("the text").count(), 1);
        assert!(text.contains("one 1.0.0, two 1.0.0"), "{text}");
    }

    #[test]
    fn what_is_referred_to_is_listed() {
        let components = BTreeMap::from([component("one", "", &["two@1.0.0"]), component("two", "", &[])]);
        let bom = bom(&components, Arch::X64, 1_700_000_000).unwrap();
        assert_eq!(bom["metadata"]["timestamp"], "2023-11-14T22:13:20Z");
        assert_eq!(bom["dependencies"][1]["dependsOn"], json!(["two@1.0.0"]));
        let listed: Vec<_> = bom["components"].as_array().unwrap().iter().map(|part| &part["bom-ref"]).collect();
        assert_eq!(listed, ["one@1.0.0", "two@1.0.0"]);
    }

    #[test]
    fn the_driver_is_made_of_the_wdk_crates() {
        let mut components = BTreeMap::new();
        crates("irqlog", Arch::X64.triple(), &metadata().unwrap(), &mut components).unwrap();
        let driver = &components[&reference("irqlog", VERSION)];
        assert!(driver.parts.iter().any(|part| part.starts_with("wdk-sys@")), "{:?}", driver.parts);
        let sys = components.values().find(|component| component.name == "wdk-sys").unwrap();
        assert!(sys.purl.is_some() && sys.checksum.is_some());
        // It only runs in the compiler.
        assert!(!components.keys().any(|key| key.starts_with("bindgen@")));
    }
}
