//! The frames in which the rig carries control requests over a Unix socket.
//!
//! The rig serves them, and irqlog off Windows sends them (`--rig`). irqlog.exe has no part of this.
//!
//! A connection is a handle: the rig opens the handle when the connection is made, and closes it when the connection
//! ends. Requests follow each other; the rig answers a request before it reads the next. If a client closes the
//! connection while a request is pended, the rig closes the handle, as Windows does when a process ends.

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    little_endian::{I32, U32},
};

/// A request; `input` bytes follow.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct RequestFrame {
    /// The control code.
    pub code: U32,
    /// Bytes of input.
    pub input: U32,
    /// Room for output.
    pub output: U32,
}

/// An answer; `output` bytes follow. The first frame of a connection says with which status the device was opened.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct AnswerFrame {
    /// NTSTATUS.
    pub status: I32,
    /// Bytes of output.
    pub output: U32,
}

/// The largest input or output of a request, in bytes.
pub const MAX_BYTES: u32 = 16 << 20;
