//! Asks Windows for the facts. A question that Windows does not answer leaves its fact unknown.

use std::{os::windows::ffi::OsStrExt, path::PathBuf, ptr::null_mut};

use irqlog_reader::{image::Tables, session::SessionError};
use windows_service::{
    service::{ServiceAccess, ServiceExitCode, ServiceState},
    service_manager::{ServiceManager, ServiceManagerAccess},
};
use windows_sys::{
    Wdk::System::SystemInformation::{NtQuerySystemInformation, SystemCodeIntegrityInformation},
    Win32::{
        Foundation::{CloseHandle, ERROR_SUCCESS, HANDLE},
        Security::{
            Cryptography::{
                CERT_FIND_EXISTING, CERT_QUERY_CONTENT_FLAG_PKCS7_SIGNED_EMBED, CERT_QUERY_FORMAT_FLAG_BINARY,
                CERT_QUERY_OBJECT_FILE, CERT_STORE_OPEN_EXISTING_FLAG, CERT_STORE_PROV_SYSTEM_W,
                CERT_STORE_READONLY_FLAG, CERT_SYSTEM_STORE_LOCAL_MACHINE, CertCloseStore, CertEnumCertificatesInStore,
                CertFindCertificateInStore, CertFreeCertificateContext, CertOpenStore, CryptQueryObject, HCERTSTORE,
                PKCS_7_ASN_ENCODING, X509_ASN_ENCODING,
            },
            GetTokenInformation, TOKEN_ELEVATION, TOKEN_QUERY, TokenElevation,
            WinTrust::{
                WINTRUST_ACTION_GENERIC_VERIFY_V2, WINTRUST_DATA, WINTRUST_DATA_0, WINTRUST_FILE_INFO, WTD_CHOICE_FILE,
                WTD_REVOKE_NONE, WTD_STATEACTION_CLOSE, WTD_STATEACTION_VERIFY, WTD_UI_NONE, WinVerifyTrust,
            },
        },
        System::{
            Registry::{HKEY_LOCAL_MACHINE, RRF_RT_REG_DWORD, RRF_RT_REG_SZ, RegGetValueW},
            Threading::{GetCurrentProcess, OpenProcessToken},
        },
    },
};

use crate::facts::{DeviceState, Facts, Service, SignedFile};

