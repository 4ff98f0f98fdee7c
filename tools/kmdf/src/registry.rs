//! Registry keys: the service's `Parameters`, and values out of it.

use core::{ffi::c_void, mem::MaybeUninit, ptr::null_mut};

use irqlog_nt::{
    KEY_VALUE_PARTIAL_INFORMATION, KeyValuePartialInformation, NtStatus, OBJ_KERNEL, ObjectAttributes, REG_DWORD,
    REG_SZ, STATUS_BUFFER_OVERFLOW, STATUS_OBJECT_TYPE_MISMATCH, STATUS_SUCCESS, UnicodeString, framework::VALUE_ROOM,
};

use crate::{
    check,
    globals::{registry_path, unicode_string},
    nt,
    object::{self, Attributes, Body, ObjectKind, RawHandle},
    stop,
};

/// WDFKEY.
pub struct WdfKey {
    handle: *mut c_void,
}

impl Body for WdfKey {
    const KIND: ObjectKind = ObjectKind::Key;

    fn dispose(&self) {
        // SAFETY: ZwOpenKey gave the handle, and the object is disposed of once.
        let _status = unsafe { nt::ZwClose(self.handle) };
    }
}

pub unsafe extern "system" fn driver_open_parameters_registry_key(
    _: *const c_void,
    driver: RawHandle,
    access: u32,
    attributes: Option<&Attributes>,
    out: &mut MaybeUninit<RawHandle>,
) -> NtStatus {
    check::passive();
    check::attributes(attributes, check::PLAIN);
    let mut path = registry_path();
    path.extend("\\Parameters".encode_utf16());
    let mut name = unicode_string(&path);
    let mut open = ObjectAttributes {
        Length: size_of::<ObjectAttributes>() as u32,
        RootDirectory: null_mut(),
        ObjectName: &raw mut name,
        Attributes: OBJ_KERNEL,
        SecurityDescriptor: null_mut(),
        SecurityQualityOfService: null_mut(),
    };
    let mut handle = null_mut();
    // SAFETY: the attributes and the name in them, and `handle`, live during the call. IRQL: PASSIVE_LEVEL, as the DDI.
    let status = unsafe { nt::ZwOpenKey(&raw mut handle, access, &raw mut open) };
    if status < 0 {
        return status;
    }
    out.write(object::create(WdfKey { handle }, Some(driver.open()), attributes).raw());
    STATUS_SUCCESS
}

pub unsafe extern "system" fn registry_close(_: *const c_void, key: RawHandle) {
    object::delete(&key.of::<WdfKey>().into_object());
}

/// Header and at most 256 bytes of data.
#[repr(C, align(8))]
struct Value {
    header: KeyValuePartialInformation,
    data: [u8; 256],
}

fn query(key: RawHandle, name: &UnicodeString) -> Result<Value, NtStatus> {
    check::passive();
    check::string(name);
    let key = key.of::<WdfKey>();
    let header = KeyValuePartialInformation { TitleIndex: 0, Type: 0, DataLength: 0 };
    let mut value = Value { header, data: [0; 256] };
    let mut needed = 0;
    // SAFETY: the handle is open while the object is not disposed of. The kernel writes at most the size that is given
    // of `value`, any bytes of which are valid, and `needed`; all live during the call. It only reads the name.
    let status = unsafe {
        nt::ZwQueryValueKey(
            key.handle,
            (&raw const *name).cast_mut(),
            KEY_VALUE_PARTIAL_INFORMATION,
            (&raw mut value).cast(),
            size_of::<Value>() as u32,
            &raw mut needed,
        )
    };
    if status < 0 { Err(status) } else { Ok(value) }
}

pub unsafe extern "system" fn registry_query_ulong(
    _: *const c_void,
    key: RawHandle,
    name: &UnicodeString,
    out: &mut MaybeUninit<u32>,
) -> NtStatus {
    match query(key, name) {
        Ok(value) if value.header.Type == REG_DWORD && value.header.DataLength == 4 => {
            let [a, b, c, d, ..] = value.data;
            out.write(u32::from_le_bytes([a, b, c, d]));
            STATUS_SUCCESS
        }
        Ok(_) => STATUS_OBJECT_TYPE_MISMATCH,
        Err(status) => status,
    }
}

pub unsafe extern "system" fn registry_query_unicode_string(
    _: *const c_void,
    key: RawHandle,
    name: &UnicodeString,
    out_length: Option<&mut MaybeUninit<u16>>,
    out: Option<&mut UnicodeString>,
) -> NtStatus {
    if let Some(out) = &out {
        check::string(out);
        stop::require(out.MaximumLength != 0, &VALUE_ROOM);
    }
    let value = match query(key, name) {
        Ok(value) if value.header.Type == REG_SZ => value,
        Ok(_) => return STATUS_OBJECT_TYPE_MISMATCH,
        Err(status) => return status,
    };
    // The value is stored with its terminating zero, which has to fit although it is not counted.
    let stored = (value.header.DataLength as usize).min(value.data.len()) & !1;
    if let Some(out_length) = out_length {
        out_length.write(stored as u16);
    }
    let Some(out) = out else { return STATUS_SUCCESS };
    if stored > usize::from(out.MaximumLength) {
        return STATUS_BUFFER_OVERFLOW;
    }
    // SAFETY: the buffer of the driver's string has MaximumLength bytes, and `stored` is no more than that, nor than what
    // `data` has; `data` is our own, so the two do not overlap.
    unsafe { core::ptr::copy_nonoverlapping(value.data.as_ptr(), out.Buffer.cast::<u8>(), stored) };
    let is_terminated = value.data.get(..stored).is_some_and(|text| text.ends_with(&[0, 0]));
    out.Length = (if is_terminated { stored - 2 } else { stored }) as u16;
    STATUS_SUCCESS
}
