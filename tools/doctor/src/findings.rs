//! The diagnosis: what the facts of a machine mean for irqlog, and the commands that mend it.
//!
//! It makes no system call, so it is tested on every system.

use std::io::{Result, Write};

use irqlog_reader::untrusted::Untrusted;
use irqlog_shown::Show;
use serde::Serialize;

use crate::facts::{DeviceState, Facts, SignedFile};

/// Whether a finding keeps irqlog from working.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Severity {
    /// The machine is as irqlog needs it.
    #[serde(rename = "ok")]
    Good,
    /// The user should know it; irqlog works all the same.
    #[serde(rename = "note")]
    Note,
    /// The driver does not run, or its log cannot be read.
    #[serde(rename = "PROBLEM")]
    Problem,
}

/// One point of the diagnosis, as `doctor` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Whether it keeps irqlog from working.
    pub severity: Severity,
    /// One sentence for the user. It may repeat paths and versions that others chose.
    pub what: String,
    /// Commands that mend it, in the order in which to run them.
    pub mend: Vec<&'static str>,
}

impl Show for Finding {
    fn text<W: Write + ?Sized>(&self, out: &mut W) -> Result<()> {
        let severity = match self.severity {
            Severity::Good => "ok",
            Severity::Note => "note",
            Severity::Problem => "PROBLEM",
        };
        writeln!(out, "{severity:8} {}", Untrusted::new(&self.what))?;
        self.mend.iter().try_for_each(|command| writeln!(out, "           {command}"))
    }
}

/// Windows 10 2004: KMDF 1.31 and ExAllocatePool2 (docs/adr/0002-kmdf-1.31.md).
const FLOOR: u32 = 19041;

/// CODEINTEGRITY_OPTION_* of SYSTEM_CODEINTEGRITY_INFORMATION (Microsoft Learn, NtQuerySystemInformation).
mod code_integrity {
    pub const ENABLED: u32 = 0x1;
    pub const TESTSIGN: u32 = 0x2;
    pub const HVCI: u32 = 0x400;
}

/// What WinVerifyTrust returns (winerror.h).
mod trust {
    pub const NO_SIGNATURE: u32 = 0x800b_0100;
    pub const UNTRUSTED_ROOT: u32 = 0x800b_0109;
    pub const BAD_DIGEST: u32 = 0x8009_6010;
}

/// Exit codes of a service whose image Windows did not load (winerror.h: ERROR_INVALID_IMAGE_HASH, ERROR_DRIVER_BLOCKED).
const INVALID_IMAGE_HASH: u32 = 577;
const DRIVER_BLOCKED: u32 = 1275;

/// Installs the driver; the command is run in the folder of a package (`cargo xtask package`).
const INSTALL_PACKAGE: &str = "pnputil /add-driver irqlog.inf /install";

const TRUST_CERTIFICATE: [&str; 2] =
    ["certutil -addstore Root irqlog-test.cer", "certutil -addstore TrustedPublisher irqlog-test.cer"];

/// The findings about a machine, in the order in which a user who installs irqlog meets them.
pub fn diagnose(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    windows(facts, &mut findings);
    if let Some(image) = &facts.image {
        signature(facts, image, &mut findings);
    }
    service(facts, &mut findings);
    device(facts, &mut findings);
    findings
}

fn good(what: impl Into<String>) -> Finding {
    Finding { severity: Severity::Good, what: what.into(), mend: Vec::new() }
}

