//! Exporting: the time of each export over that of the text, and the memory that the program takes for a large image.

use std::{
    fs,
    hint::black_box,
    io::{self, Cursor},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use irqlog_export::{
    ctf::{Ctf, ExportFolder},
    perfetto::Perfetto,
    run::{ExportFilter, NamedLog, export},
    sink::Sink,
};
use irqlog_reader::{
    log::{Item, Log},
    saved::SavedLog,
};
use irqlog_shown::{Show, record::ShownRecord};
use serde_json::{Map, Value, json};

/// Number of times that each measurement is made; the best one counts.
const TURNS: usize = 3;
/// Bytes of text that are kept until they are thrown away.
const TEXT: usize = 1 << 20;

/// Throws away what it is given, after a look at it.
struct Nowhere;

impl ExportFolder for Nowhere {
    fn append(&mut self, _: &str, bytes: &[u8]) -> io::Result<()> {
        black_box(bytes);
        Ok(())
    }
}

impl io::Write for Nowhere {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        black_box(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The seconds of the best turn.
fn best(mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..TURNS {
        let start = Instant::now();
        work()?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(best)
}

/// Renders an image as `irqlog read` does.
fn render(image: &[u8]) -> Result<()> {
    let mut log = SavedLog::open(Cursor::new(image))?;
    let mut out = Vec::with_capacity(2 * TEXT);
    while let Some(item) = log.next()? {
        if let Item::Record(record) = &item {
            ShownRecord::new(log.tables(), record).text(&mut out)?;
        }
        if out.len() > TEXT {
            black_box(&out);
            out.clear();
        }
    }
    Ok(())
}

fn export_into(image: &[u8], sink: &mut dyn Sink) -> Result<()> {
    let mut logs = [NamedLog { name: "bench".to_owned(), log: SavedLog::open(Cursor::new(image))? }];
    let all = ExportFilter { passes: &mut |_, _| true, last: None, is_filtered: false };
    let summary = export(&mut logs, all, sink, |_| ())?;
    ensure!(summary.exported > 0, "nothing was exported");
    Ok(())
}

/// The time of each export of an image over that of its text.
///
/// # Errors
/// If the image cannot be read.
pub fn measure(image: &[u8]) -> Result<Map<String, Value>> {
    let text = best(|| render(image))?;
    let ctf = best(|| export_into(image, &mut Ctf::new(Nowhere)))?;
    let perfetto = best(|| export_into(image, &mut Perfetto::new(Nowhere)))?;
    let mut ratios = Map::new();
    ratios.insert("ctf_over_text".to_owned(), json!(ctf / text));
    ratios.insert("perfetto_over_text".to_owned(), json!(perfetto / text));
    Ok(ratios)
}

/// The most memory, in MiB, that the program takes to export an image in a file, over the formats.
///
/// # Errors
/// If an export fails.
pub fn peak_memory(program: &Path, image: &[u8]) -> Result<f64> {
    let folder = std::env::temp_dir().join(format!("irqlog-bench-{}", std::process::id()));
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let log = folder.join("log");
    let run = || {
        fs::write(&log, image).with_context(|| format!("writing {}", log.display()))?;
        let mut most = 0.0_f64;
        for format in ["ctf", "perfetto", "jsonl"] {
            let mut irqlog = Command::new(program);
            irqlog.args(["export", "--to", format]).arg(folder.join(format)).arg(&log).stderr(Stdio::null());
            most = most.max(watched(&mut irqlog).with_context(|| format!("the export to {format}"))?);
        }
        Ok(most)
    };
    let most = run();
    let _ = fs::remove_dir_all(&folder);
    most
}

/// Runs a command, and gives the most memory that it had, in MiB.
///
/// It is asked while it runs: of a child that has ended the system gives the memory of this process too, from which it
/// was made.
fn watched(command: &mut Command) -> Result<f64> {
    let mut child = command.spawn().with_context(|| format!("starting {}", command.get_program().display()))?;
    let file = format!("/proc/{}/status", child.id());
    let mut most = 0.0_f64;
    loop {
        // The high-water mark of its resident set, in KiB (proc(5)).
        let status = fs::read_to_string(&file).unwrap_or_default();
        let mark = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        most = most.max(mark.and_then(|mark| mark.parse().ok()).unwrap_or_default());
        if let Some(status) = child.try_wait()? {
            ensure!(status.success(), "it ended with {status}");
            return Ok(most / 1024.0);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
