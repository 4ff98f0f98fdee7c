//! The frames in which the rig carries control requests over a Unix socket.
//!
//! A connection is a handle: it is opened when the connection is made, and closed when it ends. Requests follow each
//! other; the answer comes before the next request is looked at. Closing the connection while a request is pended closes
//! the handle, as ending a process does.

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

/// The most that a request or an answer may carry.
pub const MAX_BYTES: u32 = 16 << 20;