fn note(what: impl Into<String>, mend: &[&'static str]) -> Finding {
    Finding { severity: Severity::Note, what: what.into(), mend: mend.to_vec() }
}

fn problem(what: impl Into<String>, mend: &[&'static str]) -> Finding {
    Finding { severity: Severity::Problem, what: what.into(), mend: mend.to_vec() }
}

fn windows(facts: &Facts, findings: &mut Vec<Finding>) {
    match facts.build {
        Some(build) if build < FLOOR => {
            let what = format!("this is Windows build {build}; irqlog.sys needs {FLOOR} (Windows 10 2004) or later");
            findings.push(problem(what, &[]));
        }
        Some(build) => findings.push(good(format!("Windows build {build}"))),
        None => {}
    }
    if facts.is_elevated == Some(false) {
        let what = "this command prompt is not elevated: only administrators install the driver and read the log";
        findings.push(problem(what, &["powershell -Command \"Start-Process cmd -Verb RunAs\""]));
    }
    let Some(options) = facts.code_integrity else { return };
    let has = |bit| options & bit != 0;
    if !has(code_integrity::ENABLED) || has(code_integrity::TESTSIGN) {
        findings.push(good("test-signed drivers may load"));
    } else if is_running(facts) {
        findings.push(good("test signing is off, and the driver runs: Windows accepts its signature as it is"));
    } else {
        let what = "test signing is off: a driver with a test certificate does not load";
        // The two exclude each other (Microsoft Learn, "The TESTSIGNING boot configuration option").
        let what = if facts.secure_boot == Some(true) {
            format!("{what}, and Secure Boot, which is on, keeps it off: switch it off in the firmware first")
        } else {
            what.to_owned()
        };
        findings.push(problem(what, &["bcdedit /set testsigning on", "shutdown /r /t 0"]));
    }
    if has(code_integrity::HVCI) {
        findings.push(note("memory integrity (HVCI) is on: it refuses drivers with pages that are both writable and executable; irqlog.sys has none, but nobody has tried it with HVCI yet", &[]));
    }
}

fn is_running(facts: &Facts) -> bool {
    facts.service.as_ref().is_some_and(|service| service.state == "running")
}

fn signature(facts: &Facts, image: &SignedFile, findings: &mut Vec<Finding>) {
    if !image.exists {
        findings.push(problem(
            format!("the driver is not there: {}", image.path),
            &[INSTALL_PACKAGE, "irqlog service install --image FILE"],
        ));
        return;
    }
    match image.trust {
        Some(0) => findings.push(good(format!("the signature of {} is trusted", image.path))),
        Some(trust::NO_SIGNATURE) => {
            let what = format!("{} is not signed: install the driver of a package instead", image.path);
            findings.push(problem(what, &[INSTALL_PACKAGE]));
        }
        Some(trust::UNTRUSTED_ROOT) => {
            findings.push(problem(
                format!(
                    "Windows does not trust {}: the certificate that signed it is not in the machine's Root store",
                    image.path
                ),
                &TRUST_CERTIFICATE,
            ));
        }
        Some(trust::BAD_DIGEST) => {
            let what = format!("{} was changed after it was signed: copy it again from the package", image.path);
            findings.push(problem(what, &[]));
        }
        Some(other) => {
            findings.push(problem(
                format!("the signature of {} is not accepted ({other:#010x})", image.path),
                &TRUST_CERTIFICATE,
            ));
        }
        None => {}
    }
    if image.publisher_is_trusted == Some(false) {
        // Only an installation by INF looks at that store: an installed service is not concerned.
        let what = "the certificate is not in TrustedPublisher: pnputil would ask the user, or refuse";
        let severity = if facts.service.is_some() { note } else { problem };
        findings.push(severity(what, &TRUST_CERTIFICATE[1..]));
    }
}

fn service(facts: &Facts, findings: &mut Vec<Finding>) {
    let Some(service) = &facts.service else {
        findings.push(problem("the driver is not installed", &[INSTALL_PACKAGE]));
        return;
    };
    match service.state.as_str() {
        "running" => findings.push(good("the driver runs")),
        "stopped" => match service.exit_code {
            0 | 1077 => findings.push(problem("the driver is stopped", &["irqlog service start"])),
            INVALID_IMAGE_HASH => {
                let what = "the driver was not loaded: its signature was not accepted (577)";
                findings.push(problem(what, &["bcdedit /set testsigning on", "shutdown /r /t 0"]));
            }
            DRIVER_BLOCKED => {
                let what = "the driver was not loaded: it was blocked (1275), by memory integrity or a policy";
                findings.push(problem(what, &["start ms-settings:windowsdefender"]));
            }
            code => {
                let what = format!("the driver is stopped; its last start ended with {code}");
                findings.push(problem(what, &["irqlog service start"]));
            }
        },
        "stop pending" => {
            // Until the last handle closes, the driver can be neither opened nor started, so it cannot tell who has it open.
            let what = "the driver stops when the last handle to it closes: end the other irqlog programs, and stop the drivers that log";
            findings.push(problem(what, &["tasklist /fi \"imagename eq irqlog.exe\"", "sc stop DRIVER"]));
        }
        other => findings.push(note(format!("the driver is {other}"), &[])),
    }
}

fn device(facts: &Facts, findings: &mut Vec<Finding>) {
    match &facts.device {
        Some(DeviceState::Answers(version)) if *version == facts.cli_version => {
            findings.push(good(format!("the driver answers: version {version}, the same as this program")));
        }
        Some(DeviceState::Answers(version)) => {
            let what = format!(
                "the driver has version {version}, and this program has {}: replace the older one",
                facts.cli_version
            );
            findings.push(note(what, &["irqlog service stop", INSTALL_PACKAGE]));
        }
        Some(DeviceState::Denied) => {
            let what = "the log may not be opened: only administrators may";
            findings.push(problem(what, &["powershell -Command \"Start-Process cmd -Verb RunAs\""]));
        }
        Some(DeviceState::Strange(why)) => {
            findings.push(problem(format!("the driver's answer cannot be read by this program: {why}"), &[]));
        }
        Some(DeviceState::Absent) if is_running(facts) => {
            let what = "the service irqlog runs, but irqlog's device is not there: the service may be another driver's";
            findings.push(problem(what, &["sc qc irqlog"]));
        }
        Some(DeviceState::Absent) | None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers as `irqlog doctor --facts` prints them, of a machine on which all is well.
    const WELL: &str = r#"{
        "build": 26100, "is_elevated": true, "code_integrity": 3, "secure_boot": false,
        "image": { "path": "C:\\irqlog\\irqlog.sys", "exists": true, "trust": 0, "publisher_is_trusted": true },
        "service": { "state": "running", "exit_code": 0 },
        "device": { "answers": "0.1.0" }, "cli_version": "0.1.0"
    }"#;

    fn problems(change: impl FnOnce(&mut Facts)) -> Vec<Finding> {
        let mut facts: Facts = serde_json::from_str(WELL).expect("facts");
        change(&mut facts);
        diagnose(&facts).into_iter().filter(|finding| finding.severity != Severity::Good).collect()
    }

    #[test]
    fn a_well_machine_is_well() {
        assert_eq!(problems(|_| ()), []);
        let facts: Facts = serde_json::from_str(WELL).expect("facts");
        let again: Facts = serde_json::from_str(&serde_json::to_string(&facts).expect("JSON")).expect("facts");
        assert_eq!(facts, again);
    }

    /// A change to a well machine, words of the finding, and words of the command that mends it.
    #[test]
    fn each_fault_of_a_machine_is_found_with_the_command_that_mends_it() {
        type Change = fn(&mut Facts);
        let cases: [(Change, &str, &str); 18] = [
            (|facts| facts.build = Some(18363), "needs 19041", ""),
            (|facts| facts.is_elevated = Some(false), "not elevated", "RunAs"),
            (|facts| facts.code_integrity = Some(0x403), "memory integrity", ""),
            (|facts| image(facts).exists = false, "not there", "--image"),
            (|facts| image(facts).trust = Some(trust::NO_SIGNATURE), "is not signed", "pnputil"),
            (|facts| image(facts).trust = Some(trust::UNTRUSTED_ROOT), "Root store", "addstore Root"),
            (|facts| image(facts).trust = Some(trust::BAD_DIGEST), "was changed after", ""),
            (|facts| image(facts).trust = Some(0x800b_010c), "0x800b010c", "certutil"),
            (|facts| image(facts).publisher_is_trusted = Some(false), "TrustedPublisher", "TrustedPublisher"),
            (|facts| (facts.service, facts.device) = (None, None), "not installed", "pnputil"),
            (|facts| stopped(facts, 0), "is stopped", "service start"),
            (|facts| stopped(facts, INVALID_IMAGE_HASH), "577", "testsigning"),
            (|facts| stopped(facts, DRIVER_BLOCKED), "1275", "ms-settings"),
            (|facts| stopped(facts, 31), "ended with 31", "service start"),
            (|facts| stopping(facts), "when the last handle to it closes", "tasklist"),
            (|facts| facts.device = Some(DeviceState::Denied), "only administrators", "RunAs"),
            (|facts| facts.device = Some(DeviceState::Answers("0.2.0".to_owned())), "version 0.2.0", "pnputil"),
            (|facts| facts.device = Some(DeviceState::Absent), "another driver's", "sc qc"),
        ];
        for (change, what, mend) in cases {
            let found = problems(change);
            let [finding] = found.as_slice() else { panic!("{what:?}: {found:?}") };
            assert!(finding.what.contains(what), "{what:?}: {finding:?}");
            assert!(
                mend.is_empty() || finding.mend.iter().any(|command| command.contains(mend)),
                "{mend:?}: {finding:?}"
            );
        }
    }

    /// A driver that Microsoft has signed needs no test signing, and one that runs has a signature that is accepted.
    #[test]
    fn test_signing_is_asked_for_only_if_the_driver_does_not_run() {
        assert_eq!(problems(|facts| facts.code_integrity = Some(1)), []);
        let found = problems(|facts| {
            facts.code_integrity = Some(1);
            stopped(facts, INVALID_IMAGE_HASH);
        });
        assert!(found[0].what.contains("test signing is off") && !found[0].what.contains("Secure Boot"), "{found:?}");
        let found = problems(|facts| {
            (facts.code_integrity, facts.secure_boot) = (Some(1), Some(true));
            (facts.service, facts.device) = (None, None);
        });
        assert!(found[0].what.contains("test signing is off") && found[0].what.contains("Secure Boot"), "{found:?}");
        assert!(found[0].mend.iter().any(|command| command.contains("bcdedit")), "{found:?}");
    }

    #[test]
    fn a_fact_without_an_answer_gives_no_finding() {
        let found = diagnose(&Facts::default());
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].what, "the driver is not installed");
    }

    #[test]
    fn text_and_json_are_made_of_the_same_finding() {
        let finding = problem("C:\\a\u{1b}[31m.sys is not signed", &["first", "second"]);
        let mut text = Vec::new();
        finding.text(&mut text).expect("memory");
        assert_eq!(
            String::from_utf8(text).expect("text"),
            "PROBLEM  C:\\a\\u{1b}[31m.sys is not signed\n           first\n           second\n"
        );
        let json = serde_json::to_value(&finding).expect("JSON");
        let what = "C:\\a\u{1b}[31m.sys is not signed";
        assert_eq!(json, serde_json::json!({ "severity": "PROBLEM", "what": what, "mend": ["first", "second"] }));
        let severity = |finding: Finding| serde_json::to_value(finding.severity).expect("JSON");
        assert_eq!([severity(good("")), severity(note("", &[]))], ["ok", "note"]);
    }

    #[test]
    fn an_unknown_fact_is_refused() {
        assert!(serde_json::from_str::<Facts>(r#"{ "bild": 1 }"#).is_err());
    }

    fn image(facts: &mut Facts) -> &mut SignedFile {
        facts.image.as_mut().expect("an image")
    }

    fn stopping(facts: &mut Facts) {
        "stop pending".clone_into(&mut facts.service.as_mut().expect("a service").state);
        facts.device = Some(DeviceState::Absent);
    }

    fn stopped(facts: &mut Facts, exit_code: u32) {
        let service = facts.service.as_mut().expect("a service");
        (service.state, service.exit_code) = ("stopped".to_owned(), exit_code);
        facts.device = Some(DeviceState::Absent);
    }
}
