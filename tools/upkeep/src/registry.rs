//! The registry as the store of the parameters.

use anyhow::{Context, Error, Result, anyhow, bail};
use windows_registry::{Key, LOCAL_MACHINE, Type};
use windows_result::Error as WindowsError;

use crate::parameters::{ParameterStore, Stored};

/// The key of the driver's service; the INF and `irqlog service install` make it.
const SERVICE: &str = r"SYSTEM\CurrentControlSet\Services\irqlog";
/// Below it; the driver opens it with WdfDriverOpenParametersRegistryKey.
const PARAMETERS: &str = "Parameters";

/// HRESULT_FROM_WIN32 of ERROR_FILE_NOT_FOUND and of ERROR_ACCESS_DENIED, which are all that the errors of the crate tell
/// ([MS-ERREF] 2.1.1, 2.2).
const NOT_FOUND: i32 = 0x8007_0002_u32.cast_signed();
const ACCESS_DENIED: i32 = 0x8007_0005_u32.cast_signed();

/// The `Parameters` key of the driver's service.
pub struct RegistryKey {
    /// `None` if it is only read, and is not there.
    key: Option<Key>,
}

impl RegistryKey {
    /// Opens the key for reading.
    ///
    /// # Errors
    /// If the driver is not installed, or the key may not be read.
    pub fn to_read() -> Result<Self> {
        let service = LOCAL_MACHINE.open(SERVICE).map_err(|error| explained(&error))?;
        match service.open(PARAMETERS) {
            Ok(key) => Ok(Self { key: Some(key) }),
            Err(error) if error.code().0 == NOT_FOUND => Ok(Self { key: None }),
            Err(error) => Err(explained(&error)),
        }
    }

    /// Opens the key for reading and writing, and makes it if it is not there.
    ///
    /// # Errors
    /// If the driver is not installed, or the key may not be written.
    pub fn to_write() -> Result<Self> {
        // The key alone would look like a service that is broken.
        let service = LOCAL_MACHINE.open(SERVICE).map_err(|error| explained(&error))?;
        drop(service);
        let key = LOCAL_MACHINE.create(format!(r"{SERVICE}\{PARAMETERS}")).map_err(|error| explained(&error))?;
        Ok(Self { key: Some(key) })
    }

    fn opened(&self) -> Result<&Key> {
        self.key.as_ref().context("the key is not there")
    }
}

/// An error that says what the user can do.
fn explained(error: &WindowsError) -> Error {
    match error.code().0 {
        NOT_FOUND => anyhow!("irqlog is not installed on this machine; `irqlog service install` installs it"),
        ACCESS_DENIED => anyhow!("the service's parameters may not be changed; run the command as administrator"),
        _ => anyhow!("the service's parameters: {error}"),
    }
}

impl ParameterStore for RegistryKey {
    fn read(&self, name: &str) -> Result<Option<Stored>> {
        let Some(key) = &self.key else { return Ok(None) };
        let value = match key.get_value(name) {
            Ok(value) => value,
            Err(error) if error.code().0 == NOT_FOUND => return Ok(None),
            Err(error) => return Err(explained(&error)),
        };
        Ok(Some(match value.ty() {
            Type::U32 => Stored::Number(u32::try_from(value).map_err(|error| explained(&error))?),
            Type::String => Stored::Text(String::from_utf16_lossy(value.as_wide()).trim_end_matches('\0').to_owned()),
            other => Stored::Other(format!("{other:?}")),
        }))
    }

    fn write(&mut self, name: &str, value: &Stored) -> Result<()> {
        let key = self.opened()?;
        match value {
            Stored::Number(number) => key.set_u32(name, *number).map_err(|error| explained(&error)),
            Stored::Text(text) => key.set_string(name, text).map_err(|error| explained(&error)),
            Stored::Other(kind) => bail!("a value of type {kind} is none of the driver's"),
        }
    }

    fn remove(&mut self, name: &str) -> Result<()> {
        match self.opened()?.remove_value(name) {
            Err(error) if error.code().0 != NOT_FOUND => Err(explained(&error)),
            _ => Ok(()),
        }
    }
}
