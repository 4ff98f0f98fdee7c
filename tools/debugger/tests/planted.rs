//! Defects planted in the script: each makes it show something else than irqlog.exe does, so the comparison sees it.

mod common;
// The recorder that `crates/dump` tests with.
#[path = "../../../crates/dump/tests/common/mod.rs"]
mod recorder;

use std::{fs, path::Path};

use common::{expected_of_image, file, mapped};
use irqlog_debugger::{host, script};
use recorder::logged_and_cleared;
use serde_json::Value;

/// What is wrong, the text of the script, and what takes its place.
const PLANTED: [(&str, &str, &str); 8] = [
    ("a layout's offset off by one", r#"["thread", 32, "u32"]"#, r#"["thread", 33, "u32"]"#),
    ("a layout's offset off by a word", r#"["first_site", 48, "u64"]"#, r#"["first_site", 40, "u64"]"#),
    ("an argument kind dropped", r#""U16", "U32", "U64""#, r#""U16", "U64""#),
    ("hex in the wrong case", "base.isUpper ? digits.toUpperCase() : digits", "digits.toUpperCase()"),
    (
        "a status without its name",
        "const statusName = status => WIRE.statuses[status];",
        "const statusName = () => undefined;",
    ),
    ("a loss that is not told", "if (loss !== null) yield { loss };\n            yield", "yield"),
    ("a CLEAR that is not seen", "const cleared = lane.floor.sub(this.firstSeq);", "const cleared = U64_ZERO;"),
    ("lanes one after another", "return first.tick.compare(second.tick) || ", "return "),
];

/// Whether an answer differs from what is expected.
fn differs(answer: &Value, expected: &Value) -> bool {
    ["lines", "records", "losses", "lanes"].iter().any(|list| answer[list] != expected[list])
}

#[test]
fn each_planted_defect_is_seen() {
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata");
    let names = ["images/format-1.0.irqlog", "images/format-1.1.irqlog", "regressions/gap.irqlog"];
    let images: Vec<_> = names.iter().map(|name| fs::read(images.join(name)).unwrap()).collect();
    let images = [images, vec![logged_and_cleared(40, Some(15)).image]].concat();
    let targets: Vec<_> = images
        .iter()
        .zip(0..)
        .map(|(image, number)| mapped(&file(&format!("planted-{number}.irqlog"), image)))
        .collect();
    let expected: Vec<_> = images.iter().map(|image| expected_of_image(image)).collect();
    let whole = script::assemble().unwrap();
    let mut unseen = Vec::new();
    for (what, text, instead) in PLANTED {
        assert_eq!(whole.matches(text).count(), 1, "{what}: the script has changed");
        let planted = file("planted.js", whole.replace(text, instead).as_bytes());
        // A defect may also end in an answer that is no JSON.
        let is_seen = host::ask_script(&planted, &targets)
            .map_or(true, |answers| answers.iter().zip(&expected).any(|(answer, expected)| differs(answer, expected)));
        if !is_seen {
            unseen.push(what);
        }
    }
    let answers = host::ask(&targets).unwrap();
    assert!(!answers.iter().zip(&expected).any(|(answer, expected)| differs(answer, expected)), "without a defect");
    assert!(unseen.is_empty(), "not seen: {unseen:?}");
}
