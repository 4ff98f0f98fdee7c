//! irqlog.sys: the flight recorder as a KMDF driver.
//!
//! This crate is the glue to Windows; the recorder itself is `crates/recorder`.
//!
//! | Module | What |
//! |---|---|
//! | [`entry`] | DriverEntry and unload |
//! | [`parameters`] | the service's `Parameters` key |
//! | [`recorder`] | the type of the recorder: with this driver's memory, platform and locks |
//! | [`instance`] | the running recorder: its start and its end |
//! | [`memory`] | memory of the image: the allocation of the start, and a piece for each processor added later |
//! | [`processors`] | processors that are added while the system runs |
//! | [`crash`] | bug-check callbacks: the log in a crash dump |
//! | [`crash_memory`] | the memory that they work in, and the anchor that leads to the image |
//! | [`providers`] | the registry of drivers that log events |
//! | [`interface`] | the function table for other drivers: the roots of the record path |
//! | [`system`] | IRQL, processor, clock and ids: the recorder's platform |
//! | [`locks`] | the locks of the shared lane |
//! | [`control_device`] | the device and its link |
//! | [`queue`] | the queues of the device |
//! | [`dispatch`] | the framework's callbacks for requests |
//! | [`handler`] | the handler of each request |
//! | [`wait`] | WAIT: pended, completed by a timer, cancelled or ended at cleanup |
//! | [`request`] | a request's buffers and its completion |
//! | [`selftest`] | SELFTEST: log calls at every IRQL on every processor |
//! | [`pool`], [`status`], [`text`], [`wdf`] | helpers |
//!
//! Every function says at which IRQL it may be called. Nothing is pageable: the image has no PAGE section.

#![no_std]

use wdk_alloc::WdkAllocator;

extern crate wdk_panic;

mod control_device;
mod crash;
mod crash_memory;
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

/// The allocator of the image: non-paged pool. Nothing allocates today; a dependency that did would do so here,
/// visibly.
#[global_allocator]
static ALLOCATOR: WdkAllocator = WdkAllocator;
