//! A running recorder whose answers are written down: what the reader asks, and what it makes of each number.

use std::{cell::RefCell, rc::Rc};

use irqlog_reader::{
    follow::{Account, Follower},
    image::Tables,
    live::LiveLog,
    log::{Fault, Item, Log as _, Loss},
    save::build,
    session::{BATCH, Session, SessionError, Source},
    sites::SiteTable,
};
use irqlog_wire::{
    VERSION,
    image::{ImageHeader, LaneControl, MAGIC},
    ioctl::{self, BatchHeader, RawCursor, ReadRequest, batch_flags, read_flags},
    record::{HEADER_SIZE, Kind, MAX_SIZE, RecordHeader},
};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

const START: u64 = 7;

/// One answer to READ. The record with the seq `n` has the tick `100 * n`, unless `ticks` says otherwise.
#[derive(Clone, Default)]
struct Answer {
    lane: u32,
    records: Vec<u64>,
    ticks: Option<Vec<u64>>,
    cleared: u64,
    lost: u64,
    damaged: u32,
    next: u64,
    first_seq: u64,
    next_seq: u64,
    barrier: u64,
    more: bool,
}

/// What READ was asked: lane, whether from the start, start and seq and position of the cursor, room.
type Asked = (u32, bool, u64, u64, u64, usize);

#[derive(Default)]
struct Script {
    infos: Vec<Vec<u8>>,
    answers: Vec<Answer>,
    asked: Vec<Asked>,
}

#[derive(Clone, Default)]
struct Driver(Rc<RefCell<Script>>);

impl Source for Driver {
    fn control(&mut self, _: &'static str, code: u32, input: &[u8], output: usize) -> Result<Vec<u8>, SessionError> {
        let mut script = self.0.borrow_mut();
        let mut answer = if code == ioctl::READ {
            let request = ReadRequest::read_from_bytes(input).unwrap();
            let from_start = request.flags.get() & read_flags::FROM_START != 0;
            let (seq, position) = (request.cursor.seq.get(), request.cursor.position.get());
            script.asked.push((request.lane.get(), from_start, request.start_id.get(), seq, position, output));
            let at = script.answers.iter().position(|answer| answer.lane == request.lane.get());
            let at = at.unwrap_or_else(|| panic!("nothing more is written down for {request:?}"));
            batch(&script.answers.remove(at))
        } else {
            assert_eq!(code, ioctl::INFO);
            if script.infos.len() > 1 && output > size_of::<ImageHeader>() {
                script.infos.remove(0)
            } else {
                script.infos[0].clone()
            }
        };
        answer.truncate(output);
        Ok(answer)
    }
}

fn batch(answer: &Answer) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, &seq) in answer.records.iter().enumerate() {
        let mut header = RecordHeader::new_zeroed();
        header.size.set(HEADER_SIZE as u16);
        header.kind = Kind::Text.0;
        header.seq.set(seq);
        header.tick.set(answer.ticks.as_ref().map_or(100 * seq, |ticks| ticks[index]));
        bytes.extend_from_slice(header.as_bytes());
    }
    let mut header = BatchHeader::new_zeroed();
    (header.major, header.minor) = (VERSION.major.into(), VERSION.minor.into());
    header.records.set(bytes.len() as u32);
    header.count.set(answer.records.len() as u32);
    header.flags.set(if answer.more { batch_flags::MORE } else { 0 });
    header.damaged.set(answer.damaged);
    header.start_id.set(START);
    header.barrier.set(answer.barrier);
    header.next = RawCursor { seq: answer.next.into(), position: (answer.next + 1000).into() };
    header.lost.set(answer.lost);
    header.cleared.set(answer.cleared);
    header.next_seq.set(answer.next_seq);
    header.first_seq.set(answer.first_seq);
    [header.as_bytes(), &bytes].concat()
}

