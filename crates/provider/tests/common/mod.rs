//! irqlog as a library on the host: the recorder behind the function table that irqlog.sys hands out, and the reader.

#![allow(dead_code, reason = "each test uses its own part")]
#![allow(clippy::multiple_unsafe_ops_per_block, reason = "the kernel side of a C interface: what comes in is believed")]

use std::{
    io::Cursor,
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use irqlog_reader::{
    event,
    image::Tables,
    log::{self, Log},
    record::Record,
    saved::SavedLog,
};
use irqlog_recorder::{
    Platform, Recorder,
    config::Config,
    draft::Draft,
    layout::{Identity, Layout},
    log::{Entry, Outcome},
    pointers::Pointers,
    sites::{Registrant, Registry},
};
use irqlog_ring::{
    clock::Clock,
    lock::{Attempt, Irql, RawLock},
};
use irqlog_wire::{
    interface::{INTERFACE_VERSION, Interface, Registration},
    record::Level,
};
use zerocopy::FromZeros;

/// One processor, at whatever level.
struct Host;

// SAFETY: one thread at a time, see `lock`; nothing interrupts it.
unsafe impl Irql for Host {
    fn raise(&self) -> u8 {
        0
    }
    unsafe fn lower(&self, _: u8) {}
}

impl Clock for Host {
    fn now(&self) -> u64 {
        static TICK: AtomicU64 = AtomicU64::new(0);
        TICK.fetch_add(1, Ordering::Relaxed)
    }
}

impl Platform for Host {
    fn irql(&self) -> u8 {
        0
    }
    fn processor(&self) -> u32 {
        0
    }
    fn thread_and_process(&self) -> (u32, u32) {
        (1, 2)
    }
}

struct NoLock;

// SAFETY: one thread at a time, see `lock`.
unsafe impl RawLock for NoLock {
    type Node = ();
    unsafe fn acquire(&self, (): &()) -> bool {
        true
    }
    fn try_acquire(&self) -> Attempt<()> {
        Attempt::Acquired(())
    }
    unsafe fn release(&self, (): &()) {}
}

type HostRecorder = Recorder<'static, [AtomicU64], Host, NoLock>;

struct Machine {
    words: &'static [AtomicU64],
    recorder: HostRecorder,
    registry: Mutex<Box<Registry>>,
}

fn machine() -> &'static Machine {
    static MACHINE: OnceLock<Machine> = OnceLock::new();
    MACHINE.get_or_init(|| {
        // Small, as it is read as a whole after each record.
        let config = Config { ring_kib: 16, nmi_lane_kib: 4, sites_kib: 128, ..Config::DEFAULT };
        let layout = Layout::new(&config, 1, 1);
        let words: &[AtomicU64] = (0..layout.words()).map(|_| AtomicU64::new(0)).collect::<Vec<_>>().leak();
        let identity = Identity { machine: 0, tick_frequency: 1, tick: 0, time: 0, version: [0; 3] };
        layout.initialise(words, &config, &identity);
        let recorder = Recorder::new(words, &layout, Host, NoLock, 0, Pointers::Raw).unwrap();
        Machine { words, recorder, registry: Mutex::new(Box::new(Registry::new_zeroed())) }
    })
}

unsafe extern "system" fn register(registration: *const Registration) -> u32 {
    // SAFETY: what `connect` hands over.
    let provider = unsafe { Registrant::of(registration) }.expect("a whole registration");
    // SAFETY: the level word is a static of the provider.
    unsafe { machine().recorder.register(&mut machine().registry.lock().unwrap(), &provider, |_| true) }.0
}

unsafe extern "system" fn unregister(level: *const AtomicU32) {
    machine().recorder.unregister(&mut machine().registry.lock().unwrap(), level);
}

fn write(site: u32, level: u8, words: *const u64, count: usize, entry: Entry) -> u32 {
    // SAFETY: what the macros hand over.
    let draft = unsafe { Draft::event(Level(level), site, std::slice::from_raw_parts(words, count)) };
    match machine().recorder.log(&draft, entry) {
        Outcome::Written { .. } => 0,
        Outcome::Filtered => 1,
        Outcome::Dropped(_) => 2,
    }
}

