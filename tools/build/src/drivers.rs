//! Builds irqlog.sys, the drivers that the rig loads beside it, and irqlog.exe.
//!
//! Results: `target/driver/<arch>/<name>.sys` with `.pdb` and `.map` beside it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use irqlog_kit::Arch;

use crate::{
    host::{self, Toolchain},
    reproducible,
    setup::{Setup, relative},
    shell::{root, run, step, timed},
};

/// A driver package: its cargo name, the stem of cargo's output, and the name of the image.
struct Driver {
    package: &'static str,
    output: &'static str,
    image: &'static str,
}

const IRQLOG: Driver = Driver { package: "irqlog", output: "irqlog", image: "irqlog" };
/// The test driver, which logs through irqlog.sys.
const TESTDRV: Driver = Driver { package: "irqlog-testdrv", output: "irqlog_testdrv", image: "testdrv" };
/// The small KMDF that the rig loads beside it.
const KMDF: Driver = Driver { package: "irqlog-kmdf", output: "irqlog_kmdf", image: "WDFLDR" };

/// The shim for Wine, which runs on x64 only.
const SHIM: Driver = Driver { package: "irqlog-wine", output: "irqlog_wine", image: "ntosshim" };
/// A driver in Rust that logs events.
const SAMPLE_RUST: Driver =
    Driver { package: "irqlog-sample-rust", output: "irqlog_sample_rust", image: "sample_rust" };
/// The images of the drivers that log events, as examples for others.
pub const SAMPLES: [&str; 2] = [SAMPLE_RUST.image, SAMPLE_C];
/// The drivers that are built for both architectures, of those in Rust.
const ALL: [&Driver; 4] = [&IRQLOG, &KMDF, &TESTDRV, &SAMPLE_RUST];

/// The image of the driver in C that logs events.
const SAMPLE_C: &str = "sample_c";

/// Builds irqlog.sys and the samples, and says on standard output where they are.
///
/// # Errors
/// If a tool fails or cannot be installed.
pub fn drivers(archs: &[Arch]) -> Result<()> {
    packaged(archs)?;
    for &arch in archs {
        for name in [IRQLOG.image, SAMPLE_RUST.image, SAMPLE_C] {
            println!("{}", image(arch, name).display());
        }
    }
    Ok(())
}

/// Builds what is packaged: irqlog.sys and the samples.
///
/// # Errors
/// If a tool fails or cannot be installed.
pub fn packaged(archs: &[Arch]) -> Result<()> {
    let setup = Setup::prepare(archs)?;
    for &arch in archs {
        setup.build(&IRQLOG, arch)?;
        setup.build(&SAMPLE_RUST, arch)?;
        setup.build_sample_c(arch)?;
    }
    Ok(())
}

/// Builds what the rig loads: irqlog.sys and the drivers beside it.
///
/// # Errors
/// If a tool fails or cannot be installed.
pub fn rig_images(arch: Arch) -> Result<()> {
    let setup = Setup::prepare(&[arch])?;
    for driver in ALL {
        setup.build(driver, arch)?;
    }
    setup.build_sample_c(arch)
}

/// Builds what Wine loads: irqlog.sys, WDFLDR.SYS and the shim.
///
/// # Errors
/// If a tool fails or cannot be installed.
pub fn wine_images() -> Result<()> {
    let setup = Setup::prepare(&[Arch::X64])?;
    [&IRQLOG, &KMDF, &SHIM].into_iter().try_for_each(|driver| setup.build(driver, Arch::X64))?;
    setup.build_random_for_wine()
}

