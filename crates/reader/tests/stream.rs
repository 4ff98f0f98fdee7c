//! The reader on a real recorder: merging, holding back, late records, accounting.

#[path = "../../recorder/tests/common/mod.rs"]
mod common;

mod direct;

use common::{Machine, SMALL, TestRecorder, recorder};
use direct::session;
use irqlog_reader::{
    follow::Follower,
    image::Tables,
    live::LiveLog,
    log::{Fault, Item, Log as _, records},
    record::Content,
};
use irqlog_recorder::{draft::Draft, log::Entry};
use irqlog_wire::record::{HEADER_SIZE, Level, WORD};

fn log(recorder: &TestRecorder<'_>, text: &str) {
    recorder.log(&Draft::text(Level::Info, text.as_bytes()), Entry::MayWait);
}

/// Into the NMI lane of the current processor, as with the lock held elsewhere.
fn log_beside(recorder: &TestRecorder<'_>, machine: &Machine, text: &str) {
    machine.lock_taken.set(true);
    recorder.log(&Draft::text(Level::Info, text.as_bytes()), Entry::NeverWaits);
    machine.lock_taken.set(false);
}

fn texts(records: &[irqlog_reader::record::Record]) -> Vec<String> {
    records
        .iter()
        .map(|record| match record.content() {
            Content::Text(text) => text.raw().to_owned(),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn lanes_are_merged_by_time() {
    let (recorder, _, machine) = recorder(&SMALL, 2, 2);
    for number in 0..6 {
        machine.processor.set(number % 2);
        if number % 3 == 0 {
            log_beside(recorder, machine, &number.to_string());
        } else {
            log(recorder, &number.to_string());
        }
    }
    let mut session = session(recorder, |_| {});
    let tables = session.info().unwrap();
    let mut follower = Follower::new(tables.present());
    let round = follower.round(&mut session).unwrap();
    assert_eq!(texts(&round.records), ["0", "1", "2", "3", "4", "5"]);
    assert!(round.records.iter().all(|record| !record.late));
    assert!(follower.accounts().all(|(_, account)| account.holds() && account.in_ring == 0));
    assert_eq!(follower.seen(), 6);
}

#[test]
fn what_is_newer_than_the_barrier_waits_for_the_next_round() {
    let (recorder, _, machine) = recorder(&SMALL, 1, 1);
    log(recorder, "early");
    // After lane 0 was read, before lane 1 is: lane 0 gets an older record than lane 1.
    let done = std::cell::Cell::new(false);
    let mut session = session(recorder, |lane| {
        if lane == 1 && !done.replace(true) {
            log(recorder, "first");
            log_beside(recorder, machine, "second");
        }
    });
    let tables = session.info().unwrap();
    let mut follower = Follower::new(tables.present());
    let round = follower.round(&mut session).unwrap();
    assert_eq!((texts(&round.records), round.held), (vec!["early".to_owned()], true));
    let round = follower.round(&mut session).unwrap();
    assert_eq!((texts(&round.records), round.held), (vec!["first".to_owned(), "second".to_owned()], false));
    assert!(round.records.iter().all(|record| !record.late));
}

#[test]
fn a_record_published_after_newer_ones_is_delivered_and_flagged() {
    let (recorder, _, machine) = recorder(&SMALL, 1, 1);
    machine.tick.set(1000);
    log(recorder, "newer");
    let mut session = session(recorder, |_| {});
    let tables = session.info().unwrap();
    let mut follower = Follower::new(tables.present());
    assert_eq!(follower.round(&mut session).unwrap().records.len(), 1);
    // Its writer took its stamp before, and stopped.
    machine.tick.set(500);
    log_beside(recorder, machine, "older");
    machine.tick.set(2000);
    log(recorder, "newest");
    let round = follower.round(&mut session).unwrap();
    let seen: Vec<_> = texts(&round.records).into_iter().zip(round.records.iter().map(|record| record.late)).collect();
    assert_eq!(seen, [("older".to_owned(), true), ("newest".to_owned(), false)]);
}

#[test]
fn a_damaged_record_of_a_running_recorder_is_a_fault_and_a_loss() {
    let (recorder, memory, _) = recorder(&SMALL, 1, 1);
    for number in 0..5 {
        log(recorder, &number.to_string());
    }
    // Someone writes over the second record.
    let lane = Tables::parse(&common::bytes(memory)).unwrap().lanes[0];
    let size = (HEADER_SIZE + 1).next_multiple_of(WORD);
    let at = lane.data_offset.get() as usize / WORD + lane.tail.get() as usize % lane.data_words.get() as usize;
    for word in 0..size / WORD {
        common::write(memory, at + size / WORD + word, u64::MAX);
    }
    let mut session = session(recorder, |_| {});
    let mut live = LiveLog::open(direct::session(recorder, |_| {})).unwrap();
    let items = live.collect().unwrap();
    let losses: Vec<_> =
        items.iter().filter_map(|item| if let Item::Loss(loss) = item { Some(*loss) } else { None }).collect();
    assert_eq!((losses.len(), losses[0].count, losses[0].first_seq), (1, 1, lane.first_seq.get().wrapping_add(1)));
    assert_eq!(texts(&records(items)), ["0", "2", "3", "4"]);
    assert_eq!(live.faults(), [Fault::Damaged { lane: 0, count: 1 }]);
    let mut follower = Follower::new(session.info().unwrap().present());
    assert_eq!(follower.round(&mut session).unwrap().lost(), 1);
    assert_eq!(follower.faults(), [Fault::Damaged { lane: 0, count: 1 }]);
}

#[test]
fn the_last_round_holds_nothing_back_and_ends_at_its_moment() {
    let (recorder, _, machine) = recorder(&SMALL, 1, 1);
    log(recorder, "early");
    // After lane 0 was read, before lane 1 is; and again while the last round reads.
    let count = std::cell::Cell::new(0);
    let mut session = session(recorder, |lane| {
        if lane == 1 {
            log(recorder, &format!("first {}", count.get()));
            log_beside(recorder, machine, &format!("second {}", count.get()));
            count.set(count.get() + 1);
        }
    });
    let tables = session.info().unwrap();
    let mut follower = Follower::new(tables.present());
    let round = follower.round(&mut session).unwrap();
    assert_eq!((texts(&round.records), round.held), (vec!["early".to_owned()], true));
    let tables = session.info().unwrap();
    follower.begin_last(tables.present());
    let mut last = Vec::new();
    while let Some(item) = follower.next(&mut session).unwrap() {
        last.push(item);
    }
    assert_eq!(texts(&records(last)), ["first 0", "second 0"]);
}

#[test]
fn losses_and_clears_are_counted() {
    let (recorder, _, _) = recorder(&SMALL, 1, 1);
    let mut session = session(recorder, |_| {});
    let tables = session.info().unwrap();
    let mut follower = Follower::new(tables.present());
    log(recorder, "seen");
    follower.round(&mut session).unwrap();
    for _ in 0..1000 {
        log(recorder, &"x".repeat(100));
    }
    let round = follower.round(&mut session).unwrap();
    assert_eq!(round.lost() + round.records.len() as u64, 1000);
    log(recorder, "cleared before it was read");
    session.clear().unwrap();
    log(recorder, "after");
    assert_eq!(texts(&follower.round(&mut session).unwrap().records), ["after"]);
    let (_, account) = follower.accounts().next().unwrap();
    assert!(account.holds());
    assert_eq!((account.written, account.cleared, account.lost), (1003, 1, round.lost()));
}
