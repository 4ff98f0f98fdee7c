//! The folder that a tester copies to a Windows machine, made without Windows.
//!
//! | Module | What |
//! |---|---|
//! | [`catalog`] | the security catalog |
//! | [`layout`] | where a package lies, and how its files are written |
//! | [`signing`] | the certificate, and the signatures of image, catalog and CLI |
//! | [`materials`] | the parts that others wrote: software bill of materials (CycloneDX) and licences |
//! | [`verify`] | checks of the result by tools that are not ours |
//! | [`twice`] | comparison of the packages of two clones |

pub mod catalog;
mod layout;
mod materials;
mod signing;
mod twice;
mod verify;

use std::{fs, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use irqlog_build::{
    drivers, reproducible,
    shell::{output, root, run as run_command, step},
};
use irqlog_inf as inf;
use irqlog_kit::Arch;

use self::{
    layout::{VERSION, copy, crlf, files, folder, write},
    signing::Signer,
};
pub use self::{signing::SigningArguments, twice::run as twice};

/// Files that each package gets unchanged.
const COPIED: [&str; 7] = [
    "inf/install.cmd",
    "inf/uninstall.cmd",
    "inf/README.txt",
    "debugger/irqlog.js",
    "docs/windbg.md",
    "LICENSE-MIT",
    "LICENSE-APACHE",
];

/// Makes the packages, and verifies them.
///
/// # Errors
/// A tool that fails, or a file that a tool refuses.
pub fn run(archs: &[Arch], signing: &SigningArguments) -> Result<()> {
    let signer = Signer::prepare(signing)?;
    drivers::packaged(archs)?;
    for &arch in archs {
        let folder = folder(arch);
        make(arch, &folder, &signer).with_context(|| format!("packaging for {}", arch.name()))?;
        verify::run(&folder, &signer.authorities()?)?;
        println!("\n{}:", folder.display());
        for file in files(&folder)? {
            println!("{:>10}  {}", fs::metadata(folder.join(&file))?.len(), file.display());
        }
    }
    Ok(())
}

/// Makes the packages with a test certificate, and checks that the tools notice a flipped byte in each signed file.
///
/// # Errors
/// As [`run`], or a flipped byte that no tool notices.
pub fn check() -> Result<()> {
    let signing = SigningArguments::default();
    run(&Arch::ALL, &signing)?;
    let authorities = Signer::prepare(&signing)?.authorities()?;
    Arch::ALL.into_iter().try_for_each(|arch| verify::flips(&folder(arch), &authorities))
}

fn make(arch: Arch, folder: &Path, signer: &Signer) -> Result<()> {
    let exe = drivers::windows_cli(arch)?;
    step(&format!("packaging irqlog {VERSION} for {}, signed by {}", arch.name(), signer.describe()));
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    let image = drivers::image(arch, "irqlog");
    copy(&image.with_extension("pdb"), &folder.join("irqlog.pdb"))?;
    for file in COPIED {
        let from = root().join(file);
        let text = fs::read_to_string(&from).with_context(|| format!("reading {}", from.display()))?;
        write(&folder.join(from.file_name().context("a file has a name")?), &crlf(&text))?;
    }
    let date = reproducible::date()?;
    let source = root().join("inf/irqlog.inx");
    let text = fs::read_to_string(&source).with_context(|| format!("reading {}", source.display()))?;
    let inf = crlf(&stamp(&text, date)?);
    inf::check(&inf).context("the stamped INF")?;
    write(&folder.join("irqlog.inf"), &inf)?;

    let sys = folder.join("irqlog.sys");
    signer.sign(&image, &sys)?;
    signer.sign(&exe, &folder.join("irqlog.exe"))?;
    // The digest of the image is one of the signed file: what signing appends for alignment is part of it.
    let image = fs::read(&sys).with_context(|| format!("reading {}", sys.display()))?;
    let mut catalog = catalog::Catalog::new(match arch {
        Arch::X64 => "_v100_X64_Vb",
        Arch::Arm64 => "_v100_ARM64_Vb",
    });
    catalog.add_image("irqlog.sys", &image)?;
    catalog.add_file("irqlog.inf", inf.as_bytes());
    let unsigned = folder.with_extension("cat");
    fs::write(&unsigned, catalog.to_der(date)?).with_context(|| format!("writing {}", unsigned.display()))?;
    signer.sign(&unsigned, &folder.join("irqlog.cat"))?;
    fs::remove_file(&unsigned).with_context(|| format!("removing {}", unsigned.display()))?;
    if let Some(certificate) = signer.test_certificate()? {
        let path = folder.join("irqlog-test.cer");
        fs::write(&path, certificate).with_context(|| format!("writing {}", path.display()))?;
    }
    shell(folder)?;
    first_run(arch, &folder.join("first-run"), signer)?;
    materials::write(arch, folder, date)
}

/// What shells and readers of manuals want of irqlog.exe: made by the same program, built for this machine.
fn shell(folder: &Path) -> Result<()> {
    const SHELLS: [(&str, &str); 5] = [
        ("bash", "irqlog.bash"),
        ("elvish", "irqlog.elv"),
        ("fish", "irqlog.fish"),
        ("powershell", "irqlog.ps1"),
        ("zsh", "_irqlog"),
    ];
    let irqlog = drivers::host_cli()?;
    let scripts = folder.join("completions");
    fs::create_dir_all(&scripts).with_context(|| format!("creating {}", scripts.display()))?;
    for (shell, name) in SHELLS {
        let script = output(Command::new(&irqlog).args(["completions", shell]))?;
        // Shells other than PowerShell take no carriage return.
        let script = if shell == "powershell" { crlf(&script) } else { script };
        write(&scripts.join(name), &script)?;
    }
    run_command(Command::new(&irqlog).arg("man").arg(folder.join("man")))
}

/// The script that tries the package on a machine, with the drivers that it needs.
fn first_run(arch: Arch, folder: &Path, signer: &Signer) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    let script = root().join("tools/vm/first-run.ps1");
    let text = fs::read_to_string(&script).with_context(|| format!("reading {}", script.display()))?;
    write(&folder.join("first-run.ps1"), &crlf(&text))?;
    drivers::SAMPLES
        .iter()
        .try_for_each(|name| signer.sign(&drivers::image(arch, name), &folder.join(format!("{name}.sys"))))
}

/// Puts the date and version of this build into `DriverVer`, as StampInf does.
fn stamp(inx: &str, date: u64) -> Result<String> {
    let date = der::DateTime::from_unix_duration(Duration::from_secs(date)).context("the date of the build")?;
    let stamped = format!("DriverVer   = {:02}/{:02}/{},{VERSION}.0", date.month(), date.day(), date.year());
    let mut stamps = 0;
    let lines: Vec<_> = inx
        .lines()
        // What explains the source has no place in the result.
        .filter(|line| !line.starts_with("; StampInf"))
        .map(|line| {
            let is_stamp = line.split('=').next().is_some_and(|key| key.trim() == "DriverVer");
            stamps += usize::from(is_stamp);
            if is_stamp { stamped.clone() } else { line.to_owned() }
        })
        .collect();
    ensure!(stamps == 1, "inf/irqlog.inx has {stamps} lines DriverVer, and needs one");
    Ok(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stamp_is_a_date_and_four_numbers() {
        let stamped = stamp("[Version]\nDriverVer   = 01/01/2026,0.1.0.0\n", 1_700_000_000).unwrap();
        assert_eq!(stamped, format!("[Version]\nDriverVer   = 11/14/2023,{VERSION}.0\n"));
        assert!(stamp("[Version]\n", 0).unwrap_err().to_string().contains("0 lines"));
    }
}
