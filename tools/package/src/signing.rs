//! Signs image, catalog and CLI with the user's certificate, or with a test certificate.
//!
//! If the user names no certificate, a test certificate is made once and kept among the user's data, outside of the
//! repository and of `target/`: a machine that trusts it once then trusts every package of this user. osslsigncode makes
//! the signatures.

use std::{
    env, fs,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use irqlog_build::{
    host,
    shell::{output, root, step},
};

/// The certificate to sign with; a test certificate if none is named.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct SigningArguments {
    /// Sign with the key and certificate in this PKCS#12 file
    #[arg(long, value_name = "FILE", conflicts_with = "pkcs11_module")]
    pkcs12: Option<PathBuf>,
    /// The file with the passphrase of the PKCS#12 file, or the PIN of the token
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Sign with a key in a token, through this PKCS#11 module
    #[arg(long, value_name = "FILE", requires = "pkcs11_key", requires = "certificate")]
    pkcs11_module: Option<PathBuf>,
    /// The key in the token, as a URI (RFC 7512)
    #[arg(long, value_name = "URI", requires = "pkcs11_module")]
    pkcs11_key: Option<String>,
    /// The certificate of that key, with its chain, in PEM
    #[arg(long, value_name = "FILE", requires = "pkcs11_module")]
    certificate: Option<PathBuf>,
    /// Have the signatures timestamped by this authority (RFC 3161)
    #[arg(long, value_name = "URL")]
    timestamp: Option<String>,
}

/// What holds the key.
enum Key {
    /// Our test certificate's.
    Test {
        key: PathBuf,
    },
    Pkcs12(PathBuf),
    Pkcs11 {
        module: PathBuf,
        key: String,
    },
}

/// Signs files.
pub struct Signer {
    key: Key,
    /// The certificate, and its chain if there is one, in PEM.
    certificates: PathBuf,
    passphrase: Option<PathBuf>,
    timestamp: Option<String>,
}

impl Signer {
    /// Finds the certificate, and makes one if there is none and none is named.
    ///
    /// # Errors
    /// If it cannot be read or made, or the tools cannot be installed.
    pub fn prepare(arguments: &SigningArguments) -> Result<Self> {
        host::signing_tools()?;
        let key = match (&arguments.pkcs12, &arguments.pkcs11_module, &arguments.pkcs11_key) {
            (Some(file), ..) => Key::Pkcs12(file.clone()),
            (None, Some(module), Some(key)) => {
                host::pkcs11_engine()?;
                Key::Pkcs11 { module: module.clone(), key: key.clone() }
            }
            _ => Key::Test { key: test_folder()?.join("key.pem") },
        };
        let certificates = match (&key, &arguments.certificate) {
            (Key::Test { key }, _) => {
                let certificate = key.with_file_name("certificate.pem");
                if !certificate.exists() {
                    make_test_certificate(key, &certificate)?;
                }
                certificate
            }
            (Key::Pkcs12(file), _) => certificates_of(file, arguments.passphrase_file.as_deref())?,
            (Key::Pkcs11 { .. }, Some(file)) => file.clone(),
            (Key::Pkcs11 { .. }, None) => unreachable!("clap asks for it"),
        };
        Ok(Self {
            key,
            certificates,
            passphrase: arguments.passphrase_file.clone(),
            timestamp: arguments.timestamp.clone(),
        })
    }

    /// The name of the signer, for a message.
    pub fn describe(&self) -> String {
        match &self.key {
            Key::Test { key } => format!("the test certificate in {}", key.with_file_name("").display()),
            Key::Pkcs12(file) => file.display().to_string(),
            Key::Pkcs11 { key, .. } => key.clone(),
        }
    }

    /// Signs a file of any kind that Authenticode knows, into another.
    ///
    /// # Errors
    /// If osslsigncode does not.
    pub fn sign(&self, from: &Path, to: &Path) -> Result<()> {
        let mut sign = Command::new("osslsigncode");
        sign.args(["sign", "-h", "sha256"]);
        match &self.key {
            Key::Test { key } => sign.arg("-certs").arg(&self.certificates).arg("-key").arg(key),
            Key::Pkcs12(file) => sign.arg("-pkcs12").arg(file),
            Key::Pkcs11 { module, key } => {
                sign.arg("-pkcs11module").arg(module).arg("-certs").arg(&self.certificates).arg("-key").arg(key)
            }
        };
        if let Some(file) = &self.passphrase {
            sign.arg("-readpass").arg(file);
        }
        if let Some(url) = &self.timestamp {
            sign.args(["-ts", url]);
        }
        // It refuses to replace a file.
        let _ = fs::remove_file(to);
        output(sign.arg("-in").arg(from).arg("-out").arg(to))
            .with_context(|| format!("signing {}", from.display()))
            .map(drop)
    }