/// Builds the checked irqlog.sys for both architectures, the one for the rig beside what the rig loads with it. Gives the
/// folder for the rig.
///
/// # Errors
/// If a tool fails or cannot be installed.
pub fn checked() -> Result<PathBuf> {
    rig_images(host::NATIVE)?;
    let setup = Setup::prepare(&Arch::ALL)?;
    let target = root().join("target/checked");
    let checked = target.join("images");
    fs::create_dir_all(&checked).with_context(|| format!("creating {}", checked.display()))?;
    for arch in Arch::ALL {
        timed(&format!("building the checked irqlog.sys for {}", arch.name()), || {
            run(setup.cargo(&IRQLOG, arch).args(["--features", "checked"]).arg("--target-dir").arg(&target))
        })?;
    }
    let linked = target.join(host::NATIVE.triple()).join("release");
    fs::copy(linked.join("irqlog.dll"), checked.join("irqlog.sys"))?;
    fs::copy(linked.join("deps/irqlog.map"), checked.join("irqlog.map"))?;
    copy_beside(&images(host::NATIVE), &checked)?;
    Ok(checked)
}

/// Copies what the rig loads beside irqlog.sys, as far as it is built.
fn copy_beside(from: &Path, images: &Path) -> Result<()> {
    for beside in ["WDFLDR.sys", "testdrv.sys", "sample_rust.sys", "sample_c.sys"] {
        let built = from.join(beside);
        if built.exists() {
            fs::copy(&built, images.join(beside))?;
        }
    }
    Ok(())
}

/// Clippy over the drivers, for both architectures, and the Windows half of the CLI.
///
/// It needs `core` for the Windows targets made by clippy's own compiler; where only Debian's compiler has that, it says so
/// and does nothing.
///
/// # Errors
/// Whatever clippy finds.
pub fn clippy_drivers() -> Result<()> {
    let setup = Setup::prepare(&Arch::ALL)?;
    if !matches!(setup.toolchain, Toolchain::Installed | Toolchain::BuildStd { bin: None, .. }) {
        step("clippy cannot look at the drivers here: rustup could not fetch the Windows targets");
        return Ok(());
    }
    for arch in Arch::ALL {
        let mut cargo = setup.base("clippy", arch, "core,alloc");
        cargo.arg("--release").arg("--target-dir").arg(root().join("target/driver"));
        // With the example of irqlog-provider-wdk, which no build needs.
        cargo.args(["--lib", "--examples", "--package", "irqlog-provider-wdk"]);
        for driver in ALL {
            cargo.args(["--package", driver.package]);
        }
        if arch == Arch::X64 {
            cargo.args(["--package", SHIM.package]);
        }
        run(cargo.args(["--", "-D", "warnings"]))?;
    }
    // The Windows half of the CLI, which is the same for both.
    let mut cargo = setup.base("clippy", Arch::X64, "std,panic_abort");
    cargo.args(["--package", "irqlog-cli"]).arg("--target-dir").arg(root().join("target/windows-cli"));
    run(cargo.args(["--", "-D", "warnings"]))
}

/// The target of irqlog.exe. rustup has its library, its C runtime links without Microsoft's files, and the program needs
/// nothing but Windows to run.
pub const fn cli_target(arch: Arch) -> &'static str {
    match arch {
        Arch::X64 => "x86_64-pc-windows-gnu",
        Arch::Arm64 => "aarch64-pc-windows-gnullvm",
    }
}

/// Builds irqlog.exe as it is packaged, and gives its path. Debian has a C runtime and a linker for x64; for ARM64 zig
/// compiles one, which takes minutes the first time.
///
/// # Errors
/// If a tool fails or cannot be installed.
pub fn windows_cli(arch: Arch) -> Result<PathBuf> {
    let target = cli_target(arch);
    let toolchain = Toolchain::find(&[target])?;
    let wrappers = reproducible::wrappers(&toolchain.rustc())?;
    let folder = root().join("target/windows-cli");
    timed(&format!("building irqlog.exe for {}", arch.name()), || {
        let subcommand = if arch == Arch::X64 { "build" } else { "zigbuild" };
        let mut cargo = toolchain.cargo(subcommand, target, "std,panic_abort");
        cargo.args(["--profile", "exe", "--package", "irqlog-cli"]).arg("--target-dir").arg(&folder);
        cargo.env("RUSTC_WRAPPER", &wrappers.rustc).env("SOURCE_DATE_EPOCH", reproducible::date()?.to_string());
        if arch == Arch::X64 {
            cargo.env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER", host::mingw()?);
        } else {
            let zigbuild = host::zigbuild()?;
            // As `cargo zigbuild`, wherever cargo is.
            let path = std::env::var_os("PATH").unwrap_or_default();
            let paths = std::iter::once(zigbuild.bin.clone()).chain(std::env::split_paths(&path));
            cargo.env("PATH", std::env::join_paths(paths)?).env("CARGO_ZIGBUILD_ZIG_PATH", &zigbuild.zig);
        }
        run(&mut cargo)
    })?;
    Ok(folder.join(target).join("exe/irqlog.exe"))
}

