//! The lock validator: finds a possible deadlock of spin locks in a run that did not deadlock.
//!
//! It is the idea of Linux's lockdep. Locks of one kind form a *class*: a static of an image by where it lies, one in pool by its
//! tag, its allocation's size and its place there. Of each class the validator keeps facts, each with the stack of the
//! first acquisition that showed it:
//!
//! | Fact | Reported when |
//! |---|---|
//! | class B was acquired while A was held | A was acquired while B was held, directly or over others: *inverse order* |
//! | the lowest IRQL at which the class is held | an interrupt, DPC or NMI of a higher level acquires it: it may come in while its own processor holds the lock |
//! | the highest level of code that interrupts and acquires it | as above, seen from the other side |
//!
//! Also reported: two locks of one class held at once, and a wait while a lock is held. A lock that is only tried adds
//! no order and no level, because a try does not wait. An NMI counts as a level above HIGH_LEVEL.
//!
//! What it does not see: locks that drivers build themselves of atomic words, among them irqlog's `swap` and `queued`,
//! and how long a lock is held. The rig's clock says nothing of that: it advances by a step at each look and by a
//! millisecond at each heartbeat, and the host's clock shows when the host ran which thread. The scenario `lock-hold`
//! counts the instructions that run under the lock instead.

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{
        Mutex,
        atomic::{AtomicU8, Ordering},
    },
};

use super::{
    heap,
    machine::{HeldLock, NMI_LEVEL, current, thread},
    report,
};
use crate::{images, mutex::lock};

/// The most classes; a run of ours has fewer than ten.
const MOST: usize = 64;

/// What is known of a class without a look at the stacks: enough to see that an acquisition says nothing new.
struct Levels {
    /// The lowest IRQL at which it is held.
    held: AtomicU8,
    /// The highest level of interrupting code that acquires it; 0 if no such code does.
    taken: AtomicU8,
}

static LEVELS: [Levels; MOST] = [const { Levels { held: AtomicU8::new(u8::MAX), taken: AtomicU8::new(0) } }; MOST];

/// A class: what it is called, and who showed what is known of it.
#[derive(Default)]
struct LockClass {
    name: String,
    held_by: String,
    taken_by: String,
    /// The classes that were acquired while it was held, with the stack of the first time.
    before: HashMap<usize, String>,
}

#[derive(Default)]
struct Known {
    classes: Vec<LockClass>,
    by_name: HashMap<String, usize>,
    by_address: HashMap<usize, usize>,
}

static KNOWN: Mutex<Option<Known>> = Mutex::new(None);

fn with_known<T>(work: impl FnOnce(&mut Known) -> T) -> T {
    work(lock(&KNOWN).get_or_insert_default())
}

impl Known {
    fn class_of(&mut self, address: usize) -> usize {
        if let Some(&class) = self.by_address.get(&address) {
            return class;
        }
        let name = heap::kind(address)
            .or_else(|| images::place(address))
            .unwrap_or_else(|| format!("the lock at {address:#x}"));
        let class = *self.by_name.entry(name.clone()).or_insert_with(|| {
            self.classes.push(LockClass { name, ..LockClass::default() });
            self.classes.len() - 1
        });
        assert!(class < MOST, "the validator has room for {MOST} classes of locks");
        self.by_address.insert(address, class);
        class
    }

    /// The classes from `from` to `to`, each acquired while the one before was held.
    fn path(&self, from: usize, to: usize, seen: &mut Vec<usize>) -> Option<Vec<usize>> {
        if from == to {
            return Some(vec![to]);
        }
        if seen.contains(&from) {
            return None;
        }
        seen.push(from);
        self.classes[from].before.keys().find_map(|&next| {
            let mut path = self.path(next, to, seen)?;
            path.insert(0, from);
            Some(path)
        })
    }
}

/// A lock is about to be acquired: what is wrong with it is found before the wait that it may be. Any IRQL.
pub fn acquires(address: usize) {
    let class = with_known(|known| known.class_of(address));
    let processor = thread().processor();
    let (irql, context) = (processor.irql.load(Ordering::Relaxed), processor.context.load(Ordering::Relaxed));
    let before = lock(&processor.held).clone();
    for held in before {
        orders(held, class);
    }
    let levels = &LEVELS[class];
    let is_new = irql < levels.held.load(Ordering::Relaxed) || context > levels.taken.load(Ordering::Relaxed);
    if is_new {
        meets(class, irql, context);
    }
    lock(&processor.held).push(HeldLock { address, class });
}

