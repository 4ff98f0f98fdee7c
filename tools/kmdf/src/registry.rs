//! Registry keys: the service's `Parameters`, and values out of it.

use alloc::vec::Vec;
use core::{ffi::c_void, ptr::null_mut};

use irqlog_nt::{
    KEY_VALUE_PARTIAL_INFORMATION, KeyValuePartialInformation, NtStatus, OBJ_KERNEL, ObjectAttributes, REG_DWORD,
    REG_SZ, STATUS_BUFFER_OVERFLOW, STATUS_OBJECT_TYPE_MISMATCH, STATUS_SUCCESS, UnicodeString,
};

use crate::{
    device::{registry_path, unicode_string},
    nt,
    object::{self, Attributes, Body, Object},
    table::Globals,
};

pub struct Key {
    handle: *mut c_void,
}

impl Key {
    pub fn dispose(&mut self) {
        let _status = unsafe { nt::ZwClose(self.handle) };
    }
}

pub unsafe extern "system" fn driver_open_parameters_registry_key(
    _: *mut Globals,
    driver: *mut Object,
    access: u32,
    attributes: *const Attributes,
    out: *mut *mut Object,
) -> NtStatus {
    let mut path: Vec<u16> = registry_path();
    path.extend("\\Parameters".encode_utf16());
    let name = unicode_string(&path);
    let open = ObjectAttributes {
        Length: size_of::<ObjectAttributes>() as u32,
        RootDirectory: null_mut(),
        ObjectName: &raw const name,
        Attributes: OBJ_KERNEL,
        SecurityDescriptor: null_mut(),
        SecurityQualityOfService: null_mut(),
    };
    let mut handle = null_mut();
    let status = unsafe { nt::ZwOpenKey(&raw mut handle, access, &raw const open) };
    if status < 0 {
        return status;
    }
    unsafe { *out = object::create(Body::Key(Key { handle }), driver, attributes) };
    STATUS_SUCCESS
}

pub unsafe extern "system" fn registry_close(_: *mut Globals, key: *mut Object) {
    object::delete(key);
}

/// Header and at most 256 bytes of data.
#[repr(C, align(8))]
struct Value {
    header: KeyValuePartialInformation,
    data: [u8; 256],
}

fn query(key: *mut Object, name: *const UnicodeString) -> Result<Value, NtStatus> {
    let header = KeyValuePartialInformation { TitleIndex: 0, Type: 0, DataLength: 0 };
    let mut value = Value { header, data: [0; 256] };
    let mut needed = 0;
    let status = unsafe {
        nt::ZwQueryValueKey(
            object::key(key).handle,
            name,
            KEY_VALUE_PARTIAL_INFORMATION,
            (&raw mut value).cast(),
            size_of::<Value>() as u32,
            &raw mut needed,
        )
    };
    if status < 0 { Err(status) } else { Ok(value) }
}

pub unsafe extern "system" fn registry_query_ulong(
    _: *mut Globals,
    key: *mut Object,
    name: *const UnicodeString,
    out: *mut u32,
) -> NtStatus {
    match query(key, name) {
        Ok(value) if value.header.Type == REG_DWORD && value.header.DataLength == 4 => {
            let [a, b, c, d, ..] = value.data;
            unsafe { *out = u32::from_le_bytes([a, b, c, d]) };
            STATUS_SUCCESS
        }
        Ok(_) => STATUS_OBJECT_TYPE_MISMATCH,
        Err(status) => status,
    }
}

pub unsafe extern "system" fn registry_query_unicode_string(
    _: *mut Globals,
    key: *mut Object,
    name: *const UnicodeString,
    out_length: *mut u16,
    out: *mut UnicodeString,
) -> NtStatus {
    let value = match query(key, name) {
        Ok(value) if value.header.Type == REG_SZ => value,
        Ok(_) => return STATUS_OBJECT_TYPE_MISMATCH,
        Err(status) => return status,
    };
    // The value is stored with its terminating zero; a counted string has none.
    let stored = (value.header.DataLength as usize).min(value.data.len()) & !1;
    let text = stored.saturating_sub(2);
    unsafe {
        if !out_length.is_null() {
            *out_length = stored as u16;
        }
        let Some(out) = out.as_mut() else { return STATUS_SUCCESS };
        if text > usize::from(out.MaximumLength) {
            return STATUS_BUFFER_OVERFLOW;
        }
        core::ptr::copy_nonoverlapping(value.data.as_ptr(), out.Buffer.cast::<u8>(), text);
        out.Length = text as u16;
    }
    STATUS_SUCCESS
}
