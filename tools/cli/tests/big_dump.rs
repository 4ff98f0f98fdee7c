//! The log in a complete dump of a machine with 16 GiB: `cargo xtask soak --only big-dump`.
//!
//! The dump has neither secondary data nor a list of drivers, so all of it is searched. The file is sparse. What is
//! compared is the time that `irqlog crash` takes with the time that the same file takes to be read, each the best of
//! three; and the most memory that it took.

#![cfg(target_os = "linux")]

use std::{
    fs::{self, File},
    io::Read,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use irqlog_makedump::{Crashed, write_sparse};

const PAGES: u64 = 16 << 30 >> 12;
/// The most memory, in KiB.
const MOST_MEMORY: u64 = 256 << 10;
/// The least speed, as a part of the speed at which the file is read.
const LEAST_SPEED: f64 = 0.5;

/// The most memory that a process has had resident so far, in KiB; `None` when it is gone.
fn peak(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

fn read(path: &Path) -> Duration {
    let mut file = File::open(path).unwrap();
    let mut buffer = vec![0; 4 << 20];
    let start = Instant::now();
    while file.read(&mut buffer).unwrap() != 0 {}
    start.elapsed()
}

/// Time and peak memory of `irqlog crash`, which has to find the log by a scan.
fn crash(path: &Path) -> (Duration, u64) {
    let start = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_irqlog"))
        .arg("crash")
        .arg(path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut most = 0;
    let status = loop {
        most = most.max(peak(child.id()).unwrap_or(0));
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let time = start.elapsed();
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(status.success() && said.contains("by a scan for the image"), "{said}");
    (time, most)
}

#[test]
#[ignore = "it takes a minute: cargo xtask soak --only big-dump"]
fn a_dump_of_16_gib_is_searched_in_bounded_memory() {
    let image =
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/images/format-1.1.irqlog")).unwrap();
    let memory = [(0x7f12_3456_7000, image)];
    let crashed = Crashed {
        code: 0xd1,
        parameters: [0; 4],
        machine: 0x8664,
        processors: 4,
        levels: 4,
        memory: &memory,
        modules: &[],
        added: &[],
        blocks: &[],
    };
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("big.dmp");
    write_sparse(&mut File::create(&path).unwrap(), &crashed, PAGES).unwrap();
    let length = fs::metadata(&path).unwrap().len();
    assert!(length >= 16 << 30);
    let reading = (0..3).map(|_| read(&path)).min().unwrap();
    let runs: Vec<_> = (0..3).map(|_| crash(&path)).collect();
    fs::remove_file(&path).unwrap();
    let searching = runs.iter().map(|(time, _)| *time).min().unwrap();
    let most = runs.iter().map(|(_, most)| *most).max().unwrap();
    let speed = reading.as_secs_f64() / searching.as_secs_f64();
    println!("{length} bytes: searched at {speed:.2} of the speed of reading, with {} MiB of memory", most >> 10);
    assert!((1..=MOST_MEMORY).contains(&most), "{most} KiB");
    assert!(speed >= LEAST_SPEED, "{speed:.2} of the speed of reading");
}
