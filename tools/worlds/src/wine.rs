//! irqlog.sys and irqlog.exe under Wine, whose I/O manager, service manager, registry and console are not ours.
//!
//! The image is the real one but for its import table: in a copy the name `ntoskrnl.exe` reads `ntosshim.sys`
//! ([`redirect`]), the module of `tools/wine`.
//!
//! Three things have to be done because Wine misbehaves otherwise; each was seen:
//!
//! - the prefix is made before a persistent server is started, or two service managers answer by turns;
//! - every command writes to files, because a service inherits the output of the process that starts it;
//! - imports are checked here, because Wine loads a driver with a missing import.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context, Result, bail, ensure};
use irqlog_build::{
    drivers, host,
    shell::{root, run, timed},
    stamp::Stamp,
};
use irqlog_kit::Arch;
use object::{LittleEndian as LE, Object, read::pe::PeFile64};

use crate::target::Target;

/// The module that the drivers import from.
const KERNEL: &str = "ntoskrnl.exe";
/// The module that their copies import from instead.
const SHIM: &str = "ntosshim.sys";
/// What Wine 8 lacks of what irqlog.exe imports.
const RANDOM: &str = "bcryptprimitives.dll";
/// Debian's wine64.
const WINE: &str = "/usr/lib/wine/wine64";
const SERVER: &str = "/usr/lib/wine/wineserver";
/// Time limit of a command, in seconds; none needs more than a few.
const LIMIT: &str = "60";

fn folder() -> PathBuf {
    root().join("target/wine")
}

/// Installs Wine if it is missing.
///
/// # Errors
/// If it cannot be installed.
pub fn install() -> Result<()> {
    if Path::new(WINE).exists() {
        return Ok(());
    }
    ensure!(!host::is_arm64(), "the x64 images need Wine on an x64 machine");
    host::apt_install(&["wine64"])
}

/// Builds what runs in Wine, and makes the prefix if there is none.
///
/// # Errors
/// If Wine cannot be installed, or whatever of the tools fails.
pub fn prepare() -> Result<()> {
    install()?;
    drivers::wine_images()?;
    let images = folder().join("images");
    fs::create_dir_all(&images).with_context(|| format!("creating {}", images.display()))?;
    let shim = drivers::image(Arch::X64, "ntosshim");
    fs::copy(&shim, images.join(SHIM))?;
    let exports = exports(&fs::read(&shim)?)?;
    for name in ["irqlog.sys", "WDFLDR.sys"] {
        let image = fs::read(drivers::images(Arch::X64).join(name))?;
        let missing: Vec<_> = imports(&image)?.difference(&exports).cloned().collect();
        ensure!(missing.is_empty(), "no row of tools/nt gives under Wine what {name} imports: {}", missing.join(", "));
        fs::write(images.join(name), redirect(&image)?)?;
    }
    fs::copy(drivers::windows_cli(Arch::X64)?, images.join("irqlog.exe"))?;
    fs::copy(shim.with_file_name(RANDOM), images.join(RANDOM))?;
    make_prefix()
}

/// Runs another irqlog.sys from now on, until [`prepare`].
///
/// # Errors
/// If it cannot be redirected.
pub fn use_driver(image: &Path) -> Result<()> {
    let image = fs::read(image).with_context(|| format!("reading {}", image.display()))?;
    fs::write(folder().join("images/irqlog.sys"), redirect(&image)?).context("writing irqlog.sys for Wine")
}

/// Names that an image imports from the kernel.
fn imports(image: &[u8]) -> Result<BTreeSet<String>> {
    let imports = PeFile64::parse(image)?.imports()?;
    let of_the_kernel = imports.iter().filter(|import| import.library().eq_ignore_ascii_case(KERNEL.as_bytes()));
    Ok(of_the_kernel.map(|import| String::from_utf8_lossy(import.name()).into_owned()).collect())
}

