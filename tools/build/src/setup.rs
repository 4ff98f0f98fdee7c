//! What a driver build needs besides the sources: toolchain, kit, vendored crates, wrappers.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use irqlog_kit::Arch;

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

    /// The compiler for kernel code in C, with the kit's headers and irqlog.h.
    pub(crate) fn clang_cl(&self, arch: Arch) -> Command {
        let mut compile = Command::new(&self.tools.clang_cl);
        compile.current_dir(root()).arg(format!("--target={}", arch.triple()));
        compile.args(["/Brepro".to_owned(), format!("-ffile-compilation-dir={}", reproducible::SOURCES)]);
        compile.args(["/c", "/Z7", "/GS-", "/kernel", "/Zl", "/W4", "/WX", "-Wno-nonportable-include-path"]);
        compile.args(["/D_KERNEL_MODE", if arch == Arch::X64 { "/D_AMD64_" } else { "/D_ARM64_" }]);
        compile.arg("-imsvc").arg(relative(&irqlog_kit::kernel_headers(&self.wdk))).arg("-Icrates/provider/include");
        compile
    }

    /// Cargo with the right compiler, crates and tools for a Windows target; `crates` are the parts of the standard
    /// library that are wanted.
    pub(crate) fn base(&self, subcommand: &str, arch: Arch, crates: &str) -> Command {
        let mut cargo = self.toolchain.cargo(subcommand, arch.triple(), crates);
        cargo.args(["--config", "source.crates-io.replace-with=\"irqlog-vendor\""]);
        cargo.arg("--config").arg(format!("source.irqlog-vendor.directory={:?}", self.vendor.display().to_string()));
        let underscored = arch.triple().replace('-', "_");
        cargo
            .env(format!("CARGO_TARGET_{}_LINKER", underscored.to_uppercase()), &self.wrappers.linker)
            .env("RUSTC_WRAPPER", &self.wrappers.rustc)
            .env(format!("CC_{underscored}"), &self.tools.clang_cl)
            .env(format!("AR_{underscored}"), &self.tools.llvm_lib)
            .env("LIBCLANG_PATH", host::libclang())
            .env("WDKContentRoot", &self.wdk)
            .env("IRQLOG_KIT_LIB", irqlog_kit::kernel_libraries(&self.wdk, arch))
            .env_remove("Version_Number");
        cargo
    }
}

/// Assembles the kit if its sources have changed since.
fn kit(wdk: &Path, tools: &irqlog_kit::Tools) -> Result<()> {
    let sources = ["tools/kit", "tools/nt/src"].map(|folder| root().join(folder));
    let stamp =
        sources.iter().try_fold(Stamp::new(wdk.with_extension("stamp")), |stamp, folder| stamp.files(folder))?;
    stamp.unless_current(|| {
        timed("assembling the kit (headers, import libraries)", || irqlog_kit::assemble(wdk, tools))?;
        forget_cached_bindings()
    })
}

/// wdk-macros keeps what it read out of the bindings in a scratch folder and never looks again.
fn forget_cached_bindings() -> Result<()> {
    for target in ["driver", "checked", "planted/build"] {
        let build = root().join("target").join(target).join("release/build");
        let Ok(entries) = fs::read_dir(build) else { continue };
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
