//! Dumps that a crash leaves in a folder for readers that are not the rig's: irqlog, and the script of the debugger.
//!
//! Beside each dump lies a file of JSON with the rig's own account of it: the number of records, the texts that have to
//! be there by the writers' notes, and where a debugger finds the driver or, where that is not in the dump, the image.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use anyhow::{Context as _, Result};
use irqlog_wire::image::MAGIC;
use serde_json::json;

use crate::{images, nt::heap};

/// Where dumps show the memory of the rig: in the kernel's half (`tools/makedump`).
const KERNEL: usize = 0xffff_8000_0000_0000;

static FOLDER: OnceLock<PathBuf> = OnceLock::new();

/// What has to be in a dump.
#[derive(Debug)]
pub struct Required {
    /// Number of records; 0 where the dump has no room for a log.
    pub records: usize,
    /// Texts that have to be among them.
    pub texts: Vec<String>,
    /// The driver is not in the dump, so a debugger has to be told where the image is.
    pub is_scan: bool,
}

/// From now on dumps of a crash are kept in a folder, which is there.
pub fn keep_in(folder: &Path) {
    // Once a run: the first one stays.
    let _ = FOLDER.set(folder.to_path_buf());
}

/// Writes a dump and the account of it, if dumps are kept.
///
/// # Errors
/// If a file cannot be written, or the rig has no irqlog.sys.
pub fn keep(name: &str, dump: &[u8], required: &Required) -> Result<()> {
    let Some(folder) = FOLDER.get() else { return Ok(()) };
    let address = |address: usize| format!("{:#x}", address | KERNEL);
    let driver = images::find("irqlog.sys").context("irqlog.sys is loaded")?;
    let image = heap::contents().into_iter().find(|(_, bytes)| bytes.starts_with(&MAGIC));
    let (image, _) = image.context("the log is in the pool")?;
    let path = folder.join(format!("{name}.dmp"));
    let account = json!({
        "dump": path,
        "records": required.records,
        "texts": required.texts,
        "driver": (!required.is_scan).then(|| address(driver.base())),
        "image": required.is_scan.then(|| address(image)),
    });
    for (path, bytes) in [(path.with_extension("json"), account.to_string().as_bytes()), (path.clone(), dump)] {
        std::fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}
