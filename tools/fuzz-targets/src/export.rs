//! Logs in the formats of other tools.

use std::io::{Cursor, Result};

use arbitrary::Unstructured;
use irqlog_export::{
    chrome::Chrome,
    csv::Csv,
    ctf::{Ctf, ExportFolder},
    journal::Journal,
    jsonl::JsonLines,
    perfetto::Perfetto,
    run::{ExportFilter, NamedLog, export},
    sink::Sink,
};
use irqlog_reader::saved::SavedLog;
use serde_json::Value;

use crate::{image::image_of, text::shown};

/// Exports one log, or two, in each format.
///
/// # Panics
/// If a format has other records than the first, if JSON does not parse, or if a text holds what a terminal obeys.
pub fn every_format(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let mut images = Vec::new();
    for _ in 0..=u8::from(input.ratio(1, 4).unwrap_or_default()) {
        let Ok(image) = image_of(&mut input) else { return };
        images.push(image);
    }
    let mut lines = Vec::new();
    let Some(exported) = into(&mut JsonLines::new(&mut lines), &images) else { return };
    for line in text_of(&lines) {
        let value: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(value.is_object(), "{line}");
    }
    let (mut table, mut timeline, mut journal, mut trace) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    assert_eq!(into(&mut Csv::new(&mut table), &images), Some(exported), "csv");
    assert_eq!(into(&mut Chrome::new(&mut timeline), &images), Some(exported), "chrome");
    assert_eq!(into(&mut Journal::new(&mut journal), &images), Some(exported), "journal");
    assert_eq!(into(&mut Perfetto::new(&mut trace), &images), Some(exported), "perfetto");
    assert!(text_of(&table).len() as u64 > exported, "a heading, and a row for each record");
    text_of(&journal);
    let timeline = text_of(&timeline).join("\n");
    let parsed = serde_json::from_str::<Value>(&timeline);
    assert!(parsed.is_ok(), "{parsed:?}: {timeline}");
    let mut folder = Sizes::default();
    assert_eq!(into(&mut Ctf::new(&mut folder), &images), Some(exported), "ctf");
    let most = 64 * images.iter().map(Vec::len).sum::<usize>() + (1 << 20);
    for (name, size) in [("perfetto", trace.len()), ("ctf", folder.bytes), ("chrome", timeline.len())] {
        assert!(size <= most, "{size} bytes of {name} from {} bytes of log", most / 64);
    }
}

/// Exports logs into a sink; gives the number of records, or `None` if a log cannot be opened or read.
fn into(sink: &mut dyn Sink, images: &[Vec<u8>]) -> Option<u64> {
    let mut logs = Vec::new();
    for image in images {
        logs.push(NamedLog { name: "a\u{1b}log".to_owned(), log: SavedLog::open(Cursor::new(&image[..])).ok()? });
    }
    let selection = ExportFilter { passes: &mut |_, _| true, last: None, is_filtered: false };
    export(&mut logs, selection, sink, |_| {}).ok().map(|summary| summary.exported)
}

/// The lines of a text, in which nothing is hidden.
fn text_of(bytes: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(bytes).expect("it is text");
    let lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    lines.inspect(|line| shown(line)).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// A folder of which only the sizes are kept.
#[derive(Default)]
struct Sizes {
    bytes: usize,
}

impl ExportFolder for &mut Sizes {
    fn append(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        shown(name);
        self.bytes += bytes.len();
        Ok(())
    }
}
