//! Scenarios through the CLI: the same commands on the same driver, in the rig and in Wine.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use irqlog_build::{host::NATIVE, shell::root};
use serde_json::Value;

use crate::{rig::Serving, target::Target};

/// A scenario that needs a CLI on a running driver.
pub struct CliScenario {
    /// Name on the command line and in the table.
    pub name: &'static str,
    /// Runs the scenario; an error says what is not as it should be.
    pub run: fn(&dyn Target) -> Result<()>,
}

/// All scenarios through the CLI, in the order of the table.
pub const ALL: [CliScenario; 7] = [
    CliScenario { name: "cli-commands", run: commands },
    CliScenario { name: "cli-follow", run: follow },
    CliScenario { name: "cli-until-match", run: until_match },
    CliScenario { name: "cli-several", run: several },
    CliScenario { name: "cli-ctrl-c", run: ctrl_c },
    CliScenario { name: "cli-long-path", run: long_path },
    CliScenario { name: "cli-same", run: same },
];

/// Every command, and what comes out of it.
fn commands(serving: &dyn Target) -> Result<()> {
    let expect = |arguments: &[&str], wanted: &[&str]| -> Result<()> {
        let text = serving.irqlog(arguments)?;
        for part in wanted {
            if !text.contains(part) {
                bail!("irqlog {} does not say {part:?}:\n{text}", arguments.join(" "));
            }
        }
        Ok(())
    };
    let refused = |arguments: &[&str], why: &str| match serving.irqlog(arguments) {
        Ok(said) => bail!("irqlog {} succeeds:\n{said}", arguments.join(" ")),
        Err(error) => {
            let text = format!("{error:#}");
            ensure!(text.contains(why), "irqlog {} does not say {why:?}: {text}", arguments.join(" "));
            Ok(())
        }
    };
    // A command that ends with exit code 4, and what it shows.
    let found = |arguments: &[&str], wanted: &str| -> Result<()> {
        let out = root().join("target/xtask").join(format!("found-{}", std::process::id()));
        fs::create_dir_all(out.parent().context("a folder")?)?;
        let status = serving.spawn(arguments, &out)?.wait()?;
        let text = fs::read_to_string(&out)?;
        fs::remove_file(&out)?;
        let what = arguments.join(" ");
        ensure!(
            status.code() == Some(4) && text.contains(wanted),
            "irqlog {what} ends with {status}, and says\n{text}"
        );
        Ok(())
    };
    expect(&["info"], &["engine shared, lock kernel", "level trace, policy overwrite, writing", "nmi"])?;
    expect(&["selftest"], &["selftest: every record arrived"])?;
    expect(&["mark", "caf\u{e9}", "--level", "error"], &[])?;
    expect(&["read", "--last", "1"], &["error", "caf\u{e9}", "[user]", "PASSIVE"])?;
    expect(&["read", "--level", "error", "--json"], &["\"text\":\"caf\u{e9}\"", "\"level\":\"error\""])?;
    expect(&["read", "--irql", "HIGH"], &["selftest: HIGH_LEVEL"])?;
    expect(&["follow", "--count", "3"], &["started"])?;
    expect(&["stats"], &["written", "dropped   0", "sampled"])?;
    expect(&["configure", "--level", "warn", "--policy", "keep"], &[])?;
    expect(&["info", "--json"], &["\"level\":\"warn\"", "\"policy\":\"keep\""])?;
    refused(&["mark", "too fine", "--level", "info"], "the mark was not written: its level is not enabled")?;
    found(&["selftest"], "the level is warn, and the selftest logs at level info")?;
    expect(&["configure", "--pause"], &[])?;
    found(&["selftest"], "the level is warn")?;
    expect(&["configure", "--level", "trace"], &[])?;
    found(&["selftest"], "dropped as paused: writing is paused")?;
    expect(&["configure", "--level", "warn"], &[])?;
    refused(&["mark", "unheard", "--level", "error"], "the mark was not written: writing is paused")?;
    expect(&["configure", "--resume"], &[])?;
    expect(&["stats"], &["paused"])?;
    expect(&["configure", "--level", "trace"], &[])?;
    expect(&["read", "--last", "1"], &["configured: level trace"])?;
    expect(&["info"], &["pointers hashed"])?;
    expect(&["configure", "--raw-pointers"], &[])?;
    expect(&["info"], &["pointers raw"])?;
    expect(&["read", "--last", "1"], &["configured: pointers are written as addresses until the driver stops"])?;
    let saved = root().join("target/xtask/end-to-end.irqlog");
    fs::create_dir_all(saved.parent().context("a folder")?)?;
    let _ = fs::remove_file(&saved);
    let path = serving.path(&saved);
    expect(&["save", &path], &[])?;
    let live = serving.irqlog(&["read", "--json"])?;
    let decoded = serving.irqlog(&["decode", &path, "--json"])?;
    if live != decoded {
        bail!("decode shows something else than read did");
    }
    if serving.irqlog(&["save", &path]).is_ok() {
        bail!("save has overwritten a file");
    }
    expect(&["clear"], &[])?;
    let left = serving.irqlog(&["read"])?;
    if left.contains("selftest") {
        bail!("clear left something:\n{left}");
    }
    Ok(())
}

