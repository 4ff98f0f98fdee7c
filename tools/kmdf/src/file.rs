//! WDFFILEOBJECT.

use irqlog_nt::FileObject;

use crate::object::{Body, ObjectKind};

/// An open file. The driver asked for no FsContext, so it is found by the WDM object's address.
pub struct WdfFile {
    /// The WDM object: an address to compare, never followed.
    pub wdm: *mut FileObject,
}

impl Body for WdfFile {
    const KIND: ObjectKind = ObjectKind::File;
}
