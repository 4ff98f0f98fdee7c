//! Rows for other recorders: what a Rust programmer would use instead, and a model of WDF's recorder.

use std::{
    cell::RefCell,
    fmt::Write,
    hint::black_box,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use super::{
    Group, PAYLOAD, Row, Work,
    recorder::{memory, store},
};
use crate::machine::tick;

/// A ring of bytes under a mutex, into which `tracing` and `log` write.
struct TextRing {
    bytes: Vec<u8>,
    at: usize,
}

impl TextRing {
    fn push(&mut self, text: &[u8]) {
        if self.at + text.len() > self.bytes.len() {
            self.at = 0;
        }
        self.bytes[self.at..self.at + text.len()].copy_from_slice(text);
        self.at += text.len();
    }
}

fn text_ring() -> &'static Mutex<TextRing> {
    static RING: OnceLock<Mutex<TextRing>> = OnceLock::new();
    RING.get_or_init(|| Mutex::new(TextRing { bytes: vec![0; 1 << 20], at: 0 }))
}

/// Lets `fill` write a line, and pushes the line into the ring.
fn push_line(fill: impl FnOnce(&mut String)) {
    thread_local! {
        static LINE: RefCell<String> = const { RefCell::new(String::new()) };
    }
    LINE.with_borrow_mut(|line| {
        line.clear();
        fill(line);
        text_ring().lock().unwrap_or_else(PoisonError::into_inner).push(line.as_bytes());
    });
}

struct RingSubscriber;

/// Writes the fields of an event behind each other.
struct Fields<'l>(&'l mut String);

impl tracing::field::Visit for Fields<'_> {
    fn record_u64(&mut self, field: &tracing::field::Field, value: u64) {
        // A String takes everything.
        let _ = write!(self.0, " {}={value}", field.name());
    }
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

impl tracing::Subscriber for RingSubscriber {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        push_line(|line| {
            let _ = write!(line, "{}", tick());
            event.record(&mut Fields(line));
        });
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

fn tracing_events() -> Work {
    // A second call finds the first one's subscriber, which is the same.
    let _ = tracing::subscriber::set_global_default(RingSubscriber);
    Arc::new(|records| {
        for record in 0..records {
            let [one, two, three, four, five, six] = black_box([record; 6]);
            tracing::info!(one, two, three, four, five, six);
        }
    })
}

struct RingLogger;

impl log::Log for RingLogger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &log::Record<'_>) {
        push_line(|line| {
            let _ = write!(line, "{} {}", tick(), record.args());
        });
    }
    fn flush(&self) {}
}

fn log_records() -> Work {
    // As above.
    let _ = log::set_logger(&RingLogger);
    log::set_max_level(log::LevelFilter::Trace);
    Arc::new(|records| {
        for record in 0..records {
            let [one, two, three, four, five, six] = black_box([record; 6]);
            log::info!("{one} {two} {three} {four} {five} {six}");
        }
    })
}

/// An entry of the queues: a tick, a number, and the payload.
type Slot = [u64; 2 + PAYLOAD / 8];

const SLOTS: usize = 8192;

fn array_queue() -> Work {
    let queue = crossbeam_queue::ArrayQueue::<Slot>::new(SLOTS);
    Arc::new(move |records| {
        for _ in 0..records {
            let mut slot = black_box([7; 8]);
            slot[0] = tick();
            black_box(queue.force_push(slot).is_some());
        }
    })
}

fn thing_buffer() -> Work {
    let buffer = thingbuf::ThingBuf::<Slot>::new(SLOTS);
    Arc::new(move |records| {
        for _ in 0..records {
            let mut slot = black_box([7; 8]);
            slot[0] = tick();
            while buffer.push(slot).is_err() {
                // Full: the oldest one goes.
                black_box(buffer.pop().is_some());
            }
        }
    })
}

const BIP_BUFFER: usize = 1 << 20;
type BipBuffer = (bbqueue::Producer<'static, BIP_BUFFER>, bbqueue::Consumer<'static, BIP_BUFFER>);

#[expect(clippy::large_stack_frames, reason = "a thread of the benchmark has room for it")]
fn bip_buffer_of_thread() -> BipBuffer {
    let buffer: &'static bbqueue::BBBuffer<BIP_BUFFER> = Box::leak(Box::new(bbqueue::BBBuffer::new()));
    buffer.try_split().expect("a new buffer")
}

/// A queue for each writer; such a queue has one producer and one consumer.
fn bip_buffer() -> Work {
    Arc::new(|records| {
        thread_local! {
            static BUFFER: RefCell<BipBuffer> = {
                RefCell::new(bip_buffer_of_thread())
            };
        }
        BUFFER.with_borrow_mut(|(producer, consumer)| {
            let length = size_of::<Slot>();
            for _ in 0..records {
                let mut slot = black_box([7_u64; 8]);
                slot[0] = tick();
                let mut grant = loop {
                    match producer.grant_exact(length) {
                        Ok(grant) => break grant,
                        // Full: the oldest ones go.
                        Err(_) => {
                            if let Ok(read) = consumer.read() {
                                let most = read.len().min(64 * length);
                                read.release(most);
                            }
                        }
                    }
                };
                for (target, word) in grant.chunks_exact_mut(8).zip(slot) {
                    target.copy_from_slice(&word.to_ne_bytes());
                }
                grant.commit(length);
            }
        });
    })
}

/// A model of WDF's in-flight recorder, from its description. (The documentation of the WDF debugger extension, and the
/// published sources of the framework, read for the algorithm.) It has 64 KiB. A writer makes a compare-exchange of a
/// word that packs two offsets, of the next message and of the last one; then takes a number with an interlocked
/// increment of its own; then copies. No mark says when a message is whole.
fn in_flight_recorder() -> Work {
    const WORDS: usize = 64 * 1024 / 8;
    const MESSAGE: u32 = 11;
    let (offsets, sequence, ring) = (AtomicU32::new(0), AtomicU64::new(0), memory(WORDS));
    Arc::new(move |records| {
        for _ in 0..records {
            let mut seen = offsets.load(Ordering::Relaxed);
            let at = loop {
                let next = seen & 0xffff;
                let at = if next + MESSAGE > WORDS as u32 { 0 } else { next };
                let new = (at << 16) | (at + MESSAGE);
                match offsets.compare_exchange_weak(seen, new, Ordering::SeqCst, Ordering::Relaxed) {
                    Ok(_) => break at,
                    Err(found) => seen = found,
                }
            };
            let mut message = black_box([7_u64; MESSAGE as usize]);
            message[0] = sequence.fetch_add(1, Ordering::SeqCst);
            message[1] = tick();
            store(&ring[at as usize..], 0, &message);
        }
    })
}

/// Name of the row of that model, one writer.
pub const IN_FLIGHT: &str = "WDF IFR, a model, 1 writers";

/// A row's name, and a function that makes its work.
type Peer = (&'static str, fn() -> Work);

/// All rows of other recorders, with one writer and with two.
pub fn rows() -> Vec<Row> {
    let peers: [Peer; 6] = [
        ("WDF IFR, a model", in_flight_recorder),
        ("crossbeam ArrayQueue", array_queue),
        ("thingbuf", thing_buffer),
        ("bbqueue, one a writer", bip_buffer),
        ("tracing into a mutex ring", tracing_events),
        ("log into a mutex ring", log_records),
    ];
    let mut rows = Vec::new();
    for (name, work) in peers {
        for writers in [1, 2] {
            rows.push(Row::new(Group::Peer, format!("{name}, {writers} writers"), writers, work()));
        }
    }
    rows
}
