//! Pended WAITs: limits, and a timer that nobody pushes back and that misses nobody.

use irqlog_recorder::{
    request::Refusal,
    waiting::{Allowance, MOST_PER_TICK, Pended, TimerState},
};
use irqlog_wire::ioctl::{MAX_WAITS, MAX_WAITS_OF_A_HANDLE, TOO_MANY_WAITS};

/// The number of pended WAITs: in all, and of them through the handle that asks.
fn pended(all: usize, of_the_handle: usize) -> Pended {
    let mut pended = Pended::default();
    (0..all).for_each(|number| pended.count(number < of_the_handle));
    pended
}

#[test]
fn there_is_a_limit_for_each_handle_and_one_for_all() {
    let refused = Err(Refusal::TooManyWaits);
    assert_eq!(pended(0, 0).admit(), Ok(()));
    assert_eq!(pended(MAX_WAITS_OF_A_HANDLE, MAX_WAITS_OF_A_HANDLE - 1).admit(), Ok(()));
    assert_eq!(pended(MAX_WAITS_OF_A_HANDLE, MAX_WAITS_OF_A_HANDLE).admit(), refused);
    assert_eq!(pended(MAX_WAITS - 1, 0).admit(), Ok(()), "another handle");
    assert_eq!(pended(MAX_WAITS, 0).admit(), refused);
    assert_eq!(Refusal::TooManyWaits.status(), TOO_MANY_WAITS);
}

#[test]
fn one_look_completes_so_many() {
    let mut allowance = Allowance::new();
    assert!((0..MOST_PER_TICK).all(|_| allowance.spend()));
    assert!(!allowance.spend() && !allowance.spend());
}

/// The timer as the kernel has it: a start sets the time of its tick anew, whether it runs or not.
#[derive(Default)]
struct Clock {
    now: u64,
    due: Option<u64>,
    ticks: Vec<u64>,
}

impl Clock {
    const INTERVAL: u64 = 10;

    /// A millisecond goes by; what is in the queue stays in it.
    fn step(&mut self, state: &TimerState) {
        self.now += 1;
        if self.due == Some(self.now) {
            self.due = None;
            self.ticks.push(self.now);
            state.tick();
            self.start_if_needed(state);
        }
    }

    fn start_if_needed(&mut self, state: &TimerState) {
        if state.needs_start() {
            self.due = Some(self.now + Self::INTERVAL);
        }
    }
}

/// One client pends a WAIT every 3 ms; that must not keep the timer from ticking every 10.
#[test]
fn a_waiter_does_not_push_the_tick_back() {
    let (state, mut clock) = (TimerState::new(), Clock::default());
    for time in 0..1000 {
        if time % 3 == 0 {
            clock.start_if_needed(&state);
        }
        clock.step(&state);
    }
    assert!(clock.ticks.len() >= 99, "{:?}", clock.ticks);
    assert!(clock.ticks.windows(2).all(|pair| pair[1] - pair[0] == Clock::INTERVAL));
}

/// A waiter and a tick, in every order of their steps: whoever is in the queue at the end has a timer that runs.
#[test]
fn nobody_is_left_without_a_timer() {
    for order in 0..1_u32 << 8 {
        let (state, mut queued, mut started) = (TimerState::new(), 0, 0);
        // One is there, and the timer that it started is about to tick.
        assert!(state.needs_start());
        let (mut waiter, mut ticker) = (0, 0);
        for step in 0..8 {
            if order >> step & 1 == 0 {
                match waiter {
                    0 => queued += 1,
                    1 => started += u32::from(state.needs_start()),
                    _ => {}
                }
                waiter += 1;
            } else {
                match ticker {
                    0 => state.tick(),
                    // Looks at the queue, and completes all of it.
                    1 => queued = 0,
                    2 if queued != 0 => started += u32::from(state.needs_start()),
                    _ => {}
                }
                ticker += 1;
            }
        }
        if waiter >= 2 && ticker >= 2 {
            assert!(queued == 0 || started == 1, "order {order:08b}: {queued} in the queue, {started} starts");
        }
        assert!(started <= 1, "order {order:08b}: started twice");
    }
}
