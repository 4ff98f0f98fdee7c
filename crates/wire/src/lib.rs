//! The bytes that cross a line between irqlog's parts, defined here and nowhere else.
//!
//! Each field, offset, size, magic number, level, IOCTL code and GUID is in this crate; the driver, the reader, the rig
//! and the tables of the debugger script use these definitions. The crate has no logic beyond parsing and no unsafe
//! code.
//!
//! | Module | Bytes |
//! |---|---|
//! | [`record`] | one record, as it lies in a ring, in a batch and in a file |
//! | [`event`] | the payload of an event: raw arguments and their kinds |
//! | [`site`] | what is known of a log call before it runs, and the table of all sites |
//! | [`format`] | the grammar of the format strings in sites |
//! | [`image`] | the ring image: in non-paged memory, in a saved file and in a crash dump |
//! | [`crash`] | the log as secondary data of a crash dump, and the anchor that leads to the image |
//! | [`ioctl`] | control codes, requests and answers of the control device |
//! | [`interface`] | the function table that irqlog.sys gives to other drivers |
//! | [`config`] | the service parameters: values of the registry, their limits and defaults |
//! | [`irql`] | interrupt request levels and their names |
//! | [`bugcheck`] | the bug check of a checked build |
//!
//! Rules for every structure: little-endian, fixed width, no padding that is not named, its size asserted at compile
//! time. Enumerations are open: a value that this version does not know survives being read and written again.
//! [`VERSION`] covers the whole crate; `docs/record-format.md` describes the format in prose.

#![no_std]
#![forbid(unsafe_code)]

pub mod bugcheck;
pub mod config;
pub mod crash;
pub mod event;
pub mod format;
pub mod image;
pub mod interface;
pub mod ioctl;
pub mod irql;
pub mod record;
pub mod site;

/// Version of everything in this crate. A reader accepts an image or a batch whose `major` equals the reader's and
/// whose `minor` is not above the reader's.
pub const VERSION: Version = Version { major: 1, minor: 4 };

/// Version of the format, as written into images and batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Changes when old readers can no longer read.
    pub major: u16,
    /// Changes when something was added that old readers may skip.
    pub minor: u16,
}

impl Version {
    /// Checks that a reader of version `self` can read bytes of version `written`.
    ///
    /// # Errors
    /// [`Upgrade::Reader`] if the bytes are newer than the reader, [`Upgrade::Writer`] if they are of an older major
    /// version that the reader no longer reads.
    pub const fn accepts(self, written: Self) -> Result<(), Upgrade> {
        if written.major > self.major || (written.major == self.major && written.minor > self.minor) {
            Err(Upgrade::Reader)
        } else if written.major < self.major {
            Err(Upgrade::Writer)
        } else {
            Ok(())
        }
    }
}

/// Which side of the wire is too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrade {
    /// `irqlog.exe` is older than the driver or file it reads.
    Reader,
    /// The driver or file is older than `irqlog.exe`.
    Writer,
}

/// Defines an open enumeration: a transparent number with named values, which also keeps values without a name.
macro_rules! open_enum {
    ($(#[$meta:meta])* $name:ident: $repr:ty { $($(#[$vmeta:meta])* $variant:ident = $value:literal $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $repr);

        #[allow(non_upper_case_globals, reason = "the values read as those of an enum")]
        impl $name {
            $($(#[$vmeta])* pub const $variant: Self = Self($value);)+

            /// The values that this version knows, in ascending order.
            pub const KNOWN: &'static [Self] = &[$(Self::$variant),+];

            /// The name on command lines, in parameters and in output; `None` for a value this version does not know.
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$variant => Some($text),)+
                    _ => None,
                }
            }

            /// The value with the name `name`, ASCII case ignored; `None` if no known value has it.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::KNOWN.iter().copied().find(|value| value.name().is_some_and(|own| own.eq_ignore_ascii_case(name)))
            }
        }
    };
}
pub(crate) use open_enum;
