//! Numbers that JSON shows in hexadecimal.

use serde::Serializer;

/// A number that shows as hexadecimal digits behind `0x`.
pub fn hex<S: Serializer>(number: &(impl Copy + Into<u64>), serializer: S) -> Result<S::Ok, S::Error> {
    let number: u64 = (*number).into();
    serializer.collect_str(&format_args!("{number:#x}"))
}
