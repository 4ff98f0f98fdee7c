//! What the host must have, and how it is installed: Debian packages, and a Rust that can build for Windows.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use irqlog_kit::{Arch, Tools};

use crate::shell::{output, run, step};

/// The LLVM that the kit and bindgen use: Debian 12's newest, which understands ARM64 bindings.
const LLVM: u32 = 19;

/// A Rust toolchain that can build `core` and `alloc` for the driver's targets.
#[derive(Debug)]
pub enum Toolchain {
    /// The toolchain on the path has the targets' libraries.
    Installed,
    /// It has the library's source instead; `-Zbuild-std` builds it.
    BuildStd {
        /// The folder of `rustc` and `cargo`; `None` for those on the path.
        bin: Option<PathBuf>,
        /// `library/` of the matching source.
        library: PathBuf,
    },
}

impl Toolchain {
    /// Finds one, installing Debian's packages as a last resort.
    ///
    /// # Errors
    /// If none is there and none can be installed.
    pub fn find(archs: &[Arch]) -> Result<Self> {
        let sysroot = PathBuf::from(output(Command::new("rustc").args(["--print", "sysroot"]))?.trim());
        let rustlib = sysroot.join("lib/rustlib");
        let has_targets = || archs.iter().all(|arch| rustlib.join(arch.triple()).join("lib").is_dir());
        if has_targets() {
            return Ok(Self::Installed);
        }
        let library = rustlib.join("src/rust/library");
        if library.join("Cargo.lock").exists() {
            return Ok(Self::BuildStd { bin: None, library });
        }
        let debian = Path::new("/usr/lib/rustlib/src/rust/library");
        if !debian.join("Cargo.lock").exists() {
            step("adding the Windows targets to the Rust toolchain (rustup target add)");
            let added =
                Command::new("rustup").args(["target", "add"]).args(archs.iter().map(|arch| arch.triple())).status();
            if added.is_ok_and(|status| status.success()) && has_targets() {
                return Ok(Self::Installed);
            }
            step("rustup cannot fetch them here; using Debian's compiler with its library source instead");
            apt_install(&["rustc-web", "cargo-web", "rust-web-src"])?;
        }
        Ok(Self::BuildStd { bin: Some("/usr/bin".into()), library: debian.to_path_buf() })
    }
}

/// The LLVM programs and libclang, installed if they are missing.
///
/// # Errors
/// If they are missing and cannot be installed.
pub fn llvm() -> Result<Tools> {
    let bin = |name: &str| PathBuf::from(format!("/usr/bin/{name}-{LLVM}"));
    let tools = Tools { clang_cl: bin("clang-cl"), llvm_lib: bin("llvm-lib"), llvm_dlltool: bin("llvm-dlltool") };
    let lld = bin("lld-link");
    let objdump = llvm_objdump();
    let wanted = [&tools.clang_cl, &tools.llvm_lib, &tools.llvm_dlltool, &lld, &objdump];
    if wanted.iter().any(|program| !program.exists()) || !libclang().join("libclang.so").exists() {
        let packages = ["clang", "clang-tools", "lld", "llvm"].map(|name| format!("{name}-{LLVM}"));
        let mut packages: Vec<&str> = packages.iter().map(String::as_str).collect();
        let libclang = format!("libclang-{LLVM}-dev");
        packages.push(&libclang);
        apt_install(&packages)?;
        if let Some(missing) = wanted.iter().find(|program| !program.exists()) {
            bail!("{} is missing although {} are installed", missing.display(), packages.join(", "));
        }
    }
    Ok(tools)
}

/// The linker for Windows images.
pub fn lld_link() -> PathBuf {
    format!("/usr/bin/lld-link-{LLVM}").into()
}

/// The disassembler.
pub fn llvm_objdump() -> PathBuf {
    format!("/usr/bin/llvm-objdump-{LLVM}").into()
}

/// The folder of `libclang.so`, for bindgen.
pub fn libclang() -> PathBuf {
    format!("/usr/lib/llvm-{LLVM}/lib").into()
}

/// Installs Debian packages, through sudo where we are not root.
///
/// # Errors
/// If this is no Debian, or the installation fails; the message says what to install by hand.
pub fn apt_install(packages: &[&str]) -> Result<()> {
    let names = packages.join(" ");
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!("this machine lacks {names} and has no apt-get; install their counterparts by hand");
    }
    step(&format!("installing Debian packages: {names}"));
    let is_root = output(Command::new("id").arg("-u"))?.trim() == "0";
    let apt = |arguments: &[&str]| {
        let mut command = if is_root {
            Command::new("apt-get")
        } else {
            let mut sudo = Command::new("sudo");
            sudo.arg("apt-get");
            sudo
        };
        command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
        run(&mut command)
    };
    apt(&["update", "-qq"])?;
    let mut install = vec!["install", "-y", "-qq", "--no-install-recommends"];
    install.extend(packages);
    apt(&install).with_context(|| format!("install these Debian packages by hand: {names}"))
}
