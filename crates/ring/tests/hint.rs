//! A cursor's position is a hint: a right one saves the walk from the oldest record, and a wrong one changes nothing.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, Ordering},
};

use irqlog_ring::{
    lane::{Copied, Cursor, Lane, NewRecord},
    word::Word,
};
use irqlog_wire::{
    image::{Policy, lane_word},
    record::{HEADER_WORDS, WORD, WORD_SEQ},
};

thread_local! {
    static LOADS: Cell<usize> = const { Cell::new(0) };
}

/// A word that counts how often it is looked at.
struct Counted(AtomicU64);

impl Word for Counted {
    fn load(&self) -> u64 {
        LOADS.set(LOADS.get() + 1);
        self.0.load(Ordering::Relaxed)
    }
    fn load_acquire(&self) -> u64 {
        self.load()
    }
    fn store(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
    fn store_release(&self, value: u64) {
        self.store(value);
    }
    fn fetch_add(&self, value: u64) -> u64 {
        self.0.fetch_add(value, Ordering::Relaxed)
    }
    fn compare_exchange(&self, current: u64, value: u64) -> bool {
        self.0.compare_exchange(current, value, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
    fn compare_exchange_release(&self, current: u64, value: u64) -> bool {
        self.compare_exchange(current, value)
    }
    fn swap_acquire(&self, value: u64) -> u64 {
        self.0.swap(value, Ordering::Relaxed)
    }
    fn swap_acquire_release(&self, value: u64) -> u64 {
        self.swap_acquire(value)
    }
    fn release_fence(&self) {}
    fn acquire_fence(&self) {}
}

const RECORDS: u64 = 300;
const WORDS: u64 = HEADER_WORDS as u64 + 1;

/// The first record that a reader gets from a cursor, where the reader stands then, and how often it looked.
fn first(lane: &Lane<'_, Counted>, cursor: Cursor) -> (Option<u64>, Cursor, usize) {
    LOADS.set(0);
    let mut seen = None;
    let batch = lane.read(cursor, &mut Copied::default(), |words| {
        if seen.is_some() {
            return false;
        }
        seen = Some(words[WORD_SEQ]);
        true
    });
    (seen, batch.next, LOADS.get())
}

#[test]
fn a_right_hint_saves_the_walk_and_a_wrong_one_changes_nothing() {
    let words: Vec<_> = (0..lane_word::COUNT + 4096).map(|_| Counted(AtomicU64::new(0))).collect();
    let (control, data) = words.split_first_chunk().unwrap();
    let lane = Lane::new(control, data).unwrap();
    // Positions start just below their end.
    let start = 0_u64.wrapping_sub(WORDS * 100);
    lane.initialise(1, start);
    for _ in 0..RECORDS {
        let mut header = [0; HEADER_WORDS];
        header[0] = WORDS * WORD as u64;
        // SAFETY: one thread.
        unsafe { lane.append(NewRecord { header, payload: &[7] }, || 0, Policy::Overwrite) }.unwrap();
    }
    let place = |seq: u64| Cursor { seq, position: start.wrapping_add((seq - 1) * WORDS) };
    // Two records are copied, and a few words of control looked at; a walk looks at hundreds.
    let few = 6 * WORDS as usize;
    for seq in [1, 2, 50, 101, 150, RECORDS - 1] {
        let (seen, next, loads) = first(&lane, place(seq));
        assert_eq!((seen, next.seq, next.position), (Some(seq), seq + 1, place(seq + 1).position));
        assert!(loads <= few, "seq {seq}: {loads} loads");
    }
    // At the end of the ring.
    let (seen, next, loads) = first(&lane, place(RECORDS + 1));
    assert_eq!((seen, next.seq, next.position), (None, RECORDS + 1, place(RECORDS + 1).position));
    assert!(loads <= few, "at the end: {loads} loads");
    for seq in [1, 77, RECORDS, RECORDS + 1] {
        for wrong in [
            0,
            1,
            place(1).position,
            place(5).position.wrapping_add(1),
            place(RECORDS + 1).position,
            place(900).position,
            // The same words of memory, a round later and a round earlier.
            place(seq).position.wrapping_add(4096),
            place(seq).position.wrapping_sub(4096),
        ] {
            let (seen, next, _) = first(&lane, Cursor { seq, position: wrong });
            let expected = if seq > RECORDS { (None, RECORDS + 1) } else { (Some(seq), seq + 1) };
            assert_eq!((seen, next.seq), expected, "seq {seq} by {wrong:#x}");
            assert_eq!(next.position, place(expected.1).position);
        }
    }
}
