//! Interruptions of the record path at every step of it.
//!
//! The memory counts accesses and lets an NMI in before the n-th one, for every n that the path has; a second NMI comes
//! inside the first, again at every step. Threads are not involved: an interruption runs to its end before what it
//! interrupted goes on, which is just what an NMI does, so this is exhaustive, not a sample.

mod common;

use common::{Machine, Memory, SMALL, TestRecorder, drops, header, read_all, recorder};
use irqlog_recorder::{
    config::Config,
    draft::Draft,
    log::{Entry, Outcome},
};
use irqlog_wire::{
    image::{Engine, processor_word},
    record::Level,
};

/// How the NMI callback logs.
#[derive(Clone, Copy, Debug)]
enum Nmi {
    /// By the entry that never waits; it sees the IRQL of what it interrupted.
    NeverWaits,
    /// By the ordinary entry, and it sees HIGH_LEVEL.
    AtHighLevel,
}

fn log_from_nmi(recorder: &TestRecorder<'_>, machine: &Machine, nmi: Nmi, text: &[u8]) -> Outcome {
    let interrupted = machine.irql.get();
    let entry = match nmi {
        Nmi::NeverWaits => Entry::NeverWaits,
        Nmi::AtHighLevel => {
            machine.irql.set(15);
            Entry::MayWait
        }
    };
    let outcome = recorder.log(&Draft::text(Level::Info, text), entry);
    machine.irql.set(interrupted);
    outcome
}

/// One outer write, interrupted by an NMI before access `first`. It comes behind `before` others, at `irql`, with the lock
/// free or taken by another processor. If `second` is given, another NMI comes before the access that is that number of
/// accesses later. Gives false when the path has no such access.
#[expect(clippy::too_many_arguments, reason = "each is a part of the case")]
fn interrupted_at(
    engine: Engine,
    irql: u8,
    lock_elsewhere: bool,
    nmi: Nmi,
    first: usize,
    second: Option<usize>,
    without_claim: bool,
    before: usize,
) -> bool {
    let (recorder, memory, machine) = recorder(&Config { engine, ..SMALL }, 2, 2);
    let earlier: Vec<_> =
        (0..before).map(|_| recorder.log(&Draft::text(Level::Info, b"outer"), Entry::MayWait)).collect();
    let reached = Box::leak(Box::new(std::cell::Cell::new((false, second.is_none()))));
    let outcomes = Box::leak(Box::new(std::cell::RefCell::new(earlier)));
    let start_id = header(memory).start_id.get();
    let (reached, outcomes): (&'static std::cell::Cell<_>, &'static std::cell::RefCell<Vec<Outcome>>) =
        (reached, outcomes);
    *memory.interrupt.borrow_mut() = Some(Box::new(move || {
        if reached.get().0 {
            reached.set((true, true));
            let outcome = log_from_nmi(recorder, machine, nmi, b"second");
            outcomes.borrow_mut().push(outcome);
            return;
        }
        reached.set((true, reached.get().1));
        memory.at.set(second.map(|second| memory.accesses.get() + second));
        let outcome = log_from_nmi(recorder, machine, nmi, b"first nmi");
        outcomes.borrow_mut().push(outcome);
    }));
    if without_claim {
        // With engine `shared`, the only one with a fallback.
        let nesting = size_of::<irqlog_wire::image::ImageHeader>() / 8 + processor_word::NESTING;
        memory.without_store.set(Some((nesting, 2)));
    }
    machine.irql.set(irql);
    machine.lock_taken.set(lock_elsewhere);
    machine.wait_is_meant.set(lock_elsewhere);
    memory.accesses.set(0);
    memory.at.set(Some(first));
    let outcome = recorder.log(&Draft::text(Level::Info, b"outer"), Entry::MayWait);
    outcomes.borrow_mut().push(outcome);
    memory.at.set(None);
    memory.without_store.set(None);
    assert_eq!(machine.irql.get(), irql, "the IRQL was not restored");
    if reached.get() != (true, true) {
        return false;
    }
    verify(recorder, memory, start_id, &outcomes.borrow());
    true
}

/// Every call ended as a record or a drop. Every record is whole, once, under the seq that its writer was told.
fn verify(recorder: &TestRecorder<'_>, memory: &Memory, start_id: u64, outcomes: &[Outcome]) {
    let (mut found, mut oldest) = (Vec::new(), Vec::new());
    for lane in 0..header(memory).lane_count.get() {
        let (records, lost) = read_all(recorder, lane, start_id);
        oldest.push(lost);
        for (seq, (header, payload)) in (lost..).zip(&records) {
            assert_eq!(header.seq.get(), seq);
            assert!([&b"outer"[..], b"first nmi", b"second"].contains(&&payload[..]), "torn: {payload:?}");
            found.push((lane, header.seq.get()));
        }
    }
    let mut told: Vec<_> = outcomes
        .iter()
        .filter_map(|outcome| if let Outcome::Written { lane, seq } = *outcome { Some((lane, seq)) } else { None })
        .collect();
    told.retain(|&(lane, seq)| seq >= oldest[lane as usize]);
    told.sort_unstable();
    let written = |outcome: &&Outcome| matches!(outcome, Outcome::Written { .. });
    let written = outcomes.iter().filter(written).count();
    assert_eq!(told, found, "written is not what the ring holds");
    assert_eq!(drops(memory), (outcomes.len() - written) as u64, "called is not written + dropped");
}