/// Names that an image exports, forwarders included, which object's own list leaves out.
fn exports(image: &[u8]) -> Result<BTreeSet<String>> {
    let file = PeFile64::parse(image)?;
    let table = file.export_table()?.context("an export table")?;
    let names = table.exports()?;
    Ok(names.iter().filter_map(|export| Some(String::from_utf8_lossy(export.name?).into_owned())).collect())
}

/// A copy of an image that imports from [`SHIM`] what it imported from [`KERNEL`]; nothing else differs.
///
/// # Errors
/// If it is no image, or imports nothing from the kernel.
fn redirect(image: &[u8]) -> Result<Vec<u8>> {
    const { assert!(KERNEL.len() == SHIM.len()) };
    let file = PeFile64::parse(image)?;
    let table = file.import_table()?.context("an import table")?;
    let sections = file.section_table();
    let mut copy = image.to_vec();
    let mut count = 0;
    let mut descriptors = table.descriptors()?;
    while let Some(descriptor) = descriptors.next()? {
        let name = descriptor.name.get(LE);
        if table.name(name)?.eq_ignore_ascii_case(KERNEL.as_bytes()) {
            let (offset, _) = sections.pe_file_range_at(name).context("the name lies in a section")?;
            copy[offset as usize..][..SHIM.len()].copy_from_slice(SHIM.as_bytes());
            count += 1;
        }
    }
    ensure!(count == 1, "it imports from {KERNEL} {count} times");
    verify_copy(image, &copy)?;
    Ok(copy)
}

/// Compares a copy with its image byte by byte: only the name of one module may differ.
fn verify_copy(image: &[u8], copy: &[u8]) -> Result<()> {
    let is_renamed = |at: usize| image[at..].starts_with(KERNEL.as_bytes()) && copy[at..].starts_with(SHIM.as_bytes());
    ensure!(image.len() == copy.len(), "the copy has another length");
    let at = (0..image.len()).find(|&at| is_renamed(at)).context("the copy has no name replaced")?;
    let end = at + KERNEL.len();
    ensure!(image[..at] == copy[..at] && image[end..] == copy[end..], "the copy differs in more than one name");
    Ok(())
}

/// A command in the prefix, without a display.
fn command(program: &str) -> Command {
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after", "5", LIMIT, program])
        .env_remove("DISPLAY")
        .env("WINEPREFIX", folder().join("prefix"));
    // Arguments and file names are UTF-8, whatever the user's locale is.
    command.env("LC_ALL", "C.UTF-8").env("WINEDEBUG", "-all").stdin(Stdio::null());
    command
}

/// Runs a command that may leave services behind, with its output in the log.
fn quietly(command: &mut Command) -> Result<()> {
    let log = File::options().create(true).append(true).open(folder().join("log"))?;
    run(command.stdout(log.try_clone()?).stderr(log))
}

fn make_prefix() -> Result<()> {
    let prefix = folder().join("prefix");
    Stamp::new(folder().join("prefix.stamp")).unless_current(|| {
        if prefix.exists() {
            fs::remove_dir_all(&prefix).with_context(|| format!("removing {}", prefix.display()))?;
        }
        timed("making a Wine prefix", || {
            quietly(command(WINE).args(["wineboot", "-i"]))?;
            quietly(command(SERVER).arg("-w"))
        })
    })
}

/// A running Wine server, perhaps with the driver installed; dropping it ends all of Wine.
pub struct Wine {
    is_installed: bool,
}

impl Wine {
    /// Starts the server, without the driver.
    ///
    /// # Errors
    /// If it does not start.
    pub fn boot() -> Result<Self> {
        let _ = command(SERVER).args(["-k"]).status();
        let _ = command(SERVER).args(["-w"]).status();
        // What drivers say with DbgPrint goes to the log.
        quietly(command(SERVER).arg("-p").env("WINEDEBUG", "-all,warn+debugstr"))?;
        quietly(command(WINE).args(["cmd", "/c", "exit"]).env("WINEDEBUG", "-all,warn+debugstr"))?;
        let wine = Self { is_installed: false };
        // One that a run before left behind.
        let _ = wine.irqlog(&["service", "stop"]);
        let _ = wine.irqlog(&["service", "remove"]);
        Ok(wine)
    }

