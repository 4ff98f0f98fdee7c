//! The stages of a first run, and how it goes on after a restart or a crash.
//!
//! ```text
//! machine, package, installed, commands, stopping, engines, samples
//!    with --verifier:          verifier-on, restart, verifier-own-locks, verifier-kernel,
//!                              verifier-less, restart, verifier-kernel-less, verifier-off, restart, verifier-gone
//!    with --memory-integrity:  integrity-on, restart, integrity, integrity-back, restart, integrity-gone
//! put-back; with --uninstall: uninstalled
//! ```
//!
//! Under Driver Verifier the lock `kernel` may crash the machine (docs/adr/0004). So before that irqlog.sys is started by
//! hand, and not with the system: it would crash at each start. Engine `percpu` and irqlog's own locks are tried first, and
//! a crash in the step of `kernel` is the answer to its question.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::{
    host::TriedMachine,
    report::{FirstRunReport, StepBegun, StepReport, StepVerdict},
    steps::{self, Step},
};

macro_rules! stages {
    ($($(#[$doc:meta])* $stage:ident = $title:literal;)+) => {
        /// A part of a first run that is not interrupted by a restart.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum RunStage {
            $($(#[$doc])* $stage,)+
        }

        impl RunStage {
            /// What it is called in the report.
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$stage => $title,)+
                }
            }
        }
    };
}

stages! {
    /// What machine this is.
    Machine = "The machine";
    /// The files of the package, and the modules that irqlog.sys imports from.
    Package = "The package";
    /// install.cmd.
    Installed = "Installation";
    /// Every command once.
    Commands = "The commands";
    /// Stops with and without readers.
    Stopping = "Stopping";
    /// Each engine with each lock.
    Engines = "Engines and locks";
    /// The sample drivers.
    Samples = "The sample drivers";
    /// Driver Verifier is turned on; takes effect at a restart.
    VerifierOn = "Driver Verifier is turned on";
    /// Under it: what calls none of the routines that its rules are about.
    VerifierOwnLocks = "Under Driver Verifier: percpu, swap, queued, os-queued";
    /// Under it: the lock `kernel`.
    VerifierKernel = "Under Driver Verifier: kernel";
    /// Driver Verifier without DDI compliance checking; takes effect at a restart.
    VerifierLess = "Driver Verifier without DDI compliance checking is turned on";
    /// Under that: the lock `kernel` again.
    VerifierKernelLess = "Under Driver Verifier without DDI compliance checking: kernel";
    /// It is turned off; takes effect at a restart.
    VerifierOff = "Driver Verifier is turned off";
    /// It is off.
    VerifierGone = "After Driver Verifier";
    /// Memory integrity is turned on; takes effect at a restart.
    IntegrityOn = "Memory integrity is turned on";
    /// With it.
    Integrity = "With memory integrity";
    /// It is as it was; takes effect at a restart.
    IntegrityBack = "Memory integrity as it was";
    /// It was put back.
    IntegrityGone = "After memory integrity";
    /// What was changed is as it was.
    PutBack = "What was there before";
    /// uninstall.cmd.
    Uninstalled = "Removal";
    /// What a crash that was asked for has left.
    AfterCrash = "After a crash";
}

impl RunStage {
    /// Whether what it does takes effect at a restart, so that the next stage waits for one.
    pub const fn needs_restart(self) -> bool {
        matches!(
            self,
            Self::VerifierOn | Self::VerifierLess | Self::VerifierOff | Self::IntegrityOn | Self::IntegrityBack
        )
    }
}

/// What is asked for.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub struct FirstRunOptions {
    /// The folder of the package.
    pub package: PathBuf,
    /// The report without its extension: `.json` and `.md` are made.
    pub report: PathBuf,
    /// Try Driver Verifier too, with its restarts.
    pub verifier: bool,
    /// Try memory integrity too, with its restarts.
    pub memory_integrity: bool,
    /// Leave install.cmd out: irqlog is there.
    pub installed: bool,
    /// Remove irqlog at the end.
    pub uninstall: bool,
    /// Collect what a crash has left, and do nothing else.
    pub after_crash: bool,
}

impl FirstRunOptions {
    /// The stages in order.
    pub fn stages(&self) -> Vec<RunStage> {
        use RunStage::{
            AfterCrash, Commands, Engines, Installed, Integrity, IntegrityBack, IntegrityGone, IntegrityOn, Machine,
            Package, PutBack, Samples, Stopping, Uninstalled, VerifierGone, VerifierKernel, VerifierKernelLess,
            VerifierLess, VerifierOff, VerifierOn, VerifierOwnLocks,
        };
        if self.after_crash {
            return vec![AfterCrash];
        }
        let mut stages = vec![Machine, Package];
        if !self.installed {
            stages.push(Installed);
        }
        stages.extend([Commands, Stopping, Engines, Samples]);
        if self.verifier {
            stages.extend([VerifierOn, VerifierOwnLocks, VerifierKernel, VerifierLess, VerifierKernelLess]);
            stages.extend([VerifierOff, VerifierGone]);
        }
        if self.memory_integrity {
            stages.extend([IntegrityOn, Integrity, IntegrityBack, IntegrityGone]);
        }
        stages.push(PutBack);
        if self.uninstall {
            stages.push(Uninstalled);
        }
        stages
    }
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunProgress {
    /// Every stage is done.
    Done,
    /// The next stage begins after a restart.
    Restart,
}

/// A first run at work.
pub struct FirstRun<'h> {
    /// The machine.
    pub host: &'h mut dyn TriedMachine,
    /// What is asked for.
    pub options: FirstRunOptions,
    /// What was seen.
    pub report: FirstRunReport,
    /// Tells the user what is done.
    tell: &'h mut dyn FnMut(&str),
}

