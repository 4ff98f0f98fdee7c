//! Tools that this machine must have: Debian packages, and a Rust toolchain that can build for Windows.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result, bail};
use irqlog_kit::{Arch, Tools};

use crate::{
    shell::{output, root, run, step},
    stamp::Stamp,
};

/// The LLVM that the kit and bindgen use: Debian 12's newest, which understands ARM64 bindings.
const LLVM: u32 = 19;

/// A Rust toolchain that can build for some targets that are not this machine.
#[derive(Debug)]
pub enum Toolchain {
    /// The one on the path has the targets' libraries.
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
    /// Finds a toolchain for these targets, and installs Debian's packages as a last resort.
    ///
    /// # Errors
    /// If there is no such toolchain and none can be installed.
    pub fn find(targets: &[&str]) -> Result<Self> {
        let sysroot = PathBuf::from(output(Command::new("rustc").args(["--print", "sysroot"]))?.trim());
        let rustlib = sysroot.join("lib/rustlib");
        let has_targets = || targets.iter().all(|target| rustlib.join(target).join("lib").is_dir());
        if has_targets() {
            return Ok(Self::Installed);
        }
        let debian = Path::new("/usr/lib/rustlib/src/rust/library");
        let has_debian = debian.join("Cargo.lock").exists();
        if !has_debian {
            step(&format!("adding to the Rust toolchain: rustup target add {}", targets.join(" ")));
            let added = Command::new("rustup").args(["target", "add"]).args(targets).status();
            if added.is_ok_and(|status| status.success()) && has_targets() {
                return Ok(Self::Installed);
            }
        }
        // Not every release has every target; the source is the same for all.
        let library = rustlib.join("src/rust/library");
        let has_source = || library.join("Cargo.lock").exists();
        if !has_source() && !has_debian {
            step("rustup has no library for them; adding its source: rustup component add rust-src");
            // Whether it worked is looked at below.
            let _ = Command::new("rustup").args(["component", "add", "rust-src"]).status();
        }
        if has_source() {
            return Ok(Self::BuildStd { bin: None, library });
        }
        if !has_debian {
            step("rustup cannot fetch them here; using Debian's compiler with its library source instead");
            apt_install(&["rustc-web", "cargo-web", "rust-web-src"])?;
        }
        Ok(Self::BuildStd { bin: Some("/usr/bin".into()), library: debian.to_path_buf() })
    }
}

impl Toolchain {
    /// Path of the compiler.
    pub fn rustc(&self) -> PathBuf {
        match self {
            Self::BuildStd { bin: Some(bin), .. } => bin.join("rustc"),
            _ => "rustc".into(),
        }
    }

    /// Cargo with this toolchain, for a target. `crates` are the parts of the standard library that are built if the
    /// toolchain has only its source.
    pub fn cargo(&self, subcommand: &str, target: &str, crates: &str) -> Command {
        let mut cargo = match self {
            Self::BuildStd { bin: Some(bin), .. } => Command::new(bin.join("cargo")),
            _ => Command::new("cargo"),
        };
        cargo.current_dir(root());
        // What rustup and an outer cargo set would send this build to another compiler than the one chosen here.
        for variable in ["CARGO", "RUSTUP_TOOLCHAIN", "RUSTC", "RUSTDOC", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"] {
            cargo.env_remove(variable);
        }
        cargo.args([subcommand, "--quiet", "--locked", "--target", target]);
        if let Self::BuildStd { bin, .. } = self {
            if let Some(bin) = bin {
                cargo.env("RUSTC", bin.join("rustc"));
            }
            cargo.env("RUSTC_BOOTSTRAP", "1").arg(format!("-Zbuild-std={crates}"));
        }
        cargo
    }
}

/// When an emulator looks for signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signals {
    /// Before each instruction: one is a translation block.
    AnyInstruction,
    /// Before each translation block, as it is fastest.
    AnyBlock,
}

