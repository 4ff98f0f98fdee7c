//! The scenarios of the rig that Wine can show too, through irqlog.exe, and those that need a service manager.

use std::{path::Path, time::Duration};

use anyhow::{Result, ensure};
use irqlog_build::shell::root;

use crate::{target::Target, verdict::Verdict, wine::Wine};

/// Names of the scenarios that only Wine can show.
pub const OWN: [&str; 4] = ["service", "stop-while-open", "doctor", "first-run"];

/// Runs a scenario, or says why Wine cannot show it.
pub fn run(scenario: &str) -> Verdict {
    match scenario {
        "start-stop" => start_stop().into(),
        "marks" => marks().into(),
        "parameters" => parameters().into(),
        "selftest" => selftest().into(),
        "service" => service().into(),
        "stop-while-open" => stop_while_open().into(),
        "doctor" => doctor().into(),
        "first-run" => first_run().into(),
        "wait" => Verdict::NotHere("shown by cli-follow and cli-ctrl-c"),
        "stop-pending" => Verdict::NotHere("Wine stops a driver that is open: stop-while-open"),
        "rules" | "guards" | "disconnect-waits" | "refusal" => Verdict::NotHere("about the rig's own checks"),
        "requests" => Verdict::NotHere("malformed requests need a client of our own; the CLI makes none"),
        "no-memory" | "framework-failures" => Verdict::NotHere("no failures can be injected"),
        "races" | "processors" => Verdict::NotHere("one process at a time, with four processors"),
        "order" | "stopped-writer" => Verdict::NotHere("no thread can be held between two instructions"),
        _ => Verdict::NotHere("needs interrupts, NMIs or test drivers, which Wine has not"),
    }
}

/// `irqlog first-run` as far as Wine goes: what it finds wrong is what Wine lacks, and nothing else.
fn first_run() -> Result<()> {
    // Wine has neither Driver Verifier nor a catalog; it unloads a driver that is open; its modules of the kernel lack
    // routines, and it has no cng.sys; there is no package beside its irqlog.exe.
    const LACKING: [&str; 3] = [
        "the files of the package",
        "each import of irqlog.sys is exported where its import table says",
        "a stop while a reader is open is pending until the reader ends",
    ];
    let wine = Wine::start(&[("Policy", "keep")])?;
    let report = root().join("target/wine").join(format!("first-run-{}", std::process::id()));
    let said = Wine::irqlog_that_ends_with(&["first-run", "--installed", "--report", &wine.path(&report)], 4);
    let [json, markdown] = ["json", "md"].map(|extension| {
        let path = report.with_extension(extension);
        let text = std::fs::read_to_string(&path);
        // It may not be there; the next line says so.
        let _ = std::fs::remove_file(&path);
        text
    });
    let (json, markdown) = (json?, markdown?);
    said?;
    let report: serde_json::Value = serde_json::from_str(&json)?;
    let steps = report["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    let of = |verdict: &str| -> Vec<_> {
        let of_it = steps.iter().filter(|step| step["verdict"] == verdict);
        of_it.filter_map(|step| step["name"].as_str()).collect()
    };
    ensure!(of("not-as-expected") == LACKING, "not as expected: {:?}\n{markdown}", of("not-as-expected"));
    ensure!(of("as-expected").len() >= 14, "as expected: {:?}", of("as-expected"));
    ensure!(of("crashed").is_empty(), "crashed: {:?}", of("crashed"));
    ensure!(
        report["next"].as_u64() == report["stages"].as_array().map(|stages| stages.len() as u64),
        "it has not ended"
    );
    ensure!(markdown.contains("### selftest\n\nas expected"), "{markdown}");
    // What it changed is as it was, and what it did not set has stayed.
    let info = wine.irqlog(&["info"])?;
    ensure!(info.contains("engine shared, lock kernel") && info.contains("policy keep"), "{info}");
    Box::new(wine).stop()
}

/// The driver starts and stops several times, and each start begins with an empty log.
fn start_stop() -> Result<()> {
    let wine = Wine::start(&[])?;
    for _ in 0..5 {
        wine.irqlog(&["service", "stop"])?;
        ensure!(wine.irqlog(&["info"]).is_err(), "the device is there after the driver has stopped");
        wine.irqlog(&["service", "start"])?;
        let read = wine.irqlog(&["read"])?;
        ensure!(read.lines().count() == 1 && read.contains("started"), "a new start begins with:\n{read}");
    }
    Box::new(wine).stop()
}

