//! Makefile.toml, as a developer calls it on Windows: cargo-make itself and wdk-build's own makefile run, with stand-ins
//! for cargo, rust-script and the tools of the WDK, and the command lines that come out are looked at.
//!
//! The one part of wdk-build that a stand-in imitates is `wdk-build-init`, which turns the command line into variables
//! (wdk-build 0.6.0, `src/cargo_make.rs`): its program builds on Windows alone.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use irqlog_build::{
    host::is_program,
    shell::{output, root, run, step},
};

/// The version of cargo-make whose behaviour is looked at.
const CARGO_MAKE: &str = "0.37.24";

/// The stand-in for every tool: notes its command line, and makes the files that later tasks copy.
const STAND_IN: &str = r#"#!/bin/sh
name=$(basename "$0")
echo "$name $*" >> "$STAND_IN_LOG"

# wdk-build-init: what of the command line goes to cargo, and where cargo's output is.
forward() {
    flags= target= profile=dev
    while [ $# -gt 0 ]; do
        case "$1" in
            --release) profile=release flags="$flags --release" ;;
            --target) target=$2 flags="$flags --target $2"; shift ;;
            --features | --jobs) flags="$flags $1 $2"; shift ;;
            *) echo "wdk-build-init: $1?" >&2; exit 1 ;;
        esac
        shift
    done
    folder=$profile
    [ "$profile" = dev ] && folder=debug
    echo "FORWARDING ARGS TO CARGO-MAKE:"
    echo "CARGO_MAKE_CARGO_BUILD_TEST_FLAGS=${flags# }"
    echo "CARGO_MAKE_CARGO_PROFILE=$profile"
    [ -z "$target" ] || echo "CARGO_MAKE_CRATE_TARGET_TRIPLE=$target"
    echo "WDK_BUILD_OUTPUT_DIRECTORY=$CARGO_MAKE_CRATE_CUSTOM_TRIPLE_TARGET_DIRECTORY${target:+/$target}/$folder"
    echo "END OF FORWARDING ARGS TO CARGO-MAKE"
}

case "$name $1" in
    "cargo install" | "cargo search") ;;
    "cargo make") exec cargo-make "$@" ;;
    "cargo build")
        case "$*" in *irqlog-cli*)
            while [ "$1" != --target ]; do shift; done
            mkdir -p "target/windows-cli/$2/exe"
            echo exe > "target/windows-cli/$2/exe/irqlog.exe"
        esac ;;
    cargo*) PATH=${PATH#*:} exec cargo "$@" ;;
    makecert*)
        while [ $# -gt 1 ]; do shift; done
        mkdir -p "$(dirname "$1")"
        echo certificate > "$1" ;;
    rust-script*)
        case "$*" in
            *wdk-build-init*)
                while [ "${1%.rs}" = "$1" ]; do shift; done
                shift
                forward "$@" ;;
            *setup-wdk-config-env-vars*)
                echo "FORWARDING ARGS TO CARGO-MAKE:"
                echo "WDK_BUILD_METADATA-DRIVER_MODEL-DRIVER_TYPE=KMDF"
                echo "END OF FORWARDING ARGS TO CARGO-MAKE" ;;
            *) [ -z "$WDK_BUILD_OUTPUT_DIRECTORY" ] || mkdir -p "$WDK_BUILD_OUTPUT_DIRECTORY/irqlog_package" ;;
        esac ;;
esac
"#;

const TOOLS: [&str; 8] = ["cargo", "rust-script", "stampinf", "inf2cat", "signtool", "makecert", "infverif", "certmgr"];

/// A copy of the project in which `cargo make` runs.
struct MakeStage {
    folder: PathBuf,
}

impl MakeStage {
    fn new(name: &str) -> Result<Self> {
        let folder = root().join("target/tmp/makefile").join(name);
        let _none_yet = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("bin"))?;
        fs::create_dir_all(folder.join("tree/target"))?;
        let files = output(Command::new("git").current_dir(root()).arg("ls-files"))?;
        for file in files.lines().filter(|file| root().join(file).is_file()) {
            let to = folder.join("tree").join(file);
            fs::create_dir_all(to.parent().context("it is in a folder")?)?;
            fs::copy(root().join(file), to)?;
        }
        fs::copy(wdk_makefile()?, folder.join("tree/target/rust-driver-makefile.toml"))?;
        let stand_in = folder.join("bin/stand-in");
        fs::write(&stand_in, STAND_IN)?;
        fs::set_permissions(&stand_in, fs::Permissions::from_mode(0o755))?;
        for tool in TOOLS {
            symlink("stand-in", folder.join("bin").join(tool))?;
        }
        Ok(Self { folder })
    }

    /// `cargo make ARGUMENTS`; the command lines of the tools.
    fn make(&self, arguments: &[&str]) -> Result<Vec<String>> {
        let log = self.folder.join("log");
        let path = std::env::var("PATH").context("there is a PATH")?;
        let mut make = Command::new("cargo-make");
        make.current_dir(self.folder.join("tree")).args(["make", "--disable-check-for-updates"]).args(arguments);
        make.env("PATH", format!("{}:{path}", self.folder.join("bin").display())).env("STAND_IN_LOG", &log);
        let done = make.output().context("starting cargo-make")?;
        if !done.status.success() {
            let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
            bail!("`cargo make {}` failed:\n{said}", arguments.join(" "));
        }
        Ok(fs::read_to_string(log)?.lines().map(str::to_owned).collect())
    }

    /// The names of the files in the package below an output folder.
    fn package(&self, output: &str) -> Result<Vec<String>> {
        let folder = self.folder.join("tree").join(output).join("irqlog_package");
        let files = fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
        files.map(|file| Ok(file?.file_name().to_string_lossy().into_owned())).collect()
    }
}

