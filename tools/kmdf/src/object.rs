//! Handles: reference-counted objects with a parent, children, contexts and the driver's cleanup callbacks.

use alloc::{boxed::Box, vec::Vec};
use core::{
    cell::UnsafeCell,
    ffi::{c_char, c_void},
    ptr::null_mut,
    sync::atomic::{AtomicI32, Ordering},
};

use crate::{
    device::{Device, File},
    nt,
    queue::Queue,
    registry::Key,
    request::Request,
    table::{Globals, WDF_VIOLATION},
    timer::Timer,
    waitlock::WaitLock,
};

/// `irqlogKO`: what a live object starts with.
const MAGIC: u64 = u64::from_le_bytes(*b"irqlogKO");

pub enum Body {
    Driver,
    Device(Device),
    File(File),
    Queue(Queue),
    Request(Request),
    Timer(Timer),
    Key(Key),
    WaitLock(WaitLock),
}

/// The fields of WDF_OBJECT_ATTRIBUTES.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Attributes {
    pub size: u32,
    pub cleanup: Option<unsafe extern "system" fn(*mut Object)>,
    pub destroy: Option<unsafe extern "system" fn(*mut Object)>,
    pub execution_level: i32,
    pub synchronization_scope: i32,
    pub parent: *mut Object,
    pub context_size_override: usize,
    pub context_type: *const ContextType,
}

/// The fields of WDF_OBJECT_CONTEXT_TYPE_INFO.
#[repr(C)]
pub struct ContextType {
    size: u32,
    name: *const c_char,
    context_size: usize,
    unique: *const Self,
    get_unique: *const c_void,
}

pub struct Object {
    magic: u64,
    references: AtomicI32,
    parent: *mut Self,
    children: Vec<*mut Self>,
    cleanup: Option<unsafe extern "system" fn(*mut Self)>,
    destroy: Option<unsafe extern "system" fn(*mut Self)>,
    context: Option<(*const ContextType, Box<[u64]>)>,
    pub body: Body,
}

/// The framework's one lock, held.
pub struct Locked(u8);

struct Word(UnsafeCell<usize>);
// SAFETY: only the kernel's spin-lock routines touch it.
unsafe impl Sync for Word {}
static LOCK: Word = Word(UnsafeCell::new(0));

impl Locked {
    pub fn new() -> Self {
        Self(unsafe { nt::KeAcquireSpinLockRaiseToDpc(LOCK.0.get()) })
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        unsafe { nt::KeReleaseSpinLock(LOCK.0.get(), self.0) }
    }
}

/// Makes an object with one reference, its creator's.
pub fn create(body: Body, parent: *mut Object, attributes: *const Attributes) -> *mut Object {
    let attributes = unsafe { attributes.as_ref() };
    let parent = attributes.map(|attributes| attributes.parent).filter(|parent| !parent.is_null()).unwrap_or(parent);
    let context = attributes.and_then(|attributes| {
        let context_type = unsafe { attributes.context_type.as_ref() }?;
        let size = attributes.context_size_override.max(context_type.context_size);
        Some((attributes.context_type, alloc::vec![0; size.div_ceil(8)].into_boxed_slice()))
    });
    let object = Box::into_raw(Box::new(Object {
        magic: MAGIC,
        references: AtomicI32::new(1),
        parent,
        children: Vec::new(),
        cleanup: attributes.and_then(|attributes| attributes.cleanup),
        destroy: attributes.and_then(|attributes| attributes.destroy),
        context,
        body,
    }));
    if !parent.is_null() {
        check(parent);
        let _locked = Locked::new();
        unsafe { (*parent).children.push(object) };
    }
    object
}

/// Stops on a handle that is none.
pub fn check(object: *mut Object) {
    if object.is_null() || unsafe { (*object).magic } != MAGIC {
        unsafe {
            nt::DbgPrint(c"WDFLDR (test framework): bad handle %p\n".as_ptr(), object);
            nt::KeBugCheckEx(WDF_VIOLATION, 5, object as usize, 0, 0)
        }
    }
}

/// Stops on a handle of another type.
fn wrong_type(object: *mut Object) -> ! {
    unsafe {
        nt::DbgPrint(c"WDFLDR (test framework): handle %p is of another type\n".as_ptr(), object);
        nt::KeBugCheckEx(WDF_VIOLATION, 5, object as usize, 1, 0)
    }
}

macro_rules! body_of {
    ($($function:ident: $variant:ident($type:ty),)+) => {
        $(pub fn $function<'o>(object: *mut Object) -> &'o mut $type {
            check(object);
            match unsafe { &mut (*object).body } {
                Body::$variant(body) => body,
                _ => wrong_type(object),
            }
        })+
    };
}
body_of! {
    device: Device(Device),
    file: File(File),
    queue: Queue(Queue),
    request: Request(Request),
    timer: Timer(Timer),
    key: Key(Key),
    wait_lock: WaitLock(WaitLock),
}

pub fn reference(object: *mut Object) {
    check(object);
    unsafe { (*object).references.fetch_add(1, Ordering::Relaxed) };
}

pub fn dereference(object: *mut Object) {
    check(object);
    let before = unsafe { (*object).references.fetch_sub(1, Ordering::AcqRel) };
    if before == 1 {
        unsafe {
            if let Some(destroy) = (*object).destroy {
                destroy(object);
            }
            (*object).magic = 0;
            drop(Box::from_raw(object));
        }
    }
}

/// Deletes an object after its children: cleanup callbacks, then the creator's reference.
pub fn delete(object: *mut Object) {
    check(object);
    loop {
        let child = {
            let _locked = Locked::new();
            unsafe { (*object).children.pop() }
        };
        let Some(child) = child else { break };
        unsafe { (*child).parent = null_mut() };
        delete(child);
    }
    unsafe {
        let parent = (*object).parent;
        if !parent.is_null() {
            let _locked = Locked::new();
            (*parent).children.retain(|&child| child != object);
        }
        if let Some(cleanup) = (*object).cleanup {
            cleanup(object);
        }
        match &mut (*object).body {
            Body::Device(device) => device.dispose(),
            Body::Timer(timer) => timer.dispose(),
            Body::Key(key) => key.dispose(),
            Body::WaitLock(lock) => lock.dispose(),
            Body::Driver | Body::File(_) | Body::Queue(_) | Body::Request(_) => {}
        }
    }
    dereference(object);
}

pub unsafe extern "system" fn object_delete(_: *mut Globals, object: *mut Object) {
    delete(object);
}

pub unsafe extern "system" fn object_reference_actual(
    _: *mut Globals,
    object: *mut Object,
    _: *mut c_void,
    _: i32,
    _: *const c_char,
) {
    reference(object);
}

pub unsafe extern "system" fn object_dereference_actual(
    _: *mut Globals,
    object: *mut Object,
    _: *mut c_void,
    _: i32,
    _: *const c_char,
) {
    dereference(object);
}

pub unsafe extern "system" fn object_get_typed_context_worker(
    _: *mut Globals,
    object: *mut Object,
    wanted: *const ContextType,
) -> *mut c_void {
    check(object);
    match unsafe { &mut (*object).context } {
        Some((own, memory)) if *own == wanted => memory.as_mut_ptr().cast(),
        _ => null_mut(),
    }
}
