//! Short texts made on the stack, without `core::fmt`, which would bring panics into the image.

/// A text of at most 256 bytes; bytes that do not fit are left out.
pub struct Text {
    bytes: [u8; 256],
    length: usize,
}

impl Text {
    /// IRQL: any.
    pub const fn new() -> Self {
        Self { bytes: [0; 256], length: 0 }
    }

    /// Appends a text. IRQL: any.
    pub fn push(&mut self, text: &str) -> &mut Self {
        for (target, &byte) in self.bytes.iter_mut().skip(self.length).zip(text.as_bytes()) {
            *target = byte;
            self.length += 1;
        }
        self
    }

    /// Appends a number in decimal. IRQL: any.
    pub fn number(&mut self, value: u32) -> &mut Self {
        let mut digits = [0; 10];
        let mut rest = value;
        let mut used = 0;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
            used += 1;
            if rest == 0 {
                break;
            }
        }
        let text = digits.get(digits.len() - used..).unwrap_or_default();
        self.push(core::str::from_utf8(text).unwrap_or_default())
    }

    /// The text so far. IRQL: any.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}