impl<'h> FirstRun<'h> {
    /// Begins a run, or goes on with the one that the report's JSON describes.
    ///
    /// # Errors
    /// If there is such a file, and it is no report.
    pub fn open(
        host: &'h mut dyn TriedMachine,
        options: FirstRunOptions,
        irqlog: &str,
        tell: &'h mut dyn FnMut(&str),
    ) -> Result<Self> {
        let path = options.report.with_extension("json");
        let report = match host.read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is no report of a first run; move it away", path.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                FirstRunReport::new(irqlog.to_owned(), options.stages())
            }
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        };
        let mut run = Self { host, options, report, tell };
        if run.report.is_done() {
            bail!("{} is the report of a run that has ended; move it away to begin another", path.display());
        }
        run.note_what_stopped();
        Ok(run)
    }

    /// A step that has begun and not ended: the machine stopped in it, or somebody ended this program.
    fn note_what_stopped(&mut self) {
        let Some(begun) = self.report.begun.take() else { return };
        let stage = self.report.stages[self.report.next];
        let has_restarted = is_another_start(begun.boot, self.host.boot());
        let (verdict, seen) = if has_restarted {
            (StepVerdict::Crashed, steps::what_the_crash_left(self.host))
        } else {
            (StepVerdict::NotAsExpected, "The program was ended in this step, without a restart.".to_owned())
        };
        self.report.steps.push(StepReport { name: begun.name, stage, verdict, seen });
        // The rest of a stage that crashed the machine would crash it again.
        if has_restarted {
            self.report.next += 1;
        }
    }

    /// Goes on until everything is done, or the machine has to be restarted.
    ///
    /// # Errors
    /// If the report cannot be written.
    pub fn go_on(&mut self) -> Result<RunProgress> {
        if let Some(boot) = self.report.waits_for_restart_after {
            if !is_another_start(boot, self.host.boot()) {
                return Ok(RunProgress::Restart);
            }
            self.report.waits_for_restart_after = None;
        }
        self.save()?;
        while let Some(&stage) = self.report.stages.get(self.report.next) {
            (self.tell)(&format!("== {}", stage.title()));
            for step in steps::of(stage, self) {
                self.step(stage, &step)?;
            }
            self.report.next += 1;
            if stage.needs_restart() {
                self.report.waits_for_restart_after = Some(self.host.boot());
                self.save()?;
                return Ok(RunProgress::Restart);
            }
            self.save()?;
        }
        Ok(RunProgress::Done)
    }

    /// Does a step, and writes down what was seen.
    fn step(&mut self, stage: RunStage, step: &Step) -> Result<()> {
        // A stage that goes on after its program was ended does not do again what it has done.
        let is_known = |known: &StepReport| known.name == step.name && known.stage == stage;
        if self.report.steps.iter().any(is_known) {
            return Ok(());
        }
        (self.tell)(&format!("-- {}", step.name));
        self.report.begun = Some(StepBegun { name: step.name.clone(), boot: self.host.boot() });
        self.save()?;
        let (verdict, seen) = match (step.work)(self) {
            Ok(seen) if step.is_for_a_person => (StepVerdict::ForAPerson, seen),
            Ok(seen) => (StepVerdict::AsExpected, seen),
            Err(error) if error.is::<steps::NotHere>() => (StepVerdict::NotHere, format!("{error:#}")),
            Err(error) if step.is_for_a_person => (StepVerdict::ForAPerson, format!("{error:#}")),
            Err(error) => {
                (self.tell)(&format!("   not as expected: {error:#}"));
                (StepVerdict::NotAsExpected, format!("{error:#}"))
            }
        };
        self.report.begun = None;
        self.report.steps.push(StepReport { name: step.name.clone(), stage, verdict, seen });
        self.save()
    }

    /// Writes both files.
    fn save(&mut self) -> Result<()> {
        let (json, markdown) = (self.report.json()?, self.report.markdown());
        for (extension, text) in [("json", json), ("md", markdown)] {
            let path = self.options.report.with_extension(extension);
            self.host.write(&path, &text).with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(())
    }
}

/// Whether two times of the machine's start are those of two starts: the clock may have been set a little meanwhile.
const fn is_another_start(before: u64, now: u64) -> bool {
    const SECONDS: u64 = 10;
    before.abs_diff(now) > SECONDS
}
