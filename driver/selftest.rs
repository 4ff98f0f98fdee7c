//! SELFTEST: logs at every IRQL on every processor, and answers how many of the records arrived.
//!
//! | Context | How | IRQL |
//! |---|---|---|
//! | thread | affinity set to the processor | PASSIVE_LEVEL |
//! | apc | the same, raised | APC_LEVEL |
//! | dpc | a DPC with the processor as target | DISPATCH_LEVEL |
//! | dirql | the thread, raised to each device level | 3 to 12 |
//! | ipi | KeIpiGenericCall, on all processors at once | IPI_LEVEL |
//! | high | the thread, raised | HIGH_LEVEL |
//!
//! Each log call leaves a note: where it was made, and its result. Afterwards the selftest looks every written record
//! up in its lane and compares it with the note: "found" means that IRQL and processor in the ring are those of the
//! call.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use irqlog_recorder::{Platform, log::Outcome};
use irqlog_wire::{
    ioctl::{SELFTEST_CONTEXTS, SelftestAnswer},
    irql::{APC_LEVEL, DIRQL_MAX, DIRQL_MIN, HIGH_LEVEL},
    record::Level,
};
use wdk_sys::{
    ALL_PROCESSOR_GROUPS, GROUP_AFFINITY, KDPC, NTSTATUS, PKDPC, PROCESSOR_NUMBER, PVOID,
    ntddk::{
        KeFlushQueuedDpcs, KeGetProcessorNumberFromIndex, KeInitializeDpc, KeInsertQueueDpc, KeIpiGenericCall,
        KeQueryActiveProcessorCountEx, KeRevertToUserGroupAffinityThread, KeSetSystemGroupAffinityThread,
        KeSetTargetProcessorDpcEx,
    },
};

use crate::{
    pool::{Pages, tag},
    recorder::DriverRecorder,
    system::{System, lower, raise},
};

/// A context: an index into [`SELFTEST_CONTEXTS`].
#[derive(Clone, Copy)]
enum Context {
    Thread,
    Apc,
    Dpc,
    Dirql,
    Ipi,
    High,
}

/// Number of calls on each processor: one for each context, and in `dirql` one for each device level.
const CALLS: usize = SELFTEST_CONTEXTS.len() - 1 + (DIRQL_MAX - DIRQL_MIN + 1) as usize;

/// The note of one call. Only the call writes it; it is read after all calls.
#[repr(C)]
struct Note {
    /// Context, IRQL, processor and result of the call, packed; 0 until the call was made.
    what: AtomicU64,
    seq: AtomicU64,
}

/// The state that the calls share. It lies in non-paged pool, with the notes and the DPCs behind it.
struct Run<'r> {
    recorder: &'r DriverRecorder,
    notes: &'r [Note],
    used: AtomicU32,
}

impl Run<'_> {
    /// Logs once, and writes the note. IRQL: any.
    fn call(&self, context: Context) {
        const TEXTS: [&[u8]; SELFTEST_CONTEXTS.len()] = [
            b"selftest: thread",
            b"selftest: APC level",
            b"selftest: DPC",
            b"selftest: device level",
            b"selftest: IPI",
            b"selftest: HIGH_LEVEL",
        ];
        let (irql, processor) = (System.irql(), System.processor());
        let text = TEXTS.get(context as usize).copied().unwrap_or_default();
        let outcome = self.recorder.log_own(Level::Info, text);
        let Some(note) = self.notes.get(self.used.fetch_add(1, Ordering::Relaxed) as usize) else { return };
        let (written, lane, seq) = match outcome {
            Outcome::Written { lane, seq } => (1, lane, seq),
            Outcome::Filtered | Outcome::Dropped(_) => (0, 0, 0),
        };
        note.seq.store(seq, Ordering::Relaxed);
        let what = 1
            | written << 1
            | (context as u64) << 8
            | u64::from(irql) << 16
            | u64::from(processor & 0xffff) << 24
            | u64::from(lane) << 40;
        note.what.store(what, Ordering::Release);
    }

    /// Counts the notes, and looks every written record up. IRQL: PASSIVE_LEVEL.
    fn answer(&self, processors: u32) -> SelftestAnswer {
        let mut answer = SelftestAnswer { processors: processors.into(), ..SelftestAnswer::default() };
        for note in self.notes {
            let what = note.what.load(Ordering::Acquire);
            let Some(sums) = answer.contexts.get_mut((what >> 8 & 0xff) as usize).filter(|_| what & 1 != 0) else {
                continue;
            };
            let (irql, processor, lane) = ((what >> 16) as u8, (what >> 24) as u16, (what >> 40) as u32);
            let is_written = what & 2 != 0;
            let is_found = is_written
                && self
                    .recorder
                    .find(lane, note.seq.load(Ordering::Relaxed))
                    .is_some_and(|header| header.irql == irql && header.processor.get() == processor);
            sums.called.set(sums.called.get().wrapping_add(1));
            let counter = if is_written { &mut sums.written } else { &mut sums.dropped };
            counter.set(counter.get().wrapping_add(1));
            sums.found.set(sums.found.get().wrapping_add(u32::from(is_found)));
        }
        answer
    }
}

