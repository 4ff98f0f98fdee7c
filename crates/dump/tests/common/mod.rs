//! A recorder on plain memory, crashed, and dumps of it.

#![allow(dead_code, reason = "each test uses its own part")]

use std::{
    io::Cursor,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use irqlog_makedump::{Block, Crashed, DumpVariety, write};
use irqlog_reader::{
    log::{Log as _, records},
    saved::SavedLog,
};
use irqlog_recorder::{
    Platform, Recorder,
    config::Config,
    crash::{BugCheck, Given, Parts, Passes, Scratch},
    draft::Draft,
    layout::{Identity, Layout},
    log::{Entry, Outcome},
    pointers::Pointers,
};
use irqlog_ring::{
    clock::Clock,
    lock::{Attempt, Irql, RawLock},
};
use irqlog_wire::{
    crash::{ANCHOR_MAGIC, Anchor, GUID_BYTES},
    record::Level,
};
use zerocopy::IntoBytes;

pub const CODE: u32 = 0xd1;
pub const PARAMETERS: [u64; 4] = [1, 2, 3, 0xffff_8000_1234_5678];

/// Where the image, the anchor and what is around it lie.
const IMAGE: usize = 0x7f12_3456_7000;
const DRIVER: usize = 0x7f00_0001_2000;

struct Machine(AtomicU64);

// SAFETY: one thread; the level is a number.
unsafe impl Irql for &Machine {
    fn raise(&self) -> u8 {
        15
    }
    unsafe fn lower(&self, _: u8) {}
}

impl Clock for &Machine {
    fn now(&self) -> u64 {
        self.0.fetch_add(7, Ordering::Relaxed) + 7
    }
}

impl Platform for &Machine {
    fn irql(&self) -> u8 {
        15
    }
    fn processor(&self) -> u32 {
        (self.0.load(Ordering::Relaxed) % 2) as u32
    }
    fn thread_and_process(&self) -> (u32, u32) {
        (4, 8)
    }
}

// SAFETY: one thread.
unsafe impl RawLock for &Machine {
    type Node = ();
    unsafe fn acquire(&self, (): &()) -> bool {
        true
    }
    fn try_acquire(&self) -> Attempt<()> {
        Attempt::of(true)
    }
    unsafe fn release(&self, (): &()) {}
}

type TestRecorder = Recorder<'static, [AtomicU64], &'static Machine, &'static Machine>;

/// A recorder that has crashed, and its memory.
pub struct Logged {
    recorder: TestRecorder,
    layout: Layout,
    pub image: Vec<u8>,
    /// The driver with its anchor, then the image.
    pub memory: Vec<(usize, Vec<u8>)>,
    blocks: Vec<Block>,
    added: Vec<(usize, Vec<u8>)>,
}

pub fn logged(calls: usize) -> Logged {
    logged_and_cleared(calls, None)
}

/// The same, with a CLEAR before the call of that number.
pub fn logged_and_cleared(calls: usize, clear_before: Option<usize>) -> Logged {
    let config = Config { ring_kib: 32, nmi_lane_kib: 4, sites_kib: 4, ..Config::DEFAULT };
    let layout = Layout::new(&config, 2, 2);
    let memory: &'static [AtomicU64] = (0..layout.words()).map(|_| AtomicU64::new(0)).collect::<Vec<_>>().leak();
    let machine: &'static Machine = Box::leak(Box::new(Machine(AtomicU64::new(0))));
    let identity = Identity { machine: 0x8664, tick_frequency: 1000, tick: 5, time: 7, version: [0, 1, 0] };
    layout.initialise(memory, &config, &identity);
    let start_id = 7_u64.rotate_left(20).wrapping_add(5);
    let recorder = Recorder::new(memory, &layout, machine, machine, start_id, Pointers::Raw).unwrap();
    for call in 0..calls {
        if clear_before == Some(call) {
            recorder.clear();
        }
        let text = format!("message {call} {}", "x".repeat(call % 50));
        assert!(matches!(
            recorder.log(&Draft::text(Level::Info, text.as_bytes()), Entry::MayWait),
            Outcome::Written { .. }
        ));
    }
    recorder.note_crash(&BugCheck { code: CODE, parameters: PARAMETERS });
    let image: Vec<u8> = memory.iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()).collect();
    let anchor = Anchor {
        magic: ANCHOR_MAGIC,
        version: Anchor::VERSION.into(),
        image: (IMAGE as u64).into(),
        image_size: (image.len() as u64).into(),
        pieces: 0.into(),
        piece_count: 0.into(),
        piece_size: 4096.into(),
    };
    let mut driver = vec![0x90; 3 * 4096];
    driver[0x1800..0x1800 + size_of::<Anchor>()].copy_from_slice(anchor.as_bytes());
    let mut logged = Logged {
        recorder,
        layout,
        memory: vec![(DRIVER, driver), (IMAGE, image.clone())],
        added: vec![(DRIVER + 0x1800, anchor.as_bytes().to_vec()), (IMAGE, image.clone())],
        image,
        blocks: Vec::new(),
    };
    logged.blocks = logged.parts(1 << 20);
    logged
}

/// One that all cases of a property share.
pub fn shared() -> &'static Logged {
    static SHARED: OnceLock<Logged> = OnceLock::new();
    SHARED.get_or_init(|| logged(60))
}

impl Logged {
    /// The secondary data with room for that many bytes.
    pub fn parts(&self, allowed: u64) -> Vec<Block> {
        let words = vec![0; Scratch::words(&self.layout)].leak();
        let mut scratch = Scratch::new(words, &self.layout).unwrap();
        let mut passes = Passes::new();
        self.recorder.begin_pass(&mut passes, &mut scratch, allowed, Parts::Many, 256);
        let mut blocks = Vec::new();
        loop {
            let mut out = [0; 256];
            let bytes = match self.recorder.next_part(&mut passes, &mut scratch, allowed, &mut out) {
                Given::Nothing => return blocks,
                Given::Image => self.image.clone(),
                Given::Part { words, .. } => out[..words].iter().flat_map(|word| word.to_ne_bytes()).collect(),
            };
            blocks.push(Block { guid: GUID_BYTES, bytes });
        }
    }
}

/// A dump, changed by the caller in what it is written of.
pub fn dump<'l>(logged: &'l Logged, kind: DumpVariety, change: impl FnOnce(Crashed<'l>) -> Crashed<'l>) -> Vec<u8> {
    let crashed = Crashed {
        code: CODE,
        parameters: PARAMETERS,
        machine: 0x8664,
        processors: 2,
        levels: 4,
        memory: &logged.memory,
        modules: &[],
        added: &logged.added,
        blocks: &logged.blocks,
    };
    write(kind, &change(crashed))
}

/// The texts of an image's records, in order.
pub fn messages(image: &[u8]) -> Vec<Vec<u8>> {
    let mut log = SavedLog::open(Cursor::new(image)).unwrap();
    let items = log.collect().unwrap();
    assert!(log.faults().is_empty(), "{:?}", log.faults());
    records(items).into_iter().map(|record| record.payload).collect()
}
