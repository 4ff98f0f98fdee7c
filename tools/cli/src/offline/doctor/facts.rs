//! What the doctor asks a machine. Every answer may be missing: then nothing is said about it.

use serde::{Deserialize, Serialize};

/// The answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Facts {
    /// Build number of Windows.
    pub build: Option<u32>,
    /// Whether the command runs elevated.
    pub is_elevated: Option<bool>,
    /// `CodeIntegrityOptions` of SYSTEM_CODEINTEGRITY_INFORMATION.
    pub code_integrity: Option<u32>,
    /// Whether Secure Boot is on; missing on machines without UEFI.
    pub secure_boot: Option<bool>,
    /// The image: the service's, or irqlog.sys beside this program.
    pub image: Option<SignedFile>,
    /// The service; missing if it is not installed.
    pub service: Option<Service>,
    /// What the device said.
    pub device: Option<DeviceState>,
    /// The version of irqlog.exe.
    pub cli_version: String,
}

/// An image and who signed it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SignedFile {
    /// Where it is.
    pub path: String,
    /// Whether it is there.
    pub exists: bool,
    /// What WinVerifyTrust says of it: 0, or an HRESULT.
    pub trust: Option<u32>,
    /// Whether its signer's certificate is in the machine's TrustedPublisher store.
    pub publisher_is_trusted: Option<bool>,
}

/// The service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Service {
    /// `running`, `stopped`, `stop pending`, or another.
    pub state: String,
    /// Exit code of its last start.
    pub exit_code: u32,
}

/// What opening the device and INFO came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceState {
    /// It answers; the driver's version.
    Answers(String),
    /// It is not there.
    Absent,
    /// It may not be opened.
    Denied,
    /// It answers something else: what the reader said.
    Strange(String),
}
