//! The bug check with which a checked build reports misuse of irqlog's own locks.
//!
//! | Parameter | What |
//! |---|---|
//! | 1 | the misuse: see `irqlog_ring::lock::checked::Violation` |
//! | 2 | address of the lock |
//! | 3 | index of the processor that owns the lock, plus one; 0 if none does |
//! | 4 | index of the current processor |

/// Bug check code: "IRQ" behind a byte that none of the system's own codes has (bug check code reference,
/// learn.microsoft.com).
pub const LOCK_VIOLATION: u32 = 0xe149_5251;

/// Parameters 1, 3 and 4 of the bug check; `owner` and `current` are processor indexes.
#[must_use]
pub const fn parameters(violation: u8, owner: Option<u32>, current: u32) -> [u64; 3] {
    let owner = match owner {
        Some(processor) => processor as u64 + 1,
        None => 0,
    };
    [violation as u64, owner, current as u64]
}
