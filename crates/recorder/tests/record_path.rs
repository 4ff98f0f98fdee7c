//! What is written, filtered and dropped, and how it is counted.

mod common;

use common::{SMALL, drops, header, read_all, recorder};
use irqlog_recorder::{
    config::Config,
    draft::Draft,
    layout::Layout,
    log::{Entry, Outcome},
    request::{Configure, MIN_READ_OUTPUT, Read, Refusal},
};
use irqlog_ring::lane::Cursor;
use irqlog_wire::{
    image::{DropReason, Engine, ImageHeader, LaneControl, LaneKind, Policy, build_flags},
    ioctl::BatchHeader,
    record::{BlobHeader, Kind, Level, MAX_BLOB, MAX_BLOB_PIECE, MAX_PAYLOAD, RecordHeader, flags},
};
use zerocopy::FromBytes;

#[test]
fn a_record_says_who_wrote_it_and_where() {
    let (recorder, memory, machine) = recorder(&SMALL, 4, 4);
    let start_id = header(memory).start_id.get();
    for (irql, processor) in [(0, 0), (1, 3), (2, 1), (7, 2), (15, 3)] {
        machine.irql.set(irql);
        machine.processor.set(processor);
        recorder.log(&Draft::text(Level::Warn, b"hello"), Entry::MayWait);
    }
    machine.irql.set(0);
    let (records, _) = read_all(recorder, 0, start_id);
    let seen: Vec<_> =
        records.iter().map(|(h, _)| (h.irql, h.processor.get(), h.thread.get(), h.flags.get())).collect();
    let no_thread = flags::NO_THREAD;
    assert_eq!(
        seen,
        [(0, 0, 0x1234, 0), (1, 3, 0x1234, 0), (2, 1, 0x1234, 0), (7, 2, 0, no_thread), (15, 3, 0, no_thread)]
    );
    let (first, payload) = &records[0];
    assert_eq!(
        (first.kind, first.level, first.process.get(), &payload[..]),
        (Kind::Text.0, Level::Warn.0, 0x5678, &b"hello"[..])
    );
    assert!(records.windows(2).all(|pair| pair[0].0.tick.get() < pair[1].0.tick.get()));
}

#[test]
fn text_is_cut_at_a_character_and_flagged() {
    let (recorder, memory, _) = recorder(&SMALL, 1, 1);
    let start_id = header(memory).start_id.get();
    let fits = "a".repeat(MAX_PAYLOAD);
    let cut_inside = format!("{}\u{20ac}", "a".repeat(MAX_PAYLOAD - 2));
    let cut_behind = format!("{}\u{20ac}b", "a".repeat(MAX_PAYLOAD - 3));
    for text in [&fits, &cut_inside, &cut_behind] {
        recorder.log(&Draft::text(Level::Info, text.as_bytes()), Entry::MayWait);
    }
    let (records, _) = read_all(recorder, 0, start_id);
    let seen: Vec<_> = records.iter().map(|(h, p)| (std::str::from_utf8(p).unwrap().len(), h.flags.get())).collect();
    assert_eq!(seen, [(MAX_PAYLOAD, 0), (MAX_PAYLOAD - 2, flags::TRUNCATED), (MAX_PAYLOAD, flags::TRUNCATED)]);
}

