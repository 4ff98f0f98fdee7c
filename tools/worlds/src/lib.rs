//! The worlds that irqlog.sys runs in, and the scenarios that run there.
//!
//! | Module | What |
//! |---|---|
//! | [`target`] | a running driver and the CLI on it |
//! | [`verdict`] | result of a scenario |
//! | [`rig`], `wine` | the two programs that run a driver |
//! | `cli`, `in_wine` | scenarios that are not the rig's own |
//! | [`world`] | a choice of runner and architecture |
//! | [`scenarios`], [`faults`], [`mutants`] | every scenario, planted fault, or mutant of the driver |
//! | [`exports`] | a storm's log in each format, read back by readers that are not ours |
//! | [`demo`], [`events`] | two longer runs in the rig |
//!
//! A module uses those above it and no other.

mod cli;
pub mod demo;
pub mod events;
pub mod exports;
pub mod faults;
mod in_wine;
pub mod mutants;
pub mod rig;
pub mod scenarios;
pub mod target;
pub mod verdict;
mod wine;
pub mod world;
