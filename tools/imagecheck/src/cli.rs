//! Checks irqlog.exe: its machine, and the modules that it imports from.

use std::{collections::BTreeSet, path::Path};

use anyhow::{Context, Result, bail, ensure};
use irqlog_kit::Arch;
use object::{
    LittleEndian as LE, pe,
    read::pe::{ImageNtHeaders, ImageOptionalHeader, PeFile64},
};

/// Modules that every Windows 10 has. The C runtime is the universal one for ARM64, part of Windows since 10
/// (Microsoft Learn, "Universal CRT deployment"), and for x64 msvcrt.dll, which is part of every Windows; nothing of a
/// compiler's own may be among them.
const MODULES: [&str; 11] = [
    "advapi32.dll",
    "bcryptprimitives.dll",
    "crypt32.dll",
    "kernel32.dll",
    "msvcrt.dll",
    "ntdll.dll",
    // Error texts of the crate windows-result: SysFreeString, of every client and server since 2000 (Microsoft Learn,
    // "SysFreeString").
    "oleaut32.dll",
    // Keys of the console: ToUnicodeEx, of every client and server since 2000 (Microsoft Learn, "ToUnicodeEx").
    "user32.dll",
    "userenv.dll",
    "wintrust.dll",
    "ws2_32.dll",
];
const PREFIXES: [&str; 2] = ["api-ms-win-core-", "api-ms-win-crt-"];

/// Texts of `--rig`: its help, and the error of a rig that does not answer. The rig is for tests, and off Windows.
const OF_THE_RIG: [&str; 2] = ["rig's socket", "no rig answers"];

/// Checks an irqlog.exe, and prints the modules that it imports from.
///
/// # Errors
/// If it is for another machine, no console program, imports from a module that a Windows 10 may lack, or has the option
/// `--rig`.
pub fn check(arch: Arch, path: &Path) -> Result<()> {
    let data = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let file = PeFile64::parse(&*data).with_context(|| format!("{} is no PE image", path.display()))?;
    let machine = match arch {
        Arch::X64 => pe::IMAGE_FILE_MACHINE_AMD64,
        Arch::Arm64 => pe::IMAGE_FILE_MACHINE_ARM64,
    };
    let header = file.nt_headers();
    ensure!(header.file_header().machine.get(LE) == machine, "{} is for another machine", path.display());
    let optional = header.optional_header();
    ensure!(optional.subsystem() == pe::IMAGE_SUBSYSTEM_WINDOWS_CUI, "{} is no console program", path.display());
    let protected = pe::IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE | pe::IMAGE_DLLCHARACTERISTICS_NX_COMPAT;
    ensure!(optional.dll_characteristics() & protected == protected, "{} lacks ASLR or NX", path.display());
    let table = file.import_table()?.context("an import table")?;
    let mut modules = BTreeSet::new();
    let mut descriptors = table.descriptors()?;
    while let Some(descriptor) = descriptors.next()? {
        modules.insert(String::from_utf8_lossy(table.name(descriptor.name.get(LE))?).to_lowercase());
    }
    for module in &modules {
        let is_known = MODULES.contains(&module.as_str()) || PREFIXES.iter().any(|prefix| module.starts_with(prefix));
        ensure!(is_known, "{} imports from {module}, which a Windows may lack", path.display());
    }
    if let Some(text) = OF_THE_RIG.iter().find(|text| data.windows(text.len()).any(|bytes| bytes == text.as_bytes())) {
        bail!("{} has the option --rig, which is for tests: it contains {text:?}", path.display());
    }
    let modules: Vec<_> = modules.iter().map(String::as_str).collect();
    println!("{}: imports from {}", path.display(), modules.join(", "));
    Ok(())
}
