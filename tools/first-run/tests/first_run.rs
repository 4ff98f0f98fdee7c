//! A first run on an imitation of Windows: services, registry, Driver Verifier, restarts and crashes.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    io,
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

use irqlog_first_run::{
    exports,
    host::{Ran, Running, TriedMachine},
    report::{FirstRunReport, StepVerdict},
    run::{FirstRun, FirstRunOptions, RunProgress, RunStage},
};
use irqlog_nt::routines::EXPORTS;

const PARAMETERS: &str = r"HKLM\SYSTEM\CurrentControlSet\Services\irqlog\Parameters";
const SERVICE: &str = r"HKLM\SYSTEM\CurrentControlSet\Services\irqlog";
const INTEGRITY: &str = r"HKLM\SYSTEM\CurrentControlSet\Control\DeviceGuard\Scenarios\HypervisorEnforcedCodeIntegrity";

/// The machine stops here.
struct Crash;

/// What survives a restart, and what does not.
#[derive(Default)]
struct Machine {
    boot: u64,
    files: BTreeMap<PathBuf, Vec<u8>>,
    registry: BTreeMap<(String, String), String>,
    services: BTreeMap<String, bool>,
    verifier: Option<String>,
    verifier_next: Option<String>,
    marks: Vec<String>,
    readers: u32,
    is_stopping: bool,
    is_paused: bool,
    crashes: u32,
    /// Whether the rule IrqlDispatch fires for the lock kernel.
    rule_fires: bool,
}

impl Machine {
    fn value(&self, key: &str, name: &str) -> Option<&String> {
        self.registry.get(&(key.to_owned(), name.to_owned()))
    }

    fn set(&mut self, key: &str, name: &str, value: &str) {
        self.registry.insert((key.to_owned(), name.to_owned()), value.to_owned());
    }

    fn parameter(&self, name: &str, default: &str) -> String {
        self.value(PARAMETERS, name).cloned().unwrap_or_else(|| default.to_owned())
    }

    fn start(&mut self) {
        let (engine, lock) = (self.parameter("Engine", "shared"), self.parameter("Lock", "kernel"));
        self.services.insert("irqlog".to_owned(), true);
        let checks = self.verifier.as_deref().is_some_and(|flags| flags == "/standard");
        if self.rule_fires && checks && engine == "shared" && lock == "kernel" {
            self.crashes += 1;
            panic_any(Crash);
        }
    }

    /// Power on: what starts with the system is started.
    fn power_on(&mut self) {
        self.boot += 1000;
        self.verifier = self.verifier_next.clone();
        (self.readers, self.is_stopping) = (0, false);
        let started_by_hand = self.value(SERVICE, "Start").is_some_and(|start| start == "0x3");
        for runs in self.services.values_mut() {
            *runs = false;
        }
        if self.services.contains_key("irqlog") && !started_by_hand {
            self.start();
        }
    }

    fn state(&self, service: &str) -> Option<&str> {
        let runs = self.services.get(service)?;
        Some(match (runs, self.is_stopping) {
            (true, true) => "STOP_PENDING",
            (true, false) => "RUNNING",
            (false, _) => "STOPPED",
        })
    }
}

/// The imitation; every run of the program has one, on the same machine.
struct Imitation(Rc<RefCell<Machine>>);

struct Reader(Rc<RefCell<Machine>>);

