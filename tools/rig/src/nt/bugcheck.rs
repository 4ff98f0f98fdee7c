//! Bug checks: the callbacks that drivers register, and what Windows does with them when the system crashes.
//!
//! The processor that crashes freezes the others wherever they are: between two instructions of an image, or on the way
//! back from a routine of the rig, so that none of them holds a lock of the rig itself. It then calls the callbacks at
//! HIGH_LEVEL, in the order in which Windows does as far as that is known: those for a small dump's memory, those for
//! secondary data in a first pass for the sizes, and again for the data ("Writing a Bug Check Reason Callback Routine").
//!
//! A bug check that no scenario has asked for ends the run, and leaves a [`dump`](super::dump). One that was asked for ([`expect`]) goes to the scenario, on
//! the crashed processor; it may fork, and try what a dump of each kind gets out of the same frozen moment.

use std::{
    ffi::c_void,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use irqlog_makedump::Block;
use irqlog_nt::{
    BugCheckReasonRoutine, KB_CALLBACK_SECONDARY_DUMP_DATA, KB_CALLBACK_SECONDARY_MULTI_PART_DUMP_DATA,
    KB_CALLBACK_TRIAGE_DUMP_DATA, KB_SECONDARY_DATA_FLAG_ADDITIONAL_DATA, KbugcheckReasonCallbackRecord,
    KtriageDumpDataArray, NtStatus, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER, STATUS_SUCCESS,
    SecondaryDumpData, SecondaryDumpDataEx, TriageDumpData, irql::HIGH_LEVEL,
};

use super::{
    freeze,
    import::routines,
    machine::{FREEZE, current, machine, raise},
    report,
    wait::PATIENCE,
};
use crate::{mutex::lock, planted};

pub use super::report::BugCheckData;

/// `State` of a record: `BufferEmpty` and `BufferInserted` of KBUGCHECK_BUFFER_DUMP_STATE.
const EMPTY: u8 = 0;
const INSERTED: u8 = 1;

/// A registered callback: the address of its record.
#[derive(Clone, Copy, Debug)]
struct Registered {
    record: usize,
    routine: BugCheckReasonRoutine,
    reason: u32,
}

static CALLBACKS: Mutex<Vec<Registered>> = Mutex::new(Vec::new());
static CRASHING: AtomicBool = AtomicBool::new(false);
static EXPECTED: OnceLock<Then> = OnceLock::new();

/// The action of a scenario at a bug check that it expects.
type Then = Box<dyn Fn(&BugCheckData) + Send + Sync>;

/// From now on a bug check is meant: `then` gets it on the crashed processor, and the run ends with success when it
/// returns.
pub fn expect(then: impl Fn(&BugCheckData) + Send + Sync + 'static) {
    assert!(EXPECTED.set(Box::new(then)).is_ok(), "a run has one bug check");
}

/// Callbacks that are registered.
pub fn registered() -> usize {
    lock(&CALLBACKS).len()
}

/// Crashes the system.
pub fn crash(bug_check: BugCheckData) -> ! {
    let BugCheckData { code, parameters: [a, b, c, d] } = bug_check;
    let Some(then) = EXPECTED.get() else {
        report::crashed(&format!("bug check {code:#x} ({a:#x}, {b:#x}, {c:#x}, {d:#x})"), None, &bug_check)
    };
    if CRASHING.swap(true, Ordering::SeqCst) {
        // Another processor was first.
        freeze::for_ever();
    }
    if !freeze_others(PATIENCE) {
        report::broken("the other processors do not freeze");
    }
    then(&bug_check);
    std::process::exit(0)
}

/// A driver has faulted: the crash that Windows would make of it, if a scenario asks for one.
pub fn crash_by_fault(bug_check: &BugCheckData) {
    if EXPECTED.get().is_some() {
        crash(*bug_check);
    }
}

/// Freezes every processor that a thread holds, except the current one, and lets no other thread in here. False if some do
/// not freeze in time.
pub fn freeze_others(patience: Duration) -> bool {
    let Some(thread) = current() else { return true };
    let own = thread.processor_index();
    thread.processor().irql.store(HIGH_LEVEL, Ordering::SeqCst);
    thread.processor().in_nmi.store(true, Ordering::SeqCst);
    machine().keep_processors();
    let others: Vec<_> = (0..machine().active()).filter(|&index| index != own).collect();
    let since = Instant::now();
    loop {
        let running = others.iter().filter(|&&index| machine().processors[index].is_held()).count();
        if running <= freeze::count() {
            return true;
        }
        for &index in &others {
            raise(index, FREEZE);
        }
        std::thread::yield_now();
        if since.elapsed() > patience {
            return false;
        }
    }
}

/// How a dump is written, as far as callbacks see it.
#[derive(Clone, Copy, Debug)]
pub struct DumpSettings {
    /// `MaximumAllowed`.
    pub maximum: u32,
    /// `MaxVirtMemSize` of the small dump.
    pub triage_maximum: u32,
    /// `DUMP_TYPE_...`.
    pub dump_type: u32,
}

/// The data that the bug-check callbacks gave for a dump.
#[derive(Clone, Debug, Default)]
pub struct CallbackData {
    /// Secondary data, in order.
    pub blocks: Vec<Block>,
    /// Memory for a small dump: address and bytes.
    pub memory: Vec<(usize, Vec<u8>)>,
}

/// Calls all callbacks as for one dump.
pub fn call_callbacks(bug_check: &BugCheckData, settings: DumpSettings) -> CallbackData {
    let mut given = CallbackData::default();
    let callbacks = lock(&CALLBACKS).clone();
    for callback in callbacks.iter().filter(|callback| callback.reason == KB_CALLBACK_TRIAGE_DUMP_DATA) {
        given.memory.extend(triage(callback, bug_check, settings));
    }
    // The first pass is for the sizes, for which Windows makes room in the file.
    let sizes: Vec<_> = callbacks.iter().map(|callback| secondary(callback, bug_check, settings, true)).collect();
    for (callback, sizes) in callbacks.iter().zip(sizes) {
        planted::between_passes();
        let data = secondary(callback, bug_check, settings, false);
        let length = |blocks: &[Block]| blocks.iter().map(|block| block.bytes.len()).sum::<usize>();
        if length(&data) > length(&sizes) {
            report::broken(&format!(
                "a callback gave {} bytes after it had asked for {}",
                length(&data),
                length(&sizes)
            ));
        }
        given.blocks.extend(data);
    }
    // By now writing is paused.
    planted::between_passes();
    given
}

/// Calls a routine, which has to come back at HIGH_LEVEL.
fn call(callback: &Registered, data: *mut c_void, length: usize) {
    // SAFETY: registered by a driver that is still loaded, with the structure of its reason; it has the Windows calling
    // convention.
    unsafe {
        let routine: extern "efiapi" fn(u32, usize, *mut c_void, u32) = std::mem::transmute(callback.routine);
        routine(callback.reason, callback.record, data, length as u32);
    }
    let irql = current().map(|thread| thread.processor().irql.load(Ordering::SeqCst));
    if irql != Some(HIGH_LEVEL) {
        report::broken(&format!("a bug-check callback came back at IRQL {irql:?}"));
    }
}

/// The blocks that a callback for secondary data gives in one pass.
fn secondary(callback: &Registered, bug_check: &BugCheckData, settings: DumpSettings, is_sizing: bool) -> Vec<Block> {
    // The most calls that a pass can have: a callback that asks for more without end is an error.
    const CALLS: usize = 1 << 16;
    let mut buffer = vec![0_u8; 4096];
    let mut blocks = Vec::new();
    let [first, second, third, fourth] = bug_check.parameters;
    let mut data = SecondaryDumpDataEx {
        InBuffer: buffer.as_mut_ptr().cast(),
        InBufferLength: buffer.len() as u32,
        MaximumAllowed: settings.maximum,
        Guid: [0; 4],
        OutBuffer: std::ptr::null_mut(),
        OutBufferLength: 0,
        Context: std::ptr::null_mut(),
        Flags: 0,
        DumpType: settings.dump_type,
        BugCheckCode: bug_check.code,
        BugCheckParameter1: first,
        BugCheckParameter2: second,
        BugCheckParameter3: third,
        BugCheckParameter4: fourth,
    };
    let mut left = settings.maximum;
    for _ in 0..CALLS {
        (data.OutBuffer, data.OutBufferLength, data.Flags) = (std::ptr::null_mut(), 0, 0);
        match callback.reason {
            KB_CALLBACK_SECONDARY_MULTI_PART_DUMP_DATA => {
                data.MaximumAllowed = left;
                call(callback, (&raw mut data).cast(), size_of::<SecondaryDumpDataEx>());
            }
            KB_CALLBACK_SECONDARY_DUMP_DATA => {
                if !is_sizing {
                    data.OutBuffer = data.InBuffer;
                }
                call(callback, (&raw mut data).cast(), size_of::<SecondaryDumpData>());
            }
            _ => return blocks,
        }
        let length = data.OutBufferLength;
        if length > left {
            report::broken(&format!("a bug-check callback gave {length} bytes of {left} that it may"));
        }
        left -= length;
        if length != 0 {
            // SAFETY: memory of the driver's, which says that it is that long.
            let bytes = unsafe { std::slice::from_raw_parts(data.OutBuffer.cast::<u8>(), length as usize) }.to_vec();
            let mut guid = [0; 16];
            for (place, word) in guid.chunks_exact_mut(4).zip(data.Guid) {
                place.copy_from_slice(&word.to_le_bytes());
            }
            blocks.push(Block { guid, bytes });
        }
        let has_more = callback.reason == KB_CALLBACK_SECONDARY_MULTI_PART_DUMP_DATA
            && data.Flags & KB_SECONDARY_DATA_FLAG_ADDITIONAL_DATA != 0;
        if !has_more {
            return blocks;
        }
        if length == 0 {
            report::broken("a bug-check callback has more data but gave none");
        }
    }
    report::broken("a bug-check callback has more data without end")
}

/// The memory that a callback adds to a small dump.
fn triage(callback: &Registered, bug_check: &BugCheckData, settings: DumpSettings) -> Vec<(usize, Vec<u8>)> {
    let [first, second, third, fourth] = bug_check.parameters;
    let mut data = TriageDumpData {
        DataArray: std::ptr::null_mut(),
        Flags: 1,
        MaxVirtMemSize: settings.triage_maximum,
        BugCheckCode: bug_check.code,
        BugCheckParameter1: first,
        BugCheckParameter2: second,
        BugCheckParameter3: third,
        BugCheckParameter4: fourth,
    };
    call(callback, (&raw mut data).cast(), size_of::<TriageDumpData>());
    // SAFETY: null, or an array that the driver has initialised.
    let Some(array) = (unsafe { data.DataArray.as_ref() }) else { return Vec::new() };
    // SAFETY: the blocks lie behind it, and the array counts them.
    let blocks = unsafe {
        let blocks = data.DataArray.add(1).cast::<[usize; 2]>();
        std::slice::from_raw_parts(blocks, array.NumBlocksUsed as usize)
    };
    // SAFETY: memory of the driver's, which says that it is that long.
    let memory = blocks
        .iter()
        .map(|&[start, size]| unsafe { (start, std::slice::from_raw_parts(start as *const u8, size).to_vec()) });
    let memory: Vec<_> = memory.collect();
    let total: usize = memory.iter().map(|(_, bytes)| bytes.len()).sum();
    if total > settings.triage_maximum as usize {
        report::broken(&format!("{total} bytes were added to a small dump that may have {}", settings.triage_maximum));
    }
    memory
}

routines! {
    fn KeBugCheckEx(code: u32, a: usize, b: usize, c: usize, d: usize) {
        crash(BugCheckData { code, parameters: [a, b, c, d] })
    }

    fn KeRegisterBugCheckReasonCallback(
        record: *mut KbugcheckReasonCallbackRecord,
        routine: BugCheckReasonRoutine,
        reason: u32,
        component: *mut u8,
    ) -> u8 {
        if planted::LACKS_REASON.load(Ordering::Relaxed) == reason as usize {
            return 0;
        }
        // SAFETY: a record of the driver's.
        let place = unsafe { &mut *record };
        // KeInitializeCallbackRecord is a macro that stores the state; a record that is registered twice has another.
        if place.State != EMPTY || component.is_null() {
            return 0;
        }
        (place.CallbackRoutine, place.Component, place.Reason) = (Some(routine), component, reason);
        place.State = INSERTED;
        // The one that was registered last is called first: the kernel's list is one of heads. Which order Windows has is
        // not documented.
        lock(&CALLBACKS).insert(0, Registered { record: record as usize, routine, reason });
        1
    }

    fn KeDeregisterBugCheckReasonCallback(record: *mut KbugcheckReasonCallbackRecord) -> u8 {
        let mut callbacks = lock(&CALLBACKS);
        let before = callbacks.len();
        callbacks.retain(|callback| callback.record != record as usize);
        if callbacks.len() == before {
            return 0;
        }
        // SAFETY: a record that was registered.
        unsafe { (*record).State = EMPTY };
        1
    }

    fn KeInitializeTriageDumpDataArray(array: *mut KtriageDumpDataArray, size: u32) -> NtStatus {
        let head = size_of::<KtriageDumpDataArray>();
        let Some(blocks) = (size as usize).checked_sub(head).map(|rest| rest / size_of::<[usize; 2]>()) else {
            return STATUS_INVALID_PARAMETER;
        };
        // SAFETY: memory of the driver's, of that size; all-zero is a valid array.
        unsafe {
            array.cast::<u8>().write_bytes(0, size as usize);
            (*array).NumBlocksTotal = blocks as u32;
        }
        STATUS_SUCCESS
    }

    fn KeAddTriageDumpDataBlock(array: *mut KtriageDumpDataArray, address: *mut c_void, size: usize) -> NtStatus {
        // SAFETY: an initialised array of the driver's.
        let head = unsafe { &mut *array };
        if head.NumBlocksUsed >= head.NumBlocksTotal {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        if address.is_null() || size == 0 {
            return STATUS_INVALID_PARAMETER;
        }
        // SAFETY: a block behind the head, below the number that there is room for.
        unsafe {
            let blocks = array.add(1).cast::<[usize; 2]>();
            blocks.add(head.NumBlocksUsed as usize).write([address as usize, size]);
        }
        head.NumBlocksUsed += 1;
        head.DataSize += size as u32;
        STATUS_SUCCESS
    }
}
