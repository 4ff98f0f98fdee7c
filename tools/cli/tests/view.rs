//! `view` end to end: irqlog in a terminal of 80 columns and 24 lines, which tmux is.

#![cfg(unix)]

mod common;

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use common::{irqlog, server::serve, stored};
use irqlog_build::host;

/// A terminal in which irqlog runs.
struct Terminal {
    socket: String,
}

impl Terminal {
    fn new(name: &str, arguments: &[&str]) -> Self {
        host::tmux().unwrap();
        let terminal = Self { socket: format!("irqlog-{}-{name}", std::process::id()) };
        // What it says at its end stays on the screen.
        let command =
            format!("'{}' '{}'; echo exit code $?; sleep 60", env!("CARGO_BIN_EXE_irqlog"), arguments.join("' '"));
        terminal.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "sh", "-c", &command]);
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let mut tmux = Command::new("tmux");
        let output = tmux.env("TERM", "xterm-256color").args(["-L", &self.socket]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn keys(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// The screen, once it has these words.
    fn wait_for(&self, words: &str) -> String {
        let start = Instant::now();
        loop {
            let screen = self.tmux(&["capture-pane", "-p"]);
            if screen.contains(words) {
                return screen;
            }
            assert!(start.elapsed() < Duration::from_mins(1), "{words} is not on the screen:\n{screen}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = Command::new("tmux").args(["-L", &self.socket, "kill-server"]).output();
    }
}

#[test]
fn a_saved_log_is_viewed() {
    let image = stored().join("format-1.1.irqlog");
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("viewed.jsonl");
    let _ = fs::remove_file(&out);
    let terminal = Terminal::new("saved", &["view", image.to_str().unwrap()]);
    terminal.wait_for("row 252 of 252  whole");
    // The terminal may be looked at while it is drawn.
    let screen = terminal.wait_for("a mark with \"quotes\"");
    assert!(screen.lines().all(|line| line.chars().count() <= 80));
    terminal.keys(&["Home"]);
    terminal.wait_for("--- lane 0: 230 older records are overwritten");
    terminal.keys(&["f", "--level warn --cpu 1", "Enter"]);
    terminal.wait_for("filter: --level warn --cpu 1");
    terminal.keys(&["e", out.to_str().unwrap(), "Enter"]);
    terminal.wait_for("230 lost, filtered");
    terminal.keys(&["t"]);
    terminal.wait_for("cpu 1   NMI");
    terminal.keys(&["q"]);
    terminal.wait_for("exit code 0");
    let lines = fs::read_to_string(&out).unwrap();
    let expected = irqlog(["decode", image.to_str().unwrap(), "--level", "warn", "--cpu", "1", "--json"]);
    let of = |text: &str| text.lines().filter(|line| line.contains("\"seq\"")).count();
    assert_eq!(of(&lines), of(&String::from_utf8(expected.stdout).unwrap()));
    assert!(lines.contains("\"holds\":true"));
}

#[test]
fn the_running_drivers_log_is_viewed_until_the_user_leaves() {
    let image = fs::read(stored().join("format-1.1.irqlog")).unwrap();
    let socket = serve("view", image);
    let terminal = Terminal::new("live", &["--rig", socket.to_str().unwrap(), "view"]);
    terminal.wait_for("following");
    terminal.wait_for("a mark with \"quotes\"");
    terminal.keys(&["Space"]);
    terminal.wait_for("PAUSED");
    // It waits in the driver, which does not answer.
    terminal.keys(&["q"]);
    terminal.wait_for("exit code 0");
}

#[test]
fn without_a_terminal_it_says_what_to_do() {
    let output = irqlog(["view", stored().join("format-1.1.irqlog").to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("irqlog read"), "{said}");
}
