//! The NT kernel that the drivers run on, as far as they use it.
//!
//! From the ground up; a module uses those above it in this table, and none uses one below:
//!
//! | Module | What |
//! |---|---|
//! | [`signal`], [`heap`] | the signal that interrupts a host thread; the memory of pool |
//! | [`machine`] | processors, threads that hold them, and what is pending on each |
//! | [`topology`] | a machine with more processors, in groups, as far as numbers go |
//! | [`freeze`] | processors that are frozen at a crash |
//! | [`report`] | a broken rule: what is said, and how the run ends |
//! | [`validator`], [`verifier`] | rules about locks, and Driver Verifier's rules |
//! | [`interrupt`], [`trap`] | how interrupts, DPCs, IPIs and NMIs come in between any two instructions |
//! | [`wait`] | waiting, while the machine goes on |
//! | [`import`] | what every routine does first and last; how a module registers its routines |
//! | [`irql`], [`spinlock`], [`processor`], [`dpc`], [`ipi`], [`nmi`], [`bugcheck`], [`debug`], [`time`], [`pool`], [`ps`], [`registry`], [`irp`], [`io`], [`workitem`] | the routines |
//! | [`dump`] | crash dumps, and what a run that ends badly leaves |
//! | [`exports`] | the list of all routines |
//! | [`boot`] | starting the machine |
//!
//! Every routine checks its IRQL rule (`tools/nt`) before it does anything, and on its way back into the image lets in
//! what has become pending. What a scenario plants is asked of [`planted`](crate::planted), which knows nothing of this.

pub mod boot;
pub mod bugcheck;
pub mod debug;
pub mod dpc;
pub mod dump;
pub mod exports;
pub mod freeze;
pub mod heap;
pub mod import;
pub mod interrupt;
pub mod io;
pub mod ipi;
pub mod irp;
pub mod irql;
pub mod machine;
pub mod nmi;
pub mod pool;
pub mod processor;
pub mod ps;
pub mod registry;
pub mod report;
pub mod signal;
pub mod spinlock;
pub mod time;
pub mod topology;
pub mod trap;
pub mod validator;
pub mod verifier;
pub mod wait;
pub mod workitem;