impl Running for Reader {
    fn kill(&mut self) {
        let mut machine = self.0.borrow_mut();
        machine.readers -= 1;
        if machine.readers == 0 && machine.is_stopping {
            machine.is_stopping = false;
            machine.services.insert("irqlog".to_owned(), false);
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as the trait wants it")]
fn said(text: &str) -> io::Result<Ran> {
    Ok(Ran { code: Some(0), said: text.to_owned() })
}

#[expect(clippy::unnecessary_wraps, reason = "as the trait wants it")]
fn failed(code: i32, text: &str) -> io::Result<Ran> {
    Ok(Ran { code: Some(code), said: text.to_owned() })
}

impl Imitation {
    fn sc(&self, arguments: &[&str]) -> io::Result<Ran> {
        let mut machine = self.0.borrow_mut();
        match arguments {
            ["query", name] => match machine.state(name) {
                Some(state) => said(&format!("        STATE              : 4  {state}\n")),
                None => failed(1060, "[SC] EnumQueryServicesStatus:OpenService FAILED 1060\n"),
            },
            ["config", "irqlog", "start=", start] => {
                let number = ["boot", "system", "auto", "demand"].iter().position(|name| name == start).unwrap();
                machine.set(SERVICE, "Start", &format!("0x{number}"));
                said("[SC] ChangeServiceConfig SUCCESS\n")
            }
            ["stop", "irqlog"] if machine.readers != 0 => {
                machine.is_stopping = true;
                said("STOP_PENDING\n")
            }
            ["stop", name] => {
                machine.services.insert((*name).to_owned(), false);
                said("STOPPED\n")
            }
            ["start", "irqlog"] => {
                machine.start();
                said("RUNNING\n")
            }
            ["start", name] => {
                machine.services.insert((*name).to_owned(), true);
                said("RUNNING\n")
            }
            ["create", name, ..] => {
                machine.services.insert((*name).to_owned(), false);
                said("SUCCESS\n")
            }
            ["delete", name] => {
                machine.services.remove(*name);
                said("SUCCESS\n")
            }
            other => said(&format!("{other:?}\n")),
        }
    }

    fn reg(&self, arguments: &[&str]) -> io::Result<Ran> {
        let mut machine = self.0.borrow_mut();
        match arguments {
            ["query", key, "/v", name] => match machine.value(key, name) {
                Some(value) => said(&format!("\n{key}\n    {name}    REG_SZ    {value}\n\n")),
                None => failed(1, "ERROR: The system was unable to find the specified registry key or value.\n"),
            },
            ["add", key, "/v", name, "/t", kind, "/d", value, "/f"] => {
                let value = if *kind == "REG_DWORD" { format!("0x{value}") } else { (*value).to_owned() };
                machine.set(key, name, &value);
                said("The operation completed successfully.\n")
            }
            ["delete", key, "/v", name, "/f"] => {
                machine.registry.remove(&((*key).to_owned(), (*name).to_owned()));
                said("The operation completed successfully.\n")
            }
            other => said(&format!("{other:?}\n")),
        }
    }

    fn verifier(&self, arguments: &[&str]) -> io::Result<Ran> {
        let mut machine = self.0.borrow_mut();
        match arguments {
            ["/standard", ..] => machine.verifier_next = Some("/standard".to_owned()),
            ["/flags", flags, ..] => machine.verifier_next = Some((*flags).to_owned()),
            ["/reset"] => machine.verifier_next = None,
            _ => {
                let watched = if machine.verifier.is_some() { "irqlog.sys" } else { "None" };
                return said(&format!("Verified Drivers:\n{watched}\n"));
            }
        }
        said("The system must be restarted.\n")
    }
}

impl TriedMachine for Imitation {
    fn run(&mut self, program: &str, arguments: &[&str]) -> io::Result<Ran> {
        match (program, arguments) {
            ("sc", _) => self.sc(arguments),
            ("reg", _) => self.reg(arguments),
            ("verifier", _) => self.verifier(arguments),
            ("cmd", ["/c", "install.cmd"]) => {
                let mut machine = self.0.borrow_mut();
                if machine.value(SERVICE, "Start").is_none() {
                    machine.set(SERVICE, "Start", "0x1");
                }
                machine.start();
                said("installed\n")
            }
            ("cmd", ["/c", "uninstall.cmd"]) => {
                self.0.borrow_mut().services.remove("irqlog");
                said("removed\n")
            }
            ("cmd", ["/c", "dir", ..]) if self.0.borrow().crashes != 0 => said("C:\\Windows\\Minidump\\1.dmp\r\n"),
            ("cmd", ["/c", "dir", ..]) => failed(1, "File Not Found\n"),
            ("infverif" | "powershell", _) => Err(io::Error::from(io::ErrorKind::NotFound)),
            _ => said("\n"),
        }
    }

    fn start_irqlog(&mut self, _: &[&str]) -> io::Result<Box<dyn Running>> {
        self.0.borrow_mut().readers += 1;
        Ok(Box::new(Reader(Rc::clone(&self.0))))
    }

    fn irqlog(&mut self, arguments: &[&str]) -> io::Result<Ran> {
        let mut machine = self.0.borrow_mut();
        let (engine, lock) = (machine.parameter("Engine", "shared"), machine.parameter("Lock", "kernel"));
        match arguments {
            ["service", "start"] => {
                machine.start();
                said("started\n")
            }
            ["service", "stop"] => {
                machine.services.insert("irqlog".to_owned(), false);
                said("stopped\n")
            }
            ["info"] => {
                let lock = if engine == "percpu" { "none".to_owned() } else { lock };
                said(&format!("engine {engine}, lock {lock}\nlane  kind\n0 nmi\n"))
            }
            ["selftest"] if machine.is_paused => failed(4, "selftest: incomplete: writing is paused\n"),
            ["selftest"] => said("selftest: every record arrived\n"),
            ["configure", "--pause"] => {
                machine.is_paused = true;
                said("")
            }
            ["configure", "--resume"] => {
                machine.is_paused = false;
                said("")
            }
            ["mark", text] => {
                machine.marks.push((*text).to_owned());
                said("")
            }
            ["read", "--grep", text] => {
                said(&machine.marks.iter().filter(|mark| mark.contains(text)).cloned().collect::<Vec<_>>().join("\n"))
            }
            ["read", "--last", "5", "--json"] => said(&"{\"seq\": 1}\n".repeat(5)),
            ["read", "--provider", name, ..] => said(&format!("{name}: hello\n")),
            ["read", ..] => said("selftest: HIGH_LEVEL\n"),
            ["save", path] if machine.files.contains_key(Path::new(path)) => failed(1, "the file exists\n"),
            ["save", path] => {
                machine.files.insert(path.into(), Vec::new());
                said("")
            }
            ["decode", ..] => said(machine.marks.last().map_or("", String::as_str)),
            ["doctor", "--facts"] => {
                let on = machine.value(INTEGRITY, "Enabled").is_some_and(|enabled| enabled == "0x1");
                said(&format!("{{\"memory_integrity\": {on}}}\n"))
            }
            ["crash", _] => said("bug check 0xc4 (0x20003, 0, 0, 0): DRIVER_VERIFIER_DETECTED_VIOLATION\n"),
            ["providers", ..] => said("sample_rust warn\nsample_c warn\n"),
            _ => said("\n"),
        }
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.borrow().files.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn exists(&self, path: &Path) -> bool {
        self.0.borrow().files.contains_key(path)
    }

    fn write(&mut self, path: &Path, text: &str) -> io::Result<()> {
        self.0.borrow_mut().files.insert(path.to_owned(), text.as_bytes().to_vec());
        Ok(())
    }

    fn make_folder(&mut self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.0.borrow_mut().files.remove(path).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn boot(&self) -> u64 {
        self.0.borrow().boot
    }

    fn windows(&self) -> PathBuf {
        PathBuf::from("/windows")
    }

    fn temporary(&self) -> PathBuf {
        std::env::temp_dir().join("irqlog-first-run-test")
    }

    fn sleep(&mut self, _: Duration) {}
}

/// A 64-bit PE file that exports names; some lead to another module.
fn module(exports: &[(&str, Option<&str>)]) -> Vec<u8> {
    const SECTION: u32 = 0x1000;
    let mut names: Vec<_> = exports.to_vec();
    names.sort_unstable();
    let count = names.len() as u32;
    let (functions, pointers, ordinals) = (40, 40 + count * 4, 40 + count * 8);
    let mut texts = Vec::new();
    let at = |texts: &mut Vec<u8>, text: &str| {
        let place = SECTION + ordinals + count * 2 + texts.len() as u32;
        texts.extend(text.as_bytes());
        texts.push(0);
        place
    };
    let (mut addresses, mut name_pointers, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
    for (index, (name, forwarder)) in names.iter().enumerate() {
        // An address outside of the directory is code.
        let address = forwarder.map_or(0x10, |forwarder| at(&mut texts, forwarder));
        addresses.extend(address.to_le_bytes());
        name_pointers.extend(at(&mut texts, name).to_le_bytes());
        numbers.extend((index as u16).to_le_bytes());
    }
    let words = [0, 0, 0, SECTION, 1, count, count, SECTION + functions, SECTION + pointers, SECTION + ordinals];
    let mut directory: Vec<u8> = words.iter().flat_map(|word: &u32| word.to_le_bytes()).collect();
    for part in [addresses, name_pointers, numbers, texts] {
        directory.extend(part);
    }
    let size = directory.len() as u32;
    let mut file = vec![0_u8; 0x400];
    let put = |file: &mut Vec<u8>, at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(&mut file, 0, b"MZ");
    put(&mut file, 0x3c, &0x40_u32.to_le_bytes());
    put(&mut file, 0x40, b"PE\0\0\x64\x86\x01\0");
    put(&mut file, 0x54, &240_u16.to_le_bytes());
    put(&mut file, 0x58, &0x20b_u16.to_le_bytes());
    put(&mut file, 0x58 + 108, &16_u32.to_le_bytes());
    put(&mut file, 0x58 + 112, &SECTION.to_le_bytes());
    put(&mut file, 0x58 + 116, &size.to_le_bytes());
    let section = 0x58 + 240;
    put(&mut file, section, b".edata");
    for (offset, word) in [(8, size), (12, SECTION), (16, size), (20, 0x400)] {
        put(&mut file, section + offset, &word.to_le_bytes());
    }
    file.extend(directory);
    file
}

#[test]
fn forwarders_are_told_from_code() {
    let file = module(&[("Here", None), ("KeQueryPerformanceCounter", Some("ntoskrnl.KeQueryPerformanceCounter"))]);
    let found = exports::read(&file).unwrap();
    assert_eq!(found["Here"], None);
    assert_eq!(found["KeQueryPerformanceCounter"].as_deref(), Some("ntoskrnl.KeQueryPerformanceCounter"));
    assert_eq!(found.len(), 2);
    for length in 0..file.len() {
        // Cut off anywhere, it is an error or has fewer exports, and no panic.
        let _ = exports::read(&file[..length]);
    }
}

/// A machine with the package, irqlog not installed.
fn machine() -> Rc<RefCell<Machine>> {
    let mut machine = Machine { boot: 1000, ..Machine::default() };
    for name in ["irqlog.sys", "irqlog.inf", "irqlog.cat", "irqlog.exe", "install.cmd", "uninstall.cmd"] {
        machine.files.insert(Path::new("/package").join(name), vec![0]);
    }
    for name in ["sample_rust.sys", "sample_c.sys"] {
        machine.files.insert(Path::new("/package/first-run").join(name), vec![0]);
    }
    let names: Vec<_> = EXPORTS.iter().filter(|export| export.is_for_driver()).map(|export| export.name).collect();
    for module_name in ["HAL.dll", "ntoskrnl.exe", "drivers/WDFLDR.SYS", "drivers/cng.sys"] {
        let forwarder = (module_name == "HAL.dll").then_some("ntoskrnl.Something");
        let exports: Vec<_> = names.iter().map(|&name| (name, forwarder)).collect();
        machine.files.insert(Path::new("/windows/System32").join(module_name), module(&exports));
    }
    // What others have set, and has to stay.
    machine.set(PARAMETERS, "Policy", "keep");
    machine.set(&format!(r"{PARAMETERS}\Wdf"), "VerifierOn", "0x1");
    Rc::new(RefCell::new(machine))
}

fn options() -> FirstRunOptions {
    FirstRunOptions { package: "/package".into(), report: "/report".into(), ..FirstRunOptions::default() }
}

/// Runs the program once, until it ends or the machine crashes.
fn once(machine: &Rc<RefCell<Machine>>, options: FirstRunOptions) -> Option<RunProgress> {
    let mut host = Imitation(Rc::clone(machine));
    let mut tell = |_: &str| ();
    let result = catch_unwind(AssertUnwindSafe(|| {
        FirstRun::open(&mut host, options, "0.1.0", &mut tell).unwrap().go_on().unwrap()
    }));
    match result {
        Ok(progress) => Some(progress),
        Err(payload) if payload.is::<Crash>() => None,
        Err(payload) => std::panic::resume_unwind(payload),
    }
}

/// Runs the program after each restart and crash, until it is done; gives the number of starts.
fn to_the_end(machine: &Rc<RefCell<Machine>>, options: &FirstRunOptions) -> u32 {
    for starts in 1..20 {
        match once(machine, options.clone()) {
            Some(RunProgress::Done) => return starts,
            Some(RunProgress::Restart) => {
                // Without a restart it only says so again.
                assert_eq!(once(machine, options.clone()), Some(RunProgress::Restart));
            }
            None => {}
        }
        // A crash while the system starts would be one at each start.
        machine.borrow_mut().power_on();
    }
    panic!("it does not end");
}

fn report(machine: &Rc<RefCell<Machine>>) -> FirstRunReport {
    serde_json::from_slice(&machine.borrow().files[Path::new("/report.json")]).unwrap()
}

fn verdict(report: &FirstRunReport, stage: RunStage, name: &str) -> StepVerdict {
    let found = report.steps.iter().find(|step| step.stage == stage && step.name == name);
    found.unwrap_or_else(|| panic!("there is no step {name:?}")).verdict
}

fn settings_are_as_before(machine: &Rc<RefCell<Machine>>, start: &str) {
    let machine = machine.borrow();
    assert_eq!(machine.value(PARAMETERS, "Policy").map(String::as_str), Some("keep"));
    assert_eq!(machine.value(&format!(r"{PARAMETERS}\Wdf"), "VerifierOn").map(String::as_str), Some("0x1"));
    assert_eq!(machine.value(PARAMETERS, "Engine"), None);
    assert_eq!(machine.value(PARAMETERS, "Lock"), None);
    assert_eq!(machine.value(SERVICE, "Start").map(String::as_str), Some(start));
    assert_eq!(machine.verifier_next, None);
}

#[test]
fn a_good_machine_without_restarts() {
    let machine = machine();
    assert_eq!(to_the_end(&machine, &options()), 1);
    let report = report(&machine);
    let bad: Vec<_> = report.bad().collect();
    assert!(bad.is_empty(), "{bad:#?}");
    for (engine, lock) in [("percpu", "kernel"), ("shared", "queued"), ("shared", "kernel")] {
        let name = format!("engine {engine}, lock {lock}");
        assert_eq!(verdict(&report, RunStage::Engines, &name), StepVerdict::AsExpected);
    }
    assert_eq!(verdict(&report, RunStage::Package, "InfVerif"), StepVerdict::NotHere);
    let markdown = String::from_utf8(machine.borrow().files[Path::new("/report.md")].clone()).unwrap();
    assert!(markdown.contains("HAL.dll forwards KeQueryPerformanceCounter to ntoskrnl.Something"), "{markdown}");
    assert!(markdown.contains("Every step that ended was as expected."), "{markdown}");
    settings_are_as_before(&machine, "0x1");
    // Another run does not write over the report of one that has ended.
    let mut host = Imitation(Rc::clone(&machine));
    let mut tell = |_: &str| ();
    let again = FirstRun::open(&mut host, options(), "0.1.0", &mut tell).map(drop).unwrap_err();
    assert!(again.to_string().contains("has ended"), "{again}");
}

#[test]
fn what_is_missing_is_told() {
    let machine = machine();
    let without = module(&[("memcpy", None)]);
    machine.borrow_mut().files.insert("/windows/System32/HAL.dll".into(), without);
    machine.borrow_mut().files.remove(Path::new("/package/irqlog.cat"));
    to_the_end(&machine, &options());
    let report = report(&machine);
    let bad: Vec<_> = report.bad().map(|step| step.seen.clone()).collect();
    assert_eq!(bad.len(), 2, "{bad:#?}");
    assert!(bad.iter().any(|seen| seen.contains("not exported: KeQueryPerformanceCounter of HAL.dll")), "{bad:#?}");
    assert!(bad.iter().any(|seen| seen.contains("the package has no irqlog.cat")), "{bad:#?}");
}

#[test]
fn verifier_without_an_objection() {
    let machine = machine();
    let starts = to_the_end(&machine, &FirstRunOptions { verifier: true, ..options() });
    assert_eq!(starts, 4, "three restarts");
    let report = report(&machine);
    let bad: Vec<_> = report.bad().collect();
    assert!(bad.is_empty(), "{bad:#?}");
    assert_eq!(verdict(&report, RunStage::VerifierKernel, "engine shared, lock kernel"), StepVerdict::AsExpected);
    settings_are_as_before(&machine, "0x1");
}

#[test]
fn a_crash_under_verifier_is_an_answer() {
    let machine = machine();
    machine.borrow_mut().rule_fires = true;
    to_the_end(&machine, &FirstRunOptions { verifier: true, memory_integrity: true, ..options() });
    // Once, in the step of the lock kernel: it does not start with the system meanwhile.
    assert_eq!(machine.borrow().crashes, 1);
    let report = report(&machine);
    let crashed: Vec<_> = report.bad().collect();
    assert_eq!(crashed.len(), 1, "{crashed:#?}");
    assert_eq!((crashed[0].stage, crashed[0].verdict), (RunStage::VerifierKernel, StepVerdict::Crashed));
    assert!(crashed[0].seen.contains("bug check 0xc4 (0x20003"), "{}", crashed[0].seen);
    for name in ["engine percpu, lock kernel", "engine shared, lock swap"] {
        assert_eq!(verdict(&report, RunStage::VerifierOwnLocks, name), StepVerdict::AsExpected);
    }
    assert_eq!(verdict(&report, RunStage::VerifierKernelLess, "engine shared, lock kernel"), StepVerdict::AsExpected);
    assert_eq!(verdict(&report, RunStage::Integrity, "memory integrity runs"), StepVerdict::AsExpected);
    settings_are_as_before(&machine, "0x1");
    assert_eq!(machine.borrow().value(INTEGRITY, "Enabled").map(String::as_str), Some("0x0"));
}

#[test]
fn a_program_that_was_ended_goes_on_behind_what_it_has_done() {
    let machine = machine();
    to_the_end(&machine, &options());
    let mut half = report(&machine);
    let steps = half.steps.len();
    // As it was in the middle of the commands.
    half.next = half.stages.iter().position(|stage| *stage == RunStage::Commands).unwrap();
    let end = half.steps.iter().position(|step| step.name.starts_with("mark")).unwrap();
    half.steps.truncate(end);
    half.begun = Some(irqlog_first_run::report::StepBegun {
        name: "mark, with letters of every kind".to_owned(),
        boot: machine.borrow().boot,
    });
    machine.borrow_mut().files.insert("/report.json".into(), half.json().unwrap().into_bytes());
    assert_eq!(once(&machine, options()), Some(RunProgress::Done));
    let report = report(&machine);
    assert_eq!(report.steps.len(), steps, "each step once");
    let ended: Vec<_> = report.bad().collect();
    assert_eq!(ended.len(), 1, "{ended:#?}");
    assert!(ended[0].seen.contains("was ended in this step"), "{}", ended[0].seen);
}
