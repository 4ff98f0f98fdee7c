//! The images that are loaded.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use crate::{mutex::lock, pe::LoadedImage};

/// The most images that a process ever loads.
const MOST: usize = 4096;

struct Slot {
    start: AtomicUsize,
    end: AtomicUsize,
}

/// Code ranges, readable from a signal handler.
static CODE: [Slot; MOST] = [const { Slot { start: AtomicUsize::new(0), end: AtomicUsize::new(0) } }; MOST];
/// How many of them are used.
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// Index of irqlog.sys in the above, plus one.
static IRQLOG: AtomicUsize = AtomicUsize::new(0);
static IMAGES: Mutex<Vec<Arc<LoadedImage>>> = Mutex::new(Vec::new());

/// Makes an image known. Images stay mapped until the process ends, as late signals may still look at them.
pub fn add(image: &Arc<LoadedImage>) {
    let mut images = lock(&IMAGES);
    let index = images.len();
    assert!(index < MOST, "too many images");
    CODE[index].start.store(image.code.0, Ordering::Relaxed);
    CODE[index].end.store(image.code.1, Ordering::Release);
    COUNT.store(index + 1, Ordering::Release);
    if image.name.eq_ignore_ascii_case("irqlog.sys") {
        IRQLOG.store(index + 1, Ordering::Release);
    }
    images.push(Arc::clone(image));
}

/// Notes that an image has been unloaded: from now on no access to it is allowed.
pub fn retire(image: &Arc<LoadedImage>) {
    let images = lock(&IMAGES);
    if let Some(index) = images.iter().position(|known| Arc::ptr_eq(known, image)) {
        CODE[index].end.store(0, Ordering::Release);
    }
    image.forbid().expect("own pages");
}

/// The name of the unloaded image that an address lay in.
pub fn unloaded(address: usize) -> Option<String> {
    let images = lock(&IMAGES);
    let (image, _) = images.iter().zip(&CODE).find(|(image, slot)| {
        let is_in = (image.base()..image.base() + image.size()).contains(&address);
        is_in && slot.end.load(Ordering::Acquire) == 0
    })?;
    Some(image.describe(address))
}

/// An image by its file name.
pub fn find(name: &str) -> Option<Arc<LoadedImage>> {
    lock(&IMAGES).iter().rev().find(|image| image.name.eq_ignore_ascii_case(name)).cloned()
}

fn contains(slot: &Slot, address: usize) -> bool {
    address < slot.end.load(Ordering::Acquire) && slot.start.load(Ordering::Relaxed) <= address
}

/// Whether an address is in the code of an image.
pub fn is_code(address: usize) -> bool {
    CODE[..COUNT.load(Ordering::Acquire)].iter().any(|slot| contains(slot, address))
}

/// Whether an address is in the code of irqlog.sys.
pub fn is_irqlog(address: usize) -> bool {
    IRQLOG.load(Ordering::Acquire).checked_sub(1).is_some_and(|index| contains(&CODE[index], address))
}

/// A place in an image that is no code, as `irqlog.sys+0x5040`.
pub fn place(address: usize) -> Option<String> {
    let images = lock(&IMAGES);
    let image = images.iter().find(|image| (image.base()..image.base() + image.size()).contains(&address))?;
    Some(format!("the lock at {}+{:#x}", image.name, address - image.base()))
}

/// An address in words: `irqlog.sys!symbol+0x12`.
pub fn describe(address: usize) -> String {
    let images = lock(&IMAGES);
    match images.iter().find(|image| image.has_code(address)) {
        Some(image) => image.describe(address),
        None => format!("{address:#x} (not in an image)"),
    }
}
