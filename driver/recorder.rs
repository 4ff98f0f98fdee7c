//! The type of the recorder with this driver's memory, platform and locks. The running one is in
//! [`instance`](crate::instance).

use irqlog_recorder::Recorder;

use crate::{locks::ChosenLock, memory::ImageMemory, system::System};

/// The recorder of irqlog.sys.
pub type DriverRecorder = Recorder<'static, ImageMemory, System, ChosenLock>;
