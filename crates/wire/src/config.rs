//! The service parameters: names, limits, defaults.
//!
//! They come from the service's `Parameters` key. A missing value has its default. A bad value is named in the log and
//! has its default too: a recorder that does not start because of a typing error records nothing.

use crate::{
    image::{Engine, Lock, Policy},
    record::Level,
};

/// The values of the parameters, parsed and within their limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// `Engine`: how a main lane gets a single writer.
    pub engine: Engine,
    /// `Lock`: the lock of the shared lane.
    pub lock: Lock,
    /// `LockBudget`: microseconds that a waiter for the lock `swap` waits; in a checked build also for `queued`, and
    /// then it ends in a bug check. 0 for ever.
    pub lock_budget: u32,
    /// `RingKiB`: the shared lane, or all processor lanes together.
    pub ring_kib: u32,
    /// `NmiLaneKiB`: each processor's NMI lane.
    pub nmi_lane_kib: u32,
    /// `Level`: the least important level that is written.
    pub level: Level,
    /// `Policy`: what happens when a lane is full.
    pub policy: Policy,
    /// `SitesKiB`: the site table.
    pub sites_kib: u32,
    /// `RawPointers`: pointers in events are written as they are, and not hashed.
    pub raw_pointers: bool,
    /// `Ids`: records have the ids of thread and process. Without them a log call makes three calls of the kernel less.
    pub ids: bool,
}

impl Config {
    /// The default of each parameter.
    pub const DEFAULT: Self = Self {
        engine: Engine::Shared,
        lock: Lock::Kernel,
        // Far longer than all processors of a large machine hold the lock one after another, and far shorter than what
        // the system's clock watchdog takes for a hang.
        lock_budget: 10_000,
        ring_kib: 1024,
        nmi_lane_kib: 16,
        level: Level::Trace,
        policy: Policy::Overwrite,
        sites_kib: 256,
        raw_pointers: false,
        ids: true,
    };
}

impl Default for Config {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A parameter, in the order in which they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// `Engine`, REG_SZ: `shared` or `percpu`.
    Engine,
    /// `Lock`, REG_SZ: `kernel`, `os-queued`, `swap` or `queued`.
    Lock,
    /// `LockBudget`, REG_DWORD: 0 to 1000000 microseconds.
    LockBudget,
    /// `Policy`, REG_SZ: `overwrite` or `keep`.
    Policy,
    /// `Level`, REG_SZ: `error` to `trace`.
    Level,
    /// `RingKiB`, REG_DWORD: 16 to 1048576, rounded down to a power of two.
    RingKib,
    /// `NmiLaneKiB`, REG_DWORD: 4 to 1024, rounded down to a power of two.
    NmiLaneKib,
    /// `SitesKiB`, REG_DWORD: 4 to 16384.
    SitesKib,
    /// `RawPointers`, REG_DWORD: 0 or 1.
    RawPointers,
    /// `Ids`, REG_DWORD: 0 or 1.
    Ids,
}

/// The type and the limits of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A name out of a list.
    Name,
    /// A number.
    Number,
}

impl Parameter {
    /// All parameters, in the order in which they are read.
    pub const ALL: [Self; 10] = [
        Self::Engine,
        Self::Lock,
        Self::LockBudget,
        Self::Policy,
        Self::Level,
        Self::RingKib,
        Self::NmiLaneKib,
        Self::SitesKib,
        Self::RawPointers,
        Self::Ids,
    ];

    /// The name of the registry value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Engine => "Engine",
            Self::Lock => "Lock",
            Self::LockBudget => "LockBudget",
            Self::Policy => "Policy",
            Self::Level => "Level",
            Self::RingKib => "RingKiB",
            Self::NmiLaneKib => "NmiLaneKiB",
            Self::SitesKib => "SitesKiB",
            Self::RawPointers => "RawPointers",
            Self::Ids => "Ids",
        }
    }

    /// Whether it is a REG_SZ or a REG_DWORD.
    pub const fn shape(self) -> Shape {
        match self {
            Self::Engine | Self::Lock | Self::Policy | Self::Level => Shape::Name,
            Self::LockBudget | Self::RingKib | Self::NmiLaneKib | Self::SitesKib | Self::RawPointers | Self::Ids => {
                Shape::Number
            }
        }
    }

    /// The values that the parameter takes, in words, for the message about a bad value.
    pub const fn takes(self) -> &'static str {
        match self {
            Self::Engine => "shared or percpu",
            Self::Lock => "kernel, os-queued, swap or queued",
            Self::LockBudget => "a DWORD from 0 to 1000000",
            Self::Policy => "overwrite or keep",
            Self::Level => "error, warn, info, debug or trace",
            Self::RingKib => "a DWORD from 16 to 1048576",
            Self::NmiLaneKib => "a DWORD from 4 to 1024",
            Self::SitesKib => "a DWORD from 4 to 16384",
            Self::RawPointers | Self::Ids => "0 or 1",
        }
    }

    /// Sets the parameter to the value with this name.
    ///
    /// # Errors
    /// [`BadValue`] if the parameter has no value of this name; `config` is then unchanged.
    pub fn set_name(self, config: &mut Config, name: &str) -> Result<(), BadValue> {
        match self {
            Self::Engine => Engine::from_name(name).map(|engine| config.engine = engine),
            Self::Lock => Lock::from_name(name).filter(|&lock| lock != Lock::None).map(|lock| config.lock = lock),
            Self::Policy => Policy::from_name(name).map(|policy| config.policy = policy),
            Self::Level => Level::from_name(name).map(|level| config.level = level),
            Self::LockBudget | Self::RingKib | Self::NmiLaneKib | Self::SitesKib | Self::RawPointers | Self::Ids => {
                None
            }
        }
        .ok_or(BadValue)
    }

    /// Sets the parameter to this number.
    ///
    /// # Errors
    /// [`BadValue`] if the number is out of range; `config` is then unchanged.
    pub fn set_number(self, config: &mut Config, number: u32) -> Result<(), BadValue> {
        let switch = match self {
            Self::RawPointers => Some(&mut config.raw_pointers),
            Self::Ids => Some(&mut config.ids),
            _ => None,
        };
        if let Some(switch) = switch {
            *switch = match number {
                0 => false,
                1 => true,
                _ => return Err(BadValue),
            };
            return Ok(());
        }
        let (field, range) = match self {
            Self::LockBudget => (&mut config.lock_budget, 0..=1_000_000),
            Self::RingKib => (&mut config.ring_kib, 16..=1 << 20),
            Self::NmiLaneKib => (&mut config.nmi_lane_kib, 4..=1 << 10),
            Self::SitesKib => (&mut config.sites_kib, 4..=1 << 14),
            Self::Engine | Self::Lock | Self::Policy | Self::Level | Self::RawPointers | Self::Ids => {
                return Err(BadValue);
            }
        };
        if range.contains(&number) {
            *field = number;
            Ok(())
        } else {
            Err(BadValue)
        }
    }
}

/// A parameter's value is of the wrong type, unknown or out of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadValue;