/// The command that runs programs for ARM64 Linux on this machine: an emulator, installed if it is missing, or nothing if
/// the machine is ARM64 Linux.
///
/// # Errors
/// If it is missing and cannot be installed.
pub fn arm64_runner(signals: Signals) -> Result<Vec<String>> {
    if is_arm64() {
        return Ok(Vec::new());
    }
    let emulator = "/usr/bin/qemu-aarch64";
    if !Path::new(emulator).exists() {
        apt_install(&["qemu-user"])?;
    }
    if signals == Signals::AnyBlock {
        return Ok(vec![emulator.to_owned()]);
    }
    // The emulator looks for signals where a translation block starts. Its option for one instruction a block was
    // renamed in version 8.1 (https://www.qemu.org/docs/master/about/removed-features.html).
    let help = output(Command::new(emulator).arg("-help"))?;
    let one_instruction = ["-one-insn-per-tb", "-singlestep"]
        .into_iter()
        .find(|option| help.contains(option))
        .context("qemu-aarch64 has no option for one instruction a block")?;
    Ok(vec![emulator.to_owned(), one_instruction.to_owned()])
}

/// The C compiler that links for x64 Windows, with its C runtime, installed if it is missing.
///
/// # Errors
/// If it is missing and cannot be installed.
pub fn mingw() -> Result<&'static str> {
    let linker = "/usr/bin/x86_64-w64-mingw32-gcc";
    if !Path::new(linker).exists() {
        apt_install(&["gcc-mingw-w64-x86-64-win32"])?;
    }
    Ok(linker)
}

/// Node, in which the WinDbg script is tested, installed if it is missing.
///
/// # Errors
/// If it is missing and cannot be installed.
pub fn node() -> Result<&'static str> {
    if !is_program("node") {
        apt_install(&["nodejs"])?;
    }
    Ok("node")
}

/// tmux, the terminal in which the viewer is tested, installed if it is missing.
///
/// # Errors
/// If it is missing and cannot be installed.
pub fn tmux() -> Result<()> {
    // It knows no `--version`.
    if Command::new("tmux").arg("-V").output().is_err() {
        apt_install(&["tmux"])?;
    }
    Ok(())
}

/// `cargo zigbuild`: a linker and a C runtime for Windows.
#[derive(Debug)]
pub struct Zigbuild {
    /// The folder of `cargo-zigbuild`.
    pub bin: PathBuf,
    /// The compiler.
    pub zig: PathBuf,
}

/// Packages that are fetched from PyPI.
const ZIGBUILD: [&str; 2] = ["ziglang==0.17.1", "cargo-zigbuild==0.24.0"];
/// The version of zig among them.
pub const ZIG_VERSION: &str = "0.17.1";

/// cargo-zigbuild and its compiler, in a folder of our own, fetched if they are missing.
///
/// # Errors
/// If they are missing and cannot be fetched.
pub fn zigbuild() -> Result<Zigbuild> {
    let folder = python_packages(&ZIGBUILD)?;
    Ok(Zigbuild { bin: folder.join("bin"), zig: folder.join("ziglang/zig") })
}

/// Packages of PyPI in a folder of their own, fetched if they are missing.
///
/// Each is pinned, `NAME==VERSION`, and what it depends on is named too: nothing else is fetched. Python finds them there
/// with `PYTHONPATH`.
///
/// # Errors
/// If they are missing and cannot be fetched.
pub fn python_packages(pinned: &[&str]) -> Result<PathBuf> {
    let folder = root().join("target/tools").join(pinned.join("-").replace("==", "-"));
    Stamp::new(folder.join("fetched")).value(pinned).unless_current(|| {
        let has_pip = Command::new("python3").args(["-m", "pip", "--version"]).output();
        if !has_pip.is_ok_and(|output| output.status.success()) {
            apt_install(&["python3", "python3-pip"])?;
        }
        step(&format!("fetching {} from PyPI", pinned.join(", ")));
        let mut pip = Command::new("python3");
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--upgrade",
            "--root-user-action=ignore",
            "--target",
        ]);
        run(pip.arg(&folder).args(pinned))
    })?;
    Ok(folder)
}

/// The architecture that this machine runs without an emulator.
pub const NATIVE: Arch = if is_arm64() { Arch::Arm64 } else { Arch::X64 };

/// Whether this machine is one for ARM64.
pub const fn is_arm64() -> bool {
    cfg!(target_arch = "aarch64")
}

