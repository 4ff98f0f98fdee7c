//! Rust forms of macros and inline functions of wdf.h and wdm.h, for which bindgen makes no bindings.

use wdk_sys::{
    _WDF_EXECUTION_LEVEL::WdfExecutionLevelInheritFromParent,
    _WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeInheritFromParent, UNICODE_STRING, WDF_OBJECT_ATTRIBUTES,
};

/// The value of the `Size` field with which every WDF structure begins. IRQL: any.
pub const fn size_field<T>() -> u32 {
    size_of::<T>() as u32
}

/// Object attributes as WDF_OBJECT_ATTRIBUTES_INIT makes them. IRQL: any.
pub fn attributes() -> WDF_OBJECT_ATTRIBUTES {
    WDF_OBJECT_ATTRIBUTES {
        Size: size_field::<WDF_OBJECT_ATTRIBUTES>(),
        ExecutionLevel: WdfExecutionLevelInheritFromParent,
        SynchronizationScope: WdfSynchronizationScopeInheritFromParent,
        ..WDF_OBJECT_ATTRIBUTES::default()
    }
}

/// Makes UTF-16 of an ASCII text, at compile time. IRQL: any.
pub const fn utf16<const N: usize>(text: &str) -> [u16; N] {
    let bytes = text.as_bytes();
    assert!(bytes.len() == N, "the array has the text's length");
    let mut wide = [0; N];
    let mut at = 0;
    while at < N {
        assert!(bytes[at].is_ascii(), "only ASCII");
        wide[at] = bytes[at] as u16;
        at += 1;
    }
    wide
}

/// A UNICODE_STRING over a static text, which the system only reads. IRQL: any.
pub const fn unicode_string(text: &'static [u16]) -> UNICODE_STRING {
    let bytes = size_of_val(text) as u16;
    UNICODE_STRING { Length: bytes, MaximumLength: bytes, Buffer: text.as_ptr().cast_mut() }
}

/// Makes a static UNICODE_STRING of a constant `&str`.
macro_rules! wide {
    ($text:expr) => {{
        const TEXT: &str = $text;
        static WIDE: [u16; TEXT.len()] = $crate::wdf::utf16(TEXT);
        $crate::wdf::unicode_string(&WIDE)
    }};
}
pub(crate) use wide;
