//! The kit: the headers, libraries and entry code with which a KMDF driver builds on Linux.
//!
//! [`assemble`] lays the clean-room headers out where `wdk-build` looks for a WDK, makes import libraries for the
//! routines in the table of `tools/nt` with `llvm-dlltool`, and compiles `WdfDriverEntry.lib` with `clang-cl`:
//!
//! ```text
//! <root>/Include/10.0.26100.0/{km,km/crt,km/ufx/1.1,shared,um}    ntddk.h ntifs.h ntstrsafe.h routines.h
//! <root>/Include/wdf/kmdf/1.31                                    wdf.h
//! <root>/Lib/10.0.26100.0/km/{x64,ARM64}                          ntoskrnl.lib hal.lib wmilib.lib ...
//! <root>/Lib/wdf/kmdf/{x64,ARM64}/1.31                            WdfLdr.lib WdfDriverEntry.lib
//! ```
//!
//! The kit is no WDK: it declares only what irqlog uses. `tests/abi.rs` compares its KMDF declarations with
//! `testdata/kmdf-abi.json`. A driver that is built with the kit imports from the same modules under the same names.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use irqlog_nt::routines::{EXPORTS, Export};

mod additions;
mod declarations;

pub use additions::Additions;

/// The SDK version that the layout claims: the newest WDK with a KMDF 1.31 folder.
const SDK_VERSION: &str = "10.0.26100.0";
/// The KMDF version of `[package.metadata.wdk.driver-model]` in the root `Cargo.toml`, and of each driver that is built with
/// the kit.
pub const KMDF_VERSION: &str = "1.31";

/// The import libraries, and the modules that they name.
const LIBRARIES: [(&str, &str); 4] =
    [("ntoskrnl", "ntoskrnl.exe"), ("hal", "HAL.dll"), ("cng", "cng.sys"), ("WdfLdr", "WDFLDR.SYS")];

/// A processor architecture that irqlog is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch {
    /// AMD64.
    X64,
    /// AArch64.
    Arm64,
}

impl Arch {
    /// Both architectures, x64 first.
    pub const ALL: [Self; 2] = [Self::X64, Self::Arm64];

    /// The name on command lines and in folder names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::X64 => "x64",
            Self::Arm64 => "arm64",
        }
    }

    /// The Rust target triple.
    pub const fn triple(self) -> &'static str {
        match self {
            Self::X64 => "x86_64-pc-windows-msvc",
            Self::Arm64 => "aarch64-pc-windows-msvc",
        }
    }

    /// The module that exports a routine here.
    pub const fn module_of(self, export: &Export) -> Option<&'static str> {
        match self {
            Self::X64 => export.modules.x64,
            Self::Arm64 => export.modules.arm64,
        }
    }

    /// The folder name that the WDK uses.
    const fn wdk_folder(self) -> &'static str {
        match self {
            Self::X64 => "x64",
            Self::Arm64 => "ARM64",
        }
    }

    /// The machine name of `llvm-dlltool`.
    const fn dlltool_machine(self) -> &'static str {
        match self {
            Self::X64 => "i386:x86-64",
            Self::Arm64 => "arm64",
        }
    }
}

/// The programs that the kit calls, by name or path.
#[derive(Clone, Debug)]
pub struct Tools {
    /// `clang-cl`, the C compiler with Microsoft's command line.
    pub clang_cl: PathBuf,
    /// `llvm-lib`, the librarian.
    pub llvm_lib: PathBuf,
    /// `llvm-dlltool`, which makes import libraries.
    pub llvm_dlltool: PathBuf,
}

/// Writes the kit below `root` (the future `WDKContentRoot`), and replaces the files that are there. `more` is what a driver
/// adds to it.
///
/// # Errors
/// A folder that cannot be written, or a tool that is missing or fails; the message names it.
pub fn assemble(root: &Path, tools: &Tools, more: &Additions) -> Result<()> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = &std::path::absolute(root).with_context(|| format!("where {} is", root.display()))?;
    let include = root.join("Include").join(SDK_VERSION);
    let kmdf_include = kmdf_headers(root);
    for folder in ["km/crt", "km/ufx/1.1", "shared", "um"] {
        create(&include.join(folder))?;
    }
    create(&kmdf_include)?;
    write_kernel_headers(&include.join("km"))?;
    more.declare(&include.join("km"))?;
    copy(&source.join("include/wdf/wdf.h"), &kmdf_include.join("wdf.h"))?;
    for arch in Arch::ALL {
        libraries(source, root, arch, tools, &[include.join("km"), kmdf_include.clone()])
            .and_then(|()| more.libraries(root, arch, tools))
            .with_context(|| format!("making the kit's libraries for {}", arch.name()))?;
    }
    Ok(())
}

/// Writes the kernel's headers into a folder: what is kept in `include/km`, and what is made from the table of `tools/nt`.
///
/// # Errors
/// A file that cannot be written; the message names it.
pub fn write_kernel_headers(folder: &Path) -> Result<()> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/km");
    create(folder)?;
    for header in ["ntddk.h", "ntifs.h", "ntstrsafe.h"] {
        copy(&source.join(header), &folder.join(header))?;
    }
    let routines = folder.join(declarations::FILE);
    fs::write(&routines, declarations::declarations()).with_context(|| format!("writing {}", routines.display()))
}

