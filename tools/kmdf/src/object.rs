//! Handles: reference-counted objects with a parent, children, contexts and the driver's cleanup callbacks.
//!
//! | Type | What |
//! |---|---|
//! | [`Object`] | the header that every object begins with |
//! | [`RawHandle`] | a handle as it passes between the driver and us: an address, null or not |
//! | [`Reference`] | a counted reference to an object of any type: it lives at least as long |
//! | [`Handle`] | a counted reference to an object of a known type, whose [`Body`] it gives |
//!
//! An object is only ever borrowed shared. What changes in it is atomic, or guarded by the framework's lock
//! ([`Guarded`]). Its creator's reference belongs to the tree of parents and children, and [`delete`] gives it back.

use alloc::{boxed::Box, vec::Vec};
use core::{
    cell::UnsafeCell,
    ffi::{c_char, c_void},
    marker::PhantomData,
    mem::forget,
    ops::Deref,
    ptr::{NonNull, null_mut},
    sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering},
};

use irqlog_nt::framework::REFERENCE_TAG;

use crate::{
    lock::{Guarded, Locked},
    stop::{self, BAD_HANDLE, require},
};

/// `irqlogKO`: what a live object starts with.
const MAGIC: u64 = u64::from_le_bytes(*b"irqlogKO");
/// References of an object while its destroy callback runs: the callback's own never bring it to zero again.
const DYING: i32 = 1 << 30;

/// The types of objects.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    Driver,
    Device,
    File,
    Queue,
    Request,
    Timer,
    Key,
    WaitLock,
}

/// The body of an object, behind its header.
pub trait Body: Sized + 'static {
    /// The type that a handle of it is checked for.
    const KIND: ObjectKind;

    /// The object is deleted: gives back what the kernel knows of it. The body stays until the last reference goes.
    fn dispose(&self) {}
}

/// A callback of the driver that gets a handle.
pub type Callback = unsafe extern "system" fn(RawHandle);

/// The fields of WDF_OBJECT_ATTRIBUTES.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Attributes {
    pub size: u32,
    pub cleanup: Option<Callback>,
    pub destroy: Option<Callback>,
    pub execution_level: i32,
    pub synchronization_scope: i32,
    pub parent: RawHandle,
    pub context_size_override: usize,
    pub context_type: Option<&'static ContextType>,
}

/// The fields of WDF_OBJECT_CONTEXT_TYPE_INFO.
#[repr(C)]
pub struct ContextType {
    pub size: u32,
    pub name: *const c_char,
    pub context_size: usize,
    unique: *const Self,
    get_unique: *const c_void,
}

/// A context: its type, and memory that the driver reads and writes.
struct Context {
    of: &'static ContextType,
    memory: Box<[UnsafeCell<u64>]>,
}

/// Where an object stands in the tree.
struct Links {
    parent: Option<Reference>,
    children: Vec<Reference>,
}

/// The properties of a body's type that the header keeps.
struct Type {
    kind: ObjectKind,
    dispose: fn(&Reference),
    /// Frees the whole object.
    ///
    /// # Safety
    /// The object has this type, and nothing refers to it any more.
    free: unsafe fn(NonNull<Object>),
}

/// The header of an object.
pub struct Object {
    magic: AtomicU64,
    of: &'static Type,
    references: AtomicI32,
    is_deleted: AtomicBool,
    links: Guarded<Links>,
    /// The tags of the references that the driver has.
    tags: Guarded<Vec<usize>>,
    cleanup: Option<Callback>,
    destroy: Option<Callback>,
    context: Option<Context>,
}

/// An object with its body. The header lies first, so its address is the object's.
#[repr(C)]
struct Typed<T> {
    header: Object,
    body: T,
}

impl<T: Body> Typed<T> {
    const TYPE: Type =
        Type { kind: T::KIND, dispose: |object| object.clone().typed::<T>().dispose(), free: Self::free };

    /// Frees the object.
    ///
    /// # Safety
    /// `object` is the header of a `Typed<T>` that [`create`] made, and nothing refers to it any more.
    unsafe fn free(object: NonNull<Object>) {
        // SAFETY: `create` made it as a `Box<Typed<T>>`, whose first field the header is; the caller gives up the last
        // reference.
        drop(unsafe { Box::from_raw(object.cast::<Self>().as_ptr()) });
    }
}

/// A handle as it passes between the driver and the framework; null is none.
///
/// One comes from the driver, with a call or in a structure, or from [`Reference::raw`]; here none can be made up. That
/// the driver gives a handle that it got and has not deleted is the contract of every DDI, so of every `unsafe extern`
/// function of this crate.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct RawHandle(*mut Object);

