//! KeIpiGenericCall: one broadcast at a time, run by every processor at IPI_LEVEL.

use std::sync::atomic::Ordering;

use super::{
    import::routines,
    interrupt::run_broadcast,
    machine::{self, IPI, machine, raise, set_irql, thread},
    wait::spin_until,
};

routines! {
    fn KeIpiGenericCall(worker: usize, argument: usize) -> usize {
        let broadcast = &machine().broadcast;
        // Below IPI_LEVEL still, so we take the broadcast of whoever is before us.
        spin_until("another broadcast", || !broadcast.busy.swap(true, Ordering::SeqCst));
        let old = set_irql(irqlog_nt::irql::IPI_LEVEL);
        let own = thread().processor_index();
        broadcast.worker.store(worker, Ordering::SeqCst);
        broadcast.argument.store(argument, Ordering::SeqCst);
        let active = machine().active();
        broadcast.remaining.store(active, Ordering::SeqCst);
        for index in (0..active).filter(|&index| index != own) {
            raise(index, IPI);
        }
        machine().statistics.ipis.fetch_add(1, Ordering::Relaxed);
        run_broadcast();
        let mut turns = 0_u32;
        spin_until("the other processors to take an IPI", || {
            turns += 1;
            // A signal that came at the wrong moment is sent again.
            if turns.is_multiple_of(4096) {
                for index in 0..active {
                    if machine().processors[index].pending.load(Ordering::SeqCst) & IPI != 0 {
                        machine::kick(index);
                    }
                }
            }
            broadcast.remaining.load(Ordering::SeqCst) == 0
        });
        set_irql(old);
        broadcast.busy.store(false, Ordering::SeqCst);
        0
    }
}
