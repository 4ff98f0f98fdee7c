//! CLEAR: it reaches every lane, and what it hides from a reader is counted as cleared, never as lost.

mod common;

use common::{SMALL, header, read_all, recorder};
use irqlog_recorder::{
    config::Config,
    draft::Draft,
    log::{Entry, Outcome},
    request::{MIN_READ_OUTPUT, Read},
};
use irqlog_wire::{
    image::{Engine, Policy},
    ioctl::BatchHeader,
    record::Level,
};
use zerocopy::FromBytes;

fn text(text: &str) -> Draft<'_> {
    Draft::text(Level::Info, text.as_bytes())
}

#[test]
fn every_lane_is_cleared() {
    for (engine, lanes) in [(Engine::Shared, [0, 1, 2]), (Engine::PerCpu, [0, 1, 2])] {
        let (recorder, memory, machine) = recorder(&Config { engine, ..SMALL }, 2, 2);
        let start_id = header(memory).start_id.get();
        let write_everywhere = || {
            for processor in 0..2 {
                machine.processor.set(processor);
                assert!(matches!(recorder.log(&text("main"), Entry::MayWait), Outcome::Written { .. }));
                // Into the NMI lane, with engine `shared`: the lock is taken elsewhere.
                machine.lock_taken.set(true);
                assert!(matches!(recorder.log(&text("beside"), Entry::NeverWaits), Outcome::Written { .. }));
                machine.lock_taken.set(false);
            }
        };
        let there = || lanes.map(|lane| read_all(recorder, lane, start_id).0.len());
        write_everywhere();
        let before = there();
        assert!(before[..2].iter().all(|&records| records != 0), "{engine:?}: {before:?}");
        recorder.clear();
        assert_eq!(there(), [0; 3], "{engine:?}");
        write_everywhere();
        assert_eq!(there(), before, "{engine:?}");
    }
}

/// With the policy `keep` nothing is ever lost: a reader that says so looked at the floor too early, before the writer took
/// the room of the records that were just cleared.
#[test]
fn what_is_cleared_while_it_is_read_is_not_lost() {
    for access in 0.. {
        let (recorder, memory, _) = recorder(&Config { policy: Policy::Keep, ..SMALL }, 1, 1);
        let start_id = header(memory).start_id.get();
        while let Outcome::Written { .. } = recorder.log(&text(&"x".repeat(500)), Entry::MayWait) {}
        let written = recorder.written();
        memory.interrupt.replace(Some(Box::new(|| {
            recorder.clear();
            for _ in 0..3 {
                assert!(matches!(recorder.log(&text("after"), Entry::MayWait), Outcome::Written { .. }));
            }
        })));
        memory.accesses.set(0);
        memory.at.set(Some(access));
        let mut output = [0; MIN_READ_OUTPUT];
        recorder.read(&Read { lane: 0, from: None, start_id }, &mut output).unwrap();
        if memory.at.get().is_some() {
            assert!(access > 100, "only {access} accesses were interrupted");
            return;
        }
        let batch = BatchHeader::read_from_prefix(&output).unwrap().0;
        assert_eq!(batch.lost.get(), 0, "interrupted at access {access}");
        assert!([0, written].contains(&batch.cleared.get()), "interrupted at access {access}: {}", batch.cleared);
    }
}
