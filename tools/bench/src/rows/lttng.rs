//! The row for LTTng-UST in flight-recorder mode, in a process of its own.
//!
//! `cargo xtask bench` builds the program (`tools/bench/lttng`) and makes a session for it.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result};

/// The process that writes LTTng events.
pub struct Lttng(Mutex<(Child, ChildStdin, BufReader<ChildStdout>)>);

impl Lttng {
    /// Starts the process.
    ///
    /// # Errors
    /// If the process does not start.
    pub fn start(program: &Path) -> Result<Self> {
        let mut child = Command::new(program)
            // It must not go on before its session is known to it, or it measures a disabled tracepoint.
            .env("LTTNG_UST_REGISTER_TIMEOUT", "-1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let input = child.stdin.take().context("its input")?;
        let output = BufReader::new(child.stdout.take().context("its output")?);
        Ok(Self(Mutex::new((child, input, output))))
    }

    /// Nanoseconds for each event, over `records` events; `None` if the process was disturbed, or has ended.
    pub fn repeat(&self, records: u64) -> Option<f64> {
        let mut process = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, input, output) = &mut *process;
        writeln!(input, "{records}").ok()?;
        input.flush().ok()?;
        let mut line = String::new();
        output.read_line(&mut line).ok()?;
        let (time, switches) = line.trim().split_once(' ')?;
        (switches == "0").then(|| time.parse().ok()).flatten()
    }
}

impl Drop for Lttng {
    fn drop(&mut self) {
        let process = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        // It may have ended by itself, which its last answer has shown.
        let _ = process.0.kill();
        let _ = process.0.wait();
    }
}
