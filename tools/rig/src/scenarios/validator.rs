//! The lock validator, shown alive: each misuse of locks is done by a child process, without a deadlock, and has to be
//! reported.
//!
//! The scenario calls the kernel's routines as a driver would; its routines run as interrupt service routine and NMI
//! callback.

use std::sync::atomic::Ordering;

use anyhow::{Context, Result, ensure};
use irqlog_nt::{
    ServiceRoutine,
    irql::{DISPATCH_LEVEL, HIGH_LEVEL, PASSIVE_LEVEL},
};
use irqlog_wire::irql::DIRQL_MIN;

use super::{DEFAULT_PROCESSORS, Scenario, Stage, as_process, coverage, guards::in_child};
use crate::{
    mutex::lock,
    nt::{
        exports, interrupt,
        machine::{NMI, NmiCallback, Vector, machine, raise, thread},
        report::EXIT_BROKEN,
    },
};

/// The scenarios of this module.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "lock-validator",
        processors: DEFAULT_PROCESSORS,
        about: "locks in inverse order, or taken by interrupts that may find them held, are reported without a deadlock",
        run: validator,
    },
    Scenario {
        name: "lock-hold",
        processors: 1,
        about: "the longest record runs few enough instructions under the lock for 25 microseconds",
        run: hold,
    },
];

/// Instructions that any machine runs in 25 microseconds ("Introduction to Spin Locks"), at one in two nanoseconds.
const MOST_UNDER_LOCK: u64 = 12_500;

/// The longest hold of the lock, in instructions. The rig's clock would say nothing of it: it advances by one step at each
/// look and by a millisecond at each heartbeat, and the host's clock says when the host ran which thread.
fn hold(stage: &Stage) -> Result<()> {
    for name in ["kernel", "os-queued"] {
        let Some(counted) = coverage::instructions_under_lock(stage, name)? else {
            println!("lock {name}: instructions cannot be counted here");
            continue;
        };
        println!("lock {name}: {counted} instructions of irqlog.sys under it, for a record of 1 KiB");
        ensure!(counted > 50, "almost nothing runs under the lock: {counted} instructions");
        ensure!(counted <= MOST_UNDER_LOCK, "{counted} instructions under the lock {name}, at most {MOST_UNDER_LOCK}");
    }
    Ok(())
}

/// The routines, as a driver imports them.
#[derive(Clone, Copy)]
struct Kernel {
    raise: usize,
    lower: usize,
    acquire: usize,
    attempt: usize,
    release: usize,
}

fn call(routine: usize, argument: usize) -> usize {
    // SAFETY: the routines take one word and have the Windows calling convention.
    unsafe {
        let routine: extern "efiapi" fn(usize) -> usize = std::mem::transmute(routine);
        routine(argument)
    }
}

impl Kernel {
    fn find() -> Result<Self> {
        let find = |name| exports::find(name).with_context(|| format!("the rig does not export {name}"));
        Ok(Self {
            raise: find("KfRaiseIrql")?,
            lower: find("KfLowerIrql").or_else(|_| find("KeLowerIrql"))?,
            acquire: find("KeAcquireSpinLockAtDpcLevel")?,
            attempt: find("KeTryToAcquireSpinLockAtDpcLevel")?,
            release: find("KeReleaseSpinLockFromDpcLevel")?,
        })
    }

    fn raise(self, irql: u8) {
        call(self.raise, usize::from(irql));
    }

    fn lower(self, irql: u8) {
        call(self.lower, usize::from(irql));
    }

    fn acquire(self, lock: usize) {
        call(self.acquire, lock);
    }

    fn attempt(self, lock: usize) -> bool {
        call(self.attempt, lock) & 0xff != 0
    }

    fn release(self, lock: usize) {
        call(self.release, lock);
    }

    /// Holds the locks, acquired in this order, at a level.
    fn hold(self, irql: u8, locks: &[usize]) {
        self.raise(irql);
        for &lock in locks {
            self.acquire(lock);
        }
        for &lock in locks.iter().rev() {
            self.release(lock);
        }
        self.lower(PASSIVE_LEVEL);
    }

