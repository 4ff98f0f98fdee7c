//! The virtual clock, timers, events, and waiting for them.

use std::{
    sync::{Condvar, Mutex, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use irqlog_nt::irql::HIGH_LEVEL;
use irqlog_nt::{Kdpc, Kevent, Ktimer, NtStatus, STATUS_SUCCESS, STATUS_TIMEOUT};

use super::{
    dpc::insert_dpc,
    import::routines,
    machine::{NMI, machine, thread},
    report,
    wait::PATIENCE,
};
use crate::{mutex::lock, planted};

/// Ticks a second of the virtual clock.
pub const TICK_FREQUENCY: u64 = 10_000_000;
/// 2026-01-01 00:00 UTC in units of 100 ns since 1601: when the virtual clock stands at zero.
const TIME_AT_ZERO: u64 = 134_116_992_000_000_000;

/// Type of an event that lets one waiter through (EVENT_TYPE in wdm.h).
const SYNCHRONIZATION: u8 = 1;

/// A thread that reads the clock more often at one IRQL waits for something: a record path reads it three times, for its
/// stamp and for the time that it holds the lock.
const READS_OF_A_WRITE: u32 = 8;

struct Timer {
    object: usize,
    dpc: usize,
    due: u64,
    period: u64,
}

static TIMERS: Mutex<Vec<Timer>> = Mutex::new(Vec::new());
static EVENTS: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());

/// Advances the virtual clock and fires timers, for ever.
pub fn heartbeat() {
    const BEAT: Duration = Duration::from_millis(1);
    loop {
        std::thread::sleep(BEAT);
        let now = machine().clock.fetch_add(TICK_FREQUENCY / 1000, Ordering::Relaxed);
        let mut timers = lock(&TIMERS);
        let mut fired = Vec::new();
        timers.retain_mut(|timer| {
            if timer.due > now {
                return true;
            }
            fired.push(timer.dpc);
            timer.due = now + timer.period;
            timer.period != 0
        });
        // Under the lock: a driver that has cancelled its timer may free the DPC.
        for dpc in fired.into_iter().filter(|&dpc| dpc != 0) {
            insert_dpc(dpc as *mut Kdpc, None);
        }
    }
}

fn cancel_timer(timer: *mut Ktimer) -> bool {
    let mut timers = lock(&TIMERS);
    let before = timers.len();
    timers.retain(|entry| entry.object != timer as usize);
    timers.len() != before
}

/// Makes an event signalled, and wakes its waiters.
pub fn set_event(event: *mut Kevent) -> i32 {
    let _guard = lock(&EVENTS.0);
    // SAFETY: an initialised event of the driver's.
    let before = unsafe { std::mem::replace(&mut (*event).SignalState, 1) };
    EVENTS.1.notify_all();
    before
}

/// Waits for an event; false if the time is up first.
fn wait_event(event: *mut Kevent, timeout: Option<Duration>) -> bool {
    let mut is_signalled = false;
    thread().wait(|| {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let mut guard = lock(&EVENTS.0);
        loop {
            // SAFETY: as above.
            let event = unsafe { &mut *event };
            if event.SignalState != 0 {
                // A synchronization event lets one waiter through.
                event.SignalState = i32::from(event.Type == 0);
                is_signalled = true;
                return;
            }
            let left = deadline.map_or(PATIENCE, |deadline| deadline.saturating_duration_since(Instant::now()));
            let (next, result) = EVENTS.1.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner);
            guard = next;
            if result.timed_out() {
                if deadline.is_none() {
                    report::broken("a thread waited a minute for an event without a timeout: deadlock?");
                }
                return;
            }
        }
    });
    is_signalled
}

/// A relative time in units of 100 ns, as drivers give it: negative.
fn relative(time: *const i64) -> Option<Duration> {
    // SAFETY: null or a LARGE_INTEGER of the driver's.
    let time = unsafe { time.as_ref() }?;
    if *time > 0 {
        report::broken("absolute times are not supported by the rig");
    }
    Some(Duration::from_nanos(time.unsigned_abs().saturating_mul(100)))
}

routines! {
    fn KeQueryPerformanceCounter(frequency: *mut u64) -> u64 {
        if !frequency.is_null() {
            // SAFETY: memory of the driver's.
            unsafe { frequency.write(TICK_FREQUENCY) };
        }
        let thread = thread();
        let processor = thread.processor();
        if planted::take_one(&planted::NMI_AFTER_CLOCK) {
            processor.pending.fetch_or(NMI, Ordering::SeqCst);
        }
        let reads = thread.clock_reads.get().saturating_add(1);
        thread.clock_reads.set(reads);
        if reads > READS_OF_A_WRITE {
            std::thread::yield_now();
        }
        let tick = planted::coarse(machine().clock.fetch_add(1, Ordering::Relaxed) + 1);
        // A writer stamps its record at HIGH_LEVEL.
        if processor.irql.load(Ordering::Relaxed) == HIGH_LEVEL {
            planted::maybe_stop(thread.processor_index() + 1);
        }
        tick
    }

    fn KeQuerySystemTimePrecise(out: *mut u64) {
        // SAFETY: memory of the driver's.
        unsafe { out.write(TIME_AT_ZERO + machine().clock.load(Ordering::Relaxed)) };
    }

    fn KeInitializeTimerEx(timer: *mut Ktimer, kind: u32) {
        // SAFETY: memory of the driver's; all-zero is a valid timer.
        unsafe {
            timer.write(std::mem::zeroed());
            (*timer).Header.Type = 8 + kind as u8;
        }
    }

    fn KeSetTimerEx(timer: *mut Ktimer, due: i64, period: i32, dpc: *mut Kdpc) -> u8 {
        if due > 0 {
            report::broken("absolute times are not supported by the rig");
        }
        let was_queued = cancel_timer(timer);
        let now = machine().clock.load(Ordering::Relaxed);
        let period = u64::from(period.unsigned_abs());
        lock(&TIMERS).push(Timer {
            object: timer as usize,
            dpc: dpc as usize,
            due: now + due.unsigned_abs(),
            period: period * (TICK_FREQUENCY / 1000),
        });
        u8::from(was_queued)
    }

    fn KeCancelTimer(timer: *mut Ktimer) -> u8 {
        u8::from(cancel_timer(timer))
    }

    fn KeInitializeEvent(event: *mut Kevent, kind: u32, state: u8) {
        // SAFETY: memory of the driver's; all-zero is a valid event.
        unsafe {
            event.write(std::mem::zeroed());
            (*event).Type = kind as u8;
            (*event).SignalState = i32::from(state);
        }
    }

    fn KeSetEvent(event: *mut Kevent, _increment: i32, wait: u8) -> i32 {
        if wait != 0 {
            report::broken("KeSetEvent with Wait is not supported by the rig");
        }
        set_event(event)
    }

    fn KeWaitForSingleObject(object: *mut Kevent, _reason: u32, _mode: i8, _alertable: u8, timeout: *const i64) -> NtStatus {
        let is_signalled = wait_event(object, relative(timeout));
        // SAFETY: an event of the driver's, as above.
        if is_signalled && unsafe { (*object).Type } == SYNCHRONIZATION && planted::owner_stops() {
            thread().wait(|| {
                while planted::owner_has_stopped() {
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
        }
        if is_signalled { STATUS_SUCCESS } else { STATUS_TIMEOUT }
    }

    fn KeDelayExecutionThread(_mode: i8, _alertable: u8, interval: *const i64) -> NtStatus {
        let time = relative(interval).unwrap_or_default();
        thread().wait(|| std::thread::sleep(time));
        STATUS_SUCCESS
    }
}
