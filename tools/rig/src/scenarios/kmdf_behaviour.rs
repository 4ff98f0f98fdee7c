//! What KMDF does with a driver that keeps its rules, shown alive: the framework of `tools/kmdf` does as the real one.

use std::{
    mem::zeroed,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use irqlog_nt::{
    STATUS_BUFFER_OVERFLOW, UnicodeString,
    framework::{
        BEHAVIOURS, CRITICAL_REGION, FrameworkRule, PASSIVE_QUEUE, PRESENTED_REQUESTS, START_WHILE_STOPPING,
        VALUE_TERMINATOR,
    },
    irql::DISPATCH_LEVEL,
};

use super::{
    Stage, as_process,
    kmdf_driver::{Framework, SUCCESS, WdfObjectAttributes, WdfQueueConfig, bound, invoke, wide},
};
use crate::nt::{
    exports,
    io::{ControlCall, File, Requestor},
    machine::{current, thread},
    registry::{self, RegistryValue},
};

/// A control code with METHOD_BUFFERED.
pub const CODE: u32 = 0x0022_2000;

/// Sets the level of the processor that runs this.
pub fn at(irql: u8) {
    current().expect("a simulated thread").processor().irql.store(irql, Ordering::SeqCst);
}

/// Sends a request, and waits for its end.
pub fn send(file: &File) {
    file.control(ControlCall { code: CODE, internal: false, input: &[], output: 8 }, &|| false);
}

/// WdfRequestCompleteWithInformation, from a callback, which gets no more than its arguments.
pub fn complete(request: usize, information: usize) {
    const WDF_REQUEST_COMPLETE_WITH_INFORMATION: usize = 265;
    let (table, globals) = bound();
    // SAFETY: the table has an entry for each function.
    let function = unsafe { *(table as *const usize).add(WDF_REQUEST_COMPLETE_WITH_INFORMATION) };
    invoke(function, globals, &[request, SUCCESS, information]);
}

/// Calls a routine of the kernel without arguments.
pub fn kernel(name: &str) -> usize {
    let routine = exports::find(name).unwrap_or_else(|| panic!("the rig has no {name}"));
    // SAFETY: a routine without arguments, with the Windows calling convention.
    let routine: extern "efiapi" fn() -> usize = unsafe { std::mem::transmute(routine) };
    routine()
}

fn apcs_are_disabled() -> bool {
    kernel("KeAreApcsDisabled") & 0xff != 0
}

/// A behaviour, and what shows it.
type Case = (FrameworkRule, fn(&Framework) -> Result<()>);

const CASES: &[Case] = &[
    (PASSIVE_QUEUE, passive_queue),
    (CRITICAL_REGION, critical_region),
    (PRESENTED_REQUESTS, presented_requests),
    (VALUE_TERMINATOR, value_terminator),
    (START_WHILE_STOPPING, start_while_stopping),
];

/// Shows each behaviour, and prints it with its source. On a simulated thread.
///
/// # Errors
/// If the framework does anything else.
pub fn show_all(stage: &Stage) -> Result<()> {
    for &(behaviour, show) in CASES {
        // A framework of its own for each.
        let framework = Framework::bind(Framework::load(stage)?)?;
        show(&framework).with_context(|| format!("{:?}", behaviour.name))?;
        print(behaviour)?;
    }
    for behaviour in BEHAVIOURS {
        ensure!(CASES.iter().any(|(of, _)| of == behaviour), "nothing shows {:?}", behaviour.name);
    }
    println!("{} behaviours", BEHAVIOURS.len());
    Ok(())
}

fn print(behaviour: FrameworkRule) -> Result<()> {
    let FrameworkRule { name, text, source } = behaviour;
    println!("{:22} {} ({})", name.to_str()?, text.to_str()?, source.to_str()?);
    Ok(())
}

/// What the last callback saw: its IRQL, its thread, and whether APCs were disabled.
static IRQL: AtomicU32 = AtomicU32::new(u32::MAX);
static THREAD: AtomicU32 = AtomicU32::new(0);
static IN_REGION: AtomicBool = AtomicBool::new(false);

extern "efiapi" fn look(_queue: usize, request: usize, _output: usize, _input: usize, _code: u32) {
    IRQL.store(thread().processor().irql.load(Ordering::Relaxed).into(), Ordering::SeqCst);
    THREAD.store(thread().id, Ordering::SeqCst);
    IN_REGION.store(apcs_are_disabled(), Ordering::SeqCst);
    complete(request, 0);
}

fn passive_queue(framework: &Framework) -> Result<()> {
    let file = framework
        .served(look as *const () as usize, Some(&WdfObjectAttributes { level: 2, ..WdfObjectAttributes::new() }));
    let seen = || (IRQL.load(Ordering::SeqCst), THREAD.load(Ordering::SeqCst) == thread().id);
    send(&file);
    ensure!(seen() == (0, true), "at PASSIVE_LEVEL the callback runs on the sender's thread: {:?}", seen());
    at(DISPATCH_LEVEL);
    send(&file);
    at(0);
    ensure!(seen() == (0, false), "at DISPATCH_LEVEL it runs at PASSIVE_LEVEL on another thread: {:?}", seen());
    Ok(())
}

fn critical_region(framework: &Framework) -> Result<()> {
    let file = framework.served(look as *const () as usize, None);
    send(&file);
    ensure!(IN_REGION.load(Ordering::SeqCst), "the callback runs outside a critical region");
    ensure!(!apcs_are_disabled(), "the region was not left");
    Ok(())
}

/// The request that the driver keeps, how often it was called, and whether it has completed the first request.
static KEPT: AtomicUsize = AtomicUsize::new(0);
static PRESENTED: AtomicU32 = AtomicU32::new(0);
static HAS_COMPLETED: AtomicBool = AtomicBool::new(false);
static CAME_TOO_EARLY: AtomicBool = AtomicBool::new(false);

extern "efiapi" fn keep_first(_queue: usize, request: usize, _output: usize, _input: usize, _code: u32) {
    if PRESENTED.fetch_add(1, Ordering::SeqCst) == 0 {
        KEPT.store(request, Ordering::SeqCst);
    } else {
        CAME_TOO_EARLY.fetch_or(!HAS_COMPLETED.load(Ordering::SeqCst), Ordering::SeqCst);
        complete(request, 0);
    }
}

fn presented_requests(framework: &Framework) -> Result<()> {
    let device = framework.device();
    let config = WdfQueueConfig { presented: 1, ..WdfQueueConfig::default(keep_first as *const () as usize) };
    framework.create_queue(device, &config, None);
    framework.finish(device);
    let file = File::open(&framework.device_name, Requestor::Administrator)
        .map_err(|status| anyhow::anyhow!("{status:#x}"))?;
    let waiting = AtomicU32::new(0);
    let sender = || {
        as_process(|| {
            // Asked once the dispatch routine has returned.
            let is_first = std::cell::Cell::new(true);
            let waits = || {
                if is_first.replace(false) {
                    waiting.fetch_add(1, Ordering::SeqCst);
                }
                false
            };
            file.control(ControlCall { code: CODE, internal: false, input: &[], output: 8 }, &waits);
        });
    };
    std::thread::scope(|scope| {
        scope.spawn(sender);
        until(|| waiting.load(Ordering::SeqCst) == 1)?;
        scope.spawn(sender);
        until(|| waiting.load(Ordering::SeqCst) == 2)?;
        ensure!(PRESENTED.load(Ordering::SeqCst) == 1, "two requests are presented at once");
        HAS_COMPLETED.store(true, Ordering::SeqCst);
        complete(KEPT.load(Ordering::SeqCst), 0);
        until(|| PRESENTED.load(Ordering::SeqCst) == 2)
    })?;
    ensure!(!CAME_TOO_EARLY.load(Ordering::SeqCst), "the second request came before the first was completed");
    Ok(())
}

/// Waits, with the processor given up, until something is so.
fn until(mut is_so: impl FnMut() -> bool) -> Result<()> {
    let since = Instant::now();
    while !is_so() {
        ensure!(since.elapsed() < Duration::from_mins(1), "what was waited for does not happen");
        thread().wait(|| std::thread::sleep(Duration::from_millis(1)));
    }
    Ok(())
}

fn value_terminator(framework: &Framework) -> Result<()> {
    const READ: usize = 0x2_0019;
    registry::set_parameter("irqlog", "Engine", RegistryValue::Text("shared".into()));
    framework.init();
    // SAFETY: WDF_DRIVER_GLOBALS begins with the driver's handle.
    let driver = unsafe { *(framework.globals as *const usize) };
    let mut key = 0_usize;
    let status = framework.call("WdfDriverOpenParametersRegistryKey", &[driver, READ, 0, (&raw mut key) as usize]);
    ensure!(status as i32 == 0, "WdfDriverOpenParametersRegistryKey: {status:#x}");
    let name = wide("Engine");
    let query = |room: u16| {
        let mut text = [0_u16; 8];
        let mut value = UnicodeString { Length: 0, MaximumLength: room, Buffer: text.as_mut_ptr() };
        let arguments = [key, (&raw const name) as usize, 0, (&raw mut value) as usize];
        (framework.call("WdfRegistryQueryUnicodeString", &arguments) as i32, value.Length)
    };
    let without = query(12);
    ensure!(without.0 == STATUS_BUFFER_OVERFLOW, "12 bytes hold the six letters, not the terminator: {without:x?}");
    let with = query(14);
    ensure!(with == (0, 12), "14 bytes hold both, and the terminator is not counted: {with:x?}");
    Ok(())
}

static FIRED: AtomicU32 = AtomicU32::new(0);
static TIMER: OnceLock<(usize, usize)> = OnceLock::new();

/// EvtTimerFunc that starts its timer again and again, until that has no effect.
extern "efiapi" fn restart(timer: usize) {
    const SOON: i64 = -10_000;
    FIRED.fetch_add(1, Ordering::SeqCst);
    let Some(&(start, globals)) = TIMER.get() else { return };
    // The second start finds the timer queued by the first, and says so; unless neither does anything.
    let since = Instant::now();
    while invoke(start, globals, &[timer, SOON as usize]) & 0xff != 0
        || invoke(start, globals, &[timer, SOON as usize]) & 0xff != 0
    {
        if since.elapsed() > Duration::from_mins(1) {
            return;
        }
    }
}

fn start_while_stopping(framework: &Framework) -> Result<()> {
    let parent = framework.device();
    let index = framework.functions["WdfTimerStart"].as_u64().context("WdfTimerStart")?;
    // SAFETY: the table has an entry for each function of the list.
    TIMER.get_or_init(|| (unsafe { *framework.table.add(index as usize) }, framework.globals));
    // SAFETY: all-zero is a valid configuration but for size and callback.
    let mut config: super::kmdf_driver::WdfTimerConfig = unsafe { zeroed() };
    config.size = size_of_val(&config) as u32;
    config.callback = restart as *const () as usize;
    let timer = framework.create_timer(&config, Some(&WdfObjectAttributes { parent, ..WdfObjectAttributes::new() }));
    framework.call("WdfTimerStart", &[timer, (-1_i64) as usize]);
    until(|| FIRED.load(Ordering::SeqCst) != 0)?;
    framework.call("WdfTimerStop", &[timer, 1]);
    let fired = FIRED.load(Ordering::SeqCst);
    ensure!(framework.call("WdfTimerStop", &[timer, 0]) as u8 == 0, "the timer is queued although it was stopped");
    thread().wait(|| std::thread::sleep(Duration::from_millis(20)));
    ensure!(FIRED.load(Ordering::SeqCst) == fired, "the timer fires although it was stopped");
    Ok(())
}
