//! Rows for events through the provider's macros, and for the same content formatted first and logged as text.
//!
//! Engine `percpu`, one writer.

use std::{
    fmt::Write,
    hint::black_box,
    ptr::NonNull,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering},
    },
};

use irqlog_provider::Interface;
use irqlog_recorder::{
    draft::Draft,
    log::Entry,
    request::Configure,
    sites::{Registrant, Registry},
};
use irqlog_wire::{
    image::Engine,
    interface::{INTERFACE_VERSION, Registration},
    record::Level,
};
use zerocopy::FromZeros;

use super::{
    Group, Row, Work,
    recorder::{Library, NoLock, library},
};

/// Name of the row with an event that has no arguments.
pub const NOTHING: &str = "event: no arguments";
/// Name of the row with a string.
pub const STRING: &str = "event: a str of 32 bytes";
/// Name of the row with six integers, of which ratios are made.
pub const SIX: &str = "event: 6 integers";
/// Name of the row with the same integers, formatted first.
pub const SIX_FORMATTED: &str = "core::fmt of 6 integers, as text";
/// Name of the row with a level that is not enabled.
pub const DISABLED: &str = "event: level not enabled";

/// The same as [`recorder`] answers.
static RUNNING: AtomicPtr<Library<NoLock>> = AtomicPtr::new(std::ptr::null_mut());

/// The recorder behind the function table.
fn recorder() -> &'static Library<NoLock> {
    static RECORDER: OnceLock<Library<NoLock>> = OnceLock::new();
    RECORDER.get_or_init(|| library(Engine::PerCpu, 1, NoLock))
}

fn registry() -> &'static Mutex<Box<Registry>> {
    static REGISTRY: OnceLock<Mutex<Box<Registry>>> = OnceLock::new();
    REGISTRY.get_or_init(|| Mutex::new(Box::new(Registry::new_zeroed())))
}

/// # Safety
/// `registration` is what `irqlog_provider::connect` passes.
unsafe extern "system" fn register(registration: *const Registration) -> u32 {
    // SAFETY: as the caller promises.
    let provider = unsafe { Registrant::of(registration) }.expect("a whole registration");
    let mut registry = registry().lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: the level word is a static of the provider.
    unsafe { recorder().register(&mut registry, &provider, |_| true) }.0
}

unsafe extern "system" fn unregister(_: *const AtomicU32) {}

/// # Safety
/// The words are what the provider's macros pass.
unsafe extern "system" fn write_event(site: u32, level: u8, words: *const u64, count: usize) -> u32 {
    // SAFETY: as the caller promises.
    let words = unsafe { std::slice::from_raw_parts(words, count) };
    // As the driver does it: the recorder is found by one load, and for events the record path is part of this function.
    let Some(recorder) = NonNull::new(RUNNING.load(Ordering::Acquire)) else { return 1 };
    // SAFETY: made by `recorder`, and never freed.
    let recorder = unsafe { recorder.as_ref() };
    // SAFETY: as the caller promises.
    unsafe { recorder.log_event_here(Level(level), site, words, Entry::MayWait) }.0
}

unsafe extern "system" fn no_text(_: u8, _: *const u8, _: usize) -> u32 {
    1
}

unsafe extern "system" fn no_blob(_: u8, _: u32, _: *const u8, _: usize) -> u32 {
    1
}

/// Connects this program, as irqlog.sys would connect a driver.
fn connect() {
    let interface = Interface {
        major: INTERFACE_VERSION.major,
        minor: INTERFACE_VERSION.minor,
        size: size_of::<Interface>() as u32,
        write_text: no_text,
        write_blob: no_blob,
        write_text_never_waits: no_text,
        write_blob_never_waits: no_blob,
        register,
        unregister,
        write_event,
        write_event_never_waits: write_event,
    };
    RUNNING.store(std::ptr::from_ref(recorder()).cast_mut(), Ordering::Release);
    // SAFETY: the functions are there as long as the program is.
    let connected = unsafe { irqlog_provider::connect("bench", &interface) };
    assert_eq!(connected, Ok(()), "a recorder with room for a few sites");
    // `trace` is the level that is not enabled.
    recorder().configure(&Configure { level: Some(Level::Debug), ..Configure::default() });
    recorder().pass_levels_on(&mut registry().lock().unwrap_or_else(PoisonError::into_inner), |_| true);
}

/// A buffer on the stack.
struct Text {
    bytes: [u8; 256],
    used: usize,
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let room = self.bytes.get_mut(self.used..self.used + text.len()).ok_or(std::fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.used += text.len();
        Ok(())
    }
}

/// Formats into a buffer on the stack, and logs the buffer as text.
fn formatted(arguments: std::fmt::Arguments<'_>) {
    let mut text = Text { bytes: [0; 256], used: 0 };
    // What does not fit is left out, as a driver would.
    let _ = text.write_fmt(arguments);
    black_box(recorder().log(&Draft::text(Level::Info, &text.bytes[..text.used]), Entry::MayWait));
}

/// A row with this name, whose writer repeats this log call.
macro_rules! row {
    ($name:expr, $call:expr) => {{
        let work: Work = Arc::new(|records| {
            for _ in 0..records {
                $call;
            }
        });
        Row::new(Group::Events, $name, 1, work)
    }};
}

/// What a driver has in a structure or a register: numbers that the compiler does not know.
static NUMBERS: [AtomicU64; 6] = [const { AtomicU64::new(0x1234_5678) }; 6];

/// One of those numbers: a load, and nothing else that would count as logging.
#[inline(always)]
#[expect(clippy::inline_always, reason = "a call would be counted")]
fn number(index: usize) -> u64 {
    NUMBERS[index].load(Ordering::Relaxed)
}

/// Texts of 32 bytes.
const TEXT: &str = "a text of thirty-two bytes, yes.";
const _: () = assert!(TEXT.len() == 32);

/// All rows of events.
pub fn rows() -> Vec<Row> {
    connect();
    vec![
        row!(NOTHING, irqlog_provider::info!("nothing to say")),
        row!("event: 2 integers", irqlog_provider::info!("port {} status {:#x}", number(0), number(1))),
        row!(
            SIX,
            irqlog_provider::info!(
                "{} {} {} {} {} {}",
                number(0),
                number(1),
                number(2),
                number(3),
                number(4),
                number(5)
            )
        ),
        row!(STRING, irqlog_provider::info!("name {}", black_box(TEXT))),
        row!("core::fmt of no arguments, as text", formatted(format_args!("nothing to say"))),
        row!("core::fmt of 2 integers, as text", formatted(format_args!("port {} status {:#x}", number(0), number(1)))),
        row!(
            SIX_FORMATTED,
            formatted(format_args!(
                "{} {} {} {} {} {}",
                number(0),
                number(1),
                number(2),
                number(3),
                number(4),
                number(5)
            ))
        ),
        row!("core::fmt of a str of 32, as text", formatted(format_args!("name {}", black_box(TEXT)))),
        // The provider is at `debug`: see `connect`.
        row!(DISABLED, irqlog_provider::trace!("{} {}", number(0), number(1))),
    ]
}