    /// Lets an interrupt of a level come in, whose routine acquires the lock at a level of its choice.
    fn interrupt(level: u8, context: &'static InterruptContext) {
        let object = std::ptr::from_ref(context) as usize;
        // SAFETY: the rig calls a routine with the Windows calling convention, which this one has.
        let routine = unsafe { std::mem::transmute::<*const (), ServiceRoutine>(routine_that_logs as *const ()) };
        lock(&machine().vectors).push(Vector { object, routine, context: object, irql: level });
        raise(thread().processor_index(), 1 << level);
        interrupt::deliver(None);
        lock(&machine().vectors).clear();
    }

    /// Lets an NMI come in, whose callback waits for the lock, or tries it.
    fn nmi(context: &'static InterruptContext, tries: bool) {
        let routine = if tries { callback_that_tries as *const () } else { callback_that_waits as *const () };
        let context = std::ptr::from_ref(context) as usize;
        lock(&machine().nmi_callbacks).push(NmiCallback { routine: routine as usize, context, handle: 1 });
        raise(thread().processor_index(), NMI);
        interrupt::deliver(None);
        lock(&machine().nmi_callbacks).clear();
    }
}

/// What an interrupting routine does.
struct InterruptContext {
    kernel: Kernel,
    lock: usize,
    /// The level to which it raises first.
    irql: u8,
}

/// A service routine that raises, holds the lock, and goes back.
extern "efiapi" fn routine_that_logs(_: *mut std::ffi::c_void, context: *mut std::ffi::c_void) -> u8 {
    // SAFETY: what `Kernel::interrupt` connected.
    let InterruptContext { kernel, lock, irql } = *unsafe { &*context.cast::<InterruptContext>() };
    let before = thread().processor().irql.load(Ordering::Relaxed);
    kernel.raise(irql);
    kernel.acquire(lock);
    kernel.release(lock);
    kernel.lower(before);
    1
}

/// An NMI callback that waits for a lock.
extern "efiapi" fn callback_that_waits(context: usize, _: u8) -> u8 {
    // SAFETY: what `Kernel::nmi` registered.
    let InterruptContext { kernel, lock, .. } = *unsafe { &*(context as *const InterruptContext) };
    let before = thread().processor().irql.load(Ordering::Relaxed);
    kernel.raise(HIGH_LEVEL);
    kernel.acquire(lock);
    kernel.release(lock);
    kernel.lower(before);
    1
}

/// An NMI callback that tries a lock, as irqlog's never-waiting entry does.
extern "efiapi" fn callback_that_tries(context: usize, _: u8) -> u8 {
    // SAFETY: what `Kernel::nmi` registered.
    let InterruptContext { kernel, lock, .. } = *unsafe { &*(context as *const InterruptContext) };
    let before = thread().processor().irql.load(Ordering::Relaxed);
    kernel.raise(HIGH_LEVEL);
    if kernel.attempt(lock) {
        kernel.release(lock);
    }
    kernel.lower(before);
    1
}

/// A spin lock of its own class.
fn new_lock() -> usize {
    std::ptr::from_mut(Box::leak(Box::new(0_usize))) as usize
}

const TAG: u32 = u32::from_le_bytes(*b"Lock");

/// A spin lock in pool: those of one tag and size are of one class.
fn pool_lock(tag: u32) -> usize {
    const NON_PAGED: u64 = 0x40;
    let allocate = exports::find("ExAllocatePool2").expect("the rig has pool");
    // SAFETY: the routine has this signature.
    let allocate: extern "efiapi" fn(u64, usize, u32) -> *mut usize = unsafe { std::mem::transmute(allocate) };
    let lock = allocate(NON_PAGED, 64, tag);
    // SAFETY: 64 bytes that were just allocated.
    unsafe { lock.write(0) };
    lock as usize
}

/// What is done, and the words that the report has to have; none if nothing is wrong.
type Case = (&'static str, Option<&'static str>, Box<dyn FnOnce()>);

/// Cases of classes that have more than one lock.
fn cases_of_classes(kernel: Kernel) -> Vec<Case> {
    vec![
        (
            "two locks of one class",
            Some("two locks of one class are held at once"),
            Box::new(move || {
                kernel.hold(DISPATCH_LEVEL, &[pool_lock(TAG), pool_lock(TAG)]);
            }),
        ),
        (
            "a lock in pool, after another of its class was given back",
            None,
            Box::new(move || {
                kernel.hold(DISPATCH_LEVEL, &[pool_lock(TAG)]);
                kernel.hold(DISPATCH_LEVEL, &[pool_lock(TAG)]);
            }),
        ),
    ]
}

