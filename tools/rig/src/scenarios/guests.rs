//! Drivers of others, beside irqlog.sys: they start, are interrupted, stop, and must leave nothing behind.
//!
//! A driver finds two service parameters as the samples do, `Vector` and `Irql`, for an interrupt that it may connect.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail};

use super::{Stage, as_process, samples};
use crate::{
    nt::{
        machine::{NMI, current, machine, raise},
        registry::{self, RegistryValue},
    },
    service::{Driver, imports_from, left, load_library, more_than},
};

/// The lines that control them.
pub const LINES: [&str; 3] = ["start", "storm", "stop"];

/// Interrupts of each level, and NMIs, in a storm.
const ROUNDS: usize = 200;
/// Interrupts and NMIs after the last stop, for a callback that the driver has forgotten.
const LAST_ROUNDS: usize = 8;
/// Device levels: those between DISPATCH_LEVEL and the clock's.
const LEVELS: std::ops::RangeInclusive<u8> = 3..=12;
/// The level of the first driver's interrupt; the next ones follow.
const FIRST_LEVEL: u8 = 5;

/// The drivers that are to run.
pub struct Guests {
    paths: Vec<PathBuf>,
    running: Vec<(String, Driver)>,
    /// What irqlog.sys and others had of the kernel before.
    before: Vec<String>,
}

impl Guests {
    /// Those of some files.
    pub const fn new(paths: Vec<PathBuf>) -> Self {
        Self { paths, running: Vec::new(), before: Vec::new() }
    }

    /// Does what a line says, and prints what there is to say of it, each line behind `guest: `.
    ///
    /// # Errors
    /// If there is no such line.
    pub fn obey(&mut self, stage: &Stage, line: &str) -> Result<()> {
        match line {
            "start" => self.start(stage),
            "storm" => storm(ROUNDS),
            "stop" => self.stop(),
            _ => bail!("there is no command {line:?}; there is samples, {}", LINES.join(", ")),
        }
        println!("{line}: done");
        Ok(())
    }

    fn start(&mut self, stage: &Stage) {
        if !self.running.is_empty() {
            println!("guest: they run already");
            return;
        }
        self.before = left();
        for (index, path) in self.paths.iter().enumerate() {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let level = u32::from(FIRST_LEVEL) + index as u32 % 4;
            registry::set_parameter(&name, "Vector", RegistryValue::Number(level << 4 | 1));
            registry::set_parameter(&name, "Irql", RegistryValue::Number(level));
            let started = as_process(|| {
                // A framework of its own: ours knows one driver.
                if imports_from(path, "WDFLDR.SYS")? {
                    load_library(&stage.image("WDFLDR.sys"))?;
                }
                Driver::start(&name, path)
            });
            match started {
                Ok(driver) => {
                    println!("guest: {name} has started");
                    self.running.push((name, driver));
                }
                Err(error) => println!("guest: failed: {error:#}"),
            }
        }
    }

    /// Stops them, the last one first.
    fn stop(&mut self) {
        while let Some((name, driver)) = self.running.pop() {
            match as_process(|| driver.stop()) {
                Ok(true) => println!("guest: {name} has unloaded"),
                Ok(false) => println!("guest: failed: {name} does not unload: a file of its devices is open"),
                Err(error) => println!("guest: failed: {error:#}"),
            }
        }
        // Memory of irqlog.sys and of KMDF is for the last check, when irqlog.sys has stopped: until then irqlog.sys may hold
        // some for a driver that has gone.
        let is_later = |entry: &String| [", tag Irq", ", tag KmdF"].iter().any(|tag| entry.contains(tag));
        let left = more_than(left(), &self.before).into_iter().filter(|entry| !is_later(entry));
        for entry in left {
            println!("guest: failed: left behind: {entry}");
        }
        match still_registered() {
            Ok(names) => names.iter().for_each(|name| {
                println!("guest: failed: {name} is still registered with irqlog: its unload has to disconnect");
            }),
            Err(error) => println!("guest: failed: reading the providers: {error:#}"),
        }
        storm(LAST_ROUNDS);
    }
}

/// The providers whose drivers have not disconnected.
fn still_registered() -> Result<Vec<String>> {
    let (tables, _) = samples::read().context("irqlog does not answer")?;
    let registered = tables.sites.providers().iter().filter(|provider| provider.registered != 0);
    Ok(registered.map(|provider| provider.name.raw().to_owned()).collect())
}

/// Interrupts of all device levels and NMIs, on all processors; at most a few at once.
fn storm(rounds: usize) {
    for round in 0..rounds {
        for (index, level) in LEVELS.enumerate() {
            raise((round + index) % machine().active(), 1 << level);
        }
        raise(round % machine().active(), NMI);
        as_process(|| {
            if let Some(thread) = current() {
                thread.wait(|| std::thread::sleep(Duration::from_micros(200)));
            }
        });
    }
}
