//! Defects that other loggers were reported to have, each with the report: what compiles has to log the right text.
//!
//! | Module | Report |
//! |---|---|
//! | [`names`] | tokio #7637, tracing #2332: items of the macro capture names of the caller |
//! | [`surrogates`] | abseil #2119, servy #1993: a cut takes a surrogate pair apart |
//! | [`formats`] | rust #115466, #115611, defmt #165: keywords as names, `concat!` as a format |
//! | [`facade`] | defmt #834, #928: the crate is renamed or re-exported |
//! | [`paths`] | easyloggingpp #537: paths of the build machine in the image |
//! | [`refused`] | what `println!` refuses too, and what a driver is told |
//! | [`held`] | places where a call may stand, and lints that a driver may have |

#![allow(clippy::literal_string_with_formatting_args, reason = "formats are what this is about")]

use std::{path::Path, process::Command};

#[path = "../common/mod.rs"]
mod common;
mod facade;
mod formats;
mod held;
mod names;
mod paths;
mod refused;
mod surrogates;

/// Compiles a file against this `irqlog_provider`, as an object beside it; what the compiler says if it refuses.
fn compile(file: &Path, arguments: &[String], environment: &[(&str, &str)]) -> Result<(), String> {
    let tests = std::env::current_exe().unwrap();
    let libraries = tests.parent().unwrap();
    let is_provider = |file: &Path| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("libirqlog_provider-") && name.ends_with(".rlib")
    };
    // There may be older ones: the last is what this test is linked with.
    let provider = std::fs::read_dir(libraries)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|file| is_provider(file))
        .max_by_key(|file| file.metadata().and_then(|metadata| metadata.modified()).unwrap())
        .expect("the library that this test is linked with");
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--edition=2024", "--crate-type=lib", "--emit=obj", "-o"])
        .arg(file.with_extension("o"))
        .arg(format!("--extern=irqlog_provider={}", provider.display()))
        .arg(format!("-Ldependency={}", libraries.display()))
        .args(arguments)
        .arg(file)
        .env_remove("CARGO_MANIFEST_DIR")
        .envs(environment.iter().copied())
        .output()
        .expect("rustc");
    if output.status.success() { Ok(()) } else { Err(String::from_utf8(output.stderr).unwrap()) }
}

/// The texts that a function logs.
fn logged(log: impl FnOnce()) -> Vec<String> {
    let _held = common::lock();
    common::connect();
    log();
    common::texts()
}
