//! The memory of pool, with guard pages: each allocation has pages of its own. A small one ends at the end of its page, so that an
//! overrun faults at once; a large one starts at a page, as Windows promises, and what is left of its last page is
//! checked when it is freed. Freed pages stay inaccessible, so that a use after free faults.

use std::{
    collections::{BTreeMap, VecDeque},
    ffi::c_void,
    sync::Mutex,
};

use crate::{
    memory::{PAGE, Region},
    mutex::lock,
    planted,
};

/// The byte that fills the unused end of a page.
const SLACK: u8 = 0x5c;
/// The number of freed allocations that are kept inaccessible.
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
    freed: VecDeque<usize>,
}

static POOL: Mutex<Pool> = Mutex::new(Pool { by_address: BTreeMap::new(), freed: VecDeque::new() });
/// An allocation of `size` bytes; null if the host has none, or if a scenario lets it fail.
pub fn allocate(size: usize, tag: u32) -> *mut c_void {
    // The small KMDF does not survive a failure; irqlog.sys has to, and its tags begin with these letters.
    let is_irqlog = tag.to_le_bytes().starts_with(b"Irq");
    if is_irqlog && planted::ALLOCATIONS.fails() {
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

/// Frees an allocation, and checks the tag if there is one.
///
/// # Errors
/// Names the broken rule for a report: not allocated, freed before, another tag, or an overrun.
pub fn free(address: usize, tag: Option<u32>) -> Result<(), String> {
    let mut pool = lock(&POOL);
    let Some(allocation) = pool.by_address.get_mut(&address) else {
        return Err(format!("{address:#x} was freed, which is no allocation"));
    };
    if allocation.is_freed {
        return Err(format!("{address:#x} was freed twice (tag {})", tag_name(allocation.tag)));
    }
    if tag.is_some_and(|tag| tag != allocation.tag) {
        return Err(format!("{address:#x} was freed with another tag than {}", tag_name(allocation.tag)));
    }
    let start = address - allocation.region.start() + allocation.size;
    // SAFETY: the end of the allocation's own pages.
    let slack = unsafe {
        std::slice::from_raw_parts((allocation.region.start() + start) as *const u8, allocation.region.size() - start)
    };
    if slack.iter().any(|&byte| byte != SLACK) {
        return Err(format!(
            "behind {address:#x} was written ({} bytes, tag {})",
            allocation.size,
            tag_name(allocation.tag)
        ));
    }
    allocation.is_freed = true;
    if let Err(error) = allocation.region.forbid() {
        return Err(format!("{error:#}"));
    }
    pool.freed.push_back(address);
    if pool.freed.len() > QUARANTINE
        && let Some(oldest) = pool.freed.pop_front()
    {
        pool.by_address.remove(&oldest);
    }
    Ok(())
}

/// The memory of irqlog.sys that is allocated: address and bytes. For dumps.
pub fn contents() -> Vec<(usize, Vec<u8>)> {
    let pool = lock(&POOL);
    let of_irqlog = pool
        .by_address
        .iter()
        .filter(|(_, allocation)| !allocation.is_freed && allocation.tag.to_le_bytes().starts_with(b"Irq"));
    of_irqlog
        .map(|(&address, allocation)| {
            // SAFETY: allocated, readable, and no thread writes it while a dump is made.
            let bytes = unsafe { std::slice::from_raw_parts(address as *const u8, allocation.size) };
            (address, bytes.to_vec())
        })
        .collect()
}

fn tag_name(tag: u32) -> String {
    tag.to_le_bytes().iter().map(|&byte| if byte.is_ascii_graphic() { byte as char } else { '.' }).collect()
}

/// Describes an address in or near an allocation, for a report; `None` for others, and if the pool is busy.
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

/// Describes the place of a lock in its pool allocation. Allocations of one size and tag have the same words.
pub fn kind(address: usize) -> Option<String> {
    let pool = lock(&POOL);
    let (start, allocation) = pool.by_address.range(..=address).next_back()?;
    let offset = address - start;
    let is_inside = offset < allocation.size && !allocation.is_freed;
    is_inside.then(|| {
        format!("the lock {offset:#x} into pool of {} bytes, tag {}", allocation.size, tag_name(allocation.tag))
    })
}

/// Size in bytes and tag of each allocation that is not freed.
pub fn live() -> Vec<String> {
    let pool = lock(&POOL);
    pool.by_address
        .values()
        .filter(|allocation| !allocation.is_freed)
        .map(|allocation| format!("{} bytes, tag {}", allocation.size, tag_name(allocation.tag)))
        .collect()
}