/// Builds irqlog for this machine, and gives its path.
///
/// # Errors
/// If it does not build.
pub fn host_cli() -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    run(cargo.current_dir(root()).args(["build", "--quiet", "--locked", "--package", "irqlog-cli"]))?;
    Ok(root().join("target/debug/irqlog"))
}

/// Builds irqlog.sys from a copy of the sources with a patch applied, for tests that have to notice the patch. Gives the
/// path of the image; what the rig loads lies beside it.
///
/// # Errors
/// If the patch does not apply any more, or the build fails.
pub fn patched(patch: &Path, arch: Arch) -> Result<PathBuf> {
    let setup = Setup::prepare(&[arch])?;
    let copy = patched_sources(patch, arch.name())?;
    let name = copy.file_name().context("a copy has a name")?.to_string_lossy();
    let image = copy.join("images/irqlog.sys");
    timed(&format!("building irqlog.sys for {} with {name}", arch.name()), || {
        let mut cargo = setup.cargo(&IRQLOG, arch);
        // Its own folder: the real build's fingerprints stay what they are.
        run(cargo.current_dir(&copy).arg("--target-dir").arg(root().join("target/planted/build")))?;
        let linked = root().join("target/planted/build").join(arch.triple()).join("release");
        fs::create_dir_all(copy.join("images"))?;
        fs::copy(linked.join("irqlog.dll"), &image)?;
        fs::copy(linked.join("deps/irqlog.map"), image.with_extension("map"))?;
        copy_beside(&images(arch), &copy.join("images"))
    })?;
    Ok(image)
}

/// Removes what [`patched`] copied for a patch.
///
/// # Errors
/// If a file cannot be removed.
pub fn forget_patched(patch: &Path, arch: Arch) -> Result<()> {
    let copy = root().join("target/planted").join(arch.name()).join(patch.file_stem().context("a patch has a name")?);
    fs::remove_dir_all(&copy).with_context(|| format!("removing {}", copy.display()))
}

/// A copy of the sources with a patch, in a folder that `of` tells apart from other copies with it.
///
/// # Errors
/// If the patch does not apply, or the sources cannot be copied.
pub fn patched_sources(patch: &Path, of: &str) -> Result<PathBuf> {
    let name = patch.file_stem().context("a patch has a name")?;
    let copy = root().join("target/planted").join(of).join(name);
    if copy.exists() {
        fs::remove_dir_all(&copy).with_context(|| format!("removing {}", copy.display()))?;
    }
    copy_sources(&root(), &copy)?;
    let mut apply = Command::new("git");
    // Or git would find our own repository around it, and change nothing that this ignores.
    apply.current_dir(&copy).env("GIT_CEILING_DIRECTORIES", copy.parent().context("a folder")?);
    run(apply.arg("apply").arg(patch)).context("the patch has to follow the sources")?;
    Ok(copy)
}

fn copy_sources(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("creating {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        if name == "target" || name == ".git" {
            continue;
        }
        if path.is_dir() {
            copy_sources(&path, &to.join(name))?;
        } else {
            fs::copy(&path, to.join(name)).with_context(|| format!("copying {}", path.display()))?;
        }
    }
    Ok(())
}

/// The folder of an architecture's built images.
pub fn images(arch: Arch) -> PathBuf {
    root().join("target/driver").join(arch.name())
}

/// The path of a built image.
pub fn image(arch: Arch, name: &str) -> PathBuf {
    images(arch).join(format!("{name}.sys"))
}