#[test]
fn texts_of_every_length_and_of_all_kinds_of_characters_come_back_as_they_were() {
    let (recorder, memory, _) = recorder(&Config { ring_kib: 1024, ..SMALL }, 1, 1);
    let start_id = header(memory).start_id.get();
    // Every length: what is copied by eights, fours, twos, and the bytes that fill no word.
    let texts: Vec<Vec<u8>> =
        (0..=200_usize).map(|length| (0..length).map(|at| (at * 7 + length) as u8 | 1).collect()).collect();
    for text in &texts {
        recorder.log(&Draft::text(Level::Info, text), Entry::MayWait);
    }
    let (records, _) = read_all(recorder, 0, start_id);
    assert_eq!(records.iter().map(|(_, payload)| payload).collect::<Vec<_>>(), texts.iter().collect::<Vec<_>>());
    for (record, text) in records.iter().zip(&texts) {
        assert_eq!(usize::from(record.0.size.get()), (40 + text.len()).next_multiple_of(8));
    }
    // Cut inside a character of two, three and four bytes: it goes whole.
    for (character, inside) in
        [("\u{e9}", 1), ("\u{20ac}", 1), ("\u{20ac}", 2), ("\u{1f600}", 1), ("\u{1f600}", 2), ("\u{1f600}", 3)]
    {
        recorder.clear();
        let text = format!("{}{character}tail", "a".repeat(MAX_PAYLOAD - inside));
        recorder.log(&Draft::text(Level::Info, text.as_bytes()), Entry::MayWait);
        let (records, _) = read_all(recorder, 0, start_id);
        assert_eq!(records[0].1.len(), MAX_PAYLOAD - inside, "{character} cut after {inside} bytes");
    }
    // And a whole one at the end stays.
    for character in ["\u{e9}", "\u{20ac}", "\u{1f600}"] {
        recorder.clear();
        let text = format!("{}{character}tail", "a".repeat(MAX_PAYLOAD - character.len()));
        recorder.log(&Draft::text(Level::Info, text.as_bytes()), Entry::MayWait);
        let (records, _) = read_all(recorder, 0, start_id);
        assert_eq!(records[0].1.len(), MAX_PAYLOAD, "{character} is whole");
    }
}

#[test]
fn flags_add_up() {
    let (recorder, memory, machine) = recorder(&SMALL, 1, 1);
    let start_id = header(memory).start_id.get();
    machine.irql.set(15);
    let text = "a".repeat(MAX_PAYLOAD + 1);
    let draft = Draft::text(Level::Info, text.as_bytes()).with_flags(flags::USER).with_flags(flags::OWN);
    recorder.log(&draft, Entry::NeverWaits);
    let (records, _) = read_all(recorder, 0, start_id);
    let all = flags::TRUNCATED | flags::USER | flags::OWN | flags::NO_THREAD | flags::NEVER_WAITS;
    assert_eq!(records[0].0.flags.get(), all);
}

#[test]
fn find_gives_a_record_while_it_is_there() {
    let (recorder, _, _) = recorder(&SMALL, 1, 1);
    let seqs: Vec<_> = (0..3)
        .map(|_| match recorder.log(&Draft::text(Level::Warn, b"look for me"), Entry::MayWait) {
            Outcome::Written { lane, seq } => (lane, seq),
            other => panic!("{other:?}"),
        })
        .collect();
    for (lane, seq) in seqs {
        let header = recorder.find(lane, seq).expect("it is there");
        assert_eq!((header.seq.get(), header.level), (seq, Level::Warn.0));
    }
    assert!(recorder.find(0, 3).is_none(), "not written yet");
    assert!(recorder.find(9, 0).is_none(), "no such lane");
}

