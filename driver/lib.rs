//! irqlog.sys: the flight recorder as a KMDF driver. This crate is glue; what it does is in `crates/recorder`.
//!
//! | Module | What |
//! |---|---|
//! | [`entry`] | DriverEntry and unload |
//! | [`parameters`] | the service's `Parameters` key |
//! | [`recorder`] | the type of the recorder: with this driver's memory, platform and locks |
//! | [`instance`] | the one that runs: its start and its end |
//! | [`memory`] | its memory: what was allocated at the start, and what processors that came later brought |
//! | [`processors`] | processors that come while the system runs |
//! | [`providers`] | drivers that log events: the registry of those that run |
//! | [`interface`] | the function table for other drivers: the roots of the record path |
//! | [`system`] | IRQL, processor, clock and ids, as the recorder asks for them |
//! | [`locks`] | the locks of the shared lane |
//! | [`control_device`] | the device and its link |
//! | [`queue`] | its queues |
//! | [`dispatch`] | what the framework calls with a request |
//! | [`handler`] | what each request does |
//! | [`wait`] | WAIT: pended, completed by a timer, cancelled or ended at cleanup |
//! | [`request`] | a request's buffers and its completion |
//! | [`selftest`] | writes at every IRQL on every processor |
//! | [`pool`], [`status`], [`text`], [`wdf`] | helpers |
//!
//! Every function says at which IRQL it may be called. Nothing is pageable: the image has no PAGE section.

#![no_std]

use wdk_alloc::WdkAllocator;

extern crate wdk_panic;

mod control_device;
mod dispatch;
mod entry;
mod handler;
mod instance;
mod interface;
mod locks;
mod memory;
mod parameters;
mod pool;
mod processors;
mod providers;
mod queue;
mod recorder;
mod request;
mod selftest;
mod status;
mod system;
mod text;
mod wait;
mod wdf;

/// Nothing allocates today; a dependency that did would have to, visibly, from non-paged pool.
#[global_allocator]
static ALLOCATOR: WdkAllocator = WdkAllocator;