/// What INFO answers: lanes by their first seq, floor, and next seq.
fn info(lanes: &[(u64, u64, u64)]) -> Vec<u8> {
    let mut header = ImageHeader::new_zeroed();
    header.magic = MAGIC;
    (header.major, header.minor) = (VERSION.major.into(), VERSION.minor.into());
    header.start_id.set(START);
    header.lane_count.set(lanes.len() as u32);
    let control = |&(first_seq, floor, next_seq): &(u64, u64, u64)| {
        let mut lane = LaneControl::new_zeroed();
        lane.data_words.set(1024);
        lane.first_seq.set(first_seq);
        lane.floor.set(floor);
        lane.next_seq.set(next_seq);
        lane
    };
    let lanes: Vec<_> = lanes.iter().map(control).collect();
    let tables = Tables { header, processors: Vec::new(), lanes, sites: SiteTable::default().into() };
    // What INFO answers is the start of an image. `build` makes controls of its own, so these are put in again.
    let mut image = build(&tables, &vec![Vec::new(); tables.lanes.len()]);
    let mut header = ImageHeader::read_from_prefix(&image).unwrap().0;
    header.sites_offset.set(0);
    image[..size_of::<ImageHeader>()].copy_from_slice(header.as_bytes());
    let start = header.lanes_offset.get() as usize;
    for (index, lane) in tables.lanes.iter().enumerate() {
        let at = start + index * header.lane_size.get() as usize;
        image[at..at + size_of::<LaneControl>()].copy_from_slice(lane.as_bytes());
    }
    image
}

fn driver(infos: Vec<Vec<u8>>, answers: Vec<Answer>) -> Driver {
    Driver(Rc::new(RefCell::new(Script { infos, answers, asked: Vec::new() })))
}

/// A loss: its first seq, its number of records, and the ticks around it.
type Missing = (u64, u64, Option<u64>, Option<u64>);

/// The seqs of records, and the losses, in their order.
fn seqs(items: &[Item]) -> Vec<Result<u64, Missing>> {
    let seq = |item: &Item| match item {
        Item::Record(record) => Ok(record.header.seq.get()),
        Item::Loss(Loss { first_seq, count, from_tick, to_tick, .. }) => {
            Err((*first_seq, *count, *from_tick, *to_tick))
        }
    };
    items.iter().map(seq).collect()
}

/// Ten records were written when the log was opened, from seq 10 on; five more come while it is read.
#[test]
fn a_look_ends_at_its_moment_and_tells_what_is_missing() {
    let common = Answer { first_seq: 10, next_seq: 25, ..Answer::default() };
    let answers = vec![
        Answer { records: vec![15, 16], cleared: 2, lost: 3, next: 17, more: true, ..common.clone() },
        Answer { records: vec![18], damaged: 1, next: 19, more: true, ..common.clone() },
        Answer { records: vec![19, 20, 21], next: 22, more: true, ..common },
    ];
    let driver = driver(vec![info(&[(10, 10, 20)]), info(&[(10, 12, 25)])], answers);
    let mut log = LiveLog::open(Session::new(driver.clone())).unwrap();
    let items = log.collect().unwrap();
    let expected =
        [Err((12, 3, None, Some(1500))), Ok(15), Ok(16), Err((17, 1, Some(1600), Some(1800))), Ok(18), Ok(19)];
    assert_eq!(seqs(&items), expected);
    assert_eq!(log.faults(), [Fault::Damaged { lane: 0, count: 1 }]);
    let lane = log.tables().lanes[0];
    assert_eq!((lane.first_seq.get(), lane.floor.get(), lane.next_seq.get()), (10, 12, 20));
    assert_eq!(
        driver.0.borrow().asked,
        [(0, true, 0, 0, 0, BATCH), (0, false, START, 17, 1017, BATCH), (0, false, START, 19, 1019, BATCH)]
    );
    assert!(driver.0.borrow().answers.is_empty(), "all was read, and nothing else");
}

