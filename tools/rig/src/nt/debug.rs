//! The debugger's output.

use std::fmt::Write;

use super::import::routines;

routines! {
    fn DbgPrint(format: *const i8, a: usize, b: usize, c: usize) -> u32 {
        // SAFETY: a C string of the driver's.
        let format = unsafe { std::ffi::CStr::from_ptr(format.cast()) }.to_string_lossy().into_owned();
        eprint!("{}", expand(&format, &[a, b, c]));
        0
    }
}

/// The conversions that the drivers of the rig use: %s, %p, %x, %d, %u.
fn expand(format: &str, arguments: &[usize]) -> String {
    let mut text = String::new();
    let mut arguments = arguments.iter();
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        let conversion = characters.next().unwrap_or('%');
        let argument = arguments.next().copied().unwrap_or(0);
        match conversion {
            's' if argument != 0 => {
                // SAFETY: a C string of the driver's, as its format says.
                let part = unsafe { std::ffi::CStr::from_ptr(argument as *const std::ffi::c_char) };
                text.push_str(&part.to_string_lossy());
            }
            'd' => text.push_str(&(argument as i32).to_string()),
            'u' => text.push_str(&(argument as u32).to_string()),
            _ => {
                let _ = write!(text, "{argument:#x}");
            }
        }
    }
    text
}
