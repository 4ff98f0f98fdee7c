//! The one running recorder: its memory, its start and its end.

use core::{
    ffi::c_void,
    ptr::{NonNull, null_mut},
    sync::atomic::{AtomicPtr, AtomicU64, Ordering},
};

use irqlog_recorder::{
    Recorder,
    config::Config,
    layout::{Identity, Layout},
    memory::Memory,
    pointers::Pointers,
};
use irqlog_ring::clock::Clock;
use wdk_sys::{
    ALL_PROCESSOR_GROUPS, NTSTATUS, STATUS_INSUFFICIENT_RESOURCES,
    ntddk::{KeQueryActiveProcessorCountEx, KeQueryMaximumProcessorCountEx},
};

use crate::{
    crash_memory::{CrashMemory, set_anchor},
    locks,
    memory::ImageMemory,
    pool::{PAGE_SIZE, Pages, tag},
    providers::Providers,
    recorder::DriverRecorder,
    system::{self, System},
};

/// The recorder with its memory: the image that it refers to, and the pages that hold this structure. They are freed in
/// this order.
struct Owner {
    recorder: DriverRecorder,
    providers: Providers,
    crash: CrashMemory,
    image: &'static ImageMemory,
    /// The pages that hold `image`.
    image_pages: [Pages; 2],
    own: Pages,
}

/// The running recorder; null before the start and after the end.
static OWNER: AtomicPtr<Owner> = AtomicPtr::new(core::ptr::null_mut());

/// The recorder, if it runs. IRQL: any.
///
/// The reference is valid as long as the caller keeps irqlog.sys loaded: the driver's own code does so by running,
/// another driver by its reference to the device, a user-mode program by its handle.
#[inline]
pub fn get() -> Option<&'static DriverRecorder> {
    owner().map(|owner| &owner.recorder)
}

/// The recorder and the registry of providers, if the recorder runs. IRQL: any; as for [`get`].
pub fn with_providers() -> Option<(&'static DriverRecorder, &'static Providers)> {
    owner().map(|owner| (&owner.recorder, &owner.providers))
}

/// The recorder, its image, and the memory of the bug-check callbacks, if the recorder runs. IRQL: any; as for [`get`].
#[inline]
pub fn crash() -> Option<(&'static DriverRecorder, &'static ImageMemory, &'static CrashMemory)> {
    owner().map(|owner| (&owner.recorder, owner.image, &owner.crash))
}

/// IRQL: any.
#[inline]
fn owner() -> Option<&'static Owner> {
    // Pairs with the Release in `start`.
    let owner = NonNull::new(OWNER.load(Ordering::Acquire))?;
    // SAFETY: published whole, and freed only in `stop`, when nobody can call in any more.
    Some(unsafe { owner.as_ref() })
}

/// Allocates, fills and publishes the recorder. IRQL: PASSIVE_LEVEL.
///
/// # Errors
/// STATUS_INSUFFICIENT_RESOURCES.
pub fn start(config: &Config) -> Result<(), NTSTATUS> {
    // SAFETY: any IRQL.
    let active = unsafe { KeQueryActiveProcessorCountEx(ALL_PROCESSOR_GROUPS as u16) };
    // SAFETY: any IRQL.
    let maximum = unsafe { KeQueryMaximumProcessorCountEx(ALL_PROCESSOR_GROUPS as u16) };
    let layout = Layout::new(config, maximum as usize, active as usize);
    let own = Pages::allocate(size_of::<Owner>(), tag::RECORDER)?;
    let (image, image_pages) = ImageMemory::allocate(&layout)?;
    layout.initialise(image.image(), config, &identity());
    let pointers = if config.raw_pointers { Pointers::Raw } else { Pointers::Hashed(secret()?) };
    let start_id = start_id(image.image());
    let recorder = Recorder::new(image, &layout, System, locks::choose(config), start_id, pointers)
        .ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
    let providers = Providers::new()?;
    let crash = CrashMemory::allocate(&layout)?;
    const { assert!(align_of::<Owner>() <= PAGE_SIZE) };
    let place = own.start().cast::<Owner>();
    // SAFETY: page-aligned memory of at least that size, which nobody else knows.
    unsafe { place.write(Owner { recorder, providers, crash, image, image_pages, own }) };
    // Pairs with the Acquire in `get`.
    OWNER.store(place.as_ptr(), Ordering::Release);
    set_anchor(Some(image));
    Ok(())
}

