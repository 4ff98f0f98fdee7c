//! Processors and the threads that hold them.
//!
//! A processor is a baton: a host thread that runs driver code holds one, and gives it up when it waits, when it is
//! preempted, and at its end. More threads than processors may exist. What happens to a processor (an interrupt of some
//! level, an IPI, an NMI, a thread switch) is a bit in its `pending` word; [`interrupt`](super::interrupt) says when it
//! is taken. The idle thread of a processor takes it when no other thread holds it and an interrupt or a DPC is pending.
//!
//! The locks of the rig are ordinary ones. That is safe although signal handlers run rig code, because a handler does so
//! only if it interrupted an image, never another part of the rig, and because nothing is let in while one is held.

use std::{
    cell::Cell,
    collections::VecDeque,
    sync::{
        Condvar, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
};

use irqlog_nt::ServiceRoutine;

use super::signal;
use crate::mutex::lock;

/// Bit of [`Processor::pending`]: an IPI.
pub const IPI: u32 = 1 << irqlog_nt::irql::IPI_LEVEL;
/// Bit of [`Processor::pending`]: an NMI.
pub const NMI: u32 = 1 << 16;
/// Bit of [`Processor::pending`]: the thread shall give way.
pub const PREEMPT: u32 = 1 << 17;
/// Bit of [`Processor::pending`]: there may be DPCs.
pub const DPC: u32 = 1 << 18;

/// Bit of [`Processor::pending`]: the system crashes, and the processor is frozen.
pub const FREEZE: u32 = 1 << 19;

/// The level of an NMI's code: above HIGH_LEVEL.
pub const NMI_LEVEL: u8 = irqlog_nt::irql::HIGH_LEVEL + 1;

/// A spin lock that a processor holds.
#[derive(Clone, Copy, Debug)]
pub struct HeldLock {
    /// Where it lies.
    pub address: usize,
    /// Its class, of those of the validator.
    pub class: usize,
}

/// What looks at each wait before it begins.
static BEFORE_WAIT: OnceLock<fn()> = OnceLock::new();

/// Lets `look` look at each wait of a thread, before the thread gives its processor up.
pub fn before_waits(look: fn()) {
    // A second one would be the same.
    let _ = BEFORE_WAIT.set(look);
}

/// One simulated processor.
#[derive(Debug, Default)]
pub struct Processor {
    /// Current IRQL; only the thread that holds the processor changes it.
    pub irql: AtomicU8,
    /// The level of the interrupt, DPC or NMI whose code runs; 0 for a thread's.
    pub context: AtomicU8,
    /// The index that it claims plus one, of a machine with more processors (`topology`); 0 for its own.
    pub claim: AtomicUsize,
    /// The spin locks that it holds.
    pub held: Mutex<Vec<HeldLock>>,
    /// An NMI callback runs; the next NMI waits for its end.
    pub in_nmi: AtomicBool,
    /// Device interrupts that were taken and whose routines have not all returned; they nest by level.
    pub in_interrupts: AtomicU32,
    /// Host id of the thread that holds it; 0 if none does.
    holder: AtomicI32,
    /// Interrupts that are pending: bit `n` for a device interrupt of level `n`, and the constants above.
    pub pending: AtomicU32,
    /// Addresses of queued KDPCs.
    pub dpcs: Mutex<VecDeque<usize>>,
}

impl Processor {
    /// Whether a thread holds it.
    pub fn is_held(&self) -> bool {
        self.holder.load(Ordering::SeqCst) != 0
    }
}

/// A connected interrupt.
#[derive(Clone, Copy, Debug)]
pub struct Vector {
    /// Handle that the driver got.
    pub object: usize,
    /// The interrupt service routine.
    pub routine: ServiceRoutine,
    /// The context that the ISR gets.
    pub context: usize,
    /// Level it interrupts at.
    pub irql: u8,
}

/// An NMI callback: routine, context, handle.
#[derive(Clone, Copy, Debug)]
pub struct NmiCallback {
    /// `BOOLEAN (PVOID Context, BOOLEAN Handled)`.
    pub routine: usize,
    /// The context that the callback gets.
    pub context: usize,
    /// Handle that the driver got.
    pub handle: usize,
}

/// A processor-change callback.
#[derive(Clone, Copy, Debug)]
pub struct ProcessorCallback {
    /// `VOID (PVOID Context, PKE_PROCESSOR_CHANGE_NOTIFY_CONTEXT ChangeContext, PNTSTATUS OperationStatus)`.
    pub routine: usize,
    /// The context that the callback gets.
    pub context: usize,
    /// Handle that the driver got.
    pub handle: usize,
}

/// Processors that can be added to a machine after it was booted.
const SPARE: usize = 2;

impl Machine {
    /// Processors that it has now.
    pub fn active(&self) -> usize {
        self.active.load(Ordering::SeqCst)
    }

    /// Makes the next processor one that threads may hold.
    pub fn start_processor(&self, index: usize) {
        lock(&self.free).mask |= 1 << index;
        self.active.store(index + 1, Ordering::SeqCst);
    }

    /// From now on no thread gets a processor.
    pub fn keep_processors(&self) {
        lock(&self.free).is_crashing = true;
    }

    /// Wakes whoever waits for a processor, the idle threads included.
    pub fn wake_idle(&self) {
        self.released.notify_all();
    }
}

/// Counts of events in the simulated machine.
#[derive(Debug, Default)]
pub struct Statistics {
    /// Interrupts of any kind that were taken with the pc inside irqlog.sys.
    pub interrupts_in_driver: AtomicU64,
    /// NMIs that were taken with the pc inside irqlog.sys at HIGH_LEVEL: inside a write.
    pub nmis_in_write: AtomicU64,
    /// NMIs taken anywhere.
    pub nmis: AtomicU64,
    /// Device interrupts taken anywhere.
    pub interrupts: AtomicU64,
    /// DPCs run.
    pub dpcs: AtomicU64,
    /// IPIs taken, the senders' own included.
    pub ipis: AtomicU64,
    /// Threads that went on on another processor than before.
    pub moves: AtomicU64,
    /// Raises from below DISPATCH_LEVEL: threads that get on.
    pub raises_of_threads: AtomicU64,
}

/// The processors that no thread holds.
#[derive(Debug, Default)]
struct Free {
    mask: u64,
    stopping: bool,
    is_crashing: bool,
}

/// The broadcast that is under way.
#[derive(Debug, Default)]
pub struct Broadcast {
    /// Taken by the sender.
    pub busy: AtomicBool,
    /// The worker's address.
    pub worker: AtomicUsize,
    /// The worker's argument.
    pub argument: AtomicUsize,
    /// Processors that have not run it yet.
    pub remaining: AtomicUsize,
}

/// The simulated machine; there is one in a process.
#[derive(Debug)]
pub struct Machine {
    /// The processors that it can have.
    pub processors: Vec<Processor>,
    active: AtomicUsize,
    /// Registered processor-change callbacks.
    pub processor_callbacks: Mutex<Vec<ProcessorCallback>>,
    free: Mutex<Free>,
    released: Condvar,
    /// Connected interrupts.
    pub vectors: Mutex<Vec<Vector>>,
    /// Registered NMI callbacks.
    pub nmi_callbacks: Mutex<Vec<NmiCallback>>,
    /// IPIs.
    pub broadcast: Broadcast,
    /// DPCs queued or running.
    pub dpcs_outstanding: AtomicUsize,
    /// The virtual clock, in ticks of 100 ns: one tick a query, one millisecond a heartbeat.
    pub clock: AtomicU64,
    /// Counters.
    pub statistics: Statistics,
    next_thread: AtomicU32,
}

static MACHINE: OnceLock<Machine> = OnceLock::new();

/// The machine. Before [`make`] there is none, which is a defect of the rig.
pub fn machine() -> &'static Machine {
    MACHINE.get().expect("the machine was booted")
}

