//! The worlds that irqlog.sys runs in, and what is done with it there.

mod cli;
pub mod demo;
pub mod events;
pub mod faults;
mod in_wine;
pub mod rig;
pub mod scenarios;
mod wine;
