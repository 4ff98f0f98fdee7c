//! `--file` takes a crash dump wherever it takes a saved log.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use irqlog_makedump::{Block, Crashed, DumpVariety, write};
use irqlog_wire::crash::GUID_BYTES;

/// Where the image lies in the dump's memory.
const IMAGE: usize = 0x7f12_3456_7000;

fn irqlog(arguments: &[&str], file: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_irqlog")).args(arguments).arg(file).output().unwrap()
}

/// A stored log, and a dump of that kind with it.
fn dump(kind: DumpVariety, has_secondary: bool) -> (PathBuf, PathBuf) {
    let saved = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/images/format-1.1.irqlog");
    let image = fs::read(&saved).unwrap();
    let blocks = if has_secondary { vec![Block { guid: GUID_BYTES, bytes: image.clone() }] } else { Vec::new() };
    let memory = [(IMAGE, image)];
    let crashed = Crashed {
        code: 0xd1,
        parameters: [1, 2, 3, 4],
        machine: 0x8664,
        processors: 4,
        levels: 4,
        memory: &memory,
        modules: &[],
        added: &[],
        blocks: &blocks,
    };
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{kind:?}-{has_secondary}.dmp"));
    fs::write(&file, write(kind, &crashed)).unwrap();
    (saved, file)
}

#[test]
fn every_query_reads_a_dump_as_it_reads_a_saved_log() {
    for (kind, has_secondary, origin) in [
        (DumpVariety::Small, true, "secondary data"),
        (DumpVariety::Kernel, true, "secondary data"),
        (DumpVariety::Full, false, "memory, by a scan for the image"),
        (DumpVariety::Ranges, false, "memory, by a scan for the image"),
    ] {
        let (saved, file) = dump(kind, has_secondary);
        for command in
            [&["read", "--file"][..], &["info", "--file"], &["stats", "--file"], &["providers", "--sites", "--file"]]
        {
            let (of_saved, of_dump) = (irqlog(command, &saved), irqlog(command, &file));
            let said = String::from_utf8_lossy(&of_dump.stderr).into_owned();
            assert!(of_dump.status.success(), "{command:?} {kind:?}: {said}");
            // All but what the file is.
            let [dumped, saved] = [&of_dump, &of_saved].map(|output| {
                let shown = String::from_utf8_lossy(&output.stdout).into_owned();
                shown.lines().filter(|line| !line.starts_with("file: ")).map(str::to_owned).collect::<Vec<_>>()
            });
            assert_eq!(dumped, saved, "{command:?} {kind:?}");
            assert!(said.contains(&format!("the log is from {origin}")), "{said}");
        }
    }
}

#[test]
fn dumps_without_a_log_say_why() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for (name, bytes, why) in [
        ("process.dmp", b"MDMP".repeat(4096), "a dump of a process"),
        ("old.dmp", b"PAGEDUMP".repeat(2048), "32-bit Windows"),
        ("short.dmp", b"PAGEDU64".to_vec(), "cut off"),
    ] {
        let file = folder.join(name);
        fs::write(&file, bytes).unwrap();
        let output = irqlog(&["read", "--file"], &file);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1));
        assert!(said.contains(why) && said.contains(name), "{said}");
    }
}