/// Where CLEAR moves the floor while the log is read: at most to the end of what was looked at.
#[test]
fn what_was_cleared_meanwhile_is_known_at_the_end() {
    for (floor, shown) in [(10, 10), (9, 9), (11, 11), (20, 20), (21, 20), (24, 20)] {
        let answer = Answer { records: (10..20).collect(), next: 20, first_seq: 10, next_seq: 20, ..Answer::default() };
        let driver = driver(vec![info(&[(10, 10, 20)]), info(&[(10, floor, 25)])], vec![answer]);
        let mut log = LiveLog::open(Session::new(driver)).unwrap();
        assert_eq!(seqs(&log.collect().unwrap()), (10..20).map(Ok).collect::<Vec<_>>());
        assert_eq!(log.tables().lanes[0].floor.get(), shown, "a floor of {floor}");
        assert_eq!(log.faults(), []);
    }
}

/// A record that is numbered and not yet published when the lane is read is no part of the log.
#[test]
fn a_record_that_is_not_published_is_neither_there_nor_lost() {
    let answer = Answer { records: vec![0, 1], next: 2, next_seq: 3, ..Answer::default() };
    let driver = driver(vec![info(&[(0, 0, 3)])], vec![answer]);
    let mut log = LiveLog::open(Session::new(driver)).unwrap();
    assert_eq!(seqs(&log.collect().unwrap()), [Ok(0), Ok(1)]);
    assert_eq!(log.tables().lanes[0].next_seq.get(), 2);
}

#[test]
fn losses_and_damage_behind_the_moment_are_no_part_of_the_log() {
    for (lost, damaged, told) in
        [(3, 4, Some((0, 3))), (4, 5, Some((0, 4))), (5, 5, Some((0, 5))), (9, 7, Some((0, 5)))]
    {
        let answer =
            Answer { lost, damaged, next: 30, next_seq: 30, records: vec![29], more: true, ..Answer::default() };
        let driver = driver(vec![info(&[(0, 0, 5)])], vec![answer]);
        let mut log = LiveLog::open(Session::new(driver)).unwrap();
        let items = log.collect().unwrap();
        let lost_of: u64 = seqs(&items).iter().map(|item| item.map_or_else(|(_, count, ..)| count, |_| 0)).sum();
        assert_eq!(lost_of, 5, "{lost} and {damaged}: each record of the moment is told once");
        assert_eq!(seqs(&items)[0].unwrap_err().0, told.unwrap().0);
        assert_eq!(seqs(&items)[0].unwrap_err().1, told.unwrap().1);
        let left = 5_u64.saturating_sub(lost).min(u64::from(damaged));
        let faults = if left == 0 { vec![] } else { vec![Fault::Damaged { lane: 0, count: left }] };
        assert_eq!(log.faults(), faults);
    }
}

#[test]
fn what_is_missing_at_the_end_has_no_record_behind_it() {
    let answer = Answer { records: vec![4], lost: 4, next: 8, next_seq: 8, ..Answer::default() };
    let driver = driver(vec![info(&[(0, 0, 8)])], vec![answer]);
    let items = LiveLog::open(Session::new(driver)).unwrap().collect().unwrap();
    assert_eq!(seqs(&items), [Err((0, 4, None, Some(400))), Ok(4), Err((5, 3, Some(400), None))]);
}