/// The facts of this machine. `info` opens the control device and asks the driver for its tables.
pub fn ask(info: impl FnOnce() -> Result<Tables, SessionError>) -> Facts {
    let (service, service_image) = service();
    let image = service_image.or_else(beside_this_program).map(|path| image(&path));
    Facts {
        build: string(r"SOFTWARE\Microsoft\Windows NT\CurrentVersion", "CurrentBuildNumber")
            .and_then(|build| build.parse().ok()),
        is_elevated: is_elevated(),
        code_integrity: code_integrity(),
        secure_boot: number(r"SYSTEM\CurrentControlSet\Control\SecureBoot\State", "UEFISecureBootEnabled")
            .map(|value| value != 0),
        image,
        service,
        device: Some(device(info())),
        cli_version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn wide(text: impl AsRef<std::ffi::OsStr>) -> Vec<u16> {
    text.as_ref().encode_wide().chain([0]).collect()
}

fn beside_this_program() -> Option<PathBuf> {
    let image = std::env::current_exe().ok()?.with_file_name("irqlog.sys");
    image.exists().then_some(image)
}

fn is_elevated() -> Option<bool> {
    let mut token: HANDLE = null_mut();
    // SAFETY: a pseudo-handle, which needs no closing.
    let process = unsafe { GetCurrentProcess() };
    // SAFETY: the handle goes to this stack.
    let opened = unsafe { OpenProcessToken(process, TOKEN_QUERY, &raw mut token) };
    if opened == 0 {
        return None;
    }
    let mut elevation = TOKEN_ELEVATION::default();
    let mut length = 0;
    // SAFETY: a token that was opened above, and a structure of the length given.
    let asked = unsafe {
        GetTokenInformation(
            token,
            TokenElevation,
            (&raw mut elevation).cast(),
            size_of::<TOKEN_ELEVATION>() as u32,
            &raw mut length,
        )
    };
    // SAFETY: opened above, closed once.
    unsafe { CloseHandle(token) };
    (asked != 0).then_some(elevation.TokenIsElevated != 0)
}

/// The bits of CODEINTEGRITY_OPTION_*. SYSTEM_CODEINTEGRITY_INFORMATION is two numbers: its length, and these.
fn code_integrity() -> Option<u32> {
    let mut information = [size_of::<[u32; 2]>() as u32, 0];
    let length = information[0];
    // SAFETY: a structure of two numbers, the first of which is its length.
    let status = unsafe {
        NtQuerySystemInformation(SystemCodeIntegrityInformation, information.as_mut_ptr().cast(), length, null_mut())
    };
    (status >= 0).then_some(information[1])
}

/// A REG_DWORD below HKEY_LOCAL_MACHINE; `None` if it is not there.
fn number(key: &str, value: &str) -> Option<u32> {
    let (key, value) = (wide(key), wide(value));
    let (mut number, mut length) = (0_u32, size_of::<u32>() as u32);
    // SAFETY: names that end with zero, and a number of the length given.
    let result = unsafe {
        RegGetValueW(
            HKEY_LOCAL_MACHINE,
            key.as_ptr(),
            value.as_ptr(),
            RRF_RT_REG_DWORD,
            null_mut(),
            (&raw mut number).cast(),
            &raw mut length,
        )
    };
    (result == ERROR_SUCCESS).then_some(number)
}

/// A REG_SZ of at most 63 characters below HKEY_LOCAL_MACHINE; `None` if it is longer or not there.
fn string(key: &str, value: &str) -> Option<String> {
    let (key, value) = (wide(key), wide(value));
    let mut text = [0_u16; 64];
    let mut length = size_of_val(&text) as u32;
    // SAFETY: names that end with zero, and a buffer of the length given.
    let result = unsafe {
        RegGetValueW(
            HKEY_LOCAL_MACHINE,
            key.as_ptr(),
            value.as_ptr(),
            RRF_RT_REG_SZ,
            null_mut(),
            text.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    let end = text.iter().position(|&unit| unit == 0)?;
    (result == ERROR_SUCCESS).then(|| String::from_utf16_lossy(&text[..end]))
}

/// The service, and the path of its driver file.
fn service() -> (Option<Service>, Option<PathBuf>) {
    let access = ServiceAccess::QUERY_STATUS | ServiceAccess::QUERY_CONFIG;
    let opened = ServiceManager::local_computer(None::<&str>, ServiceManagerAccess::CONNECT)
        .and_then(|manager| manager.open_service("irqlog", access));
    let Ok(opened) = opened else { return (None, None) };
    let service = opened.query_status().ok().map(|status| Service {
        state: match status.current_state {
            ServiceState::Running => "running",
            ServiceState::Stopped => "stopped",
            ServiceState::StopPending => "stop pending",
            ServiceState::StartPending => "start pending",
            _ => "neither running nor stopped",
        }
        .to_owned(),
        exit_code: match status.exit_code {
            ServiceExitCode::Win32(code) | ServiceExitCode::ServiceSpecific(code) => code,
        },
    });
    let path = opened.query_config().ok().map(|config| config.executable_path);
    (service, path.map(in_win32))
}

/// A path as Win32 takes it. The service manager keeps NT paths: `\??\C:\irqlog\irqlog.sys`, `\SystemRoot\System32\...`.
fn in_win32(path: PathBuf) -> PathBuf {
    let text = path.to_string_lossy();
    if let Some(rest) = text.strip_prefix(r"\??\") {
        return PathBuf::from(rest);
    }
    match (text.strip_prefix(r"\SystemRoot\"), std::env::var_os("SystemRoot")) {
        (Some(rest), Some(root)) => PathBuf::from(root).join(rest),
        _ => path,
    }
}

fn image(path: &std::path::Path) -> SignedFile {
    let exists = path.is_file();
    SignedFile {
        path: path.display().to_string(),
        exists,
        trust: exists.then(|| trust(path)),
        publisher_is_trusted: if exists { publisher_is_trusted(path) } else { None },
    }
}

/// What WinVerifyTrust answers for the signature inside a file: 0 if it is trusted, otherwise an HRESULT.
fn trust(path: &std::path::Path) -> u32 {
    let path = wide(path);
    let mut file = WINTRUST_FILE_INFO {
        cbStruct: size_of::<WINTRUST_FILE_INFO>() as u32,
        pcwszFilePath: path.as_ptr(),
        ..WINTRUST_FILE_INFO::default()
    };
    let mut data = WINTRUST_DATA {
        cbStruct: size_of::<WINTRUST_DATA>() as u32,
        dwUIChoice: WTD_UI_NONE,
        fdwRevocationChecks: WTD_REVOKE_NONE,
        dwUnionChoice: WTD_CHOICE_FILE,
        Anonymous: WINTRUST_DATA_0 { pFile: &raw mut file },
        dwStateAction: WTD_STATEACTION_VERIFY,
        ..WINTRUST_DATA::default()
    };
    let mut action = WINTRUST_ACTION_GENERIC_VERIFY_V2;
    // SAFETY: structures on this stack, with their sizes, which live until the second call has returned.
    let result = unsafe { WinVerifyTrust(null_mut(), &raw mut action, (&raw mut data).cast()) };
    data.dwStateAction = WTD_STATEACTION_CLOSE;
    // SAFETY: the same structures; this call frees the state that the first one made.
    unsafe { WinVerifyTrust(null_mut(), &raw mut action, (&raw mut data).cast()) };
    result.cast_unsigned()
}

/// A certificate store; dropping it closes it.
struct Store(HCERTSTORE);

impl Drop for Store {
    fn drop(&mut self) {
        // SAFETY: whoever made this value opened the store, and only this drop closes it.
        unsafe { CertCloseStore(self.0, 0) };
    }
}

/// Whether one of the certificates in a file's signature is in the machine's TrustedPublisher; `None` without a signature.
fn publisher_is_trusted(path: &std::path::Path) -> Option<bool> {
    let path = wide(path);
    let mut signed: HCERTSTORE = null_mut();
    // SAFETY: a name that ends with zero; the store goes to this stack, and results that are not wanted are null.
    let found = unsafe {
        CryptQueryObject(
            CERT_QUERY_OBJECT_FILE,
            path.as_ptr().cast(),
            CERT_QUERY_CONTENT_FLAG_PKCS7_SIGNED_EMBED,
            CERT_QUERY_FORMAT_FLAG_BINARY,
            0,
            null_mut(),
            null_mut(),
            null_mut(),
            &raw mut signed,
            null_mut(),
            null_mut(),
        )
    };
    if found == 0 {
        return None;
    }
    let signed = Store(signed);
    let name = wide("TrustedPublisher");
    let flags = CERT_SYSTEM_STORE_LOCAL_MACHINE | CERT_STORE_OPEN_EXISTING_FLAG | CERT_STORE_READONLY_FLAG;
    // SAFETY: a name that ends with zero.
    let trusted = unsafe { CertOpenStore(CERT_STORE_PROV_SYSTEM_W, 0, 0, flags, name.as_ptr().cast()) };
    if trusted.is_null() {
        return Some(false);
    }
    let trusted = Store(trusted);
    let mut certificate = null_mut();
    loop {
        // SAFETY: an open store; the call frees the certificate that it gave before.
        certificate = unsafe { CertEnumCertificatesInStore(signed.0, certificate) };
        if certificate.is_null() {
            return Some(false);
        }
        let encoding = X509_ASN_ENCODING | PKCS_7_ASN_ENCODING;
        // SAFETY: an open store and a certificate that is alive.
        let same = unsafe {
            CertFindCertificateInStore(trusted.0, encoding, 0, CERT_FIND_EXISTING, certificate.cast(), null_mut())
        };
        if !same.is_null() {
            // SAFETY: the call above gave it, and it is freed once.
            unsafe { CertFreeCertificateContext(same) };
            // SAFETY: the enumeration ends here, so its caller has to free the certificate that it gave last.
            unsafe { CertFreeCertificateContext(certificate) };
            return Some(true);
        }
    }
}

/// What opening the control device came to.
fn device(info: Result<Tables, SessionError>) -> DeviceState {
    match info {
        Ok(tables) => DeviceState::Answers(tables.version()),
        Err(SessionError::NotRunning(_)) => DeviceState::Absent,
        Err(SessionError::AccessDenied(_)) => DeviceState::Denied,
        Err(error) => DeviceState::Strange(error.to_string()),
    }
}
