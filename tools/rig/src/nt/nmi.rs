//! NMI callbacks: registered and taken back. [`interrupt`](super::interrupt) calls them.

use std::sync::atomic::Ordering;

use irqlog_nt::{NtStatus, STATUS_SUCCESS};

use super::{
    import::routines,
    machine::{NmiCallback, machine},
    wait::spin_until,
};
use crate::mutex::lock;

/// Callbacks that are registered.
pub fn registered() -> usize {
    lock(&machine().nmi_callbacks).len()
}

routines! {
    fn KeRegisterNmiCallback(routine: usize, context: usize) -> usize {
        let mut callbacks = lock(&machine().nmi_callbacks);
        let handle = callbacks.iter().map(|callback| callback.handle).max().unwrap_or(0x1000) + 1;
        callbacks.push(NmiCallback { routine, context, handle });
        handle
    }

    fn KeDeregisterNmiCallback(handle: usize) -> NtStatus {
        lock(&machine().nmi_callbacks).retain(|callback| callback.handle != handle);
        // "The routine does not return until all callbacks have returned."
        spin_until("NMI callbacks to return", || {
            machine().processors.iter().all(|processor| !processor.in_nmi.load(Ordering::SeqCst))
        });
        STATUS_SUCCESS
    }
}
