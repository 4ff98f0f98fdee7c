//! The host as the recorder's platform: processors are threads, the clock is the time stamp counter, IRQLs do nothing, or
//! cost what the user names.

use std::{
    cell::Cell,
    hint::black_box,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use irqlog_recorder::Platform;
use irqlog_ring::{clock::Clock, lock::Irql};

thread_local! {
    static PROCESSOR: Cell<u32> = const { Cell::new(0) };
}

/// Makes the calling thread a processor, on a core of its own.
pub fn become_processor(index: u32) {
    PROCESSOR.set(index);
    // SAFETY: all-zero is an empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: a valid set, and an index far below its size.
    unsafe { libc::CPU_SET(index as usize, &mut set) };
    // A host that does not let us pin threads measures worse, not wrongly.
    // SAFETY: a valid set of that size, for the calling thread.
    unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) };
}

/// Number of times that the calling thread was switched away from its core involuntarily.
pub fn switches() -> i64 {
    // SAFETY: all-zero is a valid rusage.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: a valid place for the answer.
    unsafe { libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage) };
    usage.ru_nivcsw
}

/// Reads the clock, in the counter's own unit.
#[inline]
pub fn tick() -> u64 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x64 processor has it.
    unsafe {
        core::arch::x86_64::_rdtsc()
    }
    #[cfg(target_arch = "aarch64")]
    {
        let value;
        // SAFETY: readable from user mode on Linux.
        unsafe { core::arch::asm!("mrs {}, cntvct_el0", out(reg) value, options(nomem, nostack)) };
        value
    }
}

/// Reads the clock after everything before it is done, and before anything after it begins.
#[inline]
pub fn fenced_tick() -> u64 {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: every x64 processor has it.
        unsafe { core::arch::x86_64::_mm_lfence() };
        let now = tick();
        // SAFETY: as above.
        unsafe { core::arch::x86_64::_mm_lfence() };
        now
    }
    #[cfg(target_arch = "aarch64")]
    {
        // SAFETY: a barrier.
        unsafe { core::arch::asm!("isb", options(nostack)) };
        tick()
    }
}

/// The recorder's platform on the host.
#[derive(Clone, Copy, Debug)]
pub struct Host;

// SAFETY: nothing interrupts a thread here but the host, which knows nothing of the recorder; each thread is a
// processor.
unsafe impl Irql for Host {
    #[inline]
    fn raise(&self) -> u8 {
        0
    }
    #[inline]
    unsafe fn lower(&self, _: u8) {}
}

impl Platform for Host {
    #[inline]
    fn irql(&self) -> u8 {
        0
    }
    #[inline]
    fn processor(&self) -> u32 {
        PROCESSOR.get()
    }
    #[inline]
    fn thread_and_process(&self) -> (u32, u32) {
        (1, 1)
    }
}

impl Clock for Host {
    #[inline]
    fn now(&self) -> u64 {
        tick()
    }
}

/// Number of multiplications, each of which waits for the one before, that a modelled change of the IRQL takes.
static TURNS: AtomicU64 = AtomicU64::new(0);

/// The host with a model of IRQL changes: raising takes as long as the user has named, and so does lowering.
#[derive(Clone, Copy, Debug)]
pub struct WithIrql;

impl WithIrql {
    /// Finds out how much work takes `nanoseconds`; that is what each change of the IRQL costs from now on.
    pub fn calibrate(nanoseconds: f64) {
        const TRIED: u64 = 1 << 16;
        // The shortest of a few: what a machine does besides only makes it longer.
        let times = (0..50).map(|_| {
            let start = Instant::now();
            multiply(TRIED);
            start.elapsed().as_secs_f64() * 1e9
        });
        let shortest = times.fold(f64::INFINITY, f64::min);
        TURNS.store((nanoseconds * TRIED as f64 / shortest) as u64, Ordering::Relaxed);
    }
}

fn multiply(turns: u64) {
    let mut product = 1_u64;
    for _ in 0..turns {
        product = black_box(product.wrapping_mul(3));
    }
}

/// A change of the IRQL. A call, as it is in Windows.
#[inline(never)]
fn change_irql() {
    multiply(TURNS.load(Ordering::Relaxed));
}

// SAFETY: as for `Host`.
unsafe impl Irql for WithIrql {
    #[inline]
    fn raise(&self) -> u8 {
        change_irql();
        0
    }
    #[inline]
    unsafe fn lower(&self, _: u8) {
        change_irql();
    }
}

impl Platform for WithIrql {
    #[inline]
    fn irql(&self) -> u8 {
        Host.irql()
    }
    #[inline]
    fn processor(&self) -> u32 {
        Host.processor()
    }
    #[inline]
    fn thread_and_process(&self) -> (u32, u32) {
        Host.thread_and_process()
    }
}

impl Clock for WithIrql {
    #[inline]
    fn now(&self) -> u64 {
        tick()
    }
}