    /// Starts the server, and the driver with these parameters.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(parameters: &[(&str, &str)]) -> Result<Self> {
        let mut wine = Self::boot()?;
        wine.irqlog(&["service", "install"])?;
        wine.is_installed = true;
        for (name, value) in parameters {
            let kind = if value.parse::<u32>().is_ok() { "REG_DWORD" } else { "REG_SZ" };
            let key = r"HKLM\System\CurrentControlSet\Services\irqlog\Parameters";
            quietly(command(WINE).args(["reg", "add", key, "/v", name, "/t", kind, "/d", value, "/f"]))?;
        }
        wine.irqlog(&["service", "start"])?;
        Ok(wine)
    }

    /// Runs irqlog.exe, which has to end with this exit code, and gives its standard output.
    ///
    /// # Errors
    /// If it ends with another exit code; the message has its standard error.
    pub fn irqlog_that_ends_with(arguments: &[&str], code: i32) -> Result<String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let out = folder().join(format!("out-{}-{number}", std::process::id()));
        let status = Self::cli(arguments, &out)?.status().context("starting Wine")?;
        let (text, said) = (fs::read(&out)?, fs::read(out.with_extension("err"))?);
        fs::remove_file(&out)?;
        fs::remove_file(out.with_extension("err"))?;
        if status.code() != Some(code) {
            bail!("irqlog {} ended with {status}: {}", arguments.join(" "), String::from_utf8_lossy(&said));
        }
        String::from_utf8(text).context("the output is no UTF-8")
    }

    /// irqlog.exe with its output in a file.
    fn cli(arguments: &[&str], out: &Path) -> Result<Command> {
        let images = folder().join("images");
        let mut cli = command(WINE);
        cli.arg(images.join("irqlog.exe")).args(arguments);
        cli.stdout(File::create(out)?).stderr(File::create(out.with_extension("err"))?);
        Ok(cli)
    }
}

impl Target for Wine {
    fn irqlog(&self, arguments: &[&str]) -> Result<String> {
        Self::irqlog_that_ends_with(arguments, 0)
    }

    fn spawn(&self, arguments: &[&str], out: &Path) -> Result<Child> {
        Self::cli(arguments, out)?.spawn().context("starting Wine")
    }

    fn path(&self, path: &Path) -> String {
        format!("Z:{}", path.display()).replace('/', "\\")
    }

    /// On Windows Ctrl-C cancels the request, and the command ends well.
    fn check_interrupted(&self, status: ExitStatus) -> Result<()> {
        ensure!(status.success(), "after Ctrl-C the CLI ended with {status}");
        Ok(())
    }

    fn stop(mut self: Box<Self>) -> Result<()> {
        self.irqlog(&["service", "stop"])?;
        self.irqlog(&["service", "remove"])?;
        self.is_installed = false;
        Ok(())
    }
}

impl Drop for Wine {
    fn drop(&mut self) {
        if self.is_installed {
            let _ = self.irqlog(&["service", "stop"]);
            let _ = self.irqlog(&["service", "remove"]);
        }
        let _ = command(SERVER).arg("-k").status();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_differs_elsewhere_is_refused() {
        let image = b"....ntoskrnl.exe\0....";
        let copy = b"....ntosshim.sys\0....";
        assert!(verify_copy(image, copy).is_ok());
        for at in 0..copy.len() {
            let mut other = *copy;
            other[at] ^= 1;
            assert!(verify_copy(image, &other).is_err(), "byte {at}");
        }
        assert!(verify_copy(image, &copy[..copy.len() - 1]).is_err());
        assert!(verify_copy(image, image).is_err());
    }

    #[test]
    fn what_is_no_image_is_refused() {
        assert!(redirect(b"MZ").is_err());
    }
}
