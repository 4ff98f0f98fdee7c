//! The recorder with what this driver brings: its memory, its platform and its locks. The one that runs is in
//! [`instance`](crate::instance).

use irqlog_recorder::Recorder;

use crate::{locks::ChosenLock, memory::ImageMemory, system::System};

/// The recorder of irqlog.sys.
pub type DriverRecorder = Recorder<'static, ImageMemory, System, ChosenLock>;
