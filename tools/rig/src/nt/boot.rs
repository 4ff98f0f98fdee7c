//! Booting the machine: handlers, idle threads, the clock; and processors that are added later.

use super::{
    interrupt,
    machine::{self, Machine, machine, run_thread},
    processor::{ADD_COMPLETE, ADD_START, notify_processor},
    time, trap, validator,
};

/// Makes the machine, with its idle threads and its clock.
pub fn boot(processors: usize) -> &'static Machine {
    let machine = machine::make(processors);
    machine::before_waits(validator::waits);
    trap::install_handlers();
    for index in 0..processors {
        std::thread::spawn(move || idle(index));
    }
    std::thread::spawn(time::heartbeat);
    machine
}

/// Takes the processor whenever no thread holds it and an interrupt or a DPC is pending, until none is.
fn idle(index: usize) {
    run_thread(0, 1 << index, false, |thread| {
        while thread.take_idle(index) {
            interrupt::deliver(None);
            thread.release();
        }
    });
}

/// Adds a processor: tells the drivers, starts it, tells them again. Gives its index; `None` if there is no more. On a
/// simulated thread, at PASSIVE_LEVEL.
pub fn add_processor() -> Option<usize> {
    let machine = machine();
    let index = machine.active();
    if index == machine.processors.len() {
        return None;
    }
    notify_processor(index, ADD_START);
    machine.start_processor(index);
    std::thread::spawn(move || idle(index));
    machine.wake_idle();
    notify_processor(index, ADD_COMPLETE);
    Some(index)
}