/// A lock was tried, and is held. Any IRQL.
pub fn tried(address: usize) {
    let class = with_known(|known| known.class_of(address));
    let processor = thread().processor();
    let irql = processor.irql.load(Ordering::Relaxed);
    if irql < LEVELS[class].held.load(Ordering::Relaxed) {
        // Whoever waits for it waits for its holder, however that came to hold it.
        meets(class, irql, 0);
    }
    lock(&processor.held).push(HeldLock { address, class });
}

/// A lock is released. Any IRQL.
pub fn releases(address: usize) {
    let mut held = lock(&thread().processor().held);
    if let Some(index) = held.iter().rposition(|held| held.address == address) {
        held.remove(index);
    }
}

/// The processor goes to a lower IRQL: what it still holds is held there.
pub fn lowers(irql: u8) {
    let all = lock(&thread().processor().held).clone();
    for held in all {
        if irql < LEVELS[held.class].held.load(Ordering::Relaxed) {
            meets(held.class, irql, 0);
        }
    }
}

/// The thread is about to wait.
pub fn waits() {
    let first = lock(&thread().processor().held).first().copied();
    if let Some(held) = first {
        let name = with_known(|known| known.classes[held.class].name.clone());
        report::broken(&format!(
            "a thread waits while its processor holds {name}: whoever needs the lock waits with it"
        ));
    }
}

/// `class` is acquired while `held` is held.
fn orders(held: HeldLock, class: usize) {
    with_known(|known| {
        if known.classes[held.class].before.contains_key(&class) {
            return;
        }
        let stack = stack();
        let (first, second) = (&known.classes[held.class], &known.classes[class]);
        if held.class == class {
            report::broken(&format!(
                "possible deadlock: two locks of one class are held at once, {}\n{stack}",
                first.name
            ));
        }
        if let Some(path) = known.path(class, held.class, &mut Vec::new()) {
            let mut text = format!(
                "possible deadlock: {} is acquired while {} is held, and the other way round\n    now:\n{stack}",
                second.name, first.name
            );
            for pair in path.windows(2) {
                let (from, to) = (&known.classes[pair[0]], &known.classes[pair[1]]);
                let before = from.before.get(&pair[1]).map_or("", String::as_str);
                let _ = write!(text, "    earlier, {} while {} was held:\n{before}", to.name, from.name);
            }
            report::broken(&text);
        }
        known.classes[held.class].before.insert(class, stack);
    });
}

/// `class` is held at an IRQL, by code that interrupts others at the level `context`.
fn meets(class: usize, irql: u8, context: u8) {
    with_known(|known| {
        let (levels, stack) = (&LEVELS[class], stack());
        let class = &mut known.classes[class];
        if irql < levels.held.load(Ordering::Relaxed) {
            levels.held.store(irql, Ordering::Relaxed);
            class.held_by.clone_from(&stack);
        }
        if context > levels.taken.load(Ordering::Relaxed) {
            levels.taken.store(context, Ordering::Relaxed);
            class.taken_by.clone_from(&stack);
        }
        let (held, taken) = (levels.held.load(Ordering::Relaxed), levels.taken.load(Ordering::Relaxed));
        if taken > held {
            let by = if taken == NMI_LEVEL { "an NMI".to_owned() } else { format!("code of level {taken}") };
            report::broken(&format!(
                "possible deadlock: {} is held at IRQL {held}, where {by} comes in that acquires it too\n    held by:\n{}    \
                 acquired by:\n{}",
                class.name, class.held_by, class.taken_by
            ));
        }
    });
}

/// Who called, a line each.
fn stack() -> String {
    let mut text = String::new();
    for frame in report::callers() {
        let _ = writeln!(text, "      {}", images::describe(frame));
    }
    if text.is_empty() {
        let id = current().map_or(0, |thread| thread.id);
        let _ = writeln!(text, "      the rig, thread {id:#x}");
    }
    text
}