/// Tries every step; gives how many there are.
fn every_step(engine: Engine, irql: u8, lock_elsewhere: bool, nmi: Nmi, without_claim: bool, before: usize) -> usize {
    let mut first = 0;
    while interrupted_at(engine, irql, lock_elsewhere, nmi, first, None, without_claim, before) {
        let mut second = 0;
        while interrupted_at(engine, irql, lock_elsewhere, nmi, first, Some(second), without_claim, before) {
            second += 1;
        }
        first += 1;
    }
    first
}

#[test]
fn nmis_at_every_step_of_a_write() {
    for engine in [Engine::Shared, Engine::PerCpu] {
        for irql in [0, 2, 9] {
            for nmi in [Nmi::NeverWaits, Nmi::AtHighLevel] {
                // The first record of a shared lane is a sample of its lock, the second goes the usual path.
                for before in [0, 1] {
                    let steps = every_step(engine, irql, false, nmi, false, before);
                    assert!(steps >= 14, "only {steps} steps were interrupted");
                }
            }
        }
    }
}

/// In a lane of 2048 words, with segments of 64: the eleventh record of six words is the first that enters another
/// segment, and so does the one with number 362, which has to free it.
#[test]
fn nmis_at_every_step_of_a_write_that_enters_a_segment() {
    for engine in [Engine::Shared, Engine::PerCpu] {
        let usual = every_step(engine, 0, false, Nmi::NeverWaits, false, 1);
        let enters = every_step(engine, 0, false, Nmi::NeverWaits, false, 10);
        let frees = every_step(engine, 0, false, Nmi::NeverWaits, false, 362);
        assert!(usual < enters && enters < frees, "{usual}, {enters} and {frees} steps");
    }
}

#[test]
fn nmis_at_every_step_of_a_write_that_falls_back() {
    for nmi in [Nmi::NeverWaits, Nmi::AtHighLevel] {
        let steps = every_step(Engine::Shared, 15, true, nmi, false, 0);
        assert!(steps >= 15, "only {steps} steps were interrupted");
    }
}

#[test]
fn without_the_step_to_two_the_fallback_is_torn() {
    let result = std::panic::catch_unwind(|| every_step(Engine::Shared, 15, true, Nmi::NeverWaits, true, 0));
    assert!(result.is_err(), "an NMI inside the fallback's write must be seen to break the NMI lane");
}

#[test]
fn a_caller_at_high_level_never_waits() {
    let (recorder, memory, machine) = recorder(&SMALL, 2, 2);
    machine.lock_taken.set(true);
    for irql in [0, 2, 15] {
        machine.irql.set(irql);
        machine.processor.set(1);
        let entry = if irql == 15 { Entry::MayWait } else { Entry::NeverWaits };
        let outcome = recorder.log(&Draft::text(Level::Info, b"x"), entry);
        assert!(matches!(outcome, Outcome::Written { lane: 2, .. }), "{outcome:?}");
    }
    machine.irql.set(0);
    assert_eq!(drops(memory), 0);
}

#[test]
fn percpu_takes_no_lock_and_falls_back_to_nothing() {
    let (recorder, memory, machine) = recorder(&Config { engine: Engine::PerCpu, ..SMALL }, 3, 2);
    // A lock that is never given back is nobody's business here.
    machine.lock_taken.set(true);
    for (irql, processor, entry) in [(0, 0, Entry::MayWait), (15, 1, Entry::MayWait), (15, 0, Entry::NeverWaits)] {
        machine.irql.set(irql);
        machine.processor.set(processor);
        let outcome = recorder.log(&Draft::text(Level::Info, b"x"), entry);
        assert!(matches!(outcome, Outcome::Written { lane, .. } if lane == processor), "{outcome:?}");
    }
    // Added after the start: a control, but no lane.
    machine.processor.set(2);
    let outcome = recorder.log(&Draft::text(Level::Info, b"x"), Entry::MayWait);
    assert_eq!(outcome, Outcome::Dropped(irqlog_wire::image::DropReason::NoLane));
    machine.irql.set(0);
    assert_eq!(drops(memory), 1);
    assert_eq!((header(memory).engine.get(), header(memory).lock.get()), (Engine::PerCpu.0, 0));
}
