//! Defects that other loggers were reported to have, each with the report: what compiles has to log the right text.
//!
//! | Module | Report |
//! |---|---|
//! | [`names`] | tokio #7637, tracing #2332: items of the macro capture names of the caller |
//! | [`surrogates`] | abseil #2119, servy #1993: a cut takes a surrogate pair apart |
//! | [`formats`] | rust #115466, #115611, defmt #165: keywords as names, `concat!` as a format |
//! | [`facade`] | defmt #834, #928: the crate is renamed or re-exported |
//! | [`held`] | places where a call may stand, and lints that a driver may have |

#![allow(clippy::literal_string_with_formatting_args, reason = "formats are what this is about")]

#[path = "../common/mod.rs"]
mod common;
mod facade;
mod formats;
mod held;
mod names;
mod surrogates;

/// The texts that a function logs.
fn logged(log: impl FnOnce()) -> Vec<String> {
    let _held = common::lock();
    common::connect();
    log();
    common::texts()
}
