//! Dumps of each kind, for both architectures, with the log in each place: the script shows what `crates/dump` finds.

mod common;
// The recorder that `crates/dump` tests with.
#[path = "../../../crates/dump/tests/common/mod.rs"]
mod recorder;

use std::path::PathBuf;

use common::{assert_same, expected_of_image, file};
use irqlog_debugger::host;
use irqlog_dump::{FoundLog, Origin, find};
use irqlog_makedump::{Crashed, DumpVariety};
use recorder::{dump, logged, logged_and_cleared};
use serde_json::{Value, json};

const KERNEL: u64 = 0xffff_8000_0000_0000;
/// Where the anchor and the image lie in these dumps.
const ANCHOR: u64 = 0x7f00_0001_3800 | KERNEL;
const IMAGE: u64 = 0x7f12_3456_7000 | KERNEL;

/// A dump, how the debugger looks at it, and what `crates/dump` finds in it.
struct Case {
    name: String,
    target: Value,
    found: FoundLog,
}

impl Case {
    /// A dump in which the symbol of the anchor is known.
    fn new(name: String, bytes: &[u8]) -> Self {
        let path: PathBuf = file(&format!("{name}.dmp"), bytes);
        let (_, found) = find(&bytes, |_, _| {}).unwrap();
        let symbols = json!({ "irqlog!IrqlogAnchor": format!("{ANCHOR:#x}") });
        Self { name, target: json!({ "path": path, "symbols": symbols }), found }
    }

    /// Looked at in another way.
    fn with(mut self, change: &Value) -> Self {
        for (key, value) in change.as_object().unwrap() {
            self.target[key] = value.clone();
        }
        self
    }

    /// What the script says of where the log was, if it says something else than irqlog.exe does.
    fn origin(&self) -> &'static str {
        match self.target["call"].as_str() {
            Some(address) if address == format!("{IMAGE:#x}") => "the image at the given address",
            Some(_) => Origin::Anchor.text(),
            None => self.found.origin.text(),
        }
    }
}

/// Every kind of dump by every way to the log.
fn cases() -> Vec<Case> {
    let logged = Box::leak(Box::new(logged(40)));
    let cleared = Box::leak(Box::new(logged_and_cleared(40, Some(15))));
    let mut cases = Vec::new();
    for kind in DumpVariety::ALL {
        for (machine, levels) in [(0x8664, 4), (0x8664, 5), (0xaa64, 4)] {
            let name = |what: &str| format!("{kind:?}-{machine:x}-{levels}-{what}");
            let of_machine = |crashed: Crashed<'static>| Crashed { machine, levels, ..crashed };
            cases.push(Case::new(name("whole"), &dump(logged, kind, of_machine)));
            let without = dump(logged, kind, |crashed| Crashed { blocks: &[], ..of_machine(crashed) });
            cases.push(Case::new(name("memory"), &without));
            if kind == DumpVariety::Small {
                continue;
            }
            let without_cleared = dump(cleared, kind, |crashed| Crashed { blocks: &[], ..of_machine(crashed) });
            cases.push(Case::new(name("cleared"), &without_cleared));
            let at = |address: u64| json!({ "call": format!("{address:#x}") });
            cases.push(Case::new(name("anchor"), &without).with(&at(ANCHOR)));
            let image = Case::new(name("image"), &without).with(&at(IMAGE)).with(&json!({ "symbols": {} }));
            cases.push(image);
        }
        let enumtag = Case::new(format!("{kind:?}-enumtag"), &dump(logged, kind, |crashed| crashed));
        cases.push(enumtag.with(&json!({ "withoutFile": true })));
        for room in [1 << 10, 4 << 10, 8 << 10, 1 << 20] {
            let blocks: &'static [_] = logged.parts(room).leak();
            let bytes = dump(logged, kind, |crashed| Crashed { blocks, ..crashed });
            cases.push(Case::new(format!("{kind:?}-room-{room}"), &bytes));
            // And with nothing else: what was cut is gone.
            let bytes =
                dump(logged, kind, |crashed| Crashed { blocks, memory: &crashed.memory[..1], added: &[], ..crashed });
            cases.push(Case::new(format!("{kind:?}-cut-{room}"), &bytes));
            // A part that the dump does not have.
            if blocks.len() > 1 && kind == DumpVariety::Kernel {
                let blocks = &blocks[..blocks.len() - 1];
                let alone = |crashed: Crashed<'static>| Crashed { blocks, memory: &crashed.memory[..1], ..crashed };
                cases.push(Case::new(format!("{kind:?}-gap-{room}"), &dump(logged, kind, alone)));
            }
        }
    }
    cases
}

/// The sentences of irqlog.exe about what a dump does not have.
fn notes(found: &FoundLog) -> Vec<String> {
    let mut notes = Vec::new();
    if found.cut.records_left_out != 0 {
        notes.push(format!(
            "the driver left out {} older records of its secondary data, because Windows allowed {} bytes",
            found.cut.records_left_out, found.cut.allowed
        ));
    }
    if found.cut.missing != 0 {
        notes.push(format!("{} bytes of the secondary data are not in the dump", found.cut.missing));
    }
    if found.missing != 0 {
        notes.push(format!("the dump does not have {} bytes of the log's memory", found.missing));
    }
    notes
}

#[test]
fn every_kind_of_dump_shows_what_irqlog_exe_finds_in_it() {
    let cases = cases();
    let targets: Vec<_> = cases.iter().map(|case| case.target.clone()).collect();
    let (mut cut, mut united, mut missing) = (0, 0, 0);
    for (case, answer) in cases.iter().zip(host::ask(&targets).unwrap()) {
        let expected = expected_of_image(&case.found.image);
        assert_same(&answer, &expected, &case.name);
        assert_eq!(answer["origin"], case.origin(), "{}", case.name);
        let faults = expected["faults"].as_array().unwrap().iter().map(|fault| fault.as_str().unwrap().to_owned());
        assert_eq!(
            answer["notes"],
            json!(notes(&case.found).into_iter().chain(faults).collect::<Vec<_>>()),
            "{}",
            case.name
        );
        cut += usize::from(case.found.origin == Origin::Secondary && case.found.cut.records_left_out != 0);
        united += usize::from(case.found.origin == Origin::Both);
        missing += usize::from(case.found.cut.missing != 0);
    }
    assert!(cut > 4 && united > 4 && missing > 0, "{cut} cut, {united} united, {missing} with a gap");
}