/// Whoever has only the memory finds everything: each lane is where its control says, of the size and the kind that it
/// says, and the lanes fill the image to its end.
#[test]
fn the_image_describes_itself() {
    for (engine, processors, active) in [(Engine::Shared, 4, 3), (Engine::PerCpu, 5, 2), (Engine::PerCpu, 1, 1)] {
        let config = Config { engine, ring_kib: 64, ..SMALL };
        let (recorder, memory, machine) = recorder(&config, processors, active);
        let layout = Layout::new(&config, processors, active);
        assert_eq!((layout.active(), layout.processors()), (active, processors));
        // One record into each main lane, and, by a call at HIGH_LEVEL that does not get the lock, into an NMI lane.
        for processor in 0..active as u32 {
            machine.processor.set(processor);
            recorder.log(&Draft::text(Level::Info, format!("main {processor}").as_bytes()), Entry::MayWait);
        }
        if engine == Engine::Shared {
            machine.lock_taken.set(true);
            for processor in 0..active as u32 {
                machine.processor.set(processor);
                recorder.log(&Draft::text(Level::Info, format!("nmi {processor}").as_bytes()), Entry::NeverWaits);
            }
        }
        let (bytes, header) = (common::bytes(memory), header(memory));
        assert_eq!(header.total_size.get() as usize, bytes.len());
        let tables = 512 + processors * 128 + header.lane_count.get() as usize * 512;
        assert_eq!(layout.tables_words() * 8, tables);
        assert_eq!((header.header_size.get(), header.processors_offset.get()), (512, 512));
        assert_eq!((header.processor_size.get(), header.lane_size.get()), (128, 512));
        assert_eq!(header.lanes_offset.get() as usize, 512 + processors * 128);
        assert_eq!(
            (header.processor_count.get() as usize, header.active_processors.get() as usize),
            (processors, active)
        );
        let main_lanes = if engine == Engine::PerCpu { processors } else { 1 };
        assert_eq!(header.lane_count.get() as usize, main_lanes + processors);
        let mut end = tables;
        for index in 0..header.lane_count.get() as usize {
            let at = header.lanes_offset.get() as usize + index * 512;
            let lane = LaneControl::read_from_prefix(&bytes[at..]).unwrap().0;
            let (kind, processor, has_data) = match index.checked_sub(main_lanes) {
                Some(processor) => (LaneKind::Nmi, processor, processor < active),
                None if engine == Engine::PerCpu => (LaneKind::Processor, index, index < active),
                None => (LaneKind::Shared, 0, true),
            };
            assert_eq!((lane.kind.get(), lane.processor.get() as usize), (kind.0, processor), "lane {index}");
            let words = match kind {
                _ if !has_data => 0,
                LaneKind::Nmi => 4 * 1024 / 8,
                LaneKind::Processor => (64 / active).max(16) * 1024 / 8,
                _ => 64 * 1024 / 8,
            };
            assert_eq!(lane.data_words.get(), words as u64, "lane {index}");
            if !has_data {
                assert_eq!(lane.data_offset.get(), 0, "lane {index}");
            }
            if has_data {
                assert_eq!(lane.data_offset.get() as usize, end, "lane {index}");
                end += words * 8;
            }
            if lane.head.get() != 0 {
                let first = &bytes[lane.data_offset.get() as usize..];
                let payload = RecordHeader::read_from_prefix(first).unwrap().0.payload_size.get();
                let text = std::str::from_utf8(&first[40..40 + usize::from(payload)]).unwrap();
                let expected =
                    if kind == LaneKind::Nmi { format!("nmi {processor}") } else { format!("main {processor}") };
                assert_eq!(text, expected, "lane {index}");
            }
        }
        assert_eq!((header.sites_offset.get() as usize, header.sites_size.get()), (end, 0));
        assert_eq!(end + layout.sites_words() * 8, bytes.len());
        assert_eq!(layout.sites_words(), 4 * 1024 / 8);
    }
}

#[test]
fn a_blob_is_split_and_can_be_put_together() {
    let (recorder, memory, _) = recorder(&SMALL, 1, 1);
    let start_id = header(memory).start_id.get();
    for length in [0, 1, MAX_BLOB_PIECE, MAX_BLOB_PIECE + 1, 3 * MAX_BLOB_PIECE + 7] {
        recorder.clear();
        let bytes: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
        assert!(matches!(recorder.log_blob(Level::Debug, 77, &bytes, Entry::MayWait), Outcome::Written { .. }));
        let mut together = Vec::new();
        let (records, _) = read_all(recorder, 0, start_id);
        assert_eq!(records.len(), length.div_ceil(MAX_BLOB_PIECE).max(1));
        for (header, payload) in records {
            assert_eq!((Kind(header.kind), header.level, header.site.get()), (Kind::Blob, Level::Debug.0, 0));
            let (blob, piece) = BlobHeader::read_from_prefix(&payload).unwrap();
            assert_eq!(
                (blob.tag.get(), blob.total.get() as usize, blob.offset.get() as usize),
                (77, length, together.len())
            );
            together.extend_from_slice(piece);
        }
        assert_eq!(together, bytes);
    }
    recorder.clear();
    let largest = vec![0; MAX_BLOB];
    assert!(matches!(recorder.log_blob(Level::Info, 1, &largest, Entry::MayWait), Outcome::Written { .. }));
    let too_large = vec![0; MAX_BLOB + 1];
    assert_eq!(recorder.log_blob(Level::Info, 1, &too_large, Entry::MayWait), Outcome::Dropped(DropReason::TooLarge));
    assert_eq!(drops(memory), 1);
}