impl RawHandle {
    /// No handle.
    pub const NULL: Self = Self(null_mut());

    /// Whether there is no object.
    pub const fn is_null(self) -> bool {
        self.0.is_null()
    }

    /// The handle as a pointer of C's.
    pub const fn as_ptr(self) -> *mut c_void {
        self.0.cast()
    }

    /// A handle out of a pointer that the framework keeps with a kernel object.
    ///
    /// # Safety
    /// `pointer` is what [`as_ptr`](Self::as_ptr) gave, of an object that has not been freed.
    pub const unsafe fn from_ptr(pointer: *mut c_void) -> Self {
        Self(pointer.cast())
    }

    /// The reference that [`Handle::keep`] has kept.
    ///
    /// # Safety
    /// A reference of the object was kept, and nobody has taken it, or will.
    pub unsafe fn take(self) -> Option<Reference> {
        NonNull::new(self.0).map(Reference)
    }

    /// A reference to the object; ends the run if the handle is none.
    pub fn open(self) -> Reference {
        let Some(object) = NonNull::new(self.0) else { stop::violation(BAD_HANDLE, c"null handle", null_mut()) };
        // SAFETY: by the contract of this type the object has not been deleted, so its creator's reference, or one that
        // the driver took, keeps it alive during the call. A handle that breaks it is told by the magic, or faults in
        // the rig, whose freed pool is inaccessible.
        let header = unsafe { object.as_ref() };
        if header.magic.load(Ordering::Relaxed) != MAGIC {
            stop::violation(BAD_HANDLE, c"bad handle", self.as_ptr());
        }
        header.references.fetch_add(1, Ordering::Relaxed);
        Reference(object)
    }

    /// A reference to the object as one of type `T`; ends the run if it is none.
    pub fn of<T: Body>(self) -> Handle<T> {
        self.open().typed()
    }
}

/// A counted reference to an object.
pub struct Reference(NonNull<Object>);

impl Deref for Reference {
    type Target = Object;

    fn deref(&self) -> &Object {
        // SAFETY: the count includes this reference, so the object lives; its header is only ever borrowed shared.
        unsafe { self.0.as_ref() }
    }
}

impl Clone for Reference {
    fn clone(&self) -> Self {
        self.references.fetch_add(1, Ordering::Relaxed);
        Self(self.0)
    }
}

impl Drop for Reference {
    /// Not under the lock: the last reference calls the driver.
    fn drop(&mut self) {
        if self.references.fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        self.references.store(DYING, Ordering::Relaxed);
        if let Some(destroy) = self.destroy {
            // SAFETY: EvtDestroyCallback as the driver gave it; the object is still whole.
            unsafe { destroy(self.raw()) };
        }
        self.magic.store(0, Ordering::Relaxed);
        let free = self.of.free;
        // SAFETY: the count was one, ours, so nothing else refers to the object; `free` is that of its type.
        unsafe { free(self.0) };
    }
}

impl Reference {
    /// The handle, which is good for as long as the object lives.
    pub const fn raw(&self) -> RawHandle {
        RawHandle(self.0.as_ptr())
    }

    /// The object as one of type `T`; ends the run if it is of another.
    pub fn typed<T: Body>(self) -> Handle<T> {
        if self.of.kind != T::KIND {
            stop::violation(BAD_HANDLE, c"handle of another type", self.raw().as_ptr());
        }
        Handle { object: self, body: PhantomData }
    }

    /// Gives back a reference besides this one.
    fn release_one(&self) {
        let before = self.references.fetch_sub(1, Ordering::AcqRel);
        if before < 2 {
            stop::violation(BAD_HANDLE, c"dereferenced more often than referenced", self.raw().as_ptr());
        }
    }
}

/// A counted reference to an object of type `T`.
pub struct Handle<T> {
    object: Reference,
    body: PhantomData<T>,
}

impl<T: Body> Deref for Handle<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: `typed` compared the object's type with T's, and the count includes this reference. The address was
        // that of the whole `Typed<T>`, which is only ever borrowed shared.
        let typed = unsafe { self.object.0.cast::<Typed<T>>().as_ref() };
        &typed.body
    }
}

impl<T> Clone for Handle<T> {
    fn clone(&self) -> Self {
        Self { object: self.object.clone(), body: PhantomData }
    }
}

impl<T> Handle<T> {
    /// The handle for the driver.
    pub const fn raw(&self) -> RawHandle {
        self.object.raw()
    }

    /// The object, its type set aside.
    pub fn into_object(self) -> Reference {
        self.object
    }

