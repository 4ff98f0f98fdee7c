//! Loading, starting, stopping and unloading drivers, as the service manager and the kernel do it.

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Context, Result, bail, ensure};
use irqlog_nt::{DriverObject, UnicodeString};

use crate::{
    framework_calls, images,
    mutex::lock,
    nt::{bugcheck, exports, heap, interrupt, io, machine::current, nmi, ps, registry, report, workitem},
    pe::LoadedImage,
};

/// Drivers that run.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// A driver that runs.
pub struct Driver {
    service: String,
    object: *mut DriverObject,
    /// The driver's loaded image.
    pub image: Arc<LoadedImage>,
    /// STOP was asked for while files were open.
    stopping: Mutex<bool>,
}

// SAFETY: the object is the driver's and the kernel's, both made for all threads.
unsafe impl Send for Driver {}
// SAFETY: as above.
unsafe impl Sync for Driver {}

/// Loads an image that drivers import from, such as WDFLDR.SYS. Its entry point is not called.
///
/// # Errors
/// If it cannot be loaded.
pub fn load_library(path: &Path) -> Result<Arc<LoadedImage>> {
    let image = LoadedImage::load(path, &|_, name| exports::find(name))?;
    images::add(&image);
    Ok(image)
}

/// Whether an image imports from a module.
///
/// # Errors
/// If it is no image.
pub fn imports_from(path: &Path, module: &str) -> Result<bool> {
    LoadedImage::modules(path).map(|modules| modules.iter().any(|found| found.eq_ignore_ascii_case(module)))
}

fn resolve(service: &str, module: &str, name: &str) -> Option<usize> {
    let is_kernel = ["ntoskrnl.exe", "hal.dll", "cng.sys"].iter().any(|kernel| kernel.eq_ignore_ascii_case(module));
    if is_kernel {
        return exports::find(name);
    }
    let address = images::find(module)?.export(name)?;
    let is_counted = service == "irqlog" && name == "WdfVersionBind";
    Some(if is_counted { framework_calls::wrap(address) } else { address })
}

/// UTF-16 that lives as long as the process: drivers keep pointers to names.
fn leak(text: &str) -> UnicodeString {
    let wide: &'static mut [u16] = text.encode_utf16().collect::<Vec<_>>().leak();
    let bytes = size_of_val(wide) as u16;
    UnicodeString { Length: bytes, MaximumLength: bytes, Buffer: wide.as_mut_ptr() }
}

impl Driver {
    /// Loads a driver and calls its entry point. On a simulated thread.
    ///
    /// # Errors
    /// If the image cannot be loaded, or the driver fails to start: then what it left behind is an error too, unless other
    /// drivers run.
    pub fn start(service: &str, path: &Path) -> Result<Self> {
        let image = LoadedImage::load(path, &|module, name| resolve(service, module, name))?;
        images::add(&image);
        // SAFETY: all-zero is a valid driver object.
        let object: &'static mut DriverObject = Box::leak(Box::new(unsafe { std::mem::zeroed() }));
        object.Type = 4;
        object.Size = size_of::<DriverObject>() as i16;
        object.DriverStart = image.base() as *mut std::ffi::c_void;
        object.DriverSize = image.size() as u32;
        object.DriverName = leak(&format!(r"\Driver\{service}"));
        let registry_path: &'static UnicodeString = Box::leak(Box::new(leak(&registry::service_key(service))));
        // SAFETY: the entry point of a kernel image: DRIVER_INITIALIZE.
        let status = unsafe {
            let entry: extern "efiapi" fn(*mut DriverObject, *const UnicodeString) -> i32 =
                std::mem::transmute(image.entry());
            entry(object, registry_path)
        };
        check_irql("DriverEntry");
        if status < 0 {
            if RUNNING.load(Ordering::SeqCst) == 0 {
                check_nothing_is_left();
            }
            bail!("{service} failed to start with status {status:#010x}");
        }
        io::finish_initializing(object);
        RUNNING.fetch_add(1, Ordering::SeqCst);
        Ok(Self { service: service.to_owned(), object, image, stopping: Mutex::new(false) })
    }

    /// Asks it to stop. While files of its devices are open the stop stays pending, as NtUnloadDriver leaves it; then
    /// call again after the last close. True if it has unloaded.
    ///
    /// # Errors
    /// If it has no unload routine.
    pub fn stop(&self) -> Result<bool> {
        *lock(&self.stopping) = true;
        if io::open_files(self.object) != 0 {
            return Ok(false);
        }
        // SAFETY: the driver object is alive for ever.
        let unload = unsafe { (*self.object).DriverUnload }
            .with_context(|| format!("{} has no unload routine", self.service))?;
        // SAFETY: DRIVER_UNLOAD of a loaded image.
        unsafe {
            let unload: extern "efiapi" fn(*mut DriverObject) = std::mem::transmute(unload);
            unload(self.object);
        }
        check_irql("DriverUnload");
        // SAFETY: as above.
        let has_device = unsafe { !(*self.object).DeviceObject.is_null() };
        ensure!(!has_device, "{} left a device behind", self.service);
        images::retire(&self.image);
        RUNNING.fetch_sub(1, Ordering::SeqCst);
        Ok(true)
    }

    /// Whether a stop is pending: then its devices can no longer be opened.
    pub fn is_stopping(&self) -> bool {
        *lock(&self.stopping)
    }
}

fn check_irql(what: &str) {
    let thread = current().expect("drivers are started on simulated threads");
    let irql = thread.processor().irql.load(Ordering::Relaxed);
    if irql != 0 {
        report::broken(&format!("{what} returned at IRQL {irql}"));
    }
}

/// After the last driver has unloaded: pool, devices, links, handles and threads are gone, or the run ends.
pub fn check_nothing_is_left() {
    let left = more_than(left(), &[]);
    if !left.is_empty() {
        report::broken(&format!("left behind: {}", left.join("; ")));
    }
}

/// What drivers have taken of the kernel and not given back, an entry each.
pub fn left() -> Vec<String> {
    let mut left = heap::live();
    left.extend(io::leftovers());
    let counted = [
        (registry::open_handles(), "a registry handle"),
        (bugcheck::registered(), "a bug-check callback"),
        (ps::running(), "a system thread"),
        (workitem::left(), "a work item"),
        (ps::references(), "a reference to a thread"),
        (nmi::registered(), "an NMI callback"),
        (interrupt::connected(), "a connected interrupt"),
    ];
    left.extend(counted.into_iter().flat_map(|(count, what)| std::iter::repeat_n(what.to_owned(), count)));
    left
}

/// The entries that were not there before; what is there several times is counted.
pub fn more_than(mut left: Vec<String>, before: &[String]) -> Vec<String> {
    for entry in before {
        if let Some(index) = left.iter().position(|found| found == entry) {
            left.swap_remove(index);
        }
    }
    left.sort();
    let counted = left.chunk_by(|one, next| one == next);
    counted
        .map(|same| if same.len() == 1 { same[0].clone() } else { format!("{} times {}", same.len(), same[0]) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_before_is_not_left() {
        let of = |entries: &[&str]| entries.iter().map(|&entry| entry.to_owned()).collect::<Vec<_>>();
        let before = of(&["64 bytes, tag Irql", "a registry handle"]);
        let now = of(&[
            "64 bytes, tag Irql",
            "a registry handle",
            "a registry handle",
            "8 bytes, tag x",
            "a registry handle",
        ]);
        assert_eq!(more_than(now, &before), ["8 bytes, tag x", "2 times a registry handle"]);
        assert!(more_than(before.clone(), &before).is_empty());
    }
}
