//! Pool with guard pages: each allocation has pages of its own. A small one ends at the end of its page, so that an
//! overrun faults at once; a large one starts at a page, as Windows promises, and what is left of its last page is
//! checked when it is freed. Freed pages stay inaccessible, so that a use after free faults.

use std::{
    collections::BTreeMap,
    ffi::c_void,
    sync::{
        Mutex,
        atomic::{AtomicI64, Ordering},
    },
};

use super::{exports::routines, machine::lock, report};
use crate::memory::{PAGE, Region};

const PAGED: u64 = 0x100;
const NON_PAGED: u64 = 0x40;
const UNINITIALIZED: u64 = 0x2;
/// What the unused end of a page is filled with.
const SLACK: u8 = 0x5c;
/// So many freed allocations are kept inaccessible.
const QUARANTINE: usize = 4096;

struct Allocation {
    region: Region,
    size: usize,
    tag: u32,
    is_freed: bool,
}

#[derive(Default)]
struct Pool {
    by_address: BTreeMap<usize, Allocation>,
    freed: std::collections::VecDeque<usize>,
}

static POOL: Mutex<Pool> = Mutex::new(Pool { by_address: BTreeMap::new(), freed: std::collections::VecDeque::new() });
/// Allocations until one fails; negative for never.
static FAIL_AFTER: AtomicI64 = AtomicI64::new(-1);

/// Lets the allocation of irqlog.sys after the next `count` fail, once.
pub fn fail_after(count: Option<u32>) {
    FAIL_AFTER.store(count.map_or(-1, i64::from), Ordering::SeqCst);
}

/// Whether the failure that [`fail_after`] planted has happened.
pub fn fail_after_was_used() -> bool {
    FAIL_AFTER.load(Ordering::SeqCst) < 0
}

fn allocate(size: usize, tag: u32) -> *mut c_void {
    // The small KMDF does not survive a failure; irqlog.sys has to, and its tags begin with these letters.
    let is_irqlog = tag.to_le_bytes().starts_with(b"Irq");
    if is_irqlog && FAIL_AFTER.load(Ordering::SeqCst) >= 0 && FAIL_AFTER.fetch_sub(1, Ordering::SeqCst) == 0 {
        return std::ptr::null_mut();
    }
    let Ok(mut region) = Region::reserve(size.max(1)) else { return std::ptr::null_mut() };
    let start = if size < PAGE { region.size() - size.next_multiple_of(16) } else { 0 };
    let slack = start + size..region.size();
    region.write(slack.start, &vec![SLACK; slack.len()]);
    let address = region.start() + start;
    lock(&POOL).by_address.insert(address, Allocation { region, size, tag, is_freed: false });
    address as *mut c_void
}

fn free(address: usize, tag: Option<u32>) {
    let mut pool = lock(&POOL);
    let Some(allocation) = pool.by_address.get_mut(&address) else {
        report::broken(&format!("{address:#x} was freed, which is no allocation"));
    };
    if allocation.is_freed {
        report::broken(&format!("{address:#x} was freed twice (tag {})", tag_name(allocation.tag)));
    }
    if tag.is_some_and(|tag| tag != allocation.tag) {
        report::broken(&format!("{address:#x} was freed with another tag than {}", tag_name(allocation.tag)));
    }
    let start = address - allocation.region.start() + allocation.size;
    // SAFETY: the end of the allocation's own pages.
    let slack = unsafe {
        std::slice::from_raw_parts((allocation.region.start() + start) as *const u8, allocation.region.size() - start)
    };
    if slack.iter().any(|&byte| byte != SLACK) {
        report::broken(&format!(
            "behind {address:#x} was written ({} bytes, tag {})",
            allocation.size,
            tag_name(allocation.tag)
        ));
    }
    allocation.is_freed = true;
    if let Err(error) = allocation.region.forbid() {
        report::broken(&format!("{error:#}"));
    }
    pool.freed.push_back(address);
    if pool.freed.len() > QUARANTINE
        && let Some(oldest) = pool.freed.pop_front()
    {
        pool.by_address.remove(&oldest);
    }
}

fn tag_name(tag: u32) -> String {
    tag.to_le_bytes().iter().map(|&byte| if byte.is_ascii_graphic() { byte as char } else { '.' }).collect()
}

/// What an address is, if it is in or near an allocation. For reports: gives up if the pool is busy.
pub fn describe(address: usize) -> Option<String> {
    let pool = POOL.try_lock().ok()?;
    let (start, allocation) = pool.by_address.iter().find(|(_, allocation)| allocation.region.is_near(address))?;
    let state = if allocation.is_freed { "freed pool" } else { "pool" };
    let size = allocation.size;
    Some(match address.checked_sub(*start) {
        Some(offset) => format!("{offset:#x} into {state} of {size} bytes, tag {}", tag_name(allocation.tag)),
        None => format!("before {state} of {size} bytes, tag {}", tag_name(allocation.tag)),
    })
}

/// What is still allocated: size and tag.
pub fn live() -> Vec<String> {
    let pool = lock(&POOL);
    pool.by_address
        .values()
        .filter(|allocation| !allocation.is_freed)
        .map(|allocation| format!("{} bytes, tag {}", allocation.size, tag_name(allocation.tag)))
        .collect()
}

routines! {
    fn ExAllocatePool2(flags: u64, size: usize, tag: u32) -> *mut c_void {
        if flags & !(NON_PAGED | UNINITIALIZED) != 0 || flags & PAGED != 0 || size == 0 || tag == 0 {
            report::broken(&format!("ExAllocatePool2 with flags {flags:#x}, {size} bytes, tag {tag:#x}: not supported by the rig"));
        }
        allocate(size, tag)
    }

    fn ExFreePool(memory: *mut c_void) {
        free(memory as usize, None);
    }

    fn ExFreePoolWithTag(memory: *mut c_void, tag: u32) {
        free(memory as usize, Some(tag));
    }

    fn memcpy(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
        // SAFETY: the driver's memory; a bad range faults and is reported.
        unsafe { std::ptr::copy(from, to, length) };
        to
    }

    fn memmove(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
        // SAFETY: as above.
        unsafe { std::ptr::copy(from, to, length) };
        to
    }

    fn memset(to: *mut u8, value: i32, length: usize) -> *mut u8 {
        // SAFETY: as above.
        unsafe { std::ptr::write_bytes(to, value as u8, length) };
        to
    }

    fn memcmp(a: *const u8, b: *const u8, length: usize) -> i32 {
        // SAFETY: as above.
        let (a, b) = unsafe { (std::slice::from_raw_parts(a, length), std::slice::from_raw_parts(b, length)) };
        a.cmp(b) as i32
    }

    fn strlen(text: *const std::ffi::c_char) -> usize {
        // SAFETY: as above.
        unsafe { std::ffi::CStr::from_ptr(text) }.count_bytes()
    }
}
