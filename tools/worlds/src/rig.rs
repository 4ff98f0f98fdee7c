//! Builds the rig and the CLI, and runs them.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use irqlog_build::{
    drivers,
    host::{self, NATIVE, Signals, Toolchain},
    shell::{output, root, run, step, timed},
};
use irqlog_kit::Arch;

use crate::target::Target;

/// The target of the rig that runs under an emulator.
const ARM64_LINUX: &str = "aarch64-unknown-linux-gnu";

/// Storms under the emulator make this many times fewer calls: with one instruction a block it is that much slower.
const EMULATOR_SCALE: u32 = 100;

/// Builds images, rig and CLI.
///
/// # Errors
/// Whatever of the tools fails.
pub fn prepare(arch: Arch) -> Result<()> {
    drivers::rig_images(arch)?;
    step("building the rig and the CLI");
    let cargo = || {
        let mut cargo = Command::new("cargo");
        cargo.current_dir(root()).args(["build", "--quiet", "--locked", "--package", "irqlog-cli"]);
        cargo
    };
    if arch == NATIVE {
        return run(cargo().args(["--package", "irqlog-rig"]));
    }
    ensure!(arch == Arch::Arm64, "an x64 rig needs an x64 machine");
    run(&mut cargo())?;
    let mut cargo = Toolchain::find(&[ARM64_LINUX])?.cargo("build", ARM64_LINUX, "std,panic_abort");
    // Static, so that the emulator needs no libraries for ARM64.
    cargo.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS", "-Ctarget-feature=+crt-static");
    cargo.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", host::arm64_linker()?);
    timed("building the rig for ARM64", || run(cargo.args(["--package", "irqlog-rig"])))
}

/// irqlog, as it is built for this machine.
pub fn irqlog() -> Command {
    Command::new(program("irqlog"))
}

fn program(name: &str) -> PathBuf {
    root().join("target/debug").join(name)
}

/// The rig for an architecture, with the images of a folder.
///
/// # Errors
/// If the emulator that it needs cannot be installed.
pub fn command(arch: Arch, images: &Path) -> Result<Command> {
    command_with(arch, images, Signals::AnyInstruction)
}

/// The rig in the coverage of the record path, which plants breakpoints and needs no signals.
///
/// # Errors
/// If the emulator that it needs cannot be installed, or a path is no UTF-8.
pub fn coverage(arch: Arch, image: &Path) -> Result<Command> {
    let mut rig = command_with(arch, image.parent().context("an image has a folder")?, Signals::AnyBlock)?;
    rig.args(["--processors", "1", "coverage", "--record-path"]).arg(image.with_extension("record-path.json"));
    Ok(rig)
}

/// Crashes at each `every`th instruction of the built image's record path.
///
/// # Errors
/// If a dump is not as it should be.
pub fn crash_path(arch: Arch, every: usize) -> Result<()> {
    run_with_dump(arch, "crash-path", &mut crash_path_of(arch, &drivers::image(arch, "irqlog"), every)?)
}

/// The rig that crashes at each `every`th instruction of an image's record path.
///
/// # Errors
/// If the emulator that it needs cannot be installed.
pub fn crash_path_of(arch: Arch, image: &Path, every: usize) -> Result<Command> {
    let mut rig = command_with(arch, image.parent().context("an image has a folder")?, Signals::AnyBlock)?;
    rig.args(["--processors", "1", "crash-path", "--every", &every.to_string()]);
    rig.arg("--record-path").arg(image.with_extension("record-path.json"));
    Ok(rig)
}

fn command_with(arch: Arch, images: &Path, signals: Signals) -> Result<Command> {
    let mut rig = if arch == NATIVE {
        Command::new(program("irqlog-rig"))
    } else {
        let runner = host::arm64_runner(signals)?;
        let mut rig = Command::new(&runner[0]);
        rig.args(&runner[1..]).arg(root().join("target").join(ARM64_LINUX).join("debug/irqlog-rig"));
        rig
    };
    rig.arg("--images").arg(images);
    if arch != NATIVE {
        rig.args(["--scale", &EMULATOR_SCALE.to_string()]);
    }
    Ok(rig)
}

/// Where a run of the rig leaves a dump if it ends badly; that of an earlier run is removed.
///
/// # Errors
/// If the folder cannot be made.
pub fn dump_of(arch: Arch, name: &str) -> Result<PathBuf> {
    let folder = root().join("target/rig-dumps");
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let path = folder.join(format!("{name}-{}.dmp", arch.name()));
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(path),
    }
}

/// What `irqlog crash` shows of a dump that a run has left; nothing if it left none.
#[must_use]
pub fn shown_crash(dump: &Path) -> Option<String> {
    if !dump.exists() {
        return None;
    }
    let shown = output(Command::new(program("irqlog")).arg("crash").arg(dump));
    Some(shown.unwrap_or_else(|error| format!("irqlog crash {}: {error:#}\n", dump.display())))
}

/// Runs the rig, with its output as it comes; if it ends badly, what `irqlog crash` shows of its dump follows.
///
/// # Errors
/// If it ends badly.
pub fn run_with_dump(arch: Arch, name: &str, rig: &mut Command) -> Result<()> {
    let dump = dump_of(arch, name)?;
    run(rig.arg("--dump").arg(&dump)).inspect_err(|_| {
        if let Some(shown) = shown_crash(&dump) {
            print!("{shown}");
        }
    })
}

