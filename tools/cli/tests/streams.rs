//! Broken standard streams, full disks, and pipes that have gone: irqlog says so, ends, and leaves nothing behind.
#![cfg(unix)]

mod common;

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use common::{record, server, tables, with_records};
use irqlog_wire::record::Kind;

/// An image with a few records.
fn image() -> Vec<u8> {
    image_of(0..3)
}

/// An image with the records of those numbers.
fn image_of(seqs: std::ops::Range<u64>) -> Vec<u8> {
    let mut tables = tables();
    tables.lanes[0].next_seq.set(seqs.end);
    with_records(&tables, seqs.map(|seq| record(Kind::Text, seq, 0, b"hello")).collect())
}

/// A shell command in which `"$0"` is irqlog, with the other arguments behind it; its exit code.
fn shell(script: &str, arguments: &[&str]) -> Option<i32> {
    let irqlog = env!("CARGO_BIN_EXE_irqlog");
    Command::new("sh").args(["-c", script, irqlog]).args(arguments).stdout(Stdio::null()).status().unwrap().code()
}

fn empty_folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// destructive_command_guard #389: writing to a standard error that is full or closed aborts.
#[test]
fn a_broken_standard_error_changes_no_exit_code() {
    let socket = server::serve("stderr", image());
    let folder = empty_folder("streams-stderr");
    for (number, stderr) in ["2>/dev/full", "2>&-"].into_iter().enumerate() {
        let said = |command: &str| format!("\"$0\" {command} {stderr}");
        assert_eq!(shell(&said("decode /nowhere"), &[]), Some(1), "an error, {stderr}");
        assert_eq!(shell(&said("read --level loud"), &[]), Some(2), "a wrong command line, {stderr}");
        let file = folder.join(number.to_string());
        let arguments = ["--rig", server::argument(&socket), "save", file.to_str().unwrap()];
        assert_eq!(shell(&said("\"$@\""), &arguments), Some(0), "save says how much it wrote, {stderr}");
        assert!(file.exists());
    }
}

#[test]
fn a_full_standard_output_is_an_error() {
    let file = common::file("streams-full.irqlog", &image());
    assert_eq!(shell("\"$0\" decode \"$1\" >/dev/full", &[file.to_str().unwrap()]), Some(1));
}

/// boost #640, nimbus-eth1 #4769: a part of a file is left, and a retry says that the file exists.
#[test]
fn a_failed_save_leaves_nothing_and_can_be_done_again() {
    let socket = server::serve("save", image());
    let folder = empty_folder("streams-save");
    let file = folder.join("log.irqlog");
    let arguments = ["--rig", server::argument(&socket), "save", file.to_str().unwrap()];
    // A limit of no bytes for a file: writing to it fails as on a full disk.
    assert_eq!(shell("trap '' XFSZ; ulimit -f 0; \"$0\" \"$@\" 2>/dev/null", &arguments), Some(1));
    assert_eq!(names(&folder), Vec::<String>::new());
    let gone = ["--rig", "/nowhere/at/all", "save", file.to_str().unwrap()];
    assert_eq!(shell("\"$0\" \"$@\" 2>/dev/null", &gone), Some(3));
    assert_eq!(names(&folder), Vec::<String>::new());
    assert_eq!(shell("\"$0\" \"$@\" 2>/dev/null", &arguments), Some(0));
    assert_eq!(names(&folder), ["log.irqlog"]);
    let saved = fs::read(&file).unwrap();
    assert_eq!(shell("\"$0\" \"$@\" 2>/dev/null", &arguments), Some(1), "a saved log is not replaced");
    assert_eq!((fs::read(&file).unwrap(), names(&folder).len()), (saved, 1));
}

/// Damaged records of a running driver are told, and found.
#[test]
fn damaged_records_of_a_running_driver_are_a_finding() {
    let socket = server::serve("damaged", image_of(2..5));
    for command in [&["read"][..], &["follow", "--count", "3"]] {
        let output = common::irqlog([&["--rig", server::argument(&socket)][..], command].concat());
        let [shown, said] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        assert_eq!(output.status.code(), Some(4), "{command:?}: {said}");
        assert!(said.contains("driver: lane 0: 2 damaged records cannot be read"), "{command:?}: {said}");
        assert!(shown.contains("2 records are DAMAGED, number 0 to 1") && shown.contains("hello"), "{shown}");
    }
}

