//! Reading: decoding an image against copying it, and rendering text against `core::fmt`.

use std::{
    hint::black_box,
    io::{Cursor, Write},
    sync::atomic::AtomicU64,
    time::Instant,
};

use irqlog_reader::{log::Log, record::Record, saved::SavedLog};
use irqlog_recorder::{
    Recorder,
    config::Config,
    draft::Draft,
    layout::{Identity, Layout},
    log::Entry,
    pointers::Pointers,
};
use irqlog_ring::lock::swap::SwapLock;
use irqlog_shown::{Show, record::ShownRecord};
use irqlog_wire::{irql, record::Level};

use crate::{machine::Host, rows::memory};

/// Number of times that each measurement is made; the best time counts, since any disturbance makes it slower.
const TURNS: usize = 9;
/// Number of records that are rendered.
const LINES: usize = 100_000;

/// A full image with a ring of that number of MiB.
///
/// # Panics
/// If the recorder refuses its own layout.
pub fn image(mib: u32) -> Vec<u8> {
    let config = Config { ring_kib: mib * 1024, ..Config::DEFAULT };
    let layout = Layout::new(&config, 1, 1);
    let words = memory(layout.words());
    let identity = Identity { machine: 0x8664, tick_frequency: 10_000_000, tick: 0, time: 0, version: [0, 1, 0] };
    layout.initialise(words, &config, &identity);
    let lock = SwapLock::new(AtomicU64::new(0), Host, 0);
    let recorder = Recorder::new(words, &layout, Host, lock, 0, Pointers::Raw).expect("an image of that layout");
    // More than the ring holds.
    for number in 0..mib * 14_100 {
        let text = format!("request {number:8} of port 3 ended with status 0x0");
        recorder.log(&Draft::text(Level::Info, text.as_bytes()), Entry::MayWait);
    }
    words.iter().flat_map(|word| word.load(std::sync::atomic::Ordering::Relaxed).to_le_bytes()).collect()
}

fn best(mut work: impl FnMut()) -> f64 {
    let time = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    (0..TURNS).map(|_| time(&mut work)).fold(f64::INFINITY, f64::min)
}

/// The speed of decoding over that of memcpy, and the time of rendering over that of `core::fmt`.
///
/// # Panics
/// If the image that was just made cannot be read.
pub fn measure() -> (f64, f64) {
    let image = image(64);
    let mut copy = vec![0; image.len()];
    let copying = best(|| black_box(&mut copy[..]).copy_from_slice(black_box(&image)));
    let mut records = 0_u64;
    let decoding = best(|| {
        let mut log = SavedLog::open(Cursor::new(black_box(&image))).expect("an image");
        log.visit(|_, record| {
            records += u64::from(record.header.payload_size.get() != 0);
            black_box(record.payload);
        })
        .expect("memory can be read");
        assert!(log.faults().is_empty(), "a damaged lane");
    });
    assert!(records > 0, "nothing was decoded");

    let mut lines: Vec<Record> = Vec::new();
    let mut log = SavedLog::open(Cursor::new(&image)).expect("an image");
    log.visit(|lane, record| {
        if lines.len() < LINES {
            lines.push(record.to_record(lane));
        }
    })
    .expect("memory can be read");
    let tables = log.tables();
    let mut out = Vec::with_capacity(LINES * 200);
    let rendering = best(|| {
        out.clear();
        for record in &lines {
            ShownRecord::new(tables, record).text(&mut out).expect("memory takes everything");
        }
    });
    let texts: Vec<&str> = lines.iter().map(|record| std::str::from_utf8(&record.payload).expect("text")).collect();
    let (green, reset) = (anstyle::AnsiColor::Green.on_default(), anstyle::Reset);
    let mut same = Vec::with_capacity(LINES * 200);
    let formatting = best(|| {
        same.clear();
        for (record, text) in lines.iter().zip(&texts) {
            let header = &record.header;
            writeln!(
                same,
                "{:13.7}  cpu {:<3} {:8}      {green}{:5}{reset}  {:6x}  {text}",
                tables.seconds(header.tick.get()),
                header.processor,
                irql::name(header.irql),
                "info",
                header.thread,
            )
            .expect("memory takes everything");
        }
    });
    assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(&same), "the two texts differ");
    (copying / decoding, rendering / formatting)
}