#[test]
fn levels_filter_and_pause_drops() {
    let (recorder, memory, _) = recorder(&Config { level: Level::Warn, ..SMALL }, 1, 1);
    let log = |level| recorder.log(&Draft::text(level, b"x"), Entry::MayWait);
    assert_eq!(log(Level::Info), Outcome::Filtered);
    assert!(matches!(log(Level::Warn), Outcome::Written { .. }));
    recorder.configure(&Configure { level: Some(Level::Info), paused: Some(true), ..Configure::default() });
    assert_eq!(log(Level::Info), Outcome::Dropped(DropReason::Paused));
    recorder.configure(&Configure { paused: Some(false), ..Configure::default() });
    assert!(matches!(log(Level::Info), Outcome::Written { .. }));
    assert_eq!((recorder.written(), drops(memory)), (2, 1));
    // A blob by the same rules.
    let blob = |level| recorder.log_blob(level, 1, b"x", Entry::MayWait);
    assert_eq!((blob(Level::Debug), recorder.written()), (Outcome::Filtered, 2));
    assert!(matches!((blob(Level::Info), blob(Level::Warn)), (Outcome::Written { .. }, Outcome::Written { .. })));
    assert_eq!(recorder.written(), 4);
}

/// The outcome of a blob is that of its first piece that was not written, whatever became of the others.
#[test]
fn a_blob_tells_of_the_piece_that_was_dropped() {
    let (recorder, memory, machine) = recorder(&Config { policy: Policy::Keep, ..SMALL }, 1, 1);
    let pieces = vec![0; 20 * MAX_BLOB_PIECE + 1];
    // Of 21 pieces 15 or 16 fit into the lane, and the last one, which is small, too.
    let outcome = recorder.log_blob(Level::Info, 1, &pieces, Entry::MayWait);
    assert_eq!(outcome, Outcome::Dropped(DropReason::Refused));
    assert_eq!(drops(memory), 21 - recorder.written());
    let is_refused = |_: &u64| matches!(recorder.log_blob(Level::Info, 1, &[], Entry::MayWait), Outcome::Dropped(_));
    let last = (0..100).find(is_refused).expect("a blob without bytes is a record");
    machine.lock_taken.set(true);
    let outcome = recorder.log_blob(Level::Info, 1, &pieces[..10], Entry::NeverWaits);
    assert_eq!(outcome, Outcome::Written { lane: 1, seq: 0 }, "in the NMI lane there is room");
    assert_eq!(recorder.written() + drops(memory), 21 + last + 2);
}

#[test]
fn keep_refuses_until_cleared() {
    let (recorder, memory, _) = recorder(&Config { policy: Policy::Keep, ..SMALL }, 1, 1);
    let log = || recorder.log(&Draft::text(Level::Info, &[b'x'; 900]), Entry::MayWait);
    let fitted = (0..1000).take_while(|_| matches!(log(), Outcome::Written { .. })).count();
    assert_eq!(fitted, 16 * 1024 / 944);
    assert_eq!(log(), Outcome::Dropped(DropReason::Refused));
    recorder.clear();
    assert!(matches!(log(), Outcome::Written { .. }));
    assert_eq!(drops(memory), 2);
}

#[test]
fn a_processor_without_a_control_is_a_counted_drop() {
    let (recorder, memory, machine) = recorder(&SMALL, 2, 1);
    machine.processor.set(1);
    assert!(matches!(recorder.log(&Draft::text(Level::Info, b"x"), Entry::MayWait), Outcome::Written { lane: 0, .. }));
    machine.lock_taken.set(true);
    let nmi_lane = recorder.log(&Draft::text(Level::Info, b"x"), Entry::NeverWaits);
    assert_eq!(nmi_lane, Outcome::Dropped(DropReason::NoLane), "added later: it has no NMI lane");
    machine.lock_taken.set(false);
    machine.processor.set(2);
    assert_eq!(recorder.log(&Draft::text(Level::Info, b"x"), Entry::MayWait), Outcome::Dropped(DropReason::NoLane));
    assert_eq!((drops(memory), header(memory).drops[DropReason::NoLane.0 as usize].get()), (2, 1));
}

