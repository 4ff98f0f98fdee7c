//! Every target with every stored input: what once found something stays found. No sanitizer, no fuzzer, no nightly.

use std::{
    fs,
    io::Cursor,
    path::{Path, PathBuf},
};

use irqlog_fuzz_targets::{FuzzTarget, TARGETS};
use irqlog_reader::{log::Log as _, saved::SavedLog};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn run(target: FuzzTarget) {
    let mut inputs = 0;
    for folder in target.folders {
        let folder = root().join(folder);
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries {
            let path = entry.unwrap().path();
            // The harness shows what was printed only if the test fails: then this is the input that did it.
            println!("{}: {}", target.name, path.display());
            (target.run)(&fs::read(&path).unwrap());
            inputs += 1;
        }
    }
    for (index, seed) in (target.seeds)().iter().enumerate() {
        println!("{}: seed {index}", target.name);
        (target.run)(seed);
        inputs += 1;
    }
    assert!(inputs != 0, "{} has no inputs", target.name);
    // What no folder needs to hold: nothing, and a little of everything.
    (target.run)(&[]);
    for byte in [0, 1, 0x7f, 0xff] {
        (target.run)(&[byte; 300]);
    }
}

macro_rules! corpora {
    ($($name:ident),+) => {
        $(#[test]
        fn $name() {
            run(*TARGETS.iter().find(|target| target.name == stringify!($name)).expect("a target"));
        })+

        #[test]
        fn every_target_has_a_test_and_a_program() {
            let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(names, [$(stringify!($name)),+]);
            let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
            for name in names {
                assert!(manifest.contains(&format!("name = \"{name}\"")), "fuzz/Cargo.toml has no {name}");
                assert!(root().join(format!("fuzz/fuzz_targets/{name}.rs")).exists(), "{name} has no program");
            }
        }
    };
}

corpora!(
    image,
    image_parts,
    session,
    request,
    registration,
    event_words,
    format,
    filter,
    time,
    dump,
    export,
    dump_parts
);

#[test]
fn each_seed_of_a_dump_has_a_log() {
    for (index, seed) in irqlog_fuzz_targets::dump::seeds().iter().enumerate() {
        let (_, log) = irqlog_dump::find(seed, |_, _| {}).unwrap_or_else(|error| panic!("seed {index}: {error}"));
        let mut log = SavedLog::open(Cursor::new(log.image)).unwrap();
        let mut records = 0;
        log.visit(|_, _| records += 1).unwrap();
        assert!(records != 0 && !log.tables().sites.providers().is_empty(), "seed {index}: {records} records");
    }
}
