//! `cargo xtask bench`: builds what is measured, prepares the peer that needs a daemon, and measures everything in one run.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use irqlog_build::{
    drivers,
    host::{self, NATIVE},
    shell::{output, root, run, step, timed},
};
use irqlog_worlds::rig;

/// Name of the LTTng session.
const SESSION: &str = "irqlog-bench";

/// Measures; prints a table and draws `docs/bench.svg`, or prints one JSON object. `irql` is what a change of the IRQL costs
/// in the row that models it, in nanoseconds.
///
/// # Errors
/// If something does not build or run. LTTng is a peer, not a part: without it its row is missing, and it is said why.
pub fn run_all(json: bool, irql: Option<f64>) -> Result<()> {
    rig::prepare(NATIVE)?;
    timed("building the benchmark", || {
        run(cargo().args(["build", "--quiet", "--locked", "--release", "--package", "irqlog-bench"]))
    })?;
    step("stepping through one record of the built irqlog.sys");
    let measured = output(rig::command(NATIVE, &drivers::images(NATIVE))?.arg("measure"))?;
    timed("building irqlog as it is packaged", || {
        run(cargo().args(["build", "--quiet", "--locked", "--profile", "exe", "--package", "irqlog-cli"]))
    })?;
    let mut bench = Command::new(root().join("target/release/irqlog-bench"));
    bench.arg("--program").arg(root().join("target/exe/irqlog"));
    bench.arg("--sys").args(measured.split_whitespace());
    let lttng = match Lttng::prepare() {
        Ok(lttng) => {
            bench.arg("--lttng").arg(&lttng.program);
            Some(lttng)
        }
        Err(error) => {
            step(&format!("LTTng's row is left out: {error:#}"));
            None
        }
    };
    if let Some(nanoseconds) = irql {
        bench.arg("--irql").arg(nanoseconds.to_string());
    }
    if json {
        bench.arg("--json");
    } else {
        bench.arg("--svg").arg(root().join("docs/bench.svg"));
    }
    step("measuring, which takes a minute; what else this machine does shows in the figures");
    let result = run(&mut bench);
    drop(lttng);
    result
}

fn cargo() -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root());
    cargo
}

/// A recording session in flight-recorder mode, and the program that writes into it.
struct Lttng {
    program: PathBuf,
    /// The session daemon, if it was started here. Its consumer ends with it.
    daemon: Option<Child>,
}

impl Lttng {
    fn prepare() -> Result<Self> {
        let header = Path::new("/usr/include").join(format!("{}-linux-gnu/lttng/tracepoint.h", std::env::consts::ARCH));
        let tools = ["/usr/bin/lttng", "/usr/bin/lttng-sessiond", "/usr/bin/cc"];
        if !header.exists() || tools.iter().any(|tool| !Path::new(tool).exists()) {
            host::apt_install(&["lttng-tools", "liblttng-ust-dev", "gcc", "libc6-dev"])?;
        }
        let folder = root().join("target/bench");
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        let program = folder.join("lttng-six");
        let source = root().join("tools/bench/lttng");
        timed("building the LTTng program", || {
            run(Command::new("cc")
                .args(["-O2", "-I"])
                .arg(&source)
                .arg(source.join("six.c"))
                .arg("-o")
                .arg(&program)
                .args(["-llttng-ust", "-ldl"]))
        })?;
        step("starting an LTTng session that overwrites");
        // From here on the daemon ends with the row, also when its session cannot be made.
        let row = Self { program, daemon: start_daemon()? };
        prepare_session(&folder)?;
        Ok(row)
    }
}

fn prepare_session(folder: &Path) -> Result<()> {
    // Of an earlier run that was ended from outside.
    let _ = output(lttng().args(["destroy", SESSION]));
    output(lttng().args(["create", SESSION, "--snapshot", "--output"]).arg(folder.join("lttng")))?;
    let channel = ["enable-channel", "--userspace", "--overwrite", "--subbuf-size=256k", "--num-subbuf=4", "ring"];
    output(lttng().args(channel).args(["--session", SESSION]))?;
    let event = ["enable-event", "--userspace", "--channel=ring", "irqlog_bench:six", "--session", SESSION];
    output(lttng().args(event))?;
    output(lttng().args(["start", SESSION]))?;
    Ok(())
}

/// Starts the session daemon, unless this user has one, and waits until it answers. It stays a child, so that it can be
/// ended.
fn start_daemon() -> Result<Option<Child>> {
    const PATIENCE: Duration = Duration::from_secs(10);
    // With no daemon `lttng list` fails, and starts none.
    let answers = || output(lttng().args(["--no-sessiond", "list"])).is_ok();
    if answers() {
        return Ok(None);
    }
    let mut command = Command::new("lttng-sessiond");
    command.args(["--no-kernel", "--quiet"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut daemon = command.spawn().context("starting lttng-sessiond")?;
    let since = Instant::now();
    while !answers() {
        if since.elapsed() > PATIENCE {
            end(&mut daemon);
            bail!("lttng-sessiond was started and does not answer");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(Some(daemon))
}

/// Asks a process to end, and waits for that; one that does not is killed.
fn end(process: &mut Child) {
    const PATIENCE: Duration = Duration::from_secs(10);
    let _ = Command::new("kill").arg(process.id().to_string()).status();
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        if !matches!(process.try_wait(), Ok(None)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = process.kill();
    let _ = process.wait();
}

impl Drop for Lttng {
    fn drop(&mut self) {
        // What is left of a session that does not go is its owner's to look at; the figures are made.
        let _ = output(lttng().args(["destroy", SESSION]));
        if let Some(daemon) = &mut self.daemon {
            end(daemon);
        }
    }
}

fn lttng() -> Command {
    Command::new("lttng")
}