#[test]
fn a_reader_accounts_for_each_record() {
    let answers = vec![
        Answer {
            records: vec![15, 16],
            cleared: 2,
            lost: 3,
            first_seq: 10,
            next: 17,
            next_seq: 25,
            barrier: u64::MAX,
            ..Answer::default()
        },
        Answer {
            records: vec![20],
            lost: 1,
            damaged: 2,
            first_seq: 10,
            next: 24,
            next_seq: 26,
            barrier: u64::MAX,
            ..Answer::default()
        },
    ];
    let driver = driver(vec![info(&[(10, 10, 20)])], answers);
    let mut session = Session::new(driver);
    let mut follower = Follower::new(session.info().unwrap().present());
    follower.round(&mut session).unwrap();
    let account = Account { written: 15, delivered: 2, lost: 3, cleared: 2, in_ring: 8 };
    assert_eq!(follower.accounts().collect::<Vec<_>>(), [(0, account)]);
    assert!(account.holds());
    assert_eq!(follower.seen(), 7);
    let round = follower.round(&mut session).unwrap();
    // 17 was overwritten, 18 and 19 are damaged, and 21 to 23 are not in the batch though the cursor is behind them.
    assert_eq!(
        round.losses.iter().map(|loss| (loss.first_seq, loss.count)).collect::<Vec<_>>(),
        [(17, 1), (18, 2), (21, 3)]
    );
    let account = Account { written: 16, delivered: 3, lost: 9, cleared: 2, in_ring: 2 };
    assert_eq!(follower.accounts().collect::<Vec<_>>(), [(0, account)]);
    assert_eq!((account.holds(), follower.seen()), (true, 14));
    assert_eq!(follower.faults(), [Fault::Damaged { lane: 0, count: 2 }]);
    for wrong in [
        Account { written: 15, ..account },
        Account { lost: 8, ..account },
        Account { cleared: 0, in_ring: 5, ..account },
        Account { delivered: 4, ..account },
    ] {
        assert!(!wrong.holds(), "{wrong:?}");
    }
}

/// Two lanes: a record with the tick of the barrier is given, and one that is a tick later waits.
#[test]
fn the_barrier_of_the_first_lane_decides() {
    let answer = |lane, ticks: Vec<u64>, barrier| {
        let records: Vec<_> = (0..ticks.len() as u64).collect();
        let next = records.len() as u64;
        Answer { lane, records, ticks: Some(ticks), next, next_seq: next, barrier, ..Answer::default() }
    };
    let empty = |lane, next| Answer { lane, next, next_seq: next, barrier: 1000, ..Answer::default() };
    let answers = vec![answer(0, vec![5, 10, 11], 10), answer(1, vec![7, 9], 1000), empty(0, 3), empty(1, 2)];
    let driver = driver(vec![info(&[(0, 0, 0), (0, 0, 0)])], answers);
    let mut session = Session::new(driver);
    let mut follower = Follower::new(session.info().unwrap().present());
    let ticks = |records: &[irqlog_reader::record::Record]| {
        records.iter().map(|record| record.header.tick.get()).collect::<Vec<_>>()
    };
    let round = follower.round(&mut session).unwrap();
    assert_eq!((ticks(&round.records), round.held), (vec![5, 7, 9, 10], true));
    let round = follower.round(&mut session).unwrap();
    assert_eq!((ticks(&round.records), round.held), (vec![11], false));
}

/// Many lanes share the memory for their batches, and each gets room for a few records at least.
#[test]
fn the_room_for_a_batch_depends_on_the_number_of_lanes() {
    for (lanes, room) in [(1, BATCH), (256, BATCH), (512, 32 * 1024), (2048, 8 * 1024), (5000, 4 * MAX_SIZE)] {
        let answers = (0..lanes).map(|lane| Answer { lane, ..Answer::default() }).collect();
        let driver = driver(vec![info(&vec![(0, 0, 0); lanes as usize])], answers);
        let mut session = Session::new(driver.clone());
        let mut follower = Follower::new(session.info().unwrap().present());
        follower.round(&mut session).unwrap();
        let script = driver.0.borrow();
        let asked: Vec<_> = script.asked.iter().map(|asked| (asked.0, asked.5)).collect();
        assert_eq!(
            asked,
            (0..lanes).map(|lane| (lane, room)).collect::<Vec<_>>(),
            "{lanes} lanes, the first one first"
        );
    }
}