fn cases(kernel: Kernel) -> Vec<Case> {
    let [a, b, c] = [new_lock(), new_lock(), new_lock()];
    let context =
        move |irql| -> &'static InterruptContext { Box::leak(Box::new(InterruptContext { kernel, lock: a, irql })) };
    vec![
        (
            "two locks, always in one order",
            None,
            Box::new(move || (0..3).for_each(|_| kernel.hold(DISPATCH_LEVEL, &[a, b, c]))),
        ),
        (
            "two locks in inverse order",
            Some("and the other way round"),
            Box::new(move || {
                kernel.hold(DISPATCH_LEVEL, &[a, b]);
                kernel.hold(DISPATCH_LEVEL, &[b, a]);
            }),
        ),
        (
            "three locks in a circle",
            Some("and the other way round"),
            Box::new(move || {
                kernel.hold(DISPATCH_LEVEL, &[a, b]);
                kernel.hold(DISPATCH_LEVEL, &[b, c]);
                kernel.hold(DISPATCH_LEVEL, &[c, a]);
            }),
        ),
        (
            "a lock that is held at HIGH_LEVEL by everybody, interrupts included",
            None,
            Box::new(move || {
                kernel.hold(HIGH_LEVEL, &[a]);
                Kernel::interrupt(DIRQL_MIN, context(HIGH_LEVEL));
            }),
        ),
        (
            "a lock that is held at DISPATCH_LEVEL and taken by an interrupt",
            Some("is held at IRQL 2, where code of level"),
            Box::new(move || {
                kernel.hold(DISPATCH_LEVEL, &[a]);
                Kernel::interrupt(DIRQL_MIN, context(HIGH_LEVEL));
            }),
        ),
        (
            "the same, the interrupt first",
            Some("is held at IRQL 2, where code of level"),
            Box::new(move || {
                Kernel::interrupt(DIRQL_MIN, context(DIRQL_MIN));
                kernel.hold(DISPATCH_LEVEL, &[a]);
            }),
        ),
        (
            "a routine that raises to its own level only, below another interrupt that takes the lock",
            Some("where code of level"),
            Box::new(move || {
                Kernel::interrupt(DIRQL_MIN, context(DIRQL_MIN));
                Kernel::interrupt(DIRQL_MIN + 1, context(DIRQL_MIN + 1));
            }),
        ),
        (
            "an NMI that waits",
            Some("where an NMI comes in"),
            Box::new(move || {
                kernel.hold(HIGH_LEVEL, &[a]);
                Kernel::nmi(context(HIGH_LEVEL), false);
            }),
        ),
        (
            "an NMI that tries",
            None,
            Box::new(move || {
                kernel.hold(HIGH_LEVEL, &[a]);
                Kernel::nmi(context(HIGH_LEVEL), true);
            }),
        ),
        (
            "the level lowered below that of an interrupt while the lock is held",
            Some("is held at IRQL 2, where code of level"),
            Box::new(move || {
                Kernel::interrupt(DIRQL_MIN, context(HIGH_LEVEL));
                kernel.raise(HIGH_LEVEL);
                kernel.acquire(a);
                kernel.lower(DISPATCH_LEVEL);
            }),
        ),
        (
            "a wait while a lock is held",
            Some("a thread waits while its processor holds"),
            Box::new(move || {
                kernel.raise(DISPATCH_LEVEL);
                kernel.acquire(a);
                kernel.lower(PASSIVE_LEVEL);
                thread().wait(|| ());
            }),
        ),
    ]
}

fn validator(_: &Stage) -> Result<()> {
    as_process(|| {
        let kernel = Kernel::find()?;
        for (what, words, misuse) in cases(kernel).into_iter().chain(cases_of_classes(kernel)) {
            let (status, said) = in_child(misuse)?;
            let Some(words) = words else {
                ensure!(status == 0, "{what}: exit status {status}, although nothing is wrong:\n{said}");
                continue;
            };
            ensure!(status == EXIT_BROKEN, "{what}: exit status {status}");
            ensure!(said.contains(words), "{what}: the report does not say {words:?}:\n{said}");
            let has_both_stacks = words.starts_with("a thread")
                || words.starts_with("two locks of one class")
                || said.matches("the rig, thread").count() >= 2;
            ensure!(has_both_stacks, "{what}: the report has not both stacks:\n{said}");
        }
        Ok(())
    })
}