fn marks() -> Result<()> {
    let wine = Wine::start(&[("RingKiB", "16")])?;
    for number in 0..6 {
        wine.irqlog(&["mark", &format!("mark {number}"), "--level", ["error", "warn", "info"][number % 3]])?;
    }
    let errors = wine.irqlog(&["read", "--level", "error"])?;
    ensure!(errors.lines().count() == 2 && errors.contains("mark 3 [user]"), "errors:\n{errors}");
    let json = wine.irqlog(&["read", "--json", "--last", "1"])?;
    let record: serde_json::Value = serde_json::from_str(&json)?;
    ensure!(record["text"] == "mark 5" && record["level"] == "info" && record["irql"] == 0, "{record}");
    // The filter of the shim passes requests on from its workers, so all are of one process: the driver host.
    let processes: std::collections::BTreeSet<_> = wine
        .irqlog(&["read", "--json"])?
        .lines()
        .map(|line| Ok(serde_json::from_str::<serde_json::Value>(line)?["process"].as_u64()))
        .collect::<Result<_>>()?;
    ensure!(processes.len() == 1, "requests come from several processes: {processes:?}");
    Box::new(wine).stop()
}

/// The driver takes parameters from the registry, and names a bad one in its log.
fn parameters() -> Result<()> {
    let wine = Wine::start(&[("Engine", "percpu"), ("RingKiB", "64"), ("Policy", "bogus")])?;
    let info = wine.irqlog(&["info"])?;
    ensure!(info.contains("engine percpu") && info.contains("policy overwrite"), "{info}");
    let read = wine.irqlog(&["read"])?;
    ensure!(read.contains("Policy"), "the bad value is not named:\n{read}");
    next_start(&wine)?;
    Box::new(wine).stop()
}

/// `configure --next-start` on a driver that runs with engine percpu, 64 KiB, and a policy that it refused.
fn next_start(wine: &Wine) -> Result<()> {
    let row = |text: &str, wanted: &[&str]| {
        let found = text.lines().any(|line| line.split_whitespace().take(wanted.len()).eq(wanted.iter().copied()));
        ensure!(found, "no row begins with {wanted:?}:\n{text}");
        Ok(())
    };
    let shown = wine.irqlog(&["configure", "--next-start"])?;
    row(&shown, &["Engine", "percpu", "percpu"])?;
    row(&shown, &["Policy", "overwrite", "overwrite", "default:", "\"bogus\"", "is", "not"])?;
    row(&shown, &["NmiLaneKiB", "16", "16", "default"])?;
    let changed = wine.irqlog(&[
        "configure",
        "--next-start",
        "engine=shared",
        "ring=2MiB",
        "policy=default",
        "level=debug",
        "lock=swap",
    ])?;
    row(&changed, &["RingKiB", "64", "2048"])?;
    row(&changed, &["Policy", "overwrite", "overwrite", "default"])?;
    ensure!(changed.contains("the change counts from the next start"), "{changed}");
    wine.irqlog(&["service", "stop"])?;
    let stopped = wine.irqlog(&["configure", "--next-start"])?;
    row(&stopped, &["RingKiB", "-", "2048"])?;
    ensure!(stopped.contains("irqlog is not running"), "{stopped}");
    wine.irqlog(&["service", "start"])?;
    let info = wine.irqlog(&["info"])?;
    ensure!(info.contains("engine shared, lock swap") && info.contains("level debug, policy overwrite"), "{info}");
    let read = wine.irqlog(&["read"])?;
    ensure!(!read.contains("Policy"), "the bad value is still there:\n{read}");
    let json: serde_json::Value = serde_json::from_str(&wine.irqlog(&["configure", "--next-start", "--json"])?)?;
    let ring = json["parameters"].as_array().and_then(|all| all.iter().find(|one| one["name"] == "RingKiB"));
    ensure!(ring.is_some_and(|ring| ring["now"] == "2048" && ring["next"] == "2048"), "{json}");
    // A refused assignment changes nothing, not even those before it.
    let before = wine.irqlog(&["configure", "--next-start"])?;
    ensure!(wine.irqlog(&["configure", "--next-start", "ring=4MiB", "engine=both"]).is_err(), "both engines");
    ensure!(wine.irqlog(&["configure", "--next-start"])? == before, "a part of what was refused was done");
    Ok(())
}

/// SELFTEST writes a record from every context on every processor, with both engines.
fn selftest() -> Result<()> {
    for engine in ["shared", "percpu"] {
        let wine = Wine::start(&[("Engine", engine)])?;
        // One after another, and side by side: then their IPIs and DPCs meet.
        for _ in 0..2 {
            arrives(&wine, engine)?;
        }
        std::thread::scope(|scope| {
            let [first, second, third] = std::array::from_fn(|_| scope.spawn(|| arrives(&wine, engine)));
            [first, second, third]
                .into_iter()
                .try_for_each(|selftest| selftest.join().map_err(|_| anyhow::anyhow!("it panicked"))?)
        })?;
        Box::new(wine).stop()?;
    }
    Ok(())
}

