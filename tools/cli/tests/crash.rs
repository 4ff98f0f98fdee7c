//! `irqlog crash` on dumps of each kind: what it shows is stored in `testdata/dumps`.
//!
//! A change that is meant is accepted with `IRQLOG_ACCEPT=1 cargo test -p irqlog-cli --test crash`; look at the difference
//! then.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use irqlog_makedump::{Block, Crashed, DumpVariety, write};
use irqlog_reader::{image::Tables, log::Log as _, log::records, saved::SavedLog};
use irqlog_wire::{
    crash::GUID_BYTES,
    image::{ImageHeader, ProcessorControl},
};
use zerocopy::FromBytes;

const CODE: u32 = 0xd1;
const PARAMETERS: [u64; 4] = [0x10, 2, 1, 0xffff_f800_1234_5678];

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata")
}

fn irqlog(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_irqlog")).args(arguments).output().unwrap()
}

/// The stored image as it would be after processor 1 has crashed while processor 2 was inside a log call.
fn image() -> Vec<u8> {
    let mut image = fs::read(testdata().join("images/format-1.1.irqlog")).unwrap();
    let tables = Tables::parse(&image).unwrap();
    let items = SavedLog::open(std::io::Cursor::new(&image[..])).unwrap().collect().unwrap();
    let newest = records(items).iter().map(|record| record.header.tick.get()).max().unwrap();
    let (header, _) = ImageHeader::mut_from_prefix(&mut image).unwrap();
    header.crashed.set(1);
    header.crash_code.set(CODE.into());
    for (place, parameter) in header.crash_parameters.iter_mut().zip(PARAMETERS) {
        place.set(parameter);
    }
    header.crash_processor.set(1);
    header.crash_tick.set(newest + tables.header.tick_frequency.get() / 1000);
    let at = header.processors_offset.get() as usize + 2 * header.processor_size.get() as usize;
    let (control, _) = ProcessorControl::mut_from_prefix(&mut image[at..]).unwrap();
    control.nesting.set(1);
    image
}

/// The image in a dump of that kind.
fn dump(kind: DumpVariety, image: &[u8], blocks: &[Block]) -> Vec<u8> {
    let memory = [(0x7f12_3456_7000, image.to_vec())];
    let crashed = Crashed {
        code: CODE,
        parameters: PARAMETERS,
        machine: 0x8664,
        processors: 4,
        levels: 4,
        memory: &memory,
        modules: &[],
        added: &[],
        blocks,
    };
    write(kind, &crashed)
}

fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// Compares with a stored output.
fn golden(name: &str, seen: &[u8]) {
    let path = testdata().join("dumps").join(name);
    if std::env::var_os("IRQLOG_ACCEPT").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, seen).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let seen = String::from_utf8_lossy(seen);
    for (number, (seen, expected)) in seen.lines().zip(expected.lines()).enumerate() {
        assert_eq!(seen, expected, "{name}: line {}", number + 1);
    }
    assert_eq!(seen.lines().count(), expected.lines().count(), "{name}");
}

#[test]
fn a_crash_is_shown_as_stored() {
    let image = image();
    let secondary = [Block { guid: GUID_BYTES, bytes: image.clone() }];
    for (name, kind, blocks) in [("small", DumpVariety::Small, &secondary[..]), ("complete", DumpVariety::Full, &[])] {
        let path = file(&format!("crash-{name}.dmp"), &dump(kind, &image, blocks));
        let path = path.to_str().unwrap();
        for (view, arguments) in [("text", &[][..]), ("json", &["--json", "--last", "3", "--each", "1"])] {
            let output = irqlog(&[&["crash", path], arguments].concat());
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            golden(&format!("crash-{name}.{view}"), &output.stdout);
        }
    }
}

/// A log that was saved out of a dump is the log of a crash. A log saved from a running system is not.
#[test]
fn a_saved_log_shows_its_crash() {
    let dump = file("crash-to-save.dmp", &dump(DumpVariety::Full, &image(), &[]));
    let saved = dump.with_extension("irqlog");
    let _ = fs::remove_file(&saved);
    let (dump, saved) = (dump.to_str().unwrap(), saved.to_str().unwrap());
    assert!(irqlog(&["save", "--file", dump, saved]).status.success());
    let [of_dump, of_saved] = [dump, saved].map(|file| {
        let text = String::from_utf8(irqlog(&["crash", file]).stdout).unwrap();
        text.lines().filter(|line| !line.contains(" dump (type")).map(str::to_owned).collect::<Vec<_>>()
    });
    assert!(of_dump[0].contains("DRIVER_IRQL_NOT_LESS_OR_EQUAL"));
    assert_eq!(of_dump, of_saved);
    let running = testdata().join("images/format-1.1.irqlog");
    let output = irqlog(&["crash", running.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("saved while its system ran"), "{said}");
}

/// Without a call of a callback the dump's own header says which bug check it is.
#[test]
fn a_dump_without_callbacks_shows_its_bug_check() {
    let image = fs::read(testdata().join("images/format-1.1.irqlog")).unwrap();
    let path = file("crash-no-callback.dmp", &dump(DumpVariety::Kernel, &image, &[]));
    let text = String::from_utf8(irqlog(&["crash", path.to_str().unwrap()]).stdout).unwrap();
    assert!(text.starts_with("bug check 0xd1: DRIVER_IRQL_NOT_LESS_OR_EQUAL\n"), "{text}");
    assert!(text.contains("no bug-check callback of irqlog.sys was called"), "{text}");
    assert!(text.contains("processor 1: not known whether it crashed"), "{text}");
}

/// A header that is not of a crash decides nothing about the bytes: counts of the image are clamped.
#[test]
fn a_damaged_image_shows_what_is_there() {
    let mut image = image();
    let (header, _) = ImageHeader::mut_from_prefix(&mut image).unwrap();
    header.active_processors.set(u32::MAX);
    header.crash_processor.set(u64::MAX);
    header.crash_tick.set(0);
    header.tick_frequency.set(0);
    let path = file("crash-damaged.dmp", &dump(DumpVariety::Full, &image, &[]));
    let output = irqlog(&["crash", path.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
