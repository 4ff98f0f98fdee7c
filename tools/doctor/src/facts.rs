//! The facts that doctor asks of a machine. Each may be unknown: then the diagnosis leaves it out.

use serde::{Deserialize, Serialize};

/// The facts of one machine, as `doctor --facts` prints them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Facts {
    /// Build number of Windows.
    pub build: Option<u32>,
    /// Whether irqlog.exe runs elevated, with the rights of an administrator.
    pub is_elevated: Option<bool>,
    /// `CodeIntegrityOptions` of SYSTEM_CODEINTEGRITY_INFORMATION: bits of CODEINTEGRITY_OPTION_*.
    pub code_integrity: Option<u32>,
    /// Whether Secure Boot is on; unknown on machines without UEFI.
    pub secure_boot: Option<bool>,
    /// The driver's file: the one that the service names, or else irqlog.sys in the folder of irqlog.exe.
    pub image: Option<SignedFile>,
    /// The service; `None` if it is not installed.
    pub service: Option<Service>,
    /// What opening the control device came to.
    pub device: Option<DeviceState>,
    /// Version of irqlog.exe, such as `0.1.0`.
    pub cli_version: String,
}

/// The driver's file and its signature.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SignedFile {
    /// Path of the file.
    pub path: String,
    /// Whether the file exists.
    pub exists: bool,
    /// What WinVerifyTrust answers for the file: 0 if the signature is trusted, otherwise an HRESULT.
    pub trust: Option<u32>,
    /// Whether the signer's certificate is in the machine's TrustedPublisher store.
    pub publisher_is_trusted: Option<bool>,
}

/// The service `irqlog`, as the service manager knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Service {
    /// `running`, `stopped`, `stop pending`, `start pending`, or `neither running nor stopped`.
    pub state: String,
    /// Exit code of the service's last start, a Win32 error; 0 if it succeeded.
    pub exit_code: u32,
}

/// What opening the control device, and INFO, came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceState {
    /// The driver answers, and has this version.
    Answers(String),
    /// There is no such device.
    Absent,
    /// This user may not open the device.
    Denied,
    /// The driver's answer cannot be read, for this reason.
    Strange(String),
}