fn arrives(wine: &Wine, engine: &str) -> Result<()> {
    let said = wine.irqlog(&["selftest"])?;
    ensure!(said.contains("selftest: every record arrived"), "engine {engine}:\n{said}");
    Ok(())
}

/// `service` refuses a step that is out of order, and says which command comes first.
fn service() -> Result<()> {
    let wine = Wine::boot()?;
    let refused = |arguments: &[&str], wanted: &str| -> Result<()> {
        match wine.irqlog(arguments) {
            Ok(said) => anyhow::bail!("irqlog {} is not refused: {said}", arguments.join(" ")),
            Err(error) => {
                let text = format!("{error:#}");
                ensure!(text.contains(wanted), "irqlog {} does not say {wanted:?}: {text}", arguments.join(" "));
                Ok(())
            }
        }
    };
    refused(&["service", "start"], "`irqlog service install` creates the service")?;
    refused(&["service", "install", "--image", r"C:\nowhere\irqlog.sys"], "does not exist; name the driver's file")?;
    refused(&["info"], "irqlog is not running")?;
    refused(&["configure", "--next-start", "ring=1MiB"], "`irqlog service install` installs it")?;
    wine.irqlog(&["service", "install"])?;
    refused(&["service", "install"], "with `irqlog service remove`")?;
    refused(&["service", "stop"], "the driver is stopped already")?;
    wine.irqlog(&["service", "start"])?;
    refused(&["service", "start"], "`irqlog info` shows it")?;
    refused(&["service", "remove"], "with `irqlog service stop`")?;
    wine.irqlog(&["service", "stop"])?;
    wine.irqlog(&["service", "remove"])?;
    refused(&["service", "remove"], "`irqlog service install` creates the service")
}

/// The driver is stopped while a request is pended. Windows, like the rig, keeps the stop pending until the handle is
/// closed; Wine unloads the driver at once. Either way the request ends, and the driver starts again.
fn stop_while_open() -> Result<()> {
    let wine = Wine::start(&[])?;
    let out = root().join("target/wine/follow");
    let mut child = wine.spawn(&["follow"], Path::new(&out))?;
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while !std::fs::read_to_string(&out)?.contains("started") {
        ensure!(std::time::Instant::now() < end, "follow shows nothing");
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(200));
    wine.irqlog(&["service", "stop"])?;
    while child.try_wait()?.is_none() {
        ensure!(std::time::Instant::now() < end, "follow goes on after the driver has stopped");
        std::thread::sleep(Duration::from_millis(20));
    }
    wine.irqlog(&["service", "start"])?;
    ensure!(wine.irqlog(&["read"])?.contains("started"), "the driver does not start again");
    Box::new(wine).stop()
}

/// `doctor` describes a machine without the driver, and one on which the driver runs. Its exit code is 4 while there is a
/// problem, and under Wine there always is one: the image has no signature.
fn doctor() -> Result<()> {
    let says = |wanted: &[&str]| -> Result<()> {
        let said = Wine::irqlog_that_ends_with(&["doctor"], 4)?;
        for part in wanted {
            ensure!(said.contains(part), "the doctor does not say {part:?}:\n{said}");
        }
        Ok(())
    };
    let wine = Wine::boot()?;
    // Wine 8 says that it is Windows 7, and does not check signatures.
    says(&[
        "irqlog.sys needs 19041",
        "PROBLEM  the driver is not installed",
        "pnputil /add-driver irqlog.inf /install",
        "is not signed",
    ])?;
    drop(wine);
    let wine = Wine::start(&[])?;
    says(&["ok       the driver runs", "ok       the driver answers: version ", ", the same as this program"])?;
    wine.irqlog(&["service", "stop"])?;
    says(&["PROBLEM  the driver is stopped", "irqlog service start"])?;
    // Answers that were recorded are looked at as if they were asked for.
    let facts = root().join("target/wine/facts.json");
    std::fs::write(&facts, wine.irqlog(&["doctor", "--facts"])?)?;
    let again = Wine::irqlog_that_ends_with(&["doctor", "--recorded", &wine.path(&facts)], 4)?;
    ensure!(again == Wine::irqlog_that_ends_with(&["doctor"], 4)?, "recorded answers are taken for others:\n{again}");
    wine.irqlog(&["service", "start"])?;
    Box::new(wine).stop()
}