/// Ends the recorder and frees its memory, if there is one. IRQL: PASSIVE_LEVEL. No caller logs any more: the device is
/// gone, so no handle, no reference and no request is left.
pub fn stop() {
    let Some(owner) = NonNull::new(OWNER.swap(core::ptr::null_mut(), Ordering::AcqRel)) else { return };
    // SAFETY: written whole in `start`, and taken out of the static by us alone.
    let Owner { recorder, providers, crash, image, image_pages, own } = unsafe { owner.read() };
    set_anchor(None);
    image.free_pieces();
    drop((recorder, providers, crash, image_pages, own));
}

/// Allocates and enters the piece of the image for a processor that is about to be added. IRQL: PASSIVE_LEVEL.
///
/// # Errors
/// STATUS_INSUFFICIENT_RESOURCES; the processor's records are then dropped and counted.
pub fn add_processor(processor: u32) -> Result<Added, NTSTATUS> {
    let Some(owner) = owner() else { return Ok(Added::Nothing) };
    if !owner.image.add(processor)? {
        return Ok(Added::Nothing);
    }
    Ok(if owner.recorder.processor_came(processor) { Added::Lane } else { Added::Nothing })
}

/// The result of adding a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// The processor has new lanes.
    Lane,
    /// The processor had its lanes already.
    Nothing,
}

/// Makes the key under which pointers are hashed during this start of the driver. IRQL: PASSIVE_LEVEL.
///
/// # Errors
/// The status of the system's generator.
fn secret() -> Result<[u64; 2], NTSTATUS> {
    /// BCRYPT_USE_SYSTEM_PREFERRED_RNG (bcrypt.h).
    const USE_SYSTEM_PREFERRED_RNG: u32 = 2;
    #[link(name = "cng")]
    unsafe extern "system" {
        /// IRQL: PASSIVE_LEVEL with the system's own generator. DDI bcrypt/nf-bcrypt-bcryptgenrandom; "to call this
        /// function in kernel mode, use Cng.lib".
        fn BCryptGenRandom(provider: *mut c_void, buffer: *mut u8, length: u32, flags: u32) -> NTSTATUS;
    }
    let mut key = [0; 2];
    let length = size_of_val(&key) as u32;
    // SAFETY: writes to our stack, of the length given. PASSIVE_LEVEL.
    let status = unsafe { BCryptGenRandom(null_mut(), key.as_mut_ptr().cast(), length, USE_SYSTEM_PREFERRED_RNG) };
    if wdk::nt_success(status) { Ok(key) } else { Err(status) }
}

/// IRQL: any.
fn identity() -> Identity {
    const VERSION: [u16; 3] = [
        parse(env!("CARGO_PKG_VERSION_MAJOR")),
        parse(env!("CARGO_PKG_VERSION_MINOR")),
        parse(env!("CARGO_PKG_VERSION_PATCH")),
    ];
    /// IMAGE_FILE_MACHINE_AMD64 and IMAGE_FILE_MACHINE_ARM64 (PE format, "Machine Types").
    const MACHINE: u32 = if cfg!(target_arch = "x86_64") { 0x8664 } else { 0xaa64 };
    Identity {
        machine: MACHINE,
        tick_frequency: system::tick_frequency(),
        tick: System.now(),
        time: system::time(),
        version: VERSION,
    }
}

/// The identity of this start of the driver, as the image has it. IRQL: any.
fn start_id(words: &[AtomicU64]) -> u64 {
    const WORD: usize = core::mem::offset_of!(irqlog_wire::image::ImageHeader, start_id) / size_of::<u64>();
    words.get(WORD).map_or(0, |word| word.load(Ordering::Relaxed))
}

/// Parses a decimal number at compile time. IRQL: any.
const fn parse(text: &str) -> u16 {
    let mut value = 0;
    let mut at = 0;
    while at < text.len() {
        value = value * 10 + (text.as_bytes()[at] - b'0') as u16;
        at += 1;
    }
    value
}