/// Runs the selftest. IRQL: PASSIVE_LEVEL.
///
/// # Errors
/// STATUS_INSUFFICIENT_RESOURCES, or what naming a processor fails with.
pub fn run(recorder: &DriverRecorder) -> Result<SelftestAnswer, NTSTATUS> {
    // SAFETY: any IRQL.
    let processors = unsafe { KeQueryActiveProcessorCountEx(ALL_PROCESSOR_GROUPS as u16) };
    let count = processors as usize;
    let note_bytes = count * CALLS * size_of::<Note>();
    let pages = Pages::allocate(note_bytes + count * size_of::<KDPC>(), tag::SELFTEST)?;
    // SAFETY: page-aligned zeroed memory of at least that size; zero is a valid note.
    let notes = unsafe { core::slice::from_raw_parts(pages.start().cast::<Note>().as_ptr(), count * CALLS) };
    // SAFETY: inside the allocation; notes are 16 bytes each, so the DPCs behind them are aligned.
    let dpcs = unsafe { pages.start().add(note_bytes) }.cast::<KDPC>();
    let run = Run { recorder, notes, used: AtomicU32::new(0) };
    {
        // Dropped before `run` and `pages`, which were made before it, on every way out of here.
        let _flush = FlushDpcs;
        for index in 0..processors {
            let number = processor_number(index)?;
            on_thread(&run, number);
            // SAFETY: there is room for one a processor.
            queue_dpc(&run, unsafe { dpcs.add(index as usize) }.as_ptr(), number);
        }
    }
    // SAFETY: below IPI_LEVEL; the worker is done on all processors when it returns, so `run` outlives it.
    unsafe { KeIpiGenericCall(Some(ipi_worker), (&raw const run) as u64) };
    Ok(run.answer(processors))
}

/// Waits, when dropped, until every queued DPC has run: then their memory may be freed.
struct FlushDpcs;

impl Drop for FlushDpcs {
    /// IRQL: PASSIVE_LEVEL.
    fn drop(&mut self) {
        // SAFETY: PASSIVE_LEVEL: it is made and dropped in `run` only.
        unsafe { KeFlushQueuedDpcs() };
    }
}

/// IRQL: any.
fn processor_number(index: u32) -> Result<PROCESSOR_NUMBER, NTSTATUS> {
    let mut number = PROCESSOR_NUMBER::default();
    // SAFETY: any IRQL; the number is written to our stack.
    let status = unsafe { KeGetProcessorNumberFromIndex(index, &raw mut number) };
    if wdk::nt_success(status) { Ok(number) } else { Err(status) }
}

/// Logs from the contexts of a thread, on one processor. IRQL: PASSIVE_LEVEL.
fn on_thread(run: &Run<'_>, number: PROCESSOR_NUMBER) {
    let mut affinity =
        GROUP_AFFINITY { Mask: 1_u64 << (number.Number & 63), Group: number.Group, ..GROUP_AFFINITY::default() };
    let mut previous = GROUP_AFFINITY::default();
    // SAFETY: the processor exists; at most APC_LEVEL, so the thread is there when this returns.
    unsafe { KeSetSystemGroupAffinityThread(&raw mut affinity, &raw mut previous) };
    run.call(Context::Thread);
    at_level(APC_LEVEL, || run.call(Context::Apc));
    for level in DIRQL_MIN..=DIRQL_MAX {
        at_level(level, || run.call(Context::Dirql));
    }
    at_level(HIGH_LEVEL, || run.call(Context::High));
    // SAFETY: what the matching call gave.
    unsafe { KeRevertToUserGroupAffinityThread(&raw mut previous) };
}

/// Runs `call` at IRQL `level`. IRQL: at most `level`.
fn at_level(level: u8, call: impl FnOnce()) {
    let old = raise(level);
    call();
    // SAFETY: what the raise above gave.
    unsafe { lower(old) };
}

/// IRQL: at most DISPATCH_LEVEL.
fn queue_dpc(run: &Run<'_>, dpc: PKDPC, mut number: PROCESSOR_NUMBER) {
    // SAFETY: `dpc` is non-paged memory that outlives the DPC: `FlushDpcs` is dropped before it is freed.
    unsafe { KeInitializeDpc(dpc, Some(dpc_routine), (&raw const *run).cast_mut().cast()) };
    // SAFETY: an initialised DPC that is not queued, and a processor that exists.
    let status = unsafe { KeSetTargetProcessorDpcEx(dpc, &raw mut number) };
    if wdk::nt_success(status) {
        // SAFETY: an initialised DPC in non-paged memory.
        unsafe { KeInsertQueueDpc(dpc, core::ptr::null_mut(), core::ptr::null_mut()) };
    }
}

/// IRQL: DISPATCH_LEVEL.
unsafe extern "C" fn dpc_routine(_: PKDPC, context: PVOID, _: PVOID, _: PVOID) {
    // SAFETY: `queue_dpc` gave the run, which waits for its DPCs.
    unsafe { &*context.cast::<Run<'_>>() }.call(Context::Dpc);
}

/// IRQL: IPI_LEVEL.
unsafe extern "C" fn ipi_worker(argument: u64) -> u64 {
    // SAFETY: `run` gave itself, and waits.
    unsafe { &*(argument as *const Run<'_>) }.call(Context::Ipi);
    0
}
