//! The list of routines that images import, over all modules.

use super::{
    bugcheck, debug, dpc, import::Routine, io, ipi, irp, irql, nmi, pool, processor, ps, registry, spinlock, time,
    workitem,
};

/// Every routine there is.
pub fn all() -> Vec<Routine> {
    [
        irql::routines(),
        spinlock::routines(),
        processor::routines(),
        dpc::routines(),
        ipi::routines(),
        nmi::routines(),
        bugcheck::routines(),
        debug::routines(),
        time::routines(),
        pool::routines(),
        io::routines(),
        irp::routines(),
        registry::routines(),
        ps::routines(),
        workitem::routines(),
    ]
    .concat()
}

/// Address of a routine by name; the module does not matter, there is one kernel.
pub fn find(name: &str) -> Option<usize> {
    all().into_iter().find(|routine| routine.row.name == name).map(|routine| routine.address)
}