#[test]
fn a_processor_that_comes_later_has_lanes_once_its_piece_is_there() {
    for engine in [Engine::PerCpu, Engine::Shared] {
        let config = Config { engine, ..SMALL };
        let layout = Layout::new(&config, 3, 1);
        let (recorder, memory, machine) = recorder(&config, 3, 1);
        let start_id = header(memory).start_id.get();
        machine.processor.set(2);
        machine.irql.set(15);
        machine.lock_taken.set(true);
        // With engine shared it is the NMI lane that is not there: the lock is another's.
        let log = || recorder.log(&Draft::text(Level::Info, b"late comer"), Entry::MayWait);
        assert_eq!(log(), Outcome::Dropped(DropReason::NoLane));
        assert!(!recorder.processor_came(2), "without a piece");
        assert_eq!(header(memory).total_size.get() as usize, layout.words() * 8);
        memory.add(1, layout.piece_words());
        assert!(recorder.processor_came(2));
        assert!(!recorder.processor_came(0), "it was there at the start");
        let lane = if engine == Engine::PerCpu { 2 } else { 1 + 2 };
        assert_eq!(log(), Outcome::Written { lane, seq: 0 });
        let (records, lost) = read_all(recorder, lane, start_id);
        assert_eq!((records.len(), lost), (1, 0));
        assert_eq!(records[0].1, b"late comer");
        // As if the image went on with the pieces, one behind the other.
        let (bytes, header) = (common::bytes(memory), header(memory));
        assert_eq!(header.total_size.get() as usize, (layout.words() + 2 * layout.piece_words()) * 8);
        let at = header.lanes_offset.get() as usize + lane as usize * size_of::<LaneControl>();
        let control = LaneControl::read_from_prefix(&bytes[at..]).unwrap().0;
        assert_eq!(control.data_offset.get() as usize, (layout.words() + layout.piece_words()) * 8);
        assert_eq!(control.processor.get(), 2);
        // Its NMI lane is the last lane that there is, and lies behind its main lane.
        let at_end = header.lane_count.get() as usize - 1;
        let at = header.lanes_offset.get() as usize + at_end * size_of::<LaneControl>();
        let nmi = LaneControl::read_from_prefix(&bytes[at..]).unwrap().0;
        let behind = layout.words() + layout.piece_words() + layout.piece_main_words();
        assert_eq!((nmi.data_offset.get() as usize, nmi.processor.get()), (behind * 8, 2));
        let before = recorder.written();
        machine.irql.set(0);
        machine.lock_taken.set(true);
        if engine == Engine::Shared {
            assert!(matches!(
                recorder.log(&Draft::text(Level::Info, b"x"), Entry::NeverWaits),
                Outcome::Written { .. }
            ));
            assert_eq!(recorder.written(), before + 1, "the last lane counts");
        }
        let present = control.data_words.get() as usize;
        assert_eq!(present, if engine == Engine::PerCpu { layout.piece_main_words() } else { layout.piece_words() });
    }
}

#[test]
fn contention_and_hold_are_counted_in_the_lane() {
    let (recorder, memory, machine) = recorder(&SMALL, 1, 1);
    machine.lock_taken.set(true);
    machine.wait_is_meant.set(true);
    for _ in 0..200 {
        recorder.log(&Draft::text(Level::Info, b"x"), Entry::MayWait);
    }
    let bytes = common::bytes(memory);
    let at = header(memory).lanes_offset.get() as usize;
    let lane = LaneControl::read_from_prefix(&bytes[at..]).unwrap().0;
    assert_eq!((lane.contended.get(), lane.hold_samples.get()), (1, 4));
    assert!(lane.longest_wait.get() > 0 && lane.longest_hold.get() > 0);
}

#[test]
fn own_records_are_counted_whether_written_or_dropped() {
    let (recorder, memory, _) = recorder(&SMALL, 1, 1);
    recorder.log_own(Level::Info, b"started");
    recorder.configure(&Configure { paused: Some(true), ..Configure::default() });
    recorder.log_own(Level::Info, b"paused");
    assert_eq!(header(memory).own_calls.get(), 2);
    assert_eq!((recorder.written(), drops(memory)), (1, 1));
}