    /// Gives the driver the handle and this reference, which the driver drops by WdfObjectDereference, without a tag.
    pub fn leak(self) -> RawHandle {
        self.object.tags.get(&mut Locked::new()).push(0);
        self.keep()
    }

    /// The handle with this reference, for [`RawHandle::take`].
    pub fn keep(self) -> RawHandle {
        let raw = self.raw();
        forget(self.object);
        raw
    }
}

/// Makes an object whose creator's reference [`delete`] gives back. A parent in the attributes goes before `parent`.
pub fn create<T: Body>(body: T, parent: Option<Reference>, attributes: Option<&Attributes>) -> Handle<T> {
    let named = attributes.map(|attributes| attributes.parent).filter(|parent| !parent.is_null());
    let parent = named.map(RawHandle::open).or(parent);
    let context = attributes.and_then(|attributes| {
        let of = attributes.context_type?;
        let size = attributes.context_size_override.max(of.context_size);
        let memory = core::iter::repeat_with(|| UnsafeCell::new(0)).take(size.div_ceil(8)).collect();
        Some(Context { of, memory })
    });
    let typed = Box::new(Typed {
        header: Object {
            magic: AtomicU64::new(MAGIC),
            of: &Typed::<T>::TYPE,
            // The creator's, and the one that is given.
            references: AtomicI32::new(2),
            is_deleted: AtomicBool::new(false),
            links: Guarded::new(Links { parent: parent.clone(), children: Vec::new() }),
            tags: Guarded::new(Vec::new()),
            cleanup: attributes.and_then(|attributes| attributes.cleanup),
            destroy: attributes.and_then(|attributes| attributes.destroy),
            context,
        },
        body,
    });
    let object = Reference(NonNull::from(Box::leak(typed)).cast());
    if let Some(parent) = parent {
        parent.links.get(&mut Locked::new()).children.push(object.clone());
    }
    object.typed()
}

/// Deletes an object after its children: cleanup callbacks, then the creator's reference. IRQL: as its type allows.
pub fn delete(object: &Reference) {
    if object.is_deleted.swap(true, Ordering::AcqRel) {
        stop::violation(BAD_HANDLE, c"deleted twice", object.raw().as_ptr());
    }
    while let Some(child) = pop_child(object) {
        delete(&child);
    }
    // What leaves the tree is dropped here, after the lock.
    let _parent = leave_parent(object);
    if let Some(cleanup) = object.cleanup {
        // SAFETY: EvtCleanupCallback as the driver gave it; `object` keeps the object alive.
        unsafe { cleanup(object.raw()) };
    }
    (object.of.dispose)(object);
    object.release_one();
}

/// Takes a child out of the tree, if there is one.
fn pop_child(object: &Reference) -> Option<Reference> {
    let mut locked = Locked::new();
    let child = object.links.get(&mut locked).children.pop()?;
    let parent = child.links.get(&mut locked).parent.take();
    drop(locked);
    drop(parent);
    Some(child)
}

/// Takes an object out of its parent's children; gives both references that this ends.
fn leave_parent(object: &Reference) -> Option<(Reference, Option<Reference>)> {
    let mut locked = Locked::new();
    let parent = object.links.get(&mut locked).parent.take()?;
    let children = &mut parent.links.get(&mut locked).children;
    let own = children.iter().position(|child| child.0 == object.0).map(|index| children.remove(index));
    drop(locked);
    Some((parent, own))
}

pub unsafe extern "system" fn object_delete(_: *const c_void, object: RawHandle) {
    delete(&object.open());
}

pub unsafe extern "system" fn object_reference_actual(
    _: *const c_void,
    object: RawHandle,
    tag: *mut c_void,
    _: i32,
    _: *const c_char,
) {
    let object = object.open();
    object.tags.get(&mut Locked::new()).push(tag.addr());
    forget(object);
}

pub unsafe extern "system" fn object_dereference_actual(
    _: *const c_void,
    object: RawHandle,
    tag: *mut c_void,
    _: i32,
    _: *const c_char,
) {
    let object = object.open();
    let mut locked = Locked::new();
    let tags = object.tags.get(&mut locked);
    let own = tags.iter().position(|&own| own == tag.addr()).map(|index| tags.swap_remove(index));
    drop(locked);
    require(own.is_some(), &REFERENCE_TAG);
    object.release_one();
}

pub unsafe extern "system" fn object_get_typed_context_worker(
    _: *const c_void,
    object: RawHandle,
    wanted: *const ContextType,
) -> *mut c_void {
    match &object.open().context {
        Some(own) if core::ptr::eq(own.of, wanted) => own.memory.as_ptr().cast_mut().cast(),
        _ => null_mut(),
    }
}