/// `follow` shows each record once and in order, whether it comes at once or after a while.
fn follow(serving: &dyn Target) -> Result<()> {
    const MARKS: usize = 60;
    let there = serving.irqlog(&["read"])?.lines().count();
    std::thread::scope(|scope| {
        let follower = scope.spawn(|| serving.irqlog(&["follow", "--count", &(there + MARKS).to_string()]));
        for number in 0..MARKS {
            serving.irqlog(&["mark", &format!("followed {number}")])?;
            if number % 20 == 0 {
                // Long enough for it to wait in the driver.
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
        }
        let shown = follower.join().map_err(|_| anyhow::anyhow!("the follower panicked"))??;
        let marks: Vec<_> =
            shown.lines().filter_map(|line| line.split("followed ").nth(1)?.split(' ').next()).collect();
        let expected: Vec<_> = (0..MARKS).map(|number| number.to_string()).collect();
        if marks == expected { Ok(()) } else { bail!("follow showed {marks:?}") }
    })
}

/// `follow --until-match --pause` ends at a record, and what was in the log then stays there until writing is resumed.
fn until_match(serving: &dyn Target) -> Result<()> {
    let text = std::thread::scope(|scope| {
        let follower = scope.spawn(|| {
            serving.irqlog(&["follow", "--grep", "step|failure", "--until-match", "failure [0-9]+ ", "--pause"])
        });
        for text in ["step 1", "failure without a number", "step 2"] {
            serving.irqlog(&["mark", text])?;
        }
        // Long enough for the follower to wait in the driver; shorter does no harm.
        std::thread::sleep(Duration::from_millis(100));
        serving.irqlog(&["mark", "failure 7"])?;
        follower.join().map_err(|_| anyhow::anyhow!("the follower panicked"))?
    })?;
    let shown: Vec<_> = text.lines().filter(|line| !line.starts_with("---")).collect();
    ensure!(shown.len() == 4 && shown[3].contains("failure 7"), "follow showed:\n{text}");
    ensure!(serving.irqlog(&["info"])?.contains("paused"), "writing goes on");
    match serving.irqlog(&["mark", "behind the failure"]) {
        Err(error) => ensure!(format!("{error:#}").contains("writing is paused"), "{error:#}"),
        Ok(_) => bail!("a mark was written while writing is paused"),
    }
    serving.irqlog(&["configure", "--resume"])?;
    serving.irqlog(&["mark", "step 3"])?;
    let read = serving.irqlog(&["read", "--grep", "failure|step"])?;
    ensure!(read.contains("failure 7") && read.contains("step 3") && !read.contains("behind"), "{read}");
    Ok(())
}

/// Several processes write marks and read at once: each mark is there once, and each reader sees every mark that was
/// written before the reader began.
#[expect(clippy::needless_collect, reason = "all are started before the first is waited for")]
fn several(serving: &dyn Target) -> Result<()> {
    const PROGRAMS: usize = 4;
    const MARKS: usize = 8;
    std::thread::scope(|scope| -> Result<()> {
        let programs: Vec<_> = (0..PROGRAMS)
            .map(|program| {
                scope.spawn(move || -> Result<()> {
                    for number in 0..MARKS {
                        serving.irqlog(&["mark", &format!("mark {program} of {number}")])?;
                        let read = serving.irqlog(&["read"])?;
                        for before in 0..=number {
                            let count = read.matches(&format!("mark {program} of {before} ")).count();
                            ensure!(count == 1, "mark {program} of {before} is there {count} times:\n{read}");
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        programs.into_iter().try_for_each(|program| program.join().map_err(|_| anyhow::anyhow!("it panicked"))?)
    })
}

/// Ctrl-C ends `follow` while it waits in the driver, and what it has shown stays.
fn ctrl_c(serving: &dyn Target) -> Result<()> {
    let out = root().join("target/xtask").join(format!("ctrl-c-{}", std::process::id()));
    fs::create_dir_all(out.parent().context("a folder")?)?;
    let mut child = serving.spawn(&["follow"], &out)?;
    let end = Instant::now() + Duration::from_secs(30);
    while !fs::read_to_string(&out)?.contains("started") {
        ensure!(Instant::now() < end && child.try_wait()?.is_none(), "follow shows nothing");
        std::thread::sleep(Duration::from_millis(20));
    }
    // Long enough for it to wait in the driver; shorter does no harm.
    std::thread::sleep(Duration::from_millis(200));
    serving.interrupt(&child)?;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        ensure!(Instant::now() < end, "follow goes on after Ctrl-C");
        std::thread::sleep(Duration::from_millis(20));
    };
    serving.check_interrupted(status)?;
    fs::remove_file(&out)?;
    let _ = fs::remove_file(out.with_extension("err"));
    // The driver answers, and stops afterwards: nothing of the request is left.
    serving.irqlog(&["mark", "after Ctrl-C"])?;
    Ok(())
}

/// A path beyond MAX_PATH.
fn long_path(serving: &dyn Target) -> Result<()> {
    let mut folder = root().join("target/xtask/long");
    for _ in 0..6 {
        folder.push("a-name-of-fifty-characters-that-makes-the-path-long");
    }
    fs::create_dir_all(&folder)?;
    let file = folder.join("saved.irqlog");
    let _ = fs::remove_file(&file);
    let path = serving.path(&file);
    ensure!(path.len() > 260, "the path is short");
    serving.irqlog(&["save", &path])?;
    let decoded = serving.irqlog(&["decode", &path])?;
    ensure!(decoded.contains("started"), "the saved log is not there:\n{decoded}");
    Ok(())
}

/// Commands give the same output in this world and in the native rig, but for times, ids and processors.
fn same(serving: &dyn Target) -> Result<()> {
    let other: Box<dyn Target> = Box::new(Serving::start(NATIVE, 0)?);
    for target in [serving, &*other] {
        for (level, text) in [("error", "gr\u{fc}n \u{1f980}"), ("warn", "tab\there"), ("info", "")] {
            target.irqlog(&["mark", text, "--level", level])?;
        }
        target.irqlog(&["configure", "--level", "debug", "--policy", "keep"])?;
        target.irqlog(&["selftest"])?;
    }
    for arguments in [
        &["read"][..],
        &["read", "--json"],
        &["read", "--irql", "IPI"],
        &["read", "--level", "warn", "--json"],
        // Not its text, which says how many processors the machine can have.
        &["info", "--json"],
        &["providers", "--json"],
        &["selftest"],
        &["selftest", "--json"],
    ] {
        let [here, there] = [serving, &*other].map(|target| target.irqlog(arguments).map(|text| timeless(&text)));
        let (here, there) = (here?, there?);
        let difference = here.iter().zip(&there).find(|(here, there)| here != there);
        if let Some((here, there)) = difference {
            bail!("irqlog {} says here\n  {here}\nand in the rig\n  {there}", arguments.join(" "));
        }
        ensure!(here.len() == there.len(), "irqlog {}: {} lines and {}", arguments.join(" "), here.len(), there.len());
    }
    other.stop()
}

/// The lines without times, ids and processors, sorted.
fn timeless(text: &str) -> Vec<String> {
    let mut lines: Vec<_> = text.lines().map(timeless_line).collect();
    lines.sort();
    lines
}

fn timeless_line(line: &str) -> String {
    if let Ok(mut value) = serde_json::from_str::<Value>(line) {
        forget_moment(&mut value);
        return value.to_string();
    }
    let mut words: Vec<_> = line.split_whitespace().collect();
    // Seconds, `cpu N` (which processor a thread is on is chance; `selftest` checks that it is the right one), the IRQL, the level, and the thread, which is a hexadecimal number or a dash.
    if words.len() > 6 && words[1] == "cpu" {
        (words[0], words[2]) = ("_", "_");
        let thread = if words[3] == "DIRQL" { 6 } else { 5 };
        if words[thread] != "-" {
            words[thread] = "_";
        }
    }
    words.join(" ")
}

fn forget_moment(value: &mut Value) {
    const OF_THE_MOMENT: [&str; 12] = [
        "utc",
        "start",
        "seconds",
        "tick",
        "seq",
        "cpu",
        "thread",
        "process",
        "contended",
        "longest_wait_ticks",
        "longest_hold_ticks_sampled",
        "hold_samples",
    ];
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if OF_THE_MOMENT.contains(&name.as_str()) && !field.is_null() {
                    *field = Value::from("_");
                } else {
                    forget_moment(field);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(forget_moment),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_moment_is_forgotten_and_nothing_else() {
        assert_eq!(
            timeless_line("    0.1  cpu 0   PASSIVE  info   148  hello [user]"),
            "_ cpu _ PASSIVE info _ hello [user]"
        );
        assert_eq!(timeless_line("  0.1 cpu 3 DIRQL 5 info - selftest: x"), "_ cpu _ DIRQL 5 info - selftest: x");
        assert_eq!(timeless_line(r#"{"tick":3,"text":"a","lane":0}"#), r#"{"tick":"_","text":"a","lane":0}"#);
        assert_ne!(timeless("a\nb"), timeless("a\nc"));
    }
}