#[test]
fn a_reader_is_told_what_it_missed() {
    let (recorder, memory, _) = recorder(&SMALL, 1, 1);
    let start_id = header(memory).start_id.get();
    for _ in 0..1000 {
        recorder.log(&Draft::text(Level::Info, &[b'x'; 100]), Entry::MayWait);
    }
    let (records, lost) = read_all(recorder, 0, start_id);
    assert_eq!(records.len() as u64 + lost, 1000);
    assert!(lost > 0 && records.len() > 50);
}

#[test]
fn read_refuses_what_was_never_given_out() {
    let (recorder, memory, _) = recorder(&SMALL, 2, 2);
    let start_id = header(memory).start_id.get();
    recorder.log(&Draft::text(Level::Info, b"x"), Entry::MayWait);
    let mut output = vec![0; MIN_READ_OUTPUT];
    let from = |seq| Some(Cursor { seq, position: u64::MAX });
    for (lane, from, id, expected) in [
        (0, from(1), start_id, Ok(())),
        (0, from(2), start_id, Err(Refusal::InvalidParameter)),
        (0, from(u64::MAX), start_id, Err(Refusal::InvalidParameter)),
        (0, from(0), start_id + 1, Err(Refusal::InvalidParameter)),
        (3, None, start_id, Err(Refusal::InvalidParameter)),
        (u32::MAX, None, start_id, Err(Refusal::InvalidParameter)),
    ] {
        let result = recorder.read(&Read { lane, from, start_id: id }, &mut output).map(|_| ());
        assert_eq!(result, expected, "lane {lane}, {from:?}");
    }
    let result = recorder.read(&Read { lane: 0, from: None, start_id }, &mut output[1..]);
    assert_eq!(result, Err(Refusal::BufferTooSmall));
}

#[test]
fn info_gives_the_tables_and_no_more() {
    let (recorder, memory, _) = recorder(&SMALL, 8, 2);
    let mut output = vec![0xee; 100_000];
    let written = recorder.info(&mut output);
    let header = ImageHeader::read_from_prefix(&output).unwrap().0;
    let tables = header.lanes_offset.get() + header.lane_count.get() * header.lane_size.get();
    assert_eq!((written, header.lane_count.get()), (tables as usize, 9));
    assert_eq!(output[..written], common::bytes(memory)[..written]);
    assert!(output[written..].iter().all(|&byte| byte == 0xee));
    assert_eq!(recorder.info(&mut [0; 519]), 512, "whole words only");
}

#[test]
fn an_exhausted_budget_is_a_counted_drop() {
    let (recorder, memory, machine) = recorder(&SMALL, 1, 1);
    machine.lock_taken.set(true);
    machine.budget_is_gone.set(true);
    let outcome = recorder.log(&Draft::text(Level::Info, b"x"), Entry::MayWait);
    assert_eq!(outcome, Outcome::Dropped(DropReason::Budget));
    // Who never waits has no budget to exhaust.
    assert!(matches!(
        recorder.log(&Draft::text(Level::Info, b"x"), Entry::NeverWaits),
        Outcome::Written { lane: 1, .. }
    ));
    assert_eq!((drops(memory), machine.irql.get()), (1, 0));
}

/// Success means that the text is in the log; anything else says why it is not.
#[test]
fn a_mark_that_is_not_written_is_no_success() {
    let (recorder, memory, machine) = recorder(&Config { policy: Policy::Keep, level: Level::Info, ..SMALL }, 1, 1);
    assert_eq!(recorder.mark(Level::Debug, "x"), Err(Refusal::MarkFiltered));
    assert_eq!(recorder.mark(Level::Info, "x"), Ok(()));
    recorder.configure(&Configure { paused: Some(true), ..Configure::default() });
    assert_eq!(recorder.mark(Level::Debug, "x"), Err(Refusal::MarkFiltered));
    assert_eq!(recorder.mark(Level::Info, "x"), Err(Refusal::MarkPaused));
    recorder.configure(&Configure { paused: Some(false), ..Configure::default() });
    machine.budget_is_gone.set(true);
    machine.lock_taken.set(true);
    assert_eq!(recorder.mark(Level::Info, "x"), Err(Refusal::MarkDropped));
    machine.budget_is_gone.set(false);
    machine.lock_taken.set(false);
    while recorder.mark(Level::Info, "x").is_ok() {}
    assert_eq!(recorder.mark(Level::Info, "x"), Err(Refusal::MarkFull));
    recorder.clear();
    assert_eq!(recorder.mark(Level::Info, "x"), Ok(()));
    assert_eq!(drops(memory), 1 + 1 + 2);
}

