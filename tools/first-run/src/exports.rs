//! The exports of a module, read from its file: whether it has a name, and to which module a forwarder leads.
//!
//! GetProcAddress cannot tell this of a kernel module: it follows a forwarder, as HAL.dll's, into a module that user mode
//! cannot load, and then says that there is no such export.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use object::read::pe::{ExportTarget, PeFile64};

/// The exports by name; a forwarder has the name that it leads to.
///
/// # Errors
/// If the bytes are no 64-bit PE file with readable exports.
pub fn read(file: &[u8]) -> Result<BTreeMap<String, Option<String>>> {
    let file = PeFile64::parse(file).context("no 64-bit PE file")?;
    let mut found = BTreeMap::new();
    let Some(table) = file.export_table().context("its export table")? else { return Ok(found) };
    for export in table.exports().context("its exports")? {
        let Some(name) = export.name else { continue };
        let forwarder = match export.target {
            ExportTarget::ForwardByName(module, name) => Some(format!("{}.{}", text(module), text(name))),
            ExportTarget::ForwardByOrdinal(module, ordinal) => Some(format!("{}.#{ordinal}", text(module))),
            ExportTarget::Address(_) => None,
        };
        found.insert(text(name), forwarder);
    }
    Ok(found)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
