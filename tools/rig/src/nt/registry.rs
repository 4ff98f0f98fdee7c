//! The registry: keys and values that a scenario sets, read by drivers through Zw routines.

use std::{collections::BTreeMap, ffi::c_void, sync::Mutex};

use irqlog_nt::{
    KEY_VALUE_PARTIAL_INFORMATION, KeyValuePartialInformation, NtStatus, ObjectAttributes, REG_DWORD, REG_SZ,
    STATUS_BUFFER_OVERFLOW, STATUS_BUFFER_TOO_SMALL, STATUS_INVALID_HANDLE, STATUS_INVALID_PARAMETER,
    STATUS_OBJECT_NAME_NOT_FOUND, STATUS_SUCCESS, UnicodeString,
};

use super::{import::routines, ps};
use crate::mutex::lock;

/// A value of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistryValue {
    /// REG_DWORD.
    Number(u32),
    /// REG_SZ.
    Text(String),
}

impl RegistryValue {
    fn bytes(&self) -> (u32, Vec<u8>) {
        match self {
            Self::Number(number) => (REG_DWORD, number.to_le_bytes().to_vec()),
            Self::Text(text) => (REG_SZ, text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()),
        }
    }
}

/// The values of a key, by name.
type Values = BTreeMap<String, RegistryValue>;

#[derive(Default)]
struct Registry {
    keys: BTreeMap<String, Values>,
    open: BTreeMap<usize, String>,
    next: usize,
}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry { keys: BTreeMap::new(), open: BTreeMap::new(), next: 0x1000 });

/// Path of a service's key.
pub fn service_key(service: &str) -> String {
    format!(r"\Registry\Machine\System\CurrentControlSet\Services\{service}")
}

/// Sets a parameter of a service.
pub fn set_parameter(service: &str, name: &str, value: RegistryValue) {
    let key = format!(r"{}\Parameters", service_key(service)).to_lowercase();
    lock(&REGISTRY).keys.entry(key).or_default().insert(name.to_lowercase(), value);
}

/// Handles that are still open.
pub fn open_handles() -> usize {
    lock(&REGISTRY).open.len()
}

/// The text of a counted string of a driver's.
pub fn text(string: *const UnicodeString) -> String {
    // SAFETY: null or a counted string in memory of the driver's.
    unsafe {
        match string.as_ref() {
            Some(string) if !string.Buffer.is_null() => {
                String::from_utf16_lossy(std::slice::from_raw_parts(string.Buffer, usize::from(string.Length) / 2))
            }
            _ => String::new(),
        }
    }
}

routines! {
    fn ZwOpenKey(out: *mut *mut c_void, _access: u32, attributes: *const ObjectAttributes) -> NtStatus {
        // SAFETY: memory of the driver's.
        let name = text(unsafe { (*attributes).ObjectName }).to_lowercase();
        let mut registry = lock(&REGISTRY);
        if registry.keys.contains_key(&name) {
            registry.next += 4;
            let handle = registry.next;
            registry.open.insert(handle, name);
            // SAFETY: memory of the driver's.
            unsafe { out.write(handle as *mut c_void) };
            STATUS_SUCCESS
        } else {
            STATUS_OBJECT_NAME_NOT_FOUND
        }
    }

    fn ZwClose(handle: *mut c_void) -> NtStatus {
        if ps::is_thread(handle as usize) {
            return STATUS_SUCCESS;
        }
        let closed = lock(&REGISTRY).open.remove(&(handle as usize));
        if closed.is_some() { STATUS_SUCCESS } else { STATUS_INVALID_HANDLE }
    }

    fn ZwQueryValueKey(handle: *mut c_void, name: *const UnicodeString, class: u32, buffer: *mut u8, length: u32, needed: *mut u32) -> NtStatus {
        let registry = lock(&REGISTRY);
        let name = text(name).to_lowercase();
        let key = registry.open.get(&(handle as usize));
        match key.map(|key| registry.keys.get(key).and_then(|values| values.get(&name))) {
            None => STATUS_INVALID_HANDLE,
            Some(_) if class != KEY_VALUE_PARTIAL_INFORMATION => STATUS_INVALID_PARAMETER,
            Some(None) => STATUS_OBJECT_NAME_NOT_FOUND,
            Some(Some(value)) => {
                let (kind, data) = value.bytes();
                let header = size_of::<KeyValuePartialInformation>();
                // SAFETY: memory of the driver's, of the length it gives.
                unsafe {
                    needed.write((header + data.len()) as u32);
                    if (length as usize) < header {
                        STATUS_BUFFER_TOO_SMALL
                    } else {
                        let information = KeyValuePartialInformation { TitleIndex: 0, Type: kind, DataLength: data.len() as u32 };
                        buffer.cast::<KeyValuePartialInformation>().write_unaligned(information);
                        let room = (length as usize - header).min(data.len());
                        std::ptr::copy_nonoverlapping(data.as_ptr(), buffer.add(header), room);
                        if room < data.len() { STATUS_BUFFER_OVERFLOW } else { STATUS_SUCCESS }
                    }
                }
            }
        }
    }
}
