//! A machine of plain memory for the recorder: processors, IRQL, clock and lock are numbers that a test sets.

#![allow(dead_code, reason = "each test uses its own part")]

use std::{
    cell::{Cell, OnceCell, RefCell},
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

use irqlog_recorder::{
    Platform, Recorder,
    config::Config,
    draft::Draft,
    layout::{Identity, Layout},
    log::{Entry, Outcome},
    memory::Memory as _,
    pointers::Pointers,
    request::{MIN_READ_OUTPUT, Read},
    sites::{Registrant, Registry},
};
use irqlog_ring::{
    clock::Clock,
    lane::Cursor,
    lock::{Attempt, Irql, RawLock},
    word::Word,
};
use irqlog_wire::{
    image::{ImageHeader, LaneControl, ProcessorControl},
    interface::Registered,
    ioctl::BatchHeader,
    record::{Level, RecordHeader, WORD},
    site::{PROVIDER_MAGIC, ProviderHeader, SITE_MAGIC, SiteHeader},
};
use zerocopy::{FromBytes, IntoBytes};

/// What happens at an access to the memory.
#[derive(Default)]
pub struct Control {
    /// Accesses so far.
    pub accesses: Cell<usize>,
    /// Before which access the interruption comes, if any.
    pub at: Cell<Option<usize>>,
    /// What it does.
    pub interrupt: RefCell<Option<Box<dyn Fn()>>>,
    /// Stores of this value to this word are left out: a step of the protocol that is missing.
    pub without_store: Cell<Option<(usize, u64)>>,
}

impl Control {
    fn access(&self) {
        let number = self.accesses.replace(self.accesses.get() + 1);
        if self.at.get() == Some(number) {
            self.at.set(None);
            let interrupt = self.interrupt.borrow();
            if let Some(interrupt) = interrupt.as_ref() {
                interrupt();
            }
        }
    }
}

/// A word of memory that can be interrupted: before the access number `at`, `interrupt` runs.
pub struct TestWord {
    value: AtomicU64,
    index: usize,
    control: &'static Control,
}

impl Word for TestWord {
    fn load(&self) -> u64 {
        self.control.access();
        Word::load(&self.value)
    }
    fn load_acquire(&self) -> u64 {
        self.control.access();
        self.value.load_acquire()
    }
    fn store(&self, value: u64) {
        self.control.access();
        if self.control.without_store.get() != Some((self.index, value)) {
            Word::store(&self.value, value);
        }
    }
    fn store_release(&self, value: u64) {
        self.control.access();
        self.value.store_release(value);
    }
    fn fetch_add(&self, value: u64) -> u64 {
        self.control.access();
        Word::fetch_add(&self.value, value)
    }
    fn compare_exchange(&self, current: u64, value: u64) -> bool {
        self.control.access();
        Word::compare_exchange(&self.value, current, value)
    }
    fn compare_exchange_release(&self, current: u64, value: u64) -> bool {
        self.control.access();
        self.value.compare_exchange_release(current, value)
    }
    fn swap_acquire(&self, value: u64) -> u64 {
        self.control.access();
        self.value.swap_acquire(value)
    }
    fn swap_acquire_release(&self, value: u64) -> u64 {
        self.control.access();
        self.value.swap_acquire_release(value)
    }
    fn release_fence(&self) {
        self.control.access();
    }
    fn acquire_fence(&self) {
        self.control.access();
    }
}

/// Memory of such words.
pub struct Memory {
    words: Vec<TestWord>,
    /// The pieces for processors that come later.
    added: Vec<OnceCell<Vec<TestWord>>>,
    pub control: &'static Control,
}

impl Memory {
    pub fn new(words: usize, later: usize) -> Self {
        let control = Box::leak(Box::default());
        Self { words: test_words(0, words, control), added: (0..later).map(|_| OnceCell::new()).collect(), control }
    }

    /// Brings the piece for one more processor.
    pub fn add(&self, index: usize, words: usize) {
        let first = self.words.len() + index * words;
        assert!(self.added[index].set(test_words(first, words, self.control)).is_ok());
    }
}

fn test_words(first: usize, count: usize, control: &'static Control) -> Vec<TestWord> {
    (first..first + count).map(|index| TestWord { value: AtomicU64::new(0), index, control }).collect()
}

impl std::ops::Deref for Memory {
    type Target = Control;
    fn deref(&self) -> &Control {
        self.control
    }
}

impl irqlog_recorder::memory::Memory for Memory {
    type Word = TestWord;
    fn image(&self) -> &[TestWord] {
        &self.words
    }
    fn added(&self, index: usize) -> Option<&[TestWord]> {
        self.added.get(index)?.get().map(Vec::as_slice)
    }
}

/// The processor that runs, and the lock.
#[derive(Default)]
pub struct Machine {
    pub irql: Cell<u8>,
    pub processor: Cell<u32>,
    pub tick: Cell<u64>,
    pub lock_taken: Cell<bool>,
    /// Waiting for a taken lock would never end in a test: it is a failure unless this says that the wait is meant.
    pub wait_is_meant: Cell<bool>,
    /// It is a queue lock.
    pub lock_has_no_try: Cell<bool>,
    /// Whoever waits gives up.
    pub budget_is_gone: Cell<bool>,
    /// What was called, in order.
    pub calls: RefCell<Vec<&'static str>>,
}

impl Machine {
    fn call(&self, name: &'static str) {
        // Only the last ones are looked at.
        let mut calls = self.calls.borrow_mut();
        if calls.len() >= 64 {
            calls.clear();
        }
        calls.push(name);
    }
}

// SAFETY: one thread; the level is a number.
unsafe impl Irql for &Machine {
    fn raise(&self) -> u8 {
        self.call("raise");
        self.irql.replace(15)
    }
    unsafe fn lower(&self, old: u8) {
        self.call("lower");
        self.irql.set(old);
    }
}

impl Clock for &Machine {
    fn now(&self) -> u64 {
        self.call("clock");
        self.tick.set(self.tick.get() + 1);
        self.tick.get()
    }
}

impl Platform for &Machine {
    fn irql(&self) -> u8 {
        self.call("irql");
        self.irql.get()
    }
    fn processor(&self) -> u32 {
        self.call("processor");
        self.processor.get()
    }
    fn thread_and_process(&self) -> (u32, u32) {
        self.call("ids");
        assert!(self.irql.get() <= 2, "PsGetCurrentThreadId above DISPATCH_LEVEL");
        (0x1234, 0x5678)
    }
}

// SAFETY: one thread; `lock_taken` excludes.
unsafe impl RawLock for &Machine {
    type Node = ();
    unsafe fn acquire(&self, (): &()) -> bool {
        if self.budget_is_gone.get() {
            return false;
        }
        assert!(!self.lock_taken.get() || self.wait_is_meant.get(), "waits for a lock that nobody gives back");
        self.lock_taken.set(true);
        true
    }
    fn try_acquire(&self) -> Attempt<()> {
        if self.lock_has_no_try.get() {
            return Attempt::Impossible;
        }
        Attempt::of(!self.lock_taken.replace(true))
    }
    unsafe fn release(&self, (): &()) {
        assert!(self.lock_taken.replace(false), "released a free lock");
    }
}

pub type TestRecorder<'m> = Recorder<'m, Memory, &'m Machine, &'m Machine>;

pub const SMALL: Config = Config { ring_kib: 16, nmi_lane_kib: 4, sites_kib: 4, ..Config::DEFAULT };

/// How pointers are written.
pub const POINTERS: Pointers = Pointers::Hashed([0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908]);

/// A recorder on leaked memory: interruptions are closures that need it for ever.
pub fn recorder(
    config: &Config,
    processors: usize,
    active: usize,
) -> (&'static TestRecorder<'static>, &'static Memory, &'static Machine) {
    started_at(7, config, processors, active)
}

/// The same of a driver that was started at another time, so that it is another start.
pub fn started_at(
    time: u64,
    config: &Config,
    processors: usize,
    active: usize,
) -> (&'static TestRecorder<'static>, &'static Memory, &'static Machine) {
    let layout = Layout::new(config, processors, active);
    let memory: &'static Memory = Box::leak(Box::new(Memory::new(layout.words(), processors - active)));
    let machine: &'static Machine = Box::leak(Box::default());
    let identity = Identity { machine: 0x8664, tick_frequency: 10_000_000, tick: 5, time, version: [0, 1, 0] };
    layout.initialise(memory.image(), config, &identity);
    let start_id = header(memory).start_id.get();
    (
        Box::leak(Box::new(Recorder::new(memory, &layout, machine, machine, start_id, POINTERS).unwrap())),
        memory,
        machine,
    )
}

pub fn bytes(memory: &Memory) -> Vec<u8> {
    memory.image().iter().flat_map(|word| Word::load(&word.value).to_le_bytes()).collect()
}

/// Writes into the memory, as someone who has no business there.
pub fn write(memory: &Memory, word: usize, value: u64) {
    Word::store(&memory.image()[word].value, value);
}

pub fn header(memory: &Memory) -> ImageHeader {
    ImageHeader::read_from_prefix(&bytes(memory)).unwrap().0
}

/// A section with one site of that format, behind a word of padding.
pub fn section(format: &str) -> Vec<u8> {
    let size = (size_of::<SiteHeader>() + format.len()).next_multiple_of(8);
    let header = SiteHeader {
        magic: SITE_MAGIC.into(),
        size: (size as u32).into(),
        line: 1.into(),
        level: Level::Info.0,
        arguments: 0,
        role: 0.into(),
        format: (format.len() as u16).into(),
        names: 0.into(),
        module: 0.into(),
        file: 0.into(),
    };
    let mut bytes = [&[0; 8], header.as_bytes(), format.as_bytes()].concat();
    bytes.resize(8 + size, 0);
    bytes
}

/// An entry of a site table.
pub struct TableEntry {
    pub header: ProviderHeader,
    pub name: String,
    pub sites: Vec<u8>,
}

/// The entries of a site table, which has to be a row of them and nothing else.
pub fn table_entries(table: &[u8]) -> Vec<TableEntry> {
    let (mut found, mut rest) = (Vec::new(), table);
    while !rest.is_empty() {
        let (header, behind) = ProviderHeader::read_from_prefix(rest).unwrap();
        assert_eq!(header.magic.get(), PROVIDER_MAGIC);
        let (entry, next) = rest.split_at(header.size.get() as usize);
        let name = std::str::from_utf8(&behind[..header.name_size.get() as usize]).unwrap().to_owned();
        let sites = &entry[header.sites_offset.get() as usize..][..header.sites_size.get() as usize];
        found.push(TableEntry { header, name, sites: sites.to_vec() });
        rest = next;
    }
    found
}

/// A driver that registers.
#[derive(Default)]
pub struct Driver {
    pub base: AtomicU32,
    pub level: AtomicU32,
}

impl Driver {
    pub fn register(
        &self,
        recorder: &TestRecorder<'_>,
        registry: &mut Registry,
        name: &str,
        sites: &[u8],
    ) -> Registered {
        let provider = Registrant { name: name.as_bytes(), sites, base: &self.base, level: &self.level };
        // SAFETY: the tests unregister, or drop the registry before the driver.
        unsafe { recorder.register(registry, &provider, |_| true) }
    }

    pub fn unregister(&self, recorder: &TestRecorder<'_>, registry: &mut Registry) {
        recorder.unregister(registry, &raw const self.level);
    }

    pub fn level(&self) -> u32 {
        self.level.load(Ordering::Relaxed)
    }

    /// Logs an event without arguments of the only site of [`section`].
    pub fn log(&self, recorder: &TestRecorder<'_>) -> Outcome {
        let words = [0];
        // SAFETY: an event without arguments.
        let draft = unsafe { Draft::event(Level::Info, self.base.load(Ordering::Relaxed) + 1, &words) };
        recorder.log(&draft, Entry::MayWait)
    }
}

/// Drops over all processors and reasons.
pub fn drops(memory: &Memory) -> u64 {
    let (bytes, header) = (bytes(memory), header(memory));
    let mut sum: u64 = header.drops.iter().map(|drops| drops.get()).sum();
    for lane in 0..header.lane_count.get() as usize {
        let at = header.lanes_offset.get() as usize + lane * header.lane_size.get() as usize;
        assert_eq!(LaneControl::of_entry(&bytes[at..]).unwrap().nesting.get(), 0, "lane {lane} was not left");
    }
    for processor in 0..header.processor_count.get() as usize {
        let at = header.processors_offset.get() as usize + processor * header.processor_size.get() as usize;
        let control = ProcessorControl::read_from_prefix(&bytes[at..]).unwrap().0;
        assert_eq!(control.nesting.get(), 0, "processor {processor} was not left");
        sum += control.drops.iter().map(|drops| drops.get()).sum::<u64>();
    }
    sum
}

/// A record and its payload.
pub type Record = (RecordHeader, Vec<u8>);

/// Everything in a lane from the first record on, with how many were lost; checks that the batch adds up.
pub fn read_all(recorder: &TestRecorder<'_>, lane: u32, start_id: u64) -> (Vec<Record>, u64) {
    let (mut records, mut lost, mut from) = (Vec::new(), 0, None);
    loop {
        let mut output = vec![0; MIN_READ_OUTPUT];
        let written = recorder.read(&Read { lane, from, start_id }, &mut output).unwrap();
        let (batch, mut rest) = BatchHeader::read_from_prefix(&output[..written]).unwrap();
        assert_eq!(rest.len(), batch.records.get() as usize);
        lost += batch.lost.get();
        for _ in 0..batch.count.get() {
            let (header, _) = RecordHeader::read_from_prefix(rest).unwrap();
            let (record, behind) = rest.split_at(header.size.get() as usize);
            let payload = &record[size_of::<RecordHeader>()..][..header.payload_size.get() as usize];
            records.push((header, payload.to_vec()));
            rest = behind;
        }
        assert!(rest.is_empty() && written.is_multiple_of(WORD));
        if batch.flags.get() == 0 {
            return (records, lost);
        }
        from = Some(Cursor { seq: batch.next.seq.get(), position: batch.next.position.get() });
    }
}
