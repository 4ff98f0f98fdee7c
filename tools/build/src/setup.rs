//! What a driver build needs besides the sources: toolchain, kit, vendored crates, wrappers.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use irqlog_kit::{Additions, Arch};

use crate::{
    host::{self, Toolchain},
    reproducible::{self, Wrappers},
    shell::{root, timed},
    stamp::Stamp,
    vendor,
};

/// Everything a driver build needs besides the sources.
pub(crate) struct Setup {
    pub(crate) toolchain: Toolchain,
    pub(crate) wdk: PathBuf,
    vendor: PathBuf,
    pub(crate) tools: irqlog_kit::Tools,
    pub(crate) wrappers: Wrappers,
}

impl Setup {
    pub(crate) fn prepare(archs: &[Arch]) -> Result<Self> {
        let tools = host::llvm()?;
        let toolchain = Toolchain::find(&archs.iter().map(|arch| arch.triple()).collect::<Vec<_>>())?;
        let wdk = root().join("target/kit/wdk");
        kit(&wdk, &tools)?;
        let library = match &toolchain {
            Toolchain::BuildStd { library, .. } => Some(library.as_path()),
            Toolchain::Installed => None,
        };
        let vendor = vendor::crates(library)?;
        let wrappers = reproducible::wrappers(&toolchain.rustc())?;
        Ok(Self { toolchain, wdk, vendor, tools, wrappers })
    }

    /// The compiler for kernel code in C, with the kit's headers and irqlog.h; for what is packaged.
    pub(crate) fn clang_cl(&self, arch: Arch) -> Command {
        let mut compile = clang_cl(&self.tools, &relative(&irqlog_kit::kernel_headers(&self.wdk)), arch);
        compile.current_dir(root());
        compile.args(["/Brepro".to_owned(), format!("-ffile-compilation-dir={}", reproducible::SOURCES)]);
        compile.args(["/WX", "-Icrates/provider/include"]);
        compile
    }

    /// Cargo with the right compiler, crates and tools for a Windows target; `crates` are the parts of the standard
    /// library that are wanted.
    pub(crate) fn base(&self, subcommand: &str, arch: Arch, crates: &str) -> Command {
        let mut cargo = self.toolchain.cargo(subcommand, arch.triple(), crates);
        cargo.args(["--config", "source.crates-io.replace-with=\"irqlog-vendor\""]);
        cargo.arg("--config").arg(format!("source.irqlog-vendor.directory={:?}", self.vendor.display().to_string()));
        use_kit(&mut cargo, &self.wdk, &self.tools, arch);
        cargo
            .env(format!("CARGO_TARGET_{}_LINKER", underscored(arch).to_uppercase()), &self.wrappers.linker)
            .env("RUSTC_WRAPPER", &self.wrappers.rustc)
            .env("IRQLOG_KIT_LIB", irqlog_kit::kernel_libraries(&self.wdk, arch));
        cargo
    }
}

/// The compiler for kernel code in C, with a kit's headers.
pub(crate) fn clang_cl(tools: &irqlog_kit::Tools, headers: &Path, arch: Arch) -> Command {
    let mut compile = Command::new(&tools.clang_cl);
    compile.arg(format!("--target={}", arch.triple()));
    compile.args(["/c", "/Z7", "/GS-", "/kernel", "/Zl", "/W4", "-Wno-nonportable-include-path"]);
    compile.args(["/D_KERNEL_MODE", if arch == Arch::X64 { "/D_AMD64_" } else { "/D_ARM64_" }]);
    compile.arg("-imsvc").arg(headers);
    compile
}

/// Has what cargo builds for Windows use a kit, and LLVM's tools.
pub(crate) fn use_kit(cargo: &mut Command, wdk: &Path, tools: &irqlog_kit::Tools, arch: Arch) {
    let underscored = underscored(arch);
    cargo
        .env(format!("CC_{underscored}"), &tools.clang_cl)
        .env(format!("AR_{underscored}"), &tools.llvm_lib)
        .env("LIBCLANG_PATH", host::libclang())
        .env("WDKContentRoot", wdk)
        .env_remove("Version_Number");
}

/// The name of a target in environment variables.
pub(crate) fn underscored(arch: Arch) -> String {
    arch.triple().replace('-', "_")
}

/// Assembles the kit if its sources have changed since.
fn kit(wdk: &Path, tools: &irqlog_kit::Tools) -> Result<()> {
    if assemble(wdk, tools, None)? { forget_cached_bindings(&root().join("target")) } else { Ok(()) }
}

/// Assembles a kit, with what the folder `more` adds to it, if its sources have changed since; says whether they have.
pub(crate) fn assemble(wdk: &Path, tools: &irqlog_kit::Tools, more: Option<&Path>) -> Result<bool> {
    let additions = more.map_or_else(|| Ok(Additions::default()), Additions::find)?;
    let mut stamp = Stamp::new(wdk.with_extension("stamp"));
    let ours = ["tools/kit", "tools/nt/src"].map(|folder| root().join(folder));
    for folder in ours.iter().map(PathBuf::as_path).chain(more) {
        stamp = stamp.files(folder)?;
    }
    let is_stale = !stamp.is_current();
    stamp.unless_current(|| {
        timed("assembling the kit (headers, import libraries)", || irqlog_kit::assemble(wdk, tools, &additions))
    })?;
    Ok(is_stale)
}

/// Removes what wdk-macros read out of the bindings, in each target folder below one: it keeps that in a scratch folder and
/// never looks again.
pub(crate) fn forget_cached_bindings(targets: &Path) -> Result<()> {
    for target in ["", "driver", "checked", "planted/build"] {
        let Ok(entries) = fs::read_dir(targets.join(target).join("release/build")) else { continue };
        for entry in entries {
            let path = entry?.path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("scratch-")) {
                fs::remove_dir_all(&path).with_context(|| format!("removing {}", path.display()))?;
            }
        }
    }
    Ok(())
}

/// The path of a file relative to the root folder.
pub(crate) fn relative(path: &Path) -> PathBuf {
    path.strip_prefix(root()).unwrap_or(path).to_path_buf()
}