/// A simulated thread: a host thread that runs driver code.
#[derive(Debug)]
pub struct Thread {
    /// Thread id, a multiple of four as on Windows.
    pub id: u32,
    /// Process id; 4 is the system.
    pub process: u32,
    processor: Cell<Option<usize>>,
    /// Processors it may run on.
    pub affinity: Cell<u64>,
    /// The index plus one that its processor shall claim; 0 for its own.
    pub claim: Cell<usize>,
    /// Critical regions that it has entered and not left.
    pub critical_regions: Cell<u32>,
    /// Reads of the clock since its IRQL changed: many, if it waits in an image for something with a deadline.
    pub clock_reads: Cell<u32>,
    host: i32,
}

thread_local! {
    static CURRENT: Cell<*const Thread> = const { Cell::new(std::ptr::null()) };
}

/// The simulated thread that runs, if this host thread is one.
pub fn current() -> Option<&'static Thread> {
    // SAFETY: set by `run_thread` to a thread on its own stack frame, and cleared before that ends.
    unsafe { CURRENT.get().as_ref() }
}

/// The simulated thread that runs: every import has checked that there is one.
pub fn thread() -> &'static Thread {
    current().expect("checked on entry")
}

/// Sets the IRQL of the current processor, and gives the one before.
pub fn set_irql(new: u8) -> u8 {
    let thread = thread();
    thread.clock_reads.set(0);
    thread.processor().irql.swap(new, Ordering::Relaxed)
}

impl Thread {
    /// The processor it holds.
    pub fn processor_index(&self) -> usize {
        self.processor.get().expect("a thread that runs driver code holds a processor")
    }

    /// Whether the thread holds a processor.
    pub fn holds_processor(&self) -> bool {
        self.processor.get().is_some()
    }