/// The folder of the kernel's headers, for drivers in C.
pub fn kernel_headers(root: &Path) -> PathBuf {
    root.join("Include").join(SDK_VERSION).join("km")
}

/// The folder of the kernel's import library, for drivers that are not built through wdk-build.
pub fn kernel_libraries(root: &Path, arch: Arch) -> PathBuf {
    root.join("Lib").join(SDK_VERSION).join("km").join(arch.wdk_folder())
}

/// The folder of the libraries that a KMDF driver is linked with.
pub fn kmdf_libraries(root: &Path, arch: Arch) -> PathBuf {
    root.join("Lib/wdf/kmdf").join(arch.wdk_folder()).join(KMDF_VERSION)
}

/// The folder of KMDF's header.
pub fn kmdf_headers(root: &Path) -> PathBuf {
    root.join("Include/wdf/kmdf").join(KMDF_VERSION)
}

fn libraries(source: &Path, root: &Path, arch: Arch, tools: &Tools, includes: &[PathBuf]) -> Result<()> {
    let (km, kmdf) = (kernel_libraries(root, arch), kmdf_libraries(root, arch));
    create(&km)?;
    create(&kmdf)?;
    for (library, module) in LIBRARIES {
        let folder = if library == "WdfLdr" { &kmdf } else { &km };
        let def = folder.join(format!("{library}.def"));
        import_library(&def, &definition(module, arch), &folder.join(format!("{library}.lib")), arch, tools)?;
    }
    let c = source.join("lib");
    static_library(&c.join("WdfDriverEntry.c"), &kmdf.join("WdfDriverEntry.lib"), arch, tools, includes)?;
    // Named by wdk-sys's link directives; nothing is taken from them.
    for library in ["BufferOverflowFastFailK.lib", "wmilib.lib"] {
        static_library(&c.join("empty.c"), &km.join(library), arch, tools, includes)?;
    }
    if arch == Arch::Arm64 {
        static_library(&c.join("empty.c"), &km.join("arm64rt.lib"), arch, tools, includes)?;
    }
    Ok(())
}

/// Makes an import library from the text of its definition, which is kept at `def`.
fn import_library(def: &Path, definition: &str, library: &Path, arch: Arch, tools: &Tools) -> Result<()> {
    fs::write(def, definition).with_context(|| format!("writing {}", def.display()))?;
    let mut dlltool = Command::new(&tools.llvm_dlltool);
    run(dlltool.args(["-m", arch.dlltool_machine(), "-d"]).arg(def).arg("-l").arg(library))
}

/// The definition of a module's import library: what the table of `tools/nt` says that the module exports.
pub fn definition(module: &str, arch: Arch) -> String {
    let mut text = format!("LIBRARY {module}\nEXPORTS\n");
    for export in EXPORTS.iter().filter(|export| arch.module_of(export) == Some(module)) {
        text.push_str(export.name);
        text.push('\n');
    }
    text
}

fn static_library(c: &Path, lib: &Path, arch: Arch, tools: &Tools, includes: &[PathBuf]) -> Result<()> {
    // An archive keeps the names of its objects as they were given, and so does the PDB that is made from it: the tools
    // run where the files are, and an object is made without the time of day, or each build would be another.
    let folder = lib.parent().context("a library lies in a folder")?;
    let lib = lib.file_name().context("a library has a name")?;
    let object = Path::new(lib).with_extension("obj");
    let mut compile = Command::new(&tools.clang_cl);
    compile
        .current_dir(folder)
        .arg("/Brepro")
        .arg(format!("--target={}", arch.triple()))
        .args(["/c", "/O2", "/GS-", "/kernel", "/Zl", "/W4", "/WX", "-Wno-nonportable-include-path"])
        .args(["/DKMDF_VERSION_MAJOR=1", "/DKMDF_VERSION_MINOR=31", "/D_KERNEL_MODE"])
        .arg(match arch {
            Arch::X64 => "/D_AMD64_",
            Arch::Arm64 => "/D_ARM64_",
        });
    for include in includes {
        compile.arg("-imsvc").arg(include);
    }
    // After `--`, or an absolute path would be read as an option.
    run(compile.arg(format!("/Fo{}", object.display())).arg("--").arg(c))?;
    run(Command::new(&tools.llvm_lib).current_dir(folder).arg(format!("/out:{}", lib.display())).arg(&object))
}

fn create(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("copying {} to {}", from.display(), to.display()))?;
    Ok(())
}

fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("starting {program}"))?;
    ensure!(
        output.status.success(),
        "{program} failed ({}):\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row with a module that no library names would be missing from the kit. Only the link of a driver would show
    /// it.
    #[test]
    fn every_module_of_the_table_has_a_library() {
        for arch in Arch::ALL {
            for export in EXPORTS {
                let module = arch.module_of(export);
                assert!(
                    module.is_none_or(|module| LIBRARIES.iter().any(|(_, named)| *named == module)),
                    "{} is in {module:?}",
                    export.name
                );
            }
            for (_, module) in LIBRARIES {
                assert!(definition(module, arch).lines().count() > 2, "{module} exports nothing on {}", arch.name());
            }
        }
    }
}