/// The makefile of the wdk-build that the driver depends on.
fn wdk_makefile() -> Result<PathBuf> {
    let metadata =
        output(Command::new("cargo").current_dir(root()).args(["metadata", "--format-version", "1", "--locked"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    let packages = metadata["packages"].as_array().context("a list of packages")?;
    let wdk_build =
        packages.iter().find(|package| package["name"] == "wdk-build").context("wdk-build is a dependency")?;
    let manifest = PathBuf::from(wdk_build["manifest_path"].as_str().context("a path")?);
    Ok(manifest.with_file_name("rust-driver-makefile.toml"))
}

fn of<'l>(lines: &'l [String], call: &str) -> Vec<&'l str> {
    lines.iter().map(String::as_str).filter(|line| line.starts_with(call)).collect()
}

/// Runs the makefile, and looks at what it calls.
///
/// # Errors
/// If cargo-make cannot be installed, or calls something else.
pub fn check() -> Result<()> {
    if !is_program("cargo-make") {
        step(&format!("installing cargo-make {CARGO_MAKE}"));
        run(Command::new("cargo").args(["install", "--locked", "--quiet", "--version", CARGO_MAKE, "cargo-make"]))?;
    }
    the_package_for_this_machine()?;
    what_is_asked_for_is_forwarded()?;
    an_architecture_is_a_target()
}

fn the_package_for_this_machine() -> Result<()> {
    let stage = MakeStage::new("default")?;
    let lines = stage.make(&[])?;
    let builds = of(&lines, "cargo build");
    ensure!(builds.first() == Some(&"cargo build --locked --package irqlog"), "the driver's build: {builds:?}");
    ensure!(builds.iter().all(|build| build.contains("--package irqlog")), "a build of everything: {builds:?}");
    let cli = builds.last().context("a build of the CLI")?;
    ensure!(cli.starts_with("cargo build --locked --package irqlog-cli --target "), "{cli}");
    ensure!(cli.ends_with("--target-dir target/windows-cli --profile exe"), "{cli}");
    let package = stage.package("target/debug")?;
    for file in ["install.cmd", "uninstall.cmd", "README.txt", "irqlog.exe", "irqlog-test.cer", "first-run"] {
        ensure!(package.iter().any(|name| name == file), "the package has no {file}: {package:?}");
    }
    let tree = stage.folder.join("tree");
    let inf = tree.join("target/debug/irqlog.inf");
    ensure!(of(&lines, "infverif") == [format!("infverif /v /w {}", inf.display())], "{:?}", of(&lines, "infverif"));
    ensure!(fs::read(inf)? == fs::read(tree.join("inf/irqlog.inx"))?, "the INF is not inf/irqlog.inx");
    let signed = of(&lines, "signtool sign");
    for file in ["irqlog_package/irqlog.sys", "irqlog_package/irqlog.cat", "irqlog_package/irqlog.exe"] {
        ensure!(signed.iter().any(|line| line.ends_with(file)), "{file} is not signed: {signed:?}");
    }
    Ok(())
}

fn what_is_asked_for_is_forwarded() -> Result<()> {
    const TARGET: &str = "aarch64-pc-windows-msvc";
    let stage = MakeStage::new("forwarded")?;
    let lines = stage.make(&["default", "--release", "--target", TARGET, "--features", "checked"])?;
    let builds = of(&lines, "cargo build");
    let driver = "cargo build --locked --package irqlog --release --target aarch64-pc-windows-msvc --features checked";
    ensure!(builds.first() == Some(&driver), "the driver's build: {builds:?}");
    let cli = builds.last().context("a build of the CLI")?;
    ensure!(cli.contains(&format!("--package irqlog-cli --target {TARGET} ")), "{cli}");
    let folder = format!("target/{TARGET}/release");
    ensure!(stage.package(&folder)?.iter().any(|name| name == "irqlog.exe"), "no irqlog.exe in {folder}");
    let catalogs = of(&lines, "inf2cat");
    let call = format!("{folder}/irqlog_package /os:Server10_arm64");
    ensure!(catalogs.iter().any(|line| line.contains(&call)), "{catalogs:?}");
    Ok(())
}

fn an_architecture_is_a_target() -> Result<()> {
    let lines = MakeStage::new("arch")?.make(&["package", "--arch", "x64", "--release"])?;
    let builds = of(&lines, "cargo build");
    let driver = "cargo build --locked --package irqlog --release --target x86_64-pc-windows-msvc";
    ensure!(builds.first() == Some(&driver), "the driver's build: {builds:?}");
    Ok(())
}
