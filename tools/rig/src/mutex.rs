//! Locking a mutex of the rig.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A lock that a panicking thread has not spoilt for the others: what they do with it ends the process anyway.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
