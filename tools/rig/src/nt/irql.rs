//! IRQL: asking for it, raising and lowering.

use std::sync::atomic::Ordering;

use irqlog_nt::irql::{DISPATCH_LEVEL, HIGH_LEVEL};

use super::{
    import::routines,
    machine::{machine, set_irql, thread},
    report, validator,
};

fn lower(new: u8) {
    let old = thread().processor().irql.load(Ordering::Relaxed);
    if new > old {
        report::broken(&format!("KeLowerIrql from {old} to {new}: it only lowers"));
    }
    validator::lowers(new);
    set_irql(new);
}

routines! {
    fn KeGetCurrentIrql() -> u8 {
        thread().processor().irql.load(Ordering::Relaxed)
    }

    fn KfRaiseIrql(new: u8) -> u8 {
        let old = thread().processor().irql.load(Ordering::Relaxed);
        if new < old || new > HIGH_LEVEL {
            report::broken(&format!("KfRaiseIrql from {old} to {new}: it only raises"));
        }
        if old < DISPATCH_LEVEL {
            machine().statistics.raises_of_threads.fetch_add(1, Ordering::Relaxed);
        }
        set_irql(new)
    }

    fn KeLowerIrql(new: u8) {
        lower(new);
    }

    /// KeLowerIrql, under the name that it has on ARM64.
    fn KfLowerIrql(new: u8) {
        lower(new);
    }
}