/// Starts `follow`, and waits until it has shown the three records of [`image`].
fn followed(socket: &Path) -> (std::process::Child, BufReader<std::process::ChildStdout>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_irqlog"))
        .args(["--rig", server::argument(socket), "follow"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    for _ in 0..3 {
        assert_ne!(out.read_line(&mut String::new()).unwrap(), 0);
    }
    (child, out)
}

fn ctrl_c(child: &std::process::Child) {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
}

/// The server never answers WAIT, so only a last round can show what was written meanwhile.
#[test]
fn follow_shows_what_was_written_up_to_ctrl_c() {
    let (mut child, mut out) = followed(&server::serve_in_turn("ctrl-c", vec![image(), image_of(0..5)]));
    ctrl_c(&child);
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut out, &mut rest).unwrap();
    assert_eq!((rest.matches("hello").count(), rest.contains("missing")), (2, false), "{rest}");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// The driver does not answer the last round.
#[test]
fn a_second_ctrl_c_ends_follow_at_once() {
    let (mut child, _out) = followed(&server::serve_in_turn("ctrl-c-twice", vec![image(), Vec::new()]));
    let end = Instant::now() + Duration::from_mins(1);
    let status = loop {
        ctrl_c(&child);
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < end, "follow goes on after Ctrl-C");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(2));
}

/// `follow | head -1` ends though nothing more is written.
#[test]
fn follow_ends_when_its_pipe_has_gone() {
    let socket = server::serve("follow", image());
    let mut child = Command::new(env!("CARGO_BIN_EXE_irqlog"))
        .args(["--rig", server::argument(&socket), "follow"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("hello"), "{line}");
    let end = Instant::now() + Duration::from_mins(1);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() >= end {
            child.kill().unwrap();
            panic!("follow goes on without its pipe");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(status.code(), Some(0));
}

/// What irqlog says on standard error, and its exit code.
fn said(arguments: &[&str]) -> (String, Option<i32>) {
    let output = common::irqlog(arguments);
    (String::from_utf8(output.stderr).unwrap(), output.status.code())
}

/// A rig that ends before its answer is whole: what happened, where, what to do; and each once.
#[test]
fn a_rig_that_has_gone_is_told_once_and_in_words() {
    for answered in [0, 6, 11] {
        let socket = server::serve_start_of_answer(&format!("gone-{answered}"), answered);
        let (said, code) = said(&["--rig", server::argument(&socket), "info"]);
        assert_eq!(code, Some(1), "{said}");
        assert!(
            said.contains("lost the connection to the driver: the rig closed it before its answer was whole"),
            "{said}"
        );
        assert!(said.contains("start it again"), "{said}");
        assert_eq!(said.matches("closed it").count(), 1, "{said}");
        assert!(!said.contains("fill whole buffer"), "{said}");
    }
}

/// A socket of somebody else is no rig that does not run.
#[test]
fn a_socket_that_may_not_be_opened_is_not_called_a_rig_that_is_not_running() {
    let socket = server::serve("denied", image());
    fs::set_permissions(&socket, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    // The superuser may open every socket.
    if std::os::unix::net::UnixStream::connect(&socket).is_ok() {
        let (said, code) = as_nobody(&socket);
        assert_denied(&said, code);
    } else {
        let (said, code) = said(&["--rig", server::argument(&socket), "info"]);
        assert_denied(&said, code);
    }
}

/// The same command as a user who may not open the socket.
fn as_nobody(socket: &Path) -> (String, Option<i32>) {
    // A copy, since the folders of the build may be closed to other users.
    let copy = std::env::temp_dir().join(format!("irqlog-{}-denied-copy", std::process::id()));
    fs::copy(env!("CARGO_BIN_EXE_irqlog"), &copy).unwrap();
    let mut command = Command::new(&copy);
    std::os::unix::process::CommandExt::uid(&mut command, 65_534);
    let output = command.args(["--rig", server::argument(socket), "info"]).output().unwrap();
    fs::remove_file(&copy).unwrap();
    (String::from_utf8(output.stderr).unwrap(), output.status.code())
}

fn assert_denied(said: &str, code: Option<i32>) {
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("access to irqlog was denied") && said.contains("another user's"), "{said}");
    assert!(!said.contains("not running"), "{said}");
}

/// How long a rig's writers waited says nothing of the lock, and `stats` says so; of a file it does not know that.
#[test]
fn stats_of_a_rig_say_whose_times_they_are() {
    let socket = server::serve("stats", image());
    let file = common::file("streams-stats.irqlog", &image());
    let text = |arguments: &[&str]| String::from_utf8(common::irqlog(arguments).stdout).unwrap();
    let of_rig = text(&["--rig", server::argument(&socket), "stats"]);
    assert!(of_rig.contains("longest wait") && of_rig.contains("this machine's scheduler"), "{of_rig}");
    assert!(!text(&["stats", "--file", file.to_str().unwrap()]).contains("scheduler"));
}
