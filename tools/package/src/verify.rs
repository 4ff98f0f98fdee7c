//! Verifies a package with osslsigncode, openssl and sha256sum, none of which made its digests.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, bail, ensure};
use irqlog_build::shell::output;
use irqlog_inf as inf;

use crate::layout::files;

/// Verifies a package, and prints what was verified.
///
/// # Errors
/// The first file that a tool refuses.
pub fn run(folder: &Path, authorities: &Path) -> Result<()> {
    for line in look(folder, authorities).with_context(|| format!("verifying {}", folder.display()))? {
        println!("{line}");
    }
    Ok(())
}

/// What was found to be in order.
fn look(folder: &Path, authorities: &Path) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for file in files(folder)? {
        if file.extension().is_some_and(|extension| ["sys", "exe", "cat"].iter().any(|signed| extension == *signed)) {
            osslsigncode(authorities, &[], &folder.join(&file))?;
            lines.push(format!("osslsigncode: the signature of {} is good", file.display()));
        }
    }
    ensure!(lines.len() >= 3, "image, CLI and catalog are not all there");
    let catalog = folder.join("irqlog.cat");
    let named = files_of(&folder.join("irqlog.inf"))?;
    ensure!(named.iter().any(|name| name == "irqlog.sys"), "irqlog.inf does not name irqlog.sys");
    let listed = output(Command::new("openssl").args(["asn1parse", "-inform", "DER", "-in"]).arg(&catalog))?;
    for name in &named {
        let path = folder.join(name);
        osslsigncode(authorities, &["-catalog", &catalog.display().to_string()], &path)?;
        lines.push(format!("osslsigncode: irqlog.cat lists {name}"));
        ensure!(listed.contains(&hex(&utf16(name))), "irqlog.cat has no member of the name {name}");
        lines.push(format!("openssl: irqlog.cat has a member of the name {name}"));
    }
    let digest = output(Command::new("sha256sum").arg(folder.join("irqlog.inf")))?;
    let digest = digest.split_whitespace().next().context("sha256sum says nothing")?.to_uppercase();
    ensure!(
        listed.lines().filter(|line| line.ends_with(&format!("[HEX DUMP]:{digest}"))).count() == 2,
        "the SHA-256 digest of irqlog.inf, {digest}, is not in irqlog.cat"
    );
    lines.push(format!("openssl, sha256sum: the digest of irqlog.inf in irqlog.cat is {digest}"));
    let certificate = folder.join("irqlog-test.cer");
    if certificate.exists() {
        let mut openssl = Command::new("openssl");
        openssl.args(["x509", "-inform", "DER", "-noout", "-ext", "extendedKeyUsage", "-in"]);
        let usage = output(openssl.arg(certificate))?;
        ensure!(usage.contains("Code Signing"), "the test certificate is not for signing code:\n{usage}");
        lines.push("openssl: irqlog-test.cer is for code signing".to_owned());
    }
    Ok(lines)
}

fn osslsigncode(authorities: &Path, arguments: &[&str], file: &Path) -> Result<()> {
    let mut verify = Command::new("osslsigncode");
    // A root of the system may have a list of what it has revoked; no network is needed for what this asks.
    verify.args(["verify", "-ignore-cdp", "-CAfile"]).arg(authorities).args(arguments);
    output(verify.arg("-in").arg(file)).map(drop)
}

/// The files that an INF names.
fn files_of(path: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let files = inf::files(&text);
    ensure!(!files.is_empty(), "{} names no file", path.display());
    Ok(files)
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// Flips bytes of image, INF and catalog, one at a time, and checks that the tools refuse each.
///
/// # Errors
/// The first place at which no tool notices the flipped byte.
pub fn flips(folder: &Path, authorities: &Path) -> Result<()> {
    const PLACES: usize = 16;
    let copy = folder.with_extension("flipped");
    for file in files(folder)? {
        let to = copy.join(&file);
        let parent = to.parent().context("a file lies in a folder")?;
        fs::create_dir_all(parent).with_context(|| format!("creating {}", parent.display()))?;
        fs::copy(folder.join(&file), &to).with_context(|| format!("copying {}", to.display()))?;
    }
    look(&copy, authorities).context("a copy with nothing changed")?;
    for name in ["irqlog.sys", "irqlog.inf", "irqlog.cat"] {
        let path = copy.join(name);
        let good = fs::read(&path)?;
        for place in places(name, &good, PLACES) {
            let mut bad = good.clone();
            bad[place] ^= 1;
            fs::write(&path, &bad)?;
            if look(&copy, authorities).is_ok() {
                bail!("byte {place} of {} is another, and nobody notices: {}", name, path.display());
            }
            // Its own signature is looked at first; the catalog alone has to notice too.
            if name == "irqlog.sys" {
                let catalog = copy.join("irqlog.cat").display().to_string();
                let by_catalog = osslsigncode(authorities, &["-catalog", &catalog], &path);
                ensure!(
                    by_catalog.is_err(),
                    "byte {place} of {name} is another, and the catalog lists it all the same"
                );
            }
        }
        fs::write(&path, &good)?;
        println!("a byte flipped at {PLACES} places of {name}: refused each time");
    }
    fs::remove_dir_all(&copy).with_context(|| format!("removing {}", copy.display()))
}

/// Places all over the part of a file that its digest covers.
fn places(name: &str, bytes: &[u8], count: usize) -> Vec<usize> {
    let (first, last) = match name {
        // Behind the header, whose checksum no digest covers, and before the signature.
        "irqlog.sys" => (0x400, bytes.len() * 3 / 4),
        // The list; the certificates behind it may hold what no verification looks at.
        "irqlog.cat" => (64, 1024),
        _ => (0, bytes.len() - 1),
    };
    (0..count).map(|index| first + (last - first) * index / (count - 1)).collect()
}