/// A size word is zeroed, as corrupted memory may be: READ ends, gives the rest, and says what is damaged.
#[test]
fn a_damaged_record_is_skipped_and_told() {
    let (recorder, memory, _) = recorder(&SMALL, 1, 1);
    let start_id = header(memory).start_id.get();
    for number in 0..20 {
        recorder.log(&Draft::text(Level::Info, format!("record {number}").as_bytes()), Entry::MayWait);
    }
    let image = common::bytes(memory);
    let (control, _) = LaneControl::read_from_prefix(&image[header(memory).lanes_offset.get() as usize..]).unwrap();
    let first = control.data_offset.get() as usize / 8;
    // Each of the first ten records has five words of header and one of text.
    common::write(memory, first + 7 * 6, 0);
    let (mut seqs, mut damaged, mut from) = (Vec::new(), Vec::new(), None);
    for batches in 0.. {
        assert!(batches < 50, "reading does not end");
        let mut output = vec![0; MIN_READ_OUTPUT];
        let written = recorder.read(&Read { lane: 0, from, start_id }, &mut output).unwrap();
        let (batch, mut rest) = BatchHeader::read_from_prefix(&output[..written]).unwrap();
        let mut first = None;
        while let Ok((record, _)) = RecordHeader::read_from_prefix(rest) {
            first.get_or_insert_with(|| record.seq.get());
            seqs.push(record.seq.get());
            rest = &rest[record.size.get() as usize..];
        }
        if batch.damaged.get() != 0 {
            let behind = first.unwrap_or_else(|| batch.next.seq.get());
            damaged.extend(behind - u64::from(batch.damaged.get())..behind);
        }
        assert_eq!((batch.lost.get(), batch.cleared.get()), (0, 0));
        if batch.flags.get() == 0 {
            break;
        }
        from = Some(Cursor { seq: batch.next.seq.get(), position: batch.next.position.get() });
    }
    assert_eq!(damaged, [7]);
    assert_eq!(seqs, (0..20).filter(|&seq| seq != 7).collect::<Vec<_>>());
}

/// The calls of the system that a record makes, in their order.
#[test]
fn without_ids_a_record_asks_for_the_irql_by_raising() {
    for (ids, irql, entry, calls) in [
        (true, 0, Entry::MayWait, "irql ids raise processor clock lower"),
        (true, 5, Entry::MayWait, "irql raise processor clock lower"),
        (true, 15, Entry::MayWait, "irql processor clock"),
        (false, 0, Entry::MayWait, "raise processor clock lower"),
        (false, 5, Entry::MayWait, "raise processor clock lower"),
        (false, 15, Entry::MayWait, "raise processor clock"),
        (false, 15, Entry::NeverWaits, "irql processor clock"),
        (false, 3, Entry::NeverWaits, "irql raise processor clock lower"),
    ] {
        let (recorder, memory, machine) = recorder(&Config { engine: Engine::PerCpu, ids, ..SMALL }, 1, 1);
        machine.irql.set(irql);
        machine.calls.borrow_mut().clear();
        let outcome = recorder.log(&Draft::text(Level::Info, b"x"), entry);
        assert!(matches!(outcome, Outcome::Written { .. }));
        assert_eq!(machine.calls.borrow().join(" "), calls, "ids {ids}, IRQL {irql}, {entry:?}");
        assert_eq!(machine.irql.get(), irql);
        let (records, _) = read_all(recorder, 0, header(memory).start_id.get());
        let record = records[0].0;
        let has_ids = calls.contains("ids");
        assert_eq!((record.irql, record.thread.get() != 0), (irql, has_ids));
        assert_eq!(record.flags.get() & flags::NO_THREAD == 0, has_ids);
        let said = header(memory).build_flags.get() & build_flags::NO_IDS == 0;
        assert_eq!(said, ids);
    }
}
