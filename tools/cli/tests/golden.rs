//! `irqlog decode` on stored images, one for each version of the format there ever was: what it shows is stored too.
//!
//! A change that is meant is accepted with `IRQLOG_ACCEPT=1 cargo test -p irqlog-cli`; look at the difference then.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Name of the golden file's last part, and the command line behind `decode FILE`.
const VIEWS: [(&str, &[&str]); 6] = [
    ("text", &[]),
    ("json", &["--json"]),
    ("nmi.text", &["--irql", "NMI"]),
    ("raised.text", &["--irql", "CLOCK,IPI,HIGH,5"]),
    ("warnings.text", &["--level", "warn"]),
    ("last.text", &["--cpu", "0,2", "--last", "5"]),
];

fn images() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/images")
}

fn irqlog(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_irqlog")).args(arguments).output().unwrap()
}

#[test]
fn stored_images_decode_as_ever() {
    let mut count = 0;
    for entry in fs::read_dir(images()).unwrap() {
        let image = entry.unwrap().path();
        if image.extension().is_none_or(|extension| extension != "irqlog") {
            continue;
        }
        count += 1;
        for (view, arguments) in VIEWS {
            let output = irqlog(&[&["decode", image.to_str().unwrap()], arguments].concat());
            assert!(output.status.success(), "{}: {}", image.display(), String::from_utf8_lossy(&output.stderr));
            let golden = image.with_extension(format!("irqlog.{view}"));
            if std::env::var_os("IRQLOG_ACCEPT").is_some() {
                fs::write(&golden, &output.stdout).unwrap();
            }
            let expected = fs::read(&golden).unwrap_or_else(|error| panic!("{}: {error}", golden.display()));
            let (seen, expected) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&expected));
            assert!(!seen.is_empty(), "{view} shows nothing");
            for (number, (seen, expected)) in seen.lines().zip(expected.lines()).enumerate() {
                assert_eq!(seen, expected, "{}: line {}", golden.display(), number + 1);
            }
            assert_eq!(seen.lines().count(), expected.lines().count(), "{}", golden.display());
        }
    }
    assert!(count > 0, "there are no stored images");
}

#[test]
fn bad_files_are_named_and_explained() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let image = fs::read(images().join("format-1.0.irqlog")).unwrap();
    let mut newer = image.clone();
    newer[8] = 9;
    for (name, bytes, words, code) in [
        ("empty", &[][..], "no irqlog image", 1),
        ("text", b"this is something else, and long enough for a header or so", "no irqlog image", 1),
        ("newer", &newer, "upgrade irqlog.exe", 1),
        ("cut", &image[..1000], "cut off", 1),
        // The tables are there, the data is not.
        ("half", &image[..image.len() / 2], "cannot be read", 4),
    ] {
        let file = folder.join(name);
        fs::write(&file, bytes).unwrap();
        let output = irqlog(&["decode", file.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{name}: {said}");
        assert!(said.contains(words) && said.contains(name), "{name}: {said}");
    }
}

/// The table of `docs/cli.md` is the one that `--help` shows.
#[test]
fn the_table_of_exit_codes_is_documented() {
    let help = String::from_utf8(irqlog(&["--help"]).stdout).unwrap();
    let (_, codes) = help.split_once("Exit codes:\n").unwrap();
    let rows: Vec<_> = codes.lines().map(|line| line.trim().split_once("  ").unwrap()).collect();
    let rows: Vec<_> = rows.iter().map(|(code, meaning)| format!("| {code} | {meaning} |")).collect();
    assert_eq!(rows.len(), 5);
    let page = fs::read_to_string(images().join("../../docs/cli.md")).unwrap();
    let documented: Vec<_> =
        page.lines().filter(|line| line.starts_with("| ") && line.as_bytes()[2].is_ascii_digit()).collect();
    assert_eq!(documented, rows);
}

/// `decode` is `read --file`, and every query reads a file.
#[test]
fn every_query_reads_a_file() {
    let image = images().join("format-1.1.irqlog");
    let image = image.to_str().unwrap();
    for arguments in [&[][..], &["--json"], &["--irql", "NMI"], &["--cpu", "0,2", "--last", "5"]] {
        let [decoded, read] =
            [&["decode", image][..], &["read", "--file", image]].map(|command| irqlog(&[command, arguments].concat()));
        assert!(decoded.status.success() && !decoded.stdout.is_empty());
        assert_eq!(decoded, read, "{arguments:?}");
    }
    for (command, words) in [
        (&["info", "--file", image][..], "processors active of"),
        (&["info", "--file", image, "--json"], "\"tick_frequency\":"),
        (&["stats", "--file", image], "own calls"),
        (&["providers", "--file", image], "provider  "),
    ] {
        let output = irqlog(command);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains(words), "{command:?}: {said}");
    }
    assert_eq!(irqlog(&["--rig", "/nowhere", "read", "--file", image]).status.code(), Some(0), "no rig is asked");
}

/// A saved log that is saved again shows the same, whole or cut off.
#[test]
fn a_saved_log_can_be_saved_again() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let whole = fs::read(images().join("format-1.1.irqlog")).unwrap();
    let name = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    for (old, bytes, code) in [("again-whole", &whole[..], 0), ("again-cut", &whole[..whole.len() / 2], 4)] {
        let (old, new) = (name(old), name(&format!("{old}-new")));
        fs::write(&old, bytes).unwrap();
        let _ = fs::remove_file(&new);
        assert_eq!(irqlog(&["save", "--file", &old, &new]).status.code(), Some(code));
        let [before, after] = [&old, &new].map(|file| irqlog(&["decode", file, "--json"]));
        assert!(!after.stdout.is_empty());
        // What was behind the end of the old file was not saved into the new one.
        let expected = String::from_utf8_lossy(&before.stdout).replace("\"cut-off\"", "\"not-saved\"");
        assert!(expected == String::from_utf8_lossy(&after.stdout), "{old} shows something else than {new}");
        assert_eq!((before.status.code(), after.status.code()), (Some(code), Some(0)));
    }
}

#[test]
fn exit_codes_are_as_documented() {
    let code = |arguments: &[&str]| irqlog(arguments).status.code();
    assert_eq!(code(&["--help"]), Some(0));
    assert_eq!(code(&["read", "--level", "loud"]), Some(2));
    assert_eq!(code(&["read", "--irql", "17"]), Some(2));
    assert_eq!(code(&["--rig", "/nowhere/at/all", "info"]), Some(3));
    assert_eq!(code(&["decode", "/nowhere/at/all"]), Some(1));
}
