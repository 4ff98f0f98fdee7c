//! The budget of a waiter, in ticks of a clock.

use crate::clock::Clock;

/// The budget of a waiter: how long it has waited, and how long it may.
#[derive(Debug)]
pub struct Patience<'c, C> {
    clock: &'c C,
    budget: u64,
    since: Option<u64>,
}

impl<'c, C: Clock> Patience<'c, C> {
    /// A waiter that waits for `budget` ticks from its first look at the clock; 0 for ever.
    pub const fn new(clock: &'c C, budget: u64) -> Self {
        Self { clock, budget, since: None }
    }

    /// Reads the clock; answers whether the budget is exhausted.
    pub fn is_gone(&mut self) -> bool {
        if self.budget == 0 {
            return false;
        }
        let now = self.clock.now();
        now.wrapping_sub(*self.since.get_or_insert(now)) > self.budget
    }
}