/// The C compiler that links for ARM64 Linux, installed if it is missing.
///
/// # Errors
/// If it is missing and cannot be installed.
pub fn arm64_linker() -> Result<&'static str> {
    let linker = "/usr/bin/aarch64-linux-gnu-gcc";
    if !Path::new(linker).exists() {
        apt_install(&["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"])?;
    }
    Ok(linker)
}

/// openssl, and an osslsigncode that knows catalogs, installed if they are missing.
///
/// # Errors
/// If they cannot be installed.
pub fn signing_tools() -> Result<()> {
    if !is_program("openssl") {
        apt_install(&["openssl"])?;
    }
    if osslsigncode_version().is_some_and(|version| version >= OSSLSIGNCODE) {
        return Ok(());
    }
    // Debian 12 has 2.5, and a newer one in its backports; later releases have that anyway.
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    if release.lines().any(|line| line == "VERSION_CODENAME=bookworm") {
        const LIST: &str = "/etc/apt/sources.list.d/irqlog-bookworm-backports.list";
        if !Path::new(LIST).exists() {
            step(&format!("adding Debian's backports to the sources of apt: {LIST}"));
            let line = "deb http://deb.debian.org/debian bookworm-backports main";
            run(as_root("sh")?.args(["-c", &format!("echo '{line}' > {LIST}")]))?;
        }
        apt_install(&["osslsigncode/bookworm-backports"])?;
    } else {
        apt_install(&["osslsigncode"])?;
    }
    let (major, minor) = OSSLSIGNCODE;
    match osslsigncode_version() {
        Some(version) if version >= OSSLSIGNCODE => Ok(()),
        _ => bail!("catalogs need osslsigncode {major}.{minor} or later (https://github.com/mtrojnar/osslsigncode)"),
    }
}

/// The first version that verifies a file by its catalog in each way that is needed here.
const OSSLSIGNCODE: (u32, u32) = (2, 8);

fn osslsigncode_version() -> Option<(u32, u32)> {
    let output = Command::new("osslsigncode").arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.lines().find_map(|line| line.strip_prefix("osslsigncode "))?;
    let mut numbers = version.split(|byte: char| !byte.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Installs the engine with which openssl uses keys in tokens, if it is missing.
///
/// # Errors
/// If it cannot be installed.
pub fn pkcs11_engine() -> Result<()> {
    let engines = output(Command::new("openssl").args(["version", "-e"]))?;
    let folder = engines.split('"').nth(1).context("openssl does not say where its engines are")?;
    if Path::new(folder).join("pkcs11.so").exists() {
        return Ok(());
    }
    apt_install(&["libengine-pkcs11-openssl"])
}

/// Whether a program of that name is on the path.
pub fn is_program(name: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()))
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

/// Held while apt runs.
static TURN: Mutex<()> = Mutex::new(());

/// Installs Debian packages, through sudo where we are not root.
///
/// # Errors
/// If this is no Debian, or the installation fails; the message says what to install by hand.
pub fn apt_install(packages: &[&str]) -> Result<()> {
    let names = packages.join(" ");
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!("this machine lacks {names} and has no apt-get; install their counterparts by hand");
    }
    for name in packages {
        step(&format!("installing the Debian package {name}"));
    }
    // Tests ask for what they need on threads of their own, and a second apt would find the lock of the first.
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    // What apt says is shown only if it fails.
    let apt = |arguments: &[&str]| {
        let mut command = as_root("apt-get")?;
        command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
        output(&mut command).map(drop)
    };
    apt(&["update", "-qq"])?;
    let mut install = vec!["install", "-y", "-qq", "--no-install-recommends"];
    install.extend(packages);
    apt(&install).with_context(|| format!("install these Debian packages by hand: {names}"))
}

/// A command that runs as root, through sudo if this process does not.
fn as_root(program: &str) -> Result<Command> {
    let is_root = output(Command::new("id").arg("-u"))?.trim() == "0";
    Ok(if is_root {
        Command::new(program)
    } else {
        let mut sudo = Command::new("sudo");
        sudo.arg(program);
        sudo
    })
}