impl Setup {
    fn build(&self, driver: &Driver, arch: Arch) -> Result<()> {
        timed(&format!("building {}.sys for {}", driver.image, arch.name()), || {
            run(self.cargo(driver, arch).arg("--target-dir").arg(root().join("target/driver")))?;
            collect(driver, arch, &image(arch, driver.image))
        })
    }

    /// `samples/c`, with clang-cl and lld-link, as MSVC's compiler and linker would do it.
    fn build_sample_c(&self, arch: Arch) -> Result<()> {
        timed(&format!("building {SAMPLE_C}.sys for {}", arch.name()), || {
            let to = image(arch, SAMPLE_C);
            fs::create_dir_all(to.parent().context("the image has a folder")?)?;
            let object = relative(&to.with_extension("obj"));
            let mut compile = self.clang_cl(arch);
            compile.args(["/O2", "/std:c11"]).arg(format!("/Fo{}", object.display()));
            // It would tell where it lies.
            compile.args(["-Xclang".to_owned(), format!("-object-file-name={SAMPLE_C}.obj")]);
            // After `--`, or an absolute path would be read as an option.
            run(compile.arg("--").arg("samples/c/sample_c.c"))?;
            let mut link = Command::new(&self.wrappers.linker);
            link.args(["-flavor", "link", "/DRIVER", "/NODEFAULTLIB", "/SUBSYSTEM:NATIVE,10.00", "/ENTRY:DriverEntry"]);
            link.args([
                "/RELEASE",
                "/DYNAMICBASE",
                "/NXCOMPAT",
                "/OPT:REF,ICF",
                "/DEBUG",
                "/PDBALTPATH:%_PDB%",
                "/MAP",
            ]);
            link.arg(format!("/OUT:{}", to.display())).arg(&object);
            run(link.arg(irqlog_kit::kernel_libraries(&self.wdk, arch).join("ntoskrnl.lib")))
        })
    }

    /// `bcryptprimitives.dll`, which Wine 8 lacks and Rust's library takes random numbers from: it forwards the one routine
    /// to its older name, `RtlGenRandom`, which is exported as that (Microsoft Learn, "RtlGenRandom function").
    fn build_random_for_wine(&self) -> Result<()> {
        let to = image(Arch::X64, "bcryptprimitives").with_extension("dll");
        // The linker wants an object, if there is nothing in it.
        let object = relative(&to.with_extension("obj"));
        let mut compile = self.clang_cl(Arch::X64);
        run(compile.arg(format!("/Fo{}", object.display())).args(["--", "tools/kit/lib/empty.c"]))?;
        let mut link = Command::new(&self.wrappers.linker);
        link.args(["-flavor", "link", "/DLL", "/NOENTRY", "/NODEFAULTLIB", "/MACHINE:X64"]);
        link.args(["/EXPORT:ProcessPrng=advapi32.SystemFunction036".to_owned(), format!("/OUT:{}", to.display())]);
        run(link.arg(object))
    }

    fn cargo(&self, driver: &Driver, arch: Arch) -> Command {
        let mut cargo = self.base("build", arch, "core,alloc");
        cargo.args(["--release", "--package", driver.package]);
        cargo
    }
}

/// Copies the files that cargo linked to the folder of the built images.
fn collect(driver: &Driver, arch: Arch, to: &Path) -> Result<()> {
    let from = root().join("target/driver").join(arch.triple()).join("release");
    fs::create_dir_all(to.parent().context("the image has a folder")?)?;
    let copy = |from: PathBuf, to: PathBuf| {
        fs::copy(&from, &to).with_context(|| format!("copying {} to {}", from.display(), to.display()))
    };
    copy(from.join(format!("{}.dll", driver.output)), to.to_path_buf())?;
    copy(from.join(format!("{}.pdb", driver.output)), to.with_extension("pdb"))?;
    copy(from.join("deps").join(format!("{}.map", driver.output)), to.with_extension("map"))?;
    Ok(())
}