    /// The processor it holds.
    pub fn processor(&self) -> &'static Processor {
        &machine().processors[self.processor_index()]
    }

    fn acquire(&self) {
        let machine = machine();
        let mut free = lock(&machine.free);
        loop {
            let mine = if free.is_crashing { 0 } else { free.mask & self.affinity.get() };
            if mine != 0 {
                let index = pick(mine);
                free.mask &= !(1 << index);
                drop(free);
                machine.processors[index].claim.store(self.claim.get(), Ordering::Relaxed);
                machine.processors[index].holder.store(self.host, Ordering::SeqCst);
                self.processor.set(Some(index));
                return;
            }
            free = machine.released.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// For the idle thread of a processor: waits until no thread holds the processor and an interrupt is pending on it, and
    /// takes it. False once the machine shuts down.
    pub fn take_idle(&self, index: usize) -> bool {
        let machine = machine();
        let processor = &machine.processors[index];
        let mut free = lock(&machine.free);
        loop {
            if free.stopping {
                return false;
            }
            let is_needed = processor.pending.load(Ordering::SeqCst) & !PREEMPT != 0 && !free.is_crashing;
            if is_needed && free.mask & (1 << index) != 0 {
                break;
            }
            free = machine.released.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        free.mask &= !(1 << index);
        drop(free);
        processor.claim.store(0, Ordering::Relaxed);
        processor.holder.store(self.host, Ordering::SeqCst);
        self.processor.set(Some(index));
        true
    }

    /// Gives the processor that it holds back.
    pub fn release(&self) {
        let machine = machine();
        let index = self.processor_index();
        self.processor.set(None);
        machine.processors[index].holder.store(0, Ordering::SeqCst);
        lock(&machine.free).mask |= 1 << index;
        machine.released.notify_all();
    }

    /// Gives the processor up while `wait` runs, and takes one again. Only below DISPATCH_LEVEL.
    pub fn wait(&self, wait: impl FnOnce()) {
        if let Some(before_wait) = BEFORE_WAIT.get() {
            before_wait();
        }
        let irql = self.processor().irql.swap(0, Ordering::SeqCst);
        let before = self.processor_index();
        self.release();
        wait();
        self.acquire();
        self.processor().irql.store(irql, Ordering::SeqCst);
        if self.processor_index() != before {
            machine().statistics.moves.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// One of the set bits, any.
fn pick(mask: u64) -> usize {
    thread_local! {
        static SEED: Cell<u64> = const { Cell::new(0x9e37_79b9_7f4a_7c15) };
    }
    let seed = SEED.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    SEED.set(seed);
    let mut rest = mask;
    for _ in 0..(seed >> 33) % u64::from(mask.count_ones()) {
        rest &= rest - 1;
    }
    rest.trailing_zeros() as usize
}

/// Makes the machine of this process, with its clock at one second.
pub fn make(processors: usize) -> &'static Machine {
    assert!((1..=32).contains(&processors), "1 to 32 processors");
    let machine = Machine {
        processors: (0..processors + SPARE).map(|_| Processor::default()).collect(),
        active: AtomicUsize::new(processors),
        processor_callbacks: Mutex::default(),
        free: Mutex::new(Free { mask: (1 << processors) - 1, stopping: false, is_crashing: false }),
        released: Condvar::new(),
        vectors: Mutex::default(),
        nmi_callbacks: Mutex::default(),
        broadcast: Broadcast::default(),
        dpcs_outstanding: AtomicUsize::new(0),
        clock: AtomicU64::new(10_000_000),
        statistics: Statistics::default(),
        next_thread: AtomicU32::new(0x100),
    };
    assert!(MACHINE.set(machine).is_ok(), "a process has one machine");
    self::machine()
}

/// Ends the idle threads.
pub fn shut_down() {
    lock(&machine().free).stopping = true;
    machine().released.notify_all();
}

/// Makes something pending on a processor, and sees to it that it is noticed.
pub fn raise(index: usize, bits: u32) {
    let machine = machine();
    machine.processors[index].pending.fetch_or(bits, Ordering::SeqCst);
    kick(index);
}

/// Interrupts whoever holds the processor, or wakes its idle thread.
pub fn kick(index: usize) {
    let machine = machine();
    match machine.processors[index].holder.load(Ordering::SeqCst) {
        0 => {
            drop(lock(&machine.free));
            machine.released.notify_all();
        }
        host => signal::send(host),
    }
}

/// Makes this host thread a simulated one while `work` runs. With `hold` it gets a processor first.
pub fn run_thread<T>(process: u32, affinity: u64, hold: bool, work: impl FnOnce(&Thread) -> T) -> T {
    let machine = machine();
    let all = (1_u64 << machine.processors.len()) - 1;
    // SAFETY: no arguments.
    let host = unsafe { libc::gettid() };
    let thread = Thread {
        id: machine.next_thread.fetch_add(4, Ordering::Relaxed),
        process: if process == 0 { 4 } else { process },
        processor: Cell::new(None),
        affinity: Cell::new(if affinity == 0 { all } else { affinity & all }),
        claim: Cell::new(0),
        critical_regions: Cell::new(0),
        clock_reads: Cell::new(0),
        host,
    };
    let stack = signal::AlternateStack::install();
    CURRENT.set(&raw const thread);
    if hold {
        thread.acquire();
    }
    let result = work(&thread);
    if hold {
        thread.release();
    }
    CURRENT.set(std::ptr::null());
    drop(stack);
    result
}
