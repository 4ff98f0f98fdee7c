//! Wrong output that other tools' bug reports describe, as tests; each is named by the report it comes from.
//!
//! The images in `testdata/regressions` are small and made by hand: one fault each.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn image(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/regressions").join(name)
}

fn irqlog(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_irqlog")).args(arguments).output().unwrap()
}

/// What `decode FILE` shows with these arguments behind it.
fn shown(file: &Path, arguments: &[&str]) -> String {
    let output = irqlog(&[&["decode", file.to_str().unwrap()], arguments].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// sysdig #2182: a time before the first event underflows. A tick before the driver's start is a negative time.
#[test]
fn sysdig_2182_a_tick_before_the_start_is_a_negative_time() {
    let file = image("before-start.irqlog");
    let text = shown(&file, &[]);
    assert!(!text.contains("1844674407370"), "{text}");
    let before = text.lines().filter(|line| line.trim_start().starts_with('-') && line.contains("cpu")).count();
    let all = text.lines().filter(|line| line.contains("cpu")).count();
    assert!(before > 0 && before < all, "{before} of {all} records lie before the start:\n{text}");
    let lines = |since: &str| shown(&file, &["--since", since]).lines().filter(|line| line.contains("cpu")).count();
    assert_eq!(lines("0"), all - before, "--since 0 leaves out what lies before the start");
    assert_eq!(lines("-1000000"), all, "--since takes negative times");
}
