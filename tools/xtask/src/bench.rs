//! `cargo xtask bench`: builds what is measured, prepares the peer that needs a daemon, and measures everything in one run.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use irqlog_build::{
    drivers,
    host::{self, NATIVE},
    shell::{output, root, run, step, timed},
};
use irqlog_worlds::rig;

/// Name of the LTTng session.
const SESSION: &str = "irqlog-bench";

/// Measures; prints a table and draws `docs/bench.svg`, or prints one JSON object.
///
/// # Errors
/// If something does not build or run. LTTng is a peer, not a part: without it its row is missing, and it is said why.
pub fn run_all(json: bool) -> Result<()> {
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
        // One daemon a user: it says so and ends if one runs already.
        let _ = Command::new("lttng-sessiond").args(["--daemonize", "--no-kernel", "--quiet"]).status();
        let _ = output(lttng().args(["destroy", SESSION]));
        output(lttng().args(["create", SESSION, "--snapshot", "--output"]).arg(folder.join("lttng")))?;
        let channel = ["enable-channel", "--userspace", "--overwrite", "--subbuf-size=256k", "--num-subbuf=4", "ring"];
        output(lttng().args(channel).args(["--session", SESSION]))?;
        output(lttng().args([
            "enable-event",
            "--userspace",
            "--channel=ring",
            "irqlog_bench:six",
            "--session",
            SESSION,
        ]))?;
        output(lttng().args(["start", SESSION]))?;
        Ok(Self { program })
    }
}

impl Drop for Lttng {
    fn drop(&mut self) {
        // What is left of a session that does not go is its owner's to look at; the figures are made.
        let _ = output(lttng().args(["destroy", SESSION]));
    }
}

fn lttng() -> Command {
    Command::new("lttng")
}
