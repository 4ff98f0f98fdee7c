//! Stand-in for the `windows` crate off Windows, in the vendored copy only: a registry in which nothing is found.
//! `wdk-build` then takes the WDK's folder from the environment variable `WDKContentRoot`.

pub mod core {
    #[derive(Clone, Copy)]
    pub struct PCSTR;

    #[macro_export]
    macro_rules! s {
        ($text:expr) => {
            $crate::core::PCSTR
        };
    }
    pub use s;

    pub struct Error;

    impl std::fmt::Debug for Error {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("no registry on this host")
        }
    }
}

pub mod Win32 {
    pub mod System {
        pub mod Registry {
            use crate::core::{Error, PCSTR};

            #[derive(Clone, Copy, Default)]
            pub struct HKEY;
            pub const HKEY_LOCAL_MACHINE: HKEY = HKEY;
            pub const KEY_READ: u32 = 0;
            pub const RRF_RT_REG_SZ: u32 = 0;

            pub struct NotFound;

            impl NotFound {
                pub fn is_ok(&self) -> bool {
                    false
                }
                pub fn ok(self) -> Result<(), Error> {
                    Err(Error)
                }
            }

            pub unsafe fn RegOpenKeyExA(_: HKEY, _: PCSTR, _: Option<u32>, _: u32, _: *mut HKEY) -> NotFound {
                NotFound
            }
            pub unsafe fn RegGetValueA(
                _: HKEY,
                _: Option<PCSTR>,
                _: PCSTR,
                _: u32,
                _: Option<*mut u32>,
                _: Option<*mut core::ffi::c_void>,
                _: Option<*mut u32>,
            ) -> NotFound {
                NotFound
            }
            pub unsafe fn RegCloseKey(_: HKEY) -> NotFound {
                NotFound
            }
        }
    }
}
