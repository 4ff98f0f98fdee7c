//! `cargo xtask run-driver`: built drivers in the rig, beside irqlog.sys, and what they log.

use std::{
    fs::File,
    io::{BufRead, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use irqlog_build::shell::step;
use irqlog_kit::Arch;

use crate::{
    rig::{self, Serving},
    target::Target,
};

/// What is done with the drivers between their start and their stop.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunOptions {
    /// Interrupts of each device level, and NMIs, on all processors.
    pub storm: bool,
    /// Commands from standard input, until it ends.
    pub shell: bool,
}

/// What became of drivers that were run.
#[derive(Debug)]
pub struct DriverRun {
    /// What the rig said of them.
    pub said: Vec<String>,
    /// The output of the command of irqlog that was asked for.
    pub log: String,
}

impl DriverRun {
    /// What is wrong with the drivers.
    pub fn failures(&self) -> impl Iterator<Item = &str> {
        self.said.iter().filter_map(|line| line.strip_prefix("failed: "))
    }
}

/// Runs built drivers, and prints what became of them and their log.
///
/// # Errors
/// If one breaks a rule, does not start or stop, or leaves something behind.
pub fn run(images: &[PathBuf], options: RunOptions) -> Result<()> {
    let arch = arch_of_all(images)?;
    rig::prepare(arch)?;
    let ran = drive(arch, images, options, &["read"])?;
    for line in &ran.said {
        println!("{line}");
    }
    println!("\n$ irqlog read\n{}", ran.log.trim_end());
    let failures = ran.failures().count();
    ensure!(failures == 0, "{failures} of the rules for a driver's unload are broken, see above");
    println!("\nno rule broken, nothing left behind");
    Ok(())
}

/// Runs built drivers in a rig that is built, and reads their log by a command of irqlog.
///
/// # Errors
/// If the run ends because a driver breaks a rule: then the log is that of the dump that the run left.
pub fn drive(arch: Arch, images: &[PathBuf], options: RunOptions, read: &[&str]) -> Result<DriverRun> {
    let dump = rig::dump_of(arch, "run-driver")?;
    let images: Vec<_> = images.iter().map(std::path::absolute).collect::<Result<_, _>>()?;
    step(&format!("4 processors for {} with irqlog.sys; starting {}", arch.name(), names(&images)));
    let mut serving = Serving::start_beside(arch, &images, &dump)?;
    let worked = work(&mut serving, options, read);
    match worked {
        Ok(ran) if ran.failures().next().is_none() => Box::new(serving).stop().map(|()| ran),
        // What is left is known; the rig would say it again.
        Ok(ran) => Ok(ran),
        Err(error) => {
            if let Some(shown) = rig::shown_crash(&dump) {
                println!("{shown}");
            }
            Err(error)
        }
    }
}

fn names(images: &[PathBuf]) -> String {
    let name = |image: &PathBuf| image.file_name().unwrap_or_default().to_string_lossy().into_owned();
    images.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn work(serving: &mut Serving, options: RunOptions, read: &[&str]) -> Result<DriverRun> {
    let mut said = serving.tell("start")?;
    if options.storm {
        step("interrupts of each device level and NMIs, on all processors");
        said.extend(serving.tell("storm")?);
    }
    if options.shell {
        shell(serving)?;
    }
    step("stopping");
    said.extend(serving.tell("stop")?);
    let said = said.iter().map(|line| line.strip_prefix("guest: ").unwrap_or(line).to_owned()).collect();
    Ok(DriverRun { said, log: serving.irqlog(read)? })
}

/// Obeys lines of standard input: commands of irqlog, and those of the rig.
fn shell(serving: &mut Serving) -> Result<()> {
    let irqlog = rig::irqlog();
    println!("The drivers run. Read them from another terminal:\n");
    println!("    {} --rig {} follow\n", irqlog.get_program().display(), serving.socket().display());
    println!("or here: a command of irqlog a line, or `storm`, `stop`, `start`. The end of input (Ctrl-D) ends it.");
    for line in std::io::stdin().lock().lines() {
        let line = line.context("reading a command")?;
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            [] => {}
            ["storm" | "start" | "stop"] => {
                for said in serving.tell(words[0])? {
                    println!("{said}");
                }
            }
            // A mistake is no end.
            _ => match serving.irqlog(&words) {
                Ok(text) => print!("{text}"),
                Err(error) => println!("{error:#}"),
            },
        }
    }
    Ok(())
}

/// The architecture of images, which is the same for all.
fn arch_of_all(images: &[PathBuf]) -> Result<Arch> {
    let mut archs = images.iter().map(|image| arch_of(image));
    let first = archs.next().context("there is no image to run")??;
    for arch in archs {
        ensure!(arch? == first, "the images are for different architectures; run those of one");
    }
    Ok(first)
}

/// The architecture that an image's header names.
///
/// The header's place is at 0x3c, and the machine behind its signature (Microsoft Learn, "PE Format").
fn arch_of(image: &Path) -> Result<Arch> {
    let mut bytes = Vec::new();
    let file = File::open(image).with_context(|| format!("opening {}", image.display()))?;
    file.take(4096).read_to_end(&mut bytes).with_context(|| format!("reading {}", image.display()))?;
    let at = |offset: usize, length: usize| bytes.get(offset..offset + length).unwrap_or_default();
    let header = at(0x3c, 4).try_into().map_or(usize::MAX / 2, |bytes| u32::from_le_bytes(bytes) as usize);
    ensure!(at(header, 4) == b"PE\0\0", "{} is no driver: it has no PE header", image.display());
    match at(header + 4, 2) {
        [0x64, 0x86] => Ok(Arch::X64),
        [0x64, 0xaa] => Ok(Arch::Arm64),
        _ => bail!("{} is neither for x64 nor for ARM64", image.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_architecture_is_that_of_the_header() {
        let path = std::env::temp_dir().join(format!("irqlog-arch-{}.sys", std::process::id()));
        let mut image = vec![0; 0x80];
        image[0x3c] = 0x70;
        image[0x70..0x76].copy_from_slice(b"PE\0\0\x64\xaa");
        std::fs::write(&path, &image).unwrap();
        assert_eq!(arch_of(&path).unwrap(), Arch::Arm64);
        std::fs::write(&path, &image[..0x40]).unwrap();
        assert!(arch_of(&path).unwrap_err().to_string().contains("no PE header"));
        std::fs::remove_file(&path).unwrap();
    }
}
