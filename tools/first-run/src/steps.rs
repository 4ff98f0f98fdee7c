//! The steps of each stage. A step is as expected if what it is about was seen, and not because a program ended with 0.

use std::{fmt, path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use irqlog_nt::routines::{EXPORTS, Export};

use crate::{
    exports,
    host::{Ran, TriedMachine},
    report::Before,
    run::{FirstRun, RunStage},
};

/// A step.
pub struct Step {
    /// What it is about.
    pub name: String,
    /// A person has to judge what is seen.
    pub is_for_a_person: bool,
    /// Does it; gives what was seen.
    pub work: Box<Work>,
}

/// Does a step; gives what was seen.
type Work = dyn Fn(&mut FirstRun<'_>) -> Result<String>;

/// Why a step cannot be tried on this machine.
#[derive(Debug)]
pub struct NotHere(String);

impl fmt::Display for NotHere {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for NotHere {}

fn step(name: &str, work: impl Fn(&mut FirstRun<'_>) -> Result<String> + 'static) -> Step {
    Step { name: name.to_owned(), is_for_a_person: false, work: Box::new(work) }
}

/// A program whose output a person has to read.
fn look(name: &str, program: &'static str, arguments: &'static [&'static str]) -> Step {
    let work = move |run: &mut FirstRun<'_>| {
        let ran = run.host.run(program, arguments).with_context(|| format!("{program} cannot be started"))?;
        Ok(format!("{}\nexit code {:?}", ran.said.trim_end(), ran.code))
    };
    Step { name: name.to_owned(), is_for_a_person: true, work: Box::new(work) }
}

/// A command of irqlog whose output a person has to read.
fn look_irqlog(name: &str, arguments: &'static [&'static str]) -> Step {
    let work = move |run: &mut FirstRun<'_>| {
        let ran = run.host.irqlog(arguments).context("irqlog cannot be started")?;
        Ok(format!("{}\nexit code {:?}", ran.said.trim_end(), ran.code))
    };
    Step { name: name.to_owned(), is_for_a_person: true, work: Box::new(work) }
}

/// PowerShell, for what no program tells.
fn look_powershell(name: &str, command: &'static str) -> Step {
    let work = move |run: &mut FirstRun<'_>| {
        let arguments = ["-NoProfile", "-NonInteractive", "-Command", command];
        let ran = run.host.run("powershell", &arguments).context("PowerShell cannot be started")?;
        Ok(ran.said)
    };
    Step { name: name.to_owned(), is_for_a_person: true, work: Box::new(work) }
}

/// The steps of a stage.
pub fn of(stage: RunStage, run: &FirstRun<'_>) -> Vec<Step> {
    match stage {
        RunStage::Machine => machine(),
        RunStage::Package => package(),
        RunStage::Installed => installed(),
        RunStage::Commands => commands(),
        RunStage::Stopping => stopping(),
        RunStage::Engines => engines("", &CASES),
        RunStage::Samples => vec![sample("sample_rust"), sample("sample_c")],
        RunStage::VerifierOn => verifier_on(),
        RunStage::VerifierOwnLocks => with_verifier(&CASES[..4]),
        RunStage::VerifierKernel | RunStage::VerifierKernelLess => with_verifier(&CASES[4..]),
        RunStage::VerifierLess => vec![step("Driver Verifier without DDI compliance checking", |run| {
            start_by_hand(run)?;
            run_program(run, "verifier", &["/flags", WITHOUT_DDI_COMPLIANCE, "/driver", "irqlog.sys"])
        })],
        RunStage::VerifierOff => vec![step("verifier /reset", |run| run_program(run, "verifier", &["/reset"]))],
        RunStage::VerifierGone => vec![step("Driver Verifier is off", |run| {
            let said = run_program(run, "verifier", &["/querysettings"])?;
            ensure!(!said.contains("irqlog.sys"), "it still names irqlog.sys:\n{said}");
            Ok(said)
        })],
        RunStage::IntegrityOn => vec![step("memory integrity is configured", |run| {
            remember(run)?;
            start_by_hand(run)?;
            set_memory_integrity(run, true)
        })],
        RunStage::Integrity => integrity(),
        RunStage::IntegrityBack => vec![step("memory integrity is configured as before", |run| {
            let before = run.report.before.as_ref().and_then(|before| before.memory_integrity);
            set_memory_integrity(run, before.unwrap_or_default())
        })],
        RunStage::IntegrityGone => vec![look_irqlog("what the doctor is told", &["doctor", "--facts"])],
        RunStage::PutBack => vec![step("engine, lock and start type are as before", put_back)],
        RunStage::Uninstalled => uninstalled(),
        RunStage::AfterCrash => after_crash(run.host),
    }
}

/// Engines and locks; `kernel`, which Driver Verifier may object to, is the last.
const CASES: [(&str, &str); 5] =
    [("percpu", "kernel"), ("shared", "swap"), ("shared", "queued"), ("shared", "os-queued"), ("shared", "kernel")];

/// The flags of `verifier /standard`, 0x209bb, without 0x20000 ("Driver Verifier options", "DDI compliance checking").
const WITHOUT_DDI_COMPLIANCE: &str = "0x9bb";

fn machine() -> Vec<Step> {
    vec![
        look("Windows", "cmd", &["/c", "ver"]),
        look_powershell(
            "edition and processors",
            "Get-CimInstance Win32_OperatingSystem | Format-List Caption, Version, OSArchitecture; \
             Get-CimInstance Win32_Processor | Format-List Name, Architecture, NumberOfCores, NumberOfLogicalProcessors",
        ),
        look("boot entry", "bcdedit", &["/enum", "{current}"]),
        look("Driver Verifier", "verifier", &["/querysettings"]),
        look_powershell("Secure Boot", "Confirm-SecureBootUEFI"),
        look_powershell(
            "crashes until now",
            "Get-ChildItem $env:SystemRoot\\Minidump -ErrorAction SilentlyContinue; Get-WinEvent -ErrorAction \
             SilentlyContinue -MaxEvents 5 -FilterHashtable @{ LogName = 'System'; Id = 1001 } | Format-List TimeCreated, \
             Message",
        ),
        look_irqlog("what the doctor is told, before", &["doctor", "--facts"]),
        look_irqlog("what the doctor says, before", &["doctor"]),
    ]
}

fn package() -> Vec<Step> {
    vec![
        step("the files of the package", |run| {
            let mut seen = String::new();
            for name in FILES {
                let path = run.options.package.join(name);
                let bytes = run.host.read(&path).with_context(|| format!("the package has no {name}"))?;
                seen.push_str(&format!("{name}: {} bytes\n", bytes.len()));
            }
            Ok(seen)
        }),
        look_irqlog("version", &["--version"]),
        look_powershell(
            "signatures",
            "Get-AuthenticodeSignature irqlog.sys, irqlog.exe, irqlog.cat | Format-List Path, Status, StatusMessage, \
             SignerCertificate; Get-FileHash -Algorithm SHA256 irqlog.*",
        ),
        look("the catalog as certutil reads it", "certutil", &["-v", "-dump", "irqlog.cat"]),
        step("InfVerif", |run| match run.host.run("infverif", &["/v", "/w", "irqlog.inf"]) {
            Ok(Ran { code: Some(0), said }) => Ok(said),
            Ok(Ran { code, said }) => bail!("infverif ended with {code:?}:\n{said}"),
            Err(_) => Err(NotHere("infverif comes with the WDK".to_owned()).into()),
        }),
        step("each import of irqlog.sys is exported where its import table says", exported),
    ]
}

/// What an installation needs.
const FILES: [&str; 6] = ["irqlog.sys", "irqlog.inf", "irqlog.cat", "irqlog.exe", "install.cmd", "uninstall.cmd"];

/// What irqlog.sys imports on this architecture, with the module.
fn imports() -> impl Iterator<Item = (&'static Export, &'static str)> {
    EXPORTS.iter().filter(|export| export.is_for_driver()).filter_map(|export| {
        let module = if cfg!(target_arch = "aarch64") { export.modules.arm64 } else { export.modules.x64 };
        module.map(|module| (export, module))
    })
}

/// Where the loader of the kernel finds a module.
fn module_path(host: &dyn TriedMachine, module: &str) -> PathBuf {
    let system = host.windows().join("System32");
    if module.to_ascii_lowercase().ends_with(".sys") {
        system.join("drivers").join(module)
    } else {
        system.join(module)
    }
}

fn exported(run: &mut FirstRun<'_>) -> Result<String> {
    let (mut seen, mut missing) = (String::new(), Vec::new());
    let mut modules = std::collections::BTreeMap::new();
    for (export, module) in imports() {
        if !modules.contains_key(module) {
            let path = module_path(run.host, module);
            let found = run.host.read(&path).map_err(anyhow::Error::from).and_then(|file| exports::read(&file));
            if let Err(error) = &found {
                seen.push_str(&format!("{}: {error:#}\n", path.display()));
            }
            modules.insert(module, found.unwrap_or_default());
        }
        match modules.get(module).and_then(|exports| exports.get(export.name)) {
            Some(None) => seen.push_str(&format!("{module} has {}\n", export.name)),
            Some(Some(forwarder)) => seen.push_str(&format!("{module} forwards {} to {forwarder}\n", export.name)),
            None => missing.push(format!("{} of {module}", export.name)),
        }
    }
    ensure!(missing.is_empty(), "{seen}not exported: {}", missing.join(", "));
    Ok(seen)
}

/// Runs a program, which has to end with 0.
fn run_program(run: &mut FirstRun<'_>, program: &str, arguments: &[&str]) -> Result<String> {
    let Ran { code, said } =
        run.host.run(program, arguments).with_context(|| format!("{program} cannot be started"))?;
    ensure!(code == Some(0), "{program} {} ended with {code:?}:\n{said}", arguments.join(" "));
    Ok(said)
}

/// Runs irqlog, which has to end with a code.
fn irqlog_code(run: &mut FirstRun<'_>, arguments: &[&str], wanted: i32) -> Result<String> {
    let Ran { code, said } = run.host.irqlog(arguments).context("irqlog cannot be started")?;
    ensure!(code == Some(wanted), "irqlog {} ended with {code:?}, and not with {wanted}:\n{said}", arguments.join(" "));
    Ok(said)
}

fn irqlog(run: &mut FirstRun<'_>, arguments: &[&str]) -> Result<String> {
    irqlog_code(run, arguments, 0)
}

/// A text that has to have each of these parts.
fn expect(text: String, parts: &[&str]) -> Result<String> {
    for part in parts {
        ensure!(text.contains(part), "{part:?} is not in:\n{text}");
    }
    Ok(text)
}

/// What `sc query` says of a service: its state, or `None` if there is none.
fn state(run: &mut FirstRun<'_>, service: &str) -> Result<Option<String>> {
    let Ran { said, .. } = run.host.run("sc", &["query", service]).context("sc cannot be started")?;
    // `STATE : 4 RUNNING`: the word is the same in every language.
    let words = ["RUNNING", "STOP_PENDING", "STOPPED", "START_PENDING"];
    Ok(words.into_iter().find(|word| said.split_whitespace().any(|said| said == *word)).map(str::to_owned))
}

fn wait_for(run: &mut FirstRun<'_>, wanted: &str) -> Result<()> {
    const TURNS: u32 = 300;
    for _ in 0..TURNS {
        if state(run, "irqlog")?.as_deref() == Some(wanted) {
            return Ok(());
        }
        run.host.sleep(Duration::from_millis(100));
    }
    bail!("irqlog is {:?} after {} s, and not {wanted}", state(run, "irqlog")?, TURNS / 10)
}

/// A value of the service's key, as `reg` shows it.
fn registry_value(run: &mut FirstRun<'_>, key: &str, name: &str) -> Result<Option<String>> {
    let Ran { code, said } = run.host.run("reg", &["query", key, "/v", name]).context("reg cannot be started")?;
    if code != Some(0) {
        return Ok(None);
    }
    // `    Engine    REG_SZ    percpu`
    let line = said.lines().find(|line| line.split_whitespace().next() == Some(name));
    Ok(line.and_then(|line| line.split_whitespace().nth(2)).map(str::to_owned))
}

const SERVICE: &str = r"HKLM\SYSTEM\CurrentControlSet\Services\irqlog";
const PARAMETERS: &str = r"HKLM\SYSTEM\CurrentControlSet\Services\irqlog\Parameters";
/// "Enable memory integrity", Microsoft Learn.
const INTEGRITY: &str = r"HKLM\SYSTEM\CurrentControlSet\Control\DeviceGuard\Scenarios\HypervisorEnforcedCodeIntegrity";

/// Sets a value of the service's parameters, or takes it away. `reg add` leaves the other values alone.
fn set_parameter(run: &mut FirstRun<'_>, name: &str, value: Option<&str>) -> Result<()> {
    match value {
        Some(value) => {
            run_program(run, "reg", &["add", PARAMETERS, "/v", name, "/t", "REG_SZ", "/d", value, "/f"])?;
        }
        None if registry_value(run, PARAMETERS, name)?.is_some() => {
            run_program(run, "reg", &["delete", PARAMETERS, "/v", name, "/f"])?;
        }
        None => {}
    }
    Ok(())
}

/// Writes down what is there, once, to put it back at the end.
fn remember(run: &mut FirstRun<'_>) -> Result<()> {
    if run.report.before.is_some() {
        return Ok(());
    }
    let before = Before {
        was_installed: state(run, "irqlog")?.is_some(),
        engine: registry_value(run, PARAMETERS, "Engine")?,
        lock: registry_value(run, PARAMETERS, "Lock")?,
        start: start_type(run)?,
        memory_integrity: registry_value(run, INTEGRITY, "Enabled")?.map(|enabled| enabled == "0x1"),
    };
    run.report.before = Some(before);
    Ok(())
}

/// When the service starts, as `sc config` takes it; `None` if there is no service.
fn start_type(run: &mut FirstRun<'_>) -> Result<Option<String>> {
    let start = match registry_value(run, SERVICE, "Start")?.as_deref() {
        Some("0x0") => "boot",
        Some("0x1") => "system",
        Some("0x2") => "auto",
        Some("0x3") => "demand",
        _ => return Ok(None),
    };
    Ok(Some(start.to_owned()))
}

/// irqlog.sys is started by hand, and no longer with the system: if it crashes the machine, then once.
fn start_by_hand(run: &mut FirstRun<'_>) -> Result<String> {
    remember(run)?;
    // Of an irqlog that this run has installed: as its INF says.
    let start = start_type(run)?;
    if let Some(before) = &mut run.report.before {
        before.start = before.start.take().or(start);
    }
    run_program(run, "sc", &["config", "irqlog", "start=", "demand"])
}

fn put_back(run: &mut FirstRun<'_>) -> Result<String> {
    let Some(before) = run.report.before.clone() else { return Ok("nothing was changed".to_owned()) };
    set_parameter(run, "Engine", before.engine.as_deref())?;
    set_parameter(run, "Lock", before.lock.as_deref())?;
    if let Some(start) = &before.start
        && start_type(run)?.as_ref() != Some(start)
    {
        run_program(run, "sc", &["config", "irqlog", "start=", start])?;
    }
    restart_service(run)?;
    for (name, value) in [("Engine", &before.engine), ("Lock", &before.lock)] {
        let now = registry_value(run, PARAMETERS, name)?;
        ensure!(now == *value, "{name} is {now:?}, and was {value:?}");
    }
    Ok(format!("{before:?}"))
}

fn restart_service(run: &mut FirstRun<'_>) -> Result<()> {
    if state(run, "irqlog")?.as_deref() == Some("RUNNING") {
        irqlog(run, &["service", "stop"])?;
    }
    irqlog(run, &["service", "start"])?;
    wait_for(run, "RUNNING")
}

fn installed() -> Vec<Step> {
    vec![
        step("install.cmd", |run| {
            remember(run)?;
            run_program(run, "cmd", &["/c", "install.cmd"])?;
            wait_for(run, "RUNNING")?;
            run_program(run, "sc", &["query", "irqlog"])
        }),
        look("the service", "sc", &["qc", "irqlog"]),
        look_powershell(
            "the driver store, and what the system says",
            "Get-WindowsDriver -Online | Where-Object { $_.OriginalFileName -like '*irqlog.inf' } | Format-List; \
             Get-WinEvent -ErrorAction SilentlyContinue -MaxEvents 20 -FilterHashtable @{ LogName = \
             'Microsoft-Windows-CodeIntegrity/Operational' } | Where-Object Message -like '*irqlog*' | Format-List \
             TimeCreated, Id, Message; Select-String -Path $env:SystemRoot\\INF\\setupapi.dev.log -Pattern irqlog | \
             Select-Object -Last 30",
        ),
        step("the doctor finds nothing", |run| irqlog(run, &["doctor"])),
        look_irqlog("what the doctor is told, after", &["doctor", "--facts"]),
    ]
}

/// A text that no earlier run has written.
fn unique(run: &FirstRun<'_>, text: &str) -> String {
    format!("{text} {:x}-{}", run.host.boot(), run.report.steps.len())
}

fn commands() -> Vec<Step> {
    vec![
        step("info", |run| expect(irqlog(run, &["info"])?, &["engine", "nmi"])),
        step("selftest", |run| expect(irqlog(run, &["selftest"])?, &["selftest: every record arrived"])),
        step("selftest, paused: it says so, and ends with 4", |run| {
            irqlog(run, &["configure", "--pause"])?;
            let said = irqlog_code(run, &["selftest"], 4);
            irqlog(run, &["configure", "--resume"])?;
            expect(said?, &["writing is paused"])
        }),
        step("mark, with letters of every kind", |run| {
            let text = unique(run, "gr\u{fc}n \u{1f980}");
            irqlog(run, &["mark", &text])?;
            expect(irqlog(run, &["read", "--grep", &text])?, &[&text])
        }),
        step("read, filtered by IRQL", |run| {
            irqlog(run, &["selftest"])?;
            expect(irqlog(run, &["read", "--last", "200", "--irql", "HIGH"])?, &["selftest: HIGH_LEVEL"])
        }),
        step("read, as JSON", |run| {
            let said = irqlog(run, &["read", "--last", "5", "--json"])?;
            let records = said.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
            let count = records.filter(|record| !record["seq"].is_null()).count();
            ensure!(count == 5, "{count} records, and not 5:\n{said}");
            Ok(said)
        }),
        step("save beyond 260 characters, and not onto a file that is there", |run| {
            let name = format!("records-{:x}-{}.irqlog", run.host.boot(), run.report.steps.len());
            let mut file = run.host.temporary();
            file.extend(["twenty-letters-each-"; 12]);
            run.host.make_folder(&file)?;
            file.push(name);
            let path = file.display().to_string();
            let text = unique(run, "the last one before the save");
            irqlog(run, &["mark", &text])?;
            let seen = (|| {
                irqlog(run, &["save", &path])?;
                let said = expect(irqlog(run, &["decode", &path, "--grep", &text, "--last", "1"])?, &[&text])?;
                irqlog_code(run, &["save", &path], 1)?;
                Ok(said)
            })();
            run.host.remove(&file)?;
            seen
        }),
    ]
}

fn stopping() -> Vec<Step> {
    vec![
        step("a reader that was killed leaves nothing: the service stops", |run| {
            let mut reader = run.host.start_irqlog(&["follow"])?;
            run.host.sleep(Duration::from_secs(2));
            reader.kill();
            run_program(run, "sc", &["stop", "irqlog"])?;
            wait_for(run, "STOPPED")?;
            run_program(run, "sc", &["start", "irqlog"])?;
            wait_for(run, "RUNNING")?;
            Ok("stopped, and started again".to_owned())
        }),
        step("a stop while a reader is open is pending until the reader ends", |run| {
            let mut reader = run.host.start_irqlog(&["follow"])?;
            run.host.sleep(Duration::from_secs(2));
            let asked = run.host.run("sc", &["stop", "irqlog"]);
            let meanwhile = state(run, "irqlog");
            reader.kill();
            wait_for(run, "STOPPED")?;
            run_program(run, "sc", &["start", "irqlog"])?;
            wait_for(run, "RUNNING")?;
            let meanwhile = meanwhile?;
            ensure!(
                meanwhile.as_deref() == Some("STOP_PENDING"),
                "with a reader open the service was {meanwhile:?}; sc stop said {:?}",
                asked.map(|ran| ran.said)
            );
            Ok("pending, then stopped".to_owned())
        }),
    ]
}

fn engines(suffix: &str, cases: &[(&'static str, &'static str)]) -> Vec<Step> {
    let of = |&(engine, lock): &(&'static str, &'static str)| {
        step(&format!("engine {engine}, lock {lock}{suffix}"), move |run| {
            remember(run)?;
            set_parameter(run, "Engine", Some(engine))?;
            set_parameter(run, "Lock", Some(lock))?;
            restart_service(run)?;
            // percpu has no lock, whatever the parameter says.
            let shown = if engine == "percpu" { "none" } else { lock };
            let info = expect(irqlog(run, &["info"])?, &[&format!("engine {engine}, lock {shown}")])?;
            Ok(info + &expect(irqlog(run, &["selftest"])?, &["selftest: every record arrived"])?)
        })
    };
    cases.iter().map(of).collect()
}

fn verifier_on() -> Vec<Step> {
    vec![
        step("irqlog.sys is started by hand from now on", start_by_hand),
        step("engine percpu and lock swap, in case something starts it", |run| {
            set_parameter(run, "Engine", Some("percpu"))?;
            set_parameter(run, "Lock", Some("swap"))?;
            Ok(String::new())
        }),
        step("verifier /standard /driver irqlog.sys", |run| {
            run_program(run, "verifier", &["/standard", "/driver", "irqlog.sys"])
        }),
    ]
}

fn with_verifier(cases: &[(&'static str, &'static str)]) -> Vec<Step> {
    let mut steps = vec![step("Driver Verifier watches irqlog.sys", |run| {
        expect(run_program(run, "verifier", &["/querysettings"])?, &["irqlog.sys"])
    })];
    steps.extend(engines("", cases));
    steps.push(step("the service stops", |run| {
        irqlog(run, &["service", "stop"])?;
        wait_for(run, "STOPPED")?;
        run_program(run, "verifier", &["/query"])
    }));
    steps
}

fn set_memory_integrity(run: &mut FirstRun<'_>, on: bool) -> Result<String> {
    let value = if on { "1" } else { "0" };
    run_program(run, "reg", &["add", INTEGRITY, "/v", "Enabled", "/t", "REG_DWORD", "/d", value, "/f"])
}

fn integrity() -> Vec<Step> {
    vec![
        step("memory integrity runs", |run| {
            let facts = irqlog(run, &["doctor", "--facts"])?;
            let facts: serde_json::Value = serde_json::from_str(&facts).with_context(|| facts.clone())?;
            ensure!(facts["memory_integrity"] == true, "the doctor is told {}", facts["memory_integrity"]);
            Ok(facts.to_string())
        }),
        step("irqlog.sys loads and logs with it", |run| {
            restart_service(run)?;
            expect(irqlog(run, &["selftest"])?, &["selftest: every record arrived"])
        }),
    ]
}

fn sample(name: &'static str) -> Step {
    step(&format!("{name} connects and logs"), move |run| {
        let image = run.options.package.join("first-run").join(format!("{name}.sys"));
        if !run.host.exists(&image) {
            return Err(NotHere(format!("there is no {}", image.display())).into());
        }
        // Left over from a run that was ended.
        if state(run, name)?.is_some() {
            let _ = run.host.run("sc", &["stop", name]);
            run_program(run, "sc", &["delete", name])?;
        }
        run_program(run, "sc", &["create", name, "type=", "kernel", "binPath=", &image.display().to_string()])?;
        let seen = sample_at_work(run, name);
        let _ = run.host.run("sc", &["stop", name]);
        run_program(run, "sc", &["delete", name])?;
        seen?;
        // Its records stay readable without it.
        expect(irqlog(run, &["read", "--provider", name, "--last", "20"])?, &[&format!("{name}: ")])
    })
}

fn sample_at_work(run: &mut FirstRun<'_>, name: &str) -> Result<()> {
    run_program(run, "sc", &["start", name])?;
    run.host.sleep(Duration::from_secs(2));
    expect(irqlog(run, &["providers", "--sites"])?, &[name])?;
    expect(irqlog(run, &["read", "--provider", name, "--last", "20"])?, &[&format!("{name}: ")])?;
    irqlog(run, &["configure", "--provider", name, "--level", "warn"])?;
    expect(irqlog(run, &["providers"])?, &[name, "warn"])?;
    irqlog(run, &["configure", "--provider", name, "--level", "trace"])?;
    Ok(())
}

fn uninstalled() -> Vec<Step> {
    vec![step("uninstall.cmd leaves nothing", |run| {
        let said = run_program(run, "cmd", &["/c", "uninstall.cmd"])?;
        ensure!(state(run, "irqlog")?.is_none(), "the service is still there:\n{said}");
        let drivers = run_program(run, "pnputil", &["/enum-drivers"])?;
        ensure!(!drivers.contains("irqlog.inf"), "the package is still in the driver store:\n{drivers}");
        Ok(said)
    })]
}

/// The dumps that Windows keeps, of the kinds that it writes.
fn dumps(host: &mut dyn TriedMachine) -> Vec<String> {
    let windows = host.windows();
    let mut dumps = Vec::new();
    if host.exists(&windows.join("MEMORY.DMP")) {
        dumps.push(windows.join("MEMORY.DMP").display().to_string());
    }
    let small = windows.join("Minidump").join("*.dmp").display().to_string();
    if let Ok(ran) = host.run("cmd", &["/c", "dir", "/b", "/s", "/o-d", &small])
        && ran.code == Some(0)
    {
        dumps.extend(ran.said.lines().map(str::trim).filter(|line| !line.is_empty()).take(1).map(str::to_owned));
    }
    dumps
}

/// What can be said of the crash that a restart came from.
pub fn what_the_crash_left(host: &mut dyn TriedMachine) -> String {
    let mut seen = "The machine stopped and was started again. What the dumps say:\n".to_owned();
    let dumps = dumps(host);
    if dumps.is_empty() {
        seen.push_str("there is no dump; was it switched off?\n");
    }
    for dump in dumps {
        match host.irqlog(&["crash", &dump]) {
            Ok(ran) => seen.push_str(&format!("{dump}:\n{}\n", ran.said.trim_end())),
            Err(error) => seen.push_str(&format!("{dump}: {error}\n")),
        }
    }
    seen
}

fn after_crash(_: &dyn TriedMachine) -> Vec<Step> {
    vec![
        look("Windows", "cmd", &["/c", "ver"]),
        look("settings of the dump", "reg", &["query", r"HKLM\SYSTEM\CurrentControlSet\Control\CrashControl"]),
        // Each callback by its component string, and its size. Which of these files a release writes is not documented.
        look_powershell(
            "DumpStack.log",
            "Get-ChildItem $env:SystemDrive\\DumpStack.log*, $env:SystemRoot\\DumpStack.log* -Force -ErrorAction \
             SilentlyContinue | ForEach-Object { $_.FullName; Get-Content -LiteralPath $_.FullName }",
        ),
        step("irqlog crash explains the newest dumps", |run| {
            let dumps = dumps(run.host);
            ensure!(!dumps.is_empty(), "neither MEMORY.DMP nor a small dump: did the machine crash, and restart?");
            let mut seen = String::new();
            for dump in dumps {
                let said = irqlog(run, &["crash", &dump])?;
                seen.push_str(&expect(said, &["bug check"])?);
            }
            Ok(seen)
        }),
        // -z opens a dump, -c runs commands ("KD Command-Line Options"); .enumtag lists the blocks with their GUIDs.
        look_powershell(
            ".enumtag of MEMORY.DMP",
            "$kd = Get-ChildItem \"${env:ProgramFiles(x86)}\\Windows Kits\\10\\Debuggers\\*\\kd.exe\" -ErrorAction \
             SilentlyContinue | Select-Object -First 1; if ($kd) { & $kd.FullName -z $env:SystemRoot\\MEMORY.DMP -c \
             '.enumtag; dq irqlog!IrqlogAnchor L7; q' } else { 'kd.exe is not here: install the Debugging Tools' }",
        ),
    ]
}
