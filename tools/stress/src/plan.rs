//! The rounds: every engine with every lock and policy, quiet and with CLEAR, whole and damaged.

use irqlog_recorder::config::Config;
use irqlog_wire::image::{Engine, Lock, Policy};

use crate::batch::Allowed;

/// What one round does.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How a main lane gets a single writer.
    pub engine: Engine,
    /// Whether the lock of the shared lane is the fair one.
    pub is_queued: bool,
    /// What a full lane does.
    pub policy: Policy,
    /// KiB of the shared lane.
    pub ring_kib: u32,
    /// Threads that are processors.
    pub processors: usize,
    /// Ticks (here: ns) after which a waiter for the lock gives up; 0 for never.
    pub budget: u64,
    /// Somebody clears all the time.
    pub clears: bool,
    /// Half-way, while nobody writes, somebody writes into the lanes who has no business there.
    pub damages: bool,
    /// Calls that the threads make together; interrupts come on top.
    pub calls: u64,
    /// Where the chance of this round begins.
    pub seed: u64,
}

impl Plan {
    /// Round number `round`, of about `calls` calls.
    pub fn of(round: u64, calls: u64, seed: u64) -> Self {
        const ALL: [(Engine, bool, Policy, bool, bool); 10] = [
            (Engine::Shared, false, Policy::Overwrite, false, false),
            (Engine::PerCpu, false, Policy::Overwrite, true, false),
            (Engine::Shared, true, Policy::Overwrite, true, false),
            (Engine::Shared, false, Policy::Keep, true, false),
            (Engine::Shared, false, Policy::Overwrite, false, true),
            (Engine::PerCpu, false, Policy::Keep, true, false),
            (Engine::PerCpu, false, Policy::Overwrite, false, true),
            (Engine::Shared, true, Policy::Keep, true, false),
            (Engine::Shared, true, Policy::Overwrite, false, false),
            (Engine::Shared, false, Policy::Overwrite, true, false),
        ];
        let (engine, is_queued, policy, clears, damages) = ALL[(round % ALL.len() as u64) as usize];
        let chance = Chance::new(seed ^ round).next();
        Self {
            engine,
            is_queued,
            policy,
            ring_kib: [1, 2, 4, 1][(chance % 4) as usize],
            // A fair lock goes to one certain thread, which the host may not be running: two are enough.
            processors: if is_queued { 2 } else { 2 + (chance >> 8) as usize % 2 },
            budget: if round % 4 == 3 { 20_000 } else { 0 },
            clears,
            damages,
            calls,
            seed: chance,
        }
    }

    /// The recorder's parameters.
    pub const fn config(&self) -> Config {
        let lock = if self.is_queued { Lock::Queued } else { Lock::Swap };
        Config {
            engine: self.engine,
            lock,
            ring_kib: self.ring_kib,
            nmi_lane_kib: 1,
            policy: self.policy,
            sites_kib: 4,
            ..Config::DEFAULT
        }
    }

    /// What may happen to its records.
    pub fn allowed(&self) -> Allowed {
        Allowed { lost: self.policy == Policy::Overwrite, cleared: self.clears, damaged: false }
    }
}

/// Numbers that look random and follow from a seed: xorshift64* (Vigna, "An experimental exploration of Marsaglia's
/// xorshift generators, scrambled").
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The numbers of a seed.
    pub const fn new(seed: u64) -> Self {
        // Zero is the one state that leads nowhere.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next one.
    pub const fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`, which is not 0.
    pub const fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 16) % end
    }
}
