//! What does not compile, and the words that say why: of this crate, not of the compiler, which may change its own.

use std::path::Path;

use crate::compile;

/// The body of a function, and what is said of it.
const REFUSED: [(&str, &str); 10] = [
    // rust #115466: a macro's format captures nothing.
    ("let port = 1_u8; info!(concat!(\"{\", \"port}\"));", "captures nothing: give it as `port = ..`"),
    ("const F: &str = \"{}\"; info!(F, 1_u8);", "or the format, which is a string literal"),
    ("info!(7, 1_u8);", "the format is a string literal, or a `concat!` of literals"),
    ("info!(concat!(\"a\", env!(\"PATH\")));", "in a format, `concat!` takes literals, `concat!` and `stringify!`"),
    ("info!(\"{crate}\");", "`crate` cannot be captured"),
    ("info!(\"{}\");", "the format takes argument 0, and there are 0"),
    ("info!(\"{}\", String::new());", "`String` cannot be "),
    ("info!(\"{:x}\", \"text\");", "`str` cannot be shown as `{:x}`"),
    ("event!(Level(9), \"text\");", "the level is error, warn, info, debug or trace"),
    // An argument is borrowed until the event is written.
    ("let mut a = [1_u8]; info!(\"{:?} {}\", a.as_slice(), { a[0] = 2; 3_u8 });", "cannot assign to `a[_]`"),
];

#[test]
fn what_is_wrong_does_not_compile_and_is_said() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("refused");
    std::fs::create_dir_all(&folder).unwrap();
    for (number, (body, said)) in REFUSED.into_iter().enumerate() {
        let file = folder.join(format!("case_{number}.rs"));
        let code =
            format!("#![allow(unused)]\nuse irqlog_provider::{{Level, event, info}};\npub fn case() {{\n{body}\n}}\n");
        std::fs::write(&file, code).unwrap();
        let error = compile(&file, &[], &[]).expect_err(body);
        assert!(error.contains(said), "{body}: {error}");
    }
}

/// The same file compiles without its mistake, so it is the mistake that is refused.
#[test]
fn what_is_right_compiles() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("right.rs");
    let code = "#![forbid(unsafe_code)]\n#![deny(warnings)]\n#![no_std]\n
        pub fn case(port: u8) { irqlog_provider::info!(\"{port} {:x}\", 1_u8); }\n";
    std::fs::write(&file, code).unwrap();
    compile(&file, &[], &[]).unwrap();
}
