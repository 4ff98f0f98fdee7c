//! Hashing of the pointers in the arguments of events.
//!
//! A kernel address in a log that is passed on tells where the kernel lies. So a pointer is replaced by its hash under
//! a key that is new at each start of the driver: equal pointers stay equal, and nobody without the key finds the
//! address.

use core::{
    hash::Hasher,
    sync::atomic::{AtomicBool, Ordering},
};

/// The way in which pointers are written into the log.
#[derive(Clone, Copy, Debug)]
pub enum Pointers {
    /// Unchanged: the service parameter `RawPointers` is 1, or CONFIGURE asked for it.
    Raw,
    /// Hashed under this key. Null stays null.
    Hashed([u64; 2]),
}

impl Pointers {
    /// These, or raw ones if the switch is on. One look at the switch decides for a whole event: its flags say which.
    #[inline]
    pub(crate) fn unless(&self, raw: &AtomicBool) -> &Self {
        if raw.load(Ordering::Relaxed) { &Self::Raw } else { self }
    }

    /// What is written for an address. IRQL: any.
    #[must_use]
    #[expect(
        deprecated,
        reason = "std deprecates it in favour of its own hasher for tables; it is SipHash-2-4 under a key, which is meant"
    )]
    pub fn written(&self, address: u64) -> u64 {
        match self {
            Self::Raw => address,
            Self::Hashed(_) if address == 0 => 0,
            Self::Hashed([first, second]) => {
                let mut hasher = core::hash::SipHasher::new_with_keys(*first, *second);
                hasher.write(&address.to_le_bytes());
                hasher.finish()
            }
        }
    }
}