unsafe extern "system" fn write_event(site: u32, level: u8, words: *const u64, count: usize) -> u32 {
    write(site, level, words, count, Entry::MayWait)
}

unsafe extern "system" fn write_event_never_waits(site: u32, level: u8, words: *const u64, count: usize) -> u32 {
    write(site, level, words, count, Entry::NeverWaits)
}

unsafe extern "system" fn no_text(_: u8, _: *const u8, _: usize) -> u32 {
    1
}

fn write_blob(level: u8, tag: u32, bytes: *const u8, length: usize, entry: Entry) -> u32 {
    // SAFETY: what the macro hands over.
    let bytes = unsafe { std::slice::from_raw_parts(bytes, length) };
    match machine().recorder.log_blob(Level(level), tag, bytes, entry) {
        Outcome::Written { .. } => 0,
        Outcome::Filtered => 1,
        Outcome::Dropped(_) => 2,
    }
}

unsafe extern "system" fn write_blob_may_wait(level: u8, tag: u32, bytes: *const u8, length: usize) -> u32 {
    write_blob(level, tag, bytes, length, Entry::MayWait)
}

unsafe extern "system" fn write_blob_never_waits(level: u8, tag: u32, bytes: *const u8, length: usize) -> u32 {
    write_blob(level, tag, bytes, length, Entry::NeverWaits)
}

/// The function table.
pub fn interface() -> Interface {
    Interface {
        major: INTERFACE_VERSION.major,
        minor: INTERFACE_VERSION.minor,
        size: size_of::<Interface>() as u32,
        write_text: no_text,
        write_blob: write_blob_may_wait,
        write_text_never_waits: no_text,
        write_blob_never_waits,
        register,
        unregister,
        write_event,
        write_event_never_waits,
    }
}

/// One test at a time: there is one recorder, and a provider is one for its image.
pub fn lock() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Connects, and clears the log.
pub fn connect() {
    // SAFETY: the table is for ever.
    let connected = unsafe { irqlog_provider::connect("test", &interface()) };
    assert!(connected.is_ok() || connected == Err(irqlog_provider::Refused::Connected), "{connected:?}");
    machine().recorder.clear();
}

/// The image as a reader finds it.
pub fn read() -> (Tables, Vec<Record>) {
    let bytes: Vec<u8> = machine().words.iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()).collect();
    let mut log = SavedLog::open(Cursor::new(bytes)).unwrap();
    let records = log::records(log.collect().unwrap());
    (log.tables().clone(), records)
}

/// The last record, and its text.
pub fn last() -> (Record, String) {
    let (tables, mut records) = read();
    let record = records.pop().expect("a record");
    let text = text(&tables, &record);
    (record, text)
}

/// The texts of all records, from the first to the last.
pub fn texts() -> Vec<String> {
    let (tables, records) = read();
    records.iter().map(|record| text(&tables, record)).collect()
}

/// The text of a record.
fn text(tables: &Tables, record: &Record) -> String {
    let (_, site) = tables.sites.find(record.header.site.get()).expect("its site");
    let [format, names] = [site.format, site.names].map(|part| std::str::from_utf8(part).unwrap());
    event::text(format, names, event::of_format(&site, &event::arguments(&record.payload)))
}

/// Sets the level as PROVIDER_LEVEL does.
pub fn set_level(level: Level) {
    let (tables, _) = read();
    let first_site = tables.sites.providers().iter().find(|provider| provider.name == "test").unwrap().first_site;
    let request = irqlog_recorder::request::ProviderLevel { start_id: 0, first_site, level };
    machine().recorder.set_provider_level(&mut machine().registry.lock().unwrap(), &request, |_| true).unwrap();
}

/// The registry of drivers that run: how many with the table of this test.
pub fn registered() -> u64 {
    let (tables, _) = read();
    tables.sites.providers().iter().map(|provider| provider.registered).sum()
}
