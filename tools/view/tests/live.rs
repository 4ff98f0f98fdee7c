//! The viewer of a running recorder has every record that `follow` would have, whatever the user does meanwhile.

#[path = "../../../crates/recorder/tests/common/mod.rs"]
mod common;
#[path = "../../../crates/reader/tests/direct/mod.rs"]
mod direct;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
};

use common::{Machine, SMALL, TestRecorder, recorder};
use direct::Direct;
use irqlog_reader::{
    follow::Follower,
    log::Item,
    session::{Session, SessionError, Source},
};
use irqlog_recorder::{draft::Draft, log::Entry};
use irqlog_view::{
    app::App,
    feed::{self, FeedState, Shared},
    host::{ShownLog, ViewerHost},
};
use irqlog_wire::{ioctl, record::Level};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

struct Nothing;

impl ViewerHost for Nothing {
    fn export(&self, _: &str, _: ShownLog<'_>) -> Result<String, String> {
        Err("no".to_owned())
    }

    fn stop(&self) {}
}

/// A driver whose writers write while a reader waits, and while it reads. After a number of waits Ctrl-C comes.
struct Busy<'r> {
    direct: Direct<'r>,
    recorder: &'r TestRecorder<'r>,
    machine: &'r Machine,
    waits: Cell<u32>,
    on_wait: Box<dyn Fn(u32) + 'r>,
}

/// A burst of records on two processors: every fifth burst is more than the rings hold.
fn burst(recorder: &TestRecorder<'_>, machine: &Machine, round: u32) {
    for number in 0..if round % 5 == 4 { 3000 } else { round % 3 * 4 } {
        machine.processor.set(number % 2);
        machine.lock_taken.set(number % 7 == 0);
        let entry = if number % 7 == 0 { Entry::NeverWaits } else { Entry::MayWait };
        recorder.log(&Draft::text(Level::Info, format!("{round} {number}").as_bytes()), entry);
        machine.lock_taken.set(false);
    }
}

impl Source for Busy<'_> {
    fn control(&mut self, what: &'static str, code: u32, input: &[u8], output: usize) -> Result<Vec<u8>, SessionError> {
        if code != ioctl::WAIT {
            return self.direct.control(what, code, input, output);
        }
        let round = self.waits.get();
        self.waits.set(round + 1);
        (self.on_wait)(round);
        if round == 60 {
            return Err(SessionError::Cancelled);
        }
        burst(self.recorder, self.machine, round);
        // The answer to WAIT has only the number of records, which no reader here looks at.
        Ok(vec![0; output])
    }
}

/// What was read, as lanes with the numbers that were delivered, and the number that is lost.
type Read = BTreeMap<u32, (Vec<u64>, u64)>;

fn note(read: &mut Read, item: &Item) {
    match item {
        Item::Record(record) => read.entry(record.lane).or_default().0.push(record.header.seq.get()),
        Item::Loss(loss) => read.entry(loss.lane).or_default().1 += loss.count,
    }
}

#[test]
fn nothing_is_lost_that_follow_would_not_lose() {
    // As follow reads.
    let (first, _, machine) = recorder(&SMALL, 2, 2);
    let mut expected = Read::new();
    let busy = Busy {
        direct: Direct::new(first, |_| {}),
        recorder: first,
        machine,
        waits: Cell::default(),
        on_wait: Box::new(|_| {}),
    };
    let mut session = Session::new(busy);
    let mut follower = Follower::new(session.info().unwrap().present());
    loop {
        let round = follower.round(&mut session).unwrap();
        round.records.into_iter().for_each(|record| note(&mut expected, &Item::Record(record)));
        round.losses.into_iter().for_each(|loss| note(&mut expected, &Item::Loss(loss)));
        if !round.held && session.wait(follower.seen()).is_err() {
            break;
        }
    }

    // The same writers, with a viewer whose user does things.
    let (second, _, machine) = recorder(&SMALL, 2, 2);
    let tables = Session::new(Direct::new(second, |_| {})).info().unwrap();
    let shared = Shared::new(tables).unwrap();
    let app = RefCell::new(App::new(std::sync::Arc::clone(&shared), "driver".to_owned(), Box::new(Nothing)));
    let busy = Busy {
        direct: Direct::new(second, |_| {}),
        recorder: second,
        machine,
        waits: Cell::default(),
        on_wait: Box::new(|round| {
            let mut app = app.borrow_mut();
            let mut press = |code| app.key(KeyEvent::new(code, KeyModifiers::NONE));
            match round % 4 {
                0 => _ = press(KeyCode::Char(' ')),
                1 => "f--level error\n".chars().for_each(|key| {
                    press(if key == '\n' { KeyCode::Enter } else { KeyCode::Char(key) });
                }),
                2 => _ = press(KeyCode::Home),
                _ => {
                    app.advance();
                }
            }
        }),
    };
    feed::follow(&mut Session::new(busy), &shared);
    let mut contents = shared.contents();
    assert_eq!((&contents.state, contents.faults.len()), (&FeedState::Ended, 0));
    let mut seen = Read::new();
    let all = contents.spool.len();
    contents.spool.items(0, all).unwrap().iter().for_each(|item| note(&mut seen, item));
    assert!(expected.values().any(|(_, lost)| *lost > 0) && expected.len() >= 2, "nothing was lost at all");
    assert!(seen == expected, "the viewer has something else than follow");
}