/// A rig that answers at a socket until it is dropped.
pub struct Serving {
    child: Child,
    socket: PathBuf,
    out: BufReader<ChildStdout>,
    /// Lines that the rig printed before it began to serve.
    pub said: Vec<String>,
}

impl Serving {
    /// Starts a rig with the built images; with `storm` above 0 the test driver first makes that number of calls.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start(arch: Arch, storm: u64) -> Result<Self> {
        Self::start_with(arch, &drivers::images(arch), storm)
    }

    /// Starts a rig as [`start`](Self::start) does, with the images of a folder.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start_with(arch: Arch, images: &Path, storm: u64) -> Result<Self> {
        Self::start_as(arch, images, storm, &[])
    }

    /// Starts a rig as [`start_with`](Self::start_with) does, with parameters of the service, each as `NAME=VALUE`.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start_as(arch: Arch, images: &Path, storm: u64, parameters: &[&str]) -> Result<Self> {
        let mut rig = command(arch, images)?;
        rig.args(["serve", "--storm", &storm.to_string()]);
        Self::spawn_rig(rig.args(parameters.iter().flat_map(|parameter| ["--parameter", parameter])))
    }

    /// Starts a rig with drivers that are no part of it, which [`tell`](Self::tell) starts and stops. If it ends badly, it
    /// leaves a dump.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start_beside(arch: Arch, drivers: &[PathBuf], dump: &Path) -> Result<Self> {
        let mut rig = command(arch, &drivers::images(arch))?;
        rig.arg("--dump").arg(dump).arg("serve");
        Self::spawn_rig(rig.args(drivers.iter().flat_map(|driver| [Path::new("--driver"), driver])))
    }

    /// Starts a rig that serves, and waits until it does.
    fn spawn_rig(rig: &mut Command) -> Result<Self> {
        let socket = std::env::temp_dir().join(format!("irqlog-{}.sock", std::process::id()));
        rig.arg("--socket").arg(&socket);
        let mut child = rig.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("starting the rig")?;
        let mut said = Vec::new();
        let mut out = BufReader::new(child.stdout.take().context("its output")?);
        while let Some(line) = next_line(&mut out)? {
            if line.starts_with("serving at ") {
                return Ok(Self { child, socket, out, said });
            }
            said.push(line);
        }
        bail!("the rig ended before it served: {}", child.wait().context("waiting for it")?)
    }

    /// Id of the rig's process.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Lets the sample drivers log, and returns when they have.
    ///
    /// # Errors
    /// If the rig does not say that they have.
    pub fn samples(&mut self) -> Result<()> {
        let said = self.tell("samples")?;
        ensure!(said.is_empty(), "the rig said {said:?}");
        Ok(())
    }

    /// Lets the sample in C run with its planted race, and returns when it has stopped.
    ///
    /// # Errors
    /// If the rig does not say that it has.
    pub fn race(&mut self) -> Result<()> {
        let said = self.tell("race")?;
        ensure!(said.is_empty(), "the rig said {said:?}");
        Ok(())
    }

    /// Has the rig do what a line says, and gives what it said meanwhile.
    ///
    /// # Errors
    /// If the rig ends before it is done; its last words are part of the message.
    pub fn tell(&mut self, line: &str) -> Result<Vec<String>> {
        let input = self.child.stdin.as_mut().context("its input")?;
        writeln!(input, "{line}").context("telling the rig")?;
        let done = format!("{line}: done");
        let mut said = Vec::new();
        loop {
            match next_line(&mut self.out)? {
                Some(next) if next == done => return Ok(said),
                Some(next) => said.push(next),
                None => bail!("the rig ended: {}\n{}", self.child.wait().context("waiting for it")?, said.join("\n")),
            }
        }
    }

    /// Path of the socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The CLI on this rig.
    fn cli(&self, arguments: &[&str]) -> Command {
        // A command that never ends is a defect too, and must not keep CI waiting.
        let mut limited = Command::new("timeout");
        // Otherwise it passes a signal on twice, to the process and to the group, and a second Ctrl-C ends the CLI.
        limited.arg("--foreground");
        limited.arg("60").arg(program("irqlog")).arg("--rig").arg(&self.socket).args(arguments);
        limited
    }
}

impl Target for Serving {
    fn irqlog(&self, arguments: &[&str]) -> Result<String> {
        output(&mut self.cli(arguments))
    }

    fn spawn(&self, arguments: &[&str], out: &Path) -> Result<Child> {
        self.cli(arguments).stdout(File::create(out)?).spawn().context("starting the CLI")
    }

    fn path(&self, path: &Path) -> String {
        path.display().to_string()
    }

    fn check_interrupted(&self, status: ExitStatus) -> Result<()> {
        ensure!(status.success(), "after Ctrl-C the CLI ended with {status}");
        Ok(())
    }

    fn stop(mut self: Box<Self>) -> Result<()> {
        drop(self.child.stdin.take());
        let status = self.child.wait().context("waiting for the rig")?;
        if status.success() { Ok(()) } else { bail!("the rig ended with {status}") }
    }
}

/// The next line; nothing at the end.
fn next_line(out: &mut impl BufRead) -> Result<Option<String>> {
    let mut line = String::new();
    let length = out.read_line(&mut line).context("reading what the rig says")?;
    Ok((length != 0).then(|| line.trim_end().to_owned()))
}

impl Drop for Serving {
    fn drop(&mut self) {
        // After `stop` there is no such process any more, and that is no error.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.socket);
    }
}
