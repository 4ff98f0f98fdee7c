//! The worlds that irqlog.sys runs in, and the scenarios that run there.
//!
//! | Module | What |
//! |---|---|
//! | [`target`] | a running driver and the CLI on it |
//! | [`verdict`] | result of a scenario |
//! | [`rig`], `wine` | the two programs that run a driver |
//! | `cli`, `in_wine` | scenarios that are not the rig's own |
//! | `agreement` | the rig, irqlog and the debugger's script about the dumps of a crash |
//! | [`world`] | a choice of runner and architecture |
//! | [`scenarios`], [`faults`], [`mutants`] | every scenario, planted fault, or mutant of the driver |
//! | [`exports`] | a storm's log in each format, read back by readers that are not ours |
//! | [`readers`] | readers of dumps that are not irqlog's |
//! | [`demo`], [`events`], [`debugger`] | longer runs in the rig |
//! | [`run_driver`] | drivers of anybody beside irqlog.sys |
//! | [`outsiders`] | drivers that are no part of this workspace |
//!
//! A module uses those above it and no other.

mod agreement;
mod cli;
pub mod debugger;
pub mod demo;
pub mod events;
pub mod exports;
pub mod faults;
mod in_wine;
pub mod mutants;
pub mod outsiders;
pub mod readers;
pub mod rig;
pub mod run_driver;
pub mod scenarios;
pub mod target;
pub mod verdict;
mod wine;
pub mod world;
