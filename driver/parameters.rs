//! Reads the parameters from the service's `Parameters` key.

use irqlog_recorder::config::{BadValue, Config, Parameter, Shape};
use wdk_sys::{
    NTSTATUS, STATUS_OBJECT_NAME_NOT_FOUND, STATUS_SUCCESS, UNICODE_STRING, WDF_NO_OBJECT_ATTRIBUTES, WDFDRIVER,
    WDFKEY, call_unsafe_wdf_function_binding,
};

use crate::wdf::wide;

/// Read access to a key (winnt.h). Its parts are macros with a suffix that bindgen leaves out of the real bindings.
const KEY_READ: u32 = 0x0002_0019;

/// The parameters as they were read.
pub struct Parameters {
    /// The values; a missing or bad value has its default.
    pub config: Config,
    bad: [bool; Parameter::ALL.len()],
}

impl Parameters {
    /// The parameters that had bad values. IRQL: any.
    pub fn bad(&self) -> impl Iterator<Item = Parameter> {
        Parameter::ALL.into_iter().zip(self.bad).filter_map(|(parameter, bad)| bad.then_some(parameter))
    }
}

/// Reads all parameters; without the key, all have their defaults. IRQL: PASSIVE_LEVEL.
pub fn read(driver: WDFDRIVER) -> Parameters {
    let mut parameters = Parameters { config: Config::DEFAULT, bad: [false; Parameter::ALL.len()] };
    let Ok(key) = Key::open(driver) else { return parameters };
    for (parameter, bad) in Parameter::ALL.into_iter().zip(&mut parameters.bad) {
        let result = match parameter.shape() {
            Shape::Name => key.name(parameter).and_then(|name| match name {
                Some(name) => parameter.set_name(&mut parameters.config, name.as_str()),
                None => Ok(()),
            }),
            Shape::Number => key.number(parameter).and_then(|number| match number {
                Some(number) => parameter.set_number(&mut parameters.config, number),
                None => Ok(()),
            }),
        };
        *bad = result.is_err();
    }
    parameters
}

/// The name of a parameter's registry value. IRQL: any.
fn value_name(parameter: Parameter) -> UNICODE_STRING {
    match parameter {
        Parameter::Engine => wide!(Parameter::Engine.name()),
        Parameter::Lock => wide!(Parameter::Lock.name()),
        Parameter::LockBudget => wide!(Parameter::LockBudget.name()),
        Parameter::Policy => wide!(Parameter::Policy.name()),
        Parameter::Level => wide!(Parameter::Level.name()),
        Parameter::RingKib => wide!(Parameter::RingKib.name()),
        Parameter::NmiLaneKib => wide!(Parameter::NmiLaneKib.name()),
        Parameter::SitesKib => wide!(Parameter::SitesKib.name()),
        Parameter::RawPointers => wide!(Parameter::RawPointers.name()),
        Parameter::Ids => wide!(Parameter::Ids.name()),
    }
}

/// A registry value of short ASCII text.
struct Name {
    bytes: [u8; 32],
    length: usize,
}

impl Name {
    /// IRQL: any.
    fn as_str(&self) -> &str {
        self.bytes.get(..self.length).and_then(|bytes| core::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

/// The open key; dropping it closes the key.
struct Key(WDFKEY);

impl Key {
    /// IRQL: PASSIVE_LEVEL.
    fn open(driver: WDFDRIVER) -> Result<Self, NTSTATUS> {
        let mut key: WDFKEY = core::ptr::null_mut();
        // SAFETY: the driver object exists, the handle is written to our stack. PASSIVE_LEVEL.
        let status = unsafe {
            call_unsafe_wdf_function_binding!(
                WdfDriverOpenParametersRegistryKey,
                driver,
                KEY_READ,
                WDF_NO_OBJECT_ATTRIBUTES,
                &raw mut key
            )
        };
        if wdk::nt_success(status) { Ok(Self(key)) } else { Err(status) }
    }

    /// Reads a REG_DWORD; `None` if the value does not exist. IRQL: PASSIVE_LEVEL.
    fn number(&self, parameter: Parameter) -> Result<Option<u32>, BadValue> {
        let name = value_name(parameter);
        let mut value = 0;
        // SAFETY: the key is open, the name static, the value on our stack. PASSIVE_LEVEL.
        let status = unsafe {
            call_unsafe_wdf_function_binding!(WdfRegistryQueryULong, self.0, &raw const name, &raw mut value)
        };
        match status {
            STATUS_SUCCESS => Ok(Some(value)),
            STATUS_OBJECT_NAME_NOT_FOUND => Ok(None),
            _ => Err(BadValue),
        }
    }

    /// Reads a short REG_SZ of ASCII; `None` if the value does not exist. IRQL: PASSIVE_LEVEL.
    fn name(&self, parameter: Parameter) -> Result<Option<Name>, BadValue> {
        let value_name = value_name(parameter);
        let mut wide = [0_u16; 32];
        let mut value =
            UNICODE_STRING { Length: 0, MaximumLength: size_of_val(&wide) as u16, Buffer: wide.as_mut_ptr() };
        let mut length = 0_u16;
        // SAFETY: the key is open, the name static, and the string describes the buffer on our stack. PASSIVE_LEVEL.
        let status = unsafe {
            call_unsafe_wdf_function_binding!(
                WdfRegistryQueryUnicodeString,
                self.0,
                &raw const value_name,
                &raw mut length,
                &raw mut value
            )
        };
        match status {
            STATUS_SUCCESS => {}
            STATUS_OBJECT_NAME_NOT_FOUND => return Ok(None),
            _ => return Err(BadValue),
        }
        let mut name = Name { bytes: [0; 32], length: 0 };
        let characters = usize::from(value.Length) / size_of::<u16>();
        for (target, &character) in name.bytes.iter_mut().zip(wide.iter().take(characters)) {
            *target = u8::try_from(character).ok().filter(u8::is_ascii).ok_or(BadValue)?;
            name.length += 1;
        }
        Ok(Some(name))
    }
}

impl Drop for Key {
    /// IRQL: PASSIVE_LEVEL.
    fn drop(&mut self) {
        // SAFETY: opened in `open`, closed once. PASSIVE_LEVEL.
        unsafe { call_unsafe_wdf_function_binding!(WdfRegistryClose, self.0) }
    }
}