    /// The certificates that a verification has to trust: those of the signature, and what the system trusts.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn authorities(&self) -> Result<PathBuf> {
        let mut pem = fs::read_to_string(&self.certificates)
            .with_context(|| format!("reading {}", self.certificates.display()))?;
        pem.push_str(&fs::read_to_string("/etc/ssl/certs/ca-certificates.crt").unwrap_or_default());
        let path = root().join("target/package/authorities.pem");
        fs::write(&path, pem).with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }

    /// The certificate as Windows reads it, if it vouches for itself: then a machine has to be told to trust it.
    ///
    /// # Errors
    /// If openssl cannot read it.
    pub fn test_certificate(&self) -> Result<Option<Vec<u8>>> {
        let x509 = || {
            let mut openssl = Command::new("openssl");
            openssl.args(["x509", "-in"]).arg(&self.certificates);
            openssl
        };
        let names = output(x509().args(["-noout", "-subject", "-issuer", "-nameopt", "RFC2253"]))?;
        let names: Vec<_> = names.lines().filter_map(|line| line.split_once('=')).map(|(_, name)| name).collect();
        if names.first() != names.last() {
            return Ok(None);
        }
        let der = x509().args(["-outform", "DER"]).output().context("starting openssl")?;
        ensure!(der.status.success(), "openssl cannot read {}", self.certificates.display());
        Ok(Some(der.stdout))
    }
}

/// Where the test certificate is kept (https://specifications.freedesktop.org/basedir-spec/latest/).
fn test_folder() -> Result<PathBuf> {
    let data = env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute())
        .or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".local/share")))
        .context("where is the test certificate to be kept? Set HOME or XDG_DATA_HOME")?;
    Ok(data.join("irqlog/test-certificate"))
}

/// RSA, because that is what code integrity of the kernel knows in each version; ten years, because VMs live long.
fn make_test_certificate(key: &Path, certificate: &Path) -> Result<()> {
    let folder = key.parent().context("a key lies in a folder")?;
    step(&format!("making a test certificate in {}", folder.display()));
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("creating {}", folder.display()))?;
    // openssl writes into a file that nobody else can read.
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(key)
        .with_context(|| format!("creating {}", key.display()))?;
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "rsa:3072", "-sha256", "-noenc", "-days", "3650"]);
    openssl.args(["-subj", "/CN=irqlog test certificate", "-addext", "basicConstraints=critical,CA:FALSE"]);
    openssl.args(["-addext", "keyUsage=critical,digitalSignature", "-addext", "extendedKeyUsage=critical,codeSigning"]);
    // The certificate last: where it is, the key is whole.
    let made = certificate.with_extension("new");
    output(openssl.arg("-keyout").arg(key).arg("-out").arg(&made)).context("making a test certificate")?;
    fs::rename(&made, certificate).with_context(|| format!("writing {}", certificate.display()))
}

/// The certificates of a PKCS#12 file, the signer's first.
fn certificates_of(file: &Path, passphrase: Option<&Path>) -> Result<PathBuf> {
    let mut pem = String::new();
    for which in ["-clcerts", "-cacerts"] {
        let mut openssl = Command::new("openssl");
        openssl.args(["pkcs12", "-nokeys", which, "-in"]).arg(file).arg("-passin");
        match passphrase {
            Some(passphrase) => openssl.arg(format!("file:{}", passphrase.display())),
            None => openssl.arg("pass:"),
        };
        pem += &output(&mut openssl).with_context(|| {
            format!("reading {}; has it a passphrase, then name the file with it: --passphrase-file", file.display())
        })?;
    }
    let path = root().join("target/package/certificates.pem");
    fs::create_dir_all(root().join("target/package")).context("creating target/package")?;
    fs::write(&path, pem).with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}
