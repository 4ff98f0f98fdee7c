//! The instructions of an ARM64 image, out of llvm-objdump's text.

use std::{path::Path, process::Command};

use anyhow::Result;
use irqlog_build::{host, shell::output};

use super::{Flow, Instruction, parts};

/// Decodes a file.
///
/// # Errors
/// If llvm-objdump fails.
pub fn decode(path: &Path) -> Result<Vec<Instruction>> {
    let text = output(Command::new(host::llvm_objdump()).args(["-d", "--no-show-raw-insn"]).arg(path))?;
    Ok(text.lines().filter_map(instruction).collect())
}

/// A line of the disassembly: `180001000:   bl  0x180002000 <name>`.
fn instruction(line: &str) -> Option<Instruction> {
    let (address, text) = line.split_once(':')?;
    let address = u64::from_str_radix(address.trim(), 16).ok()?;
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = text.split(" <").next().unwrap_or_default().to_owned();
    (!text.is_empty()).then(|| Instruction { address, flow: flow(&text), stack: stack(&text), text })
}

fn flow(text: &str) -> Flow {
    let (mnemonic, operands) = parts(text);
    // The address is the last operand of a branch.
    let target = || {
        let hex = operands.rsplit(", ").next()?.strip_prefix("0x")?;
        u64::from_str_radix(hex, 16).ok()
    };
    match mnemonic {
        "bl" | "blr" => Flow::Call(target()),
        "b" | "br" | "cbz" | "cbnz" | "tbz" | "tbnz" => Flow::Jump(target()),
        _ if mnemonic.starts_with("b.") => Flow::Jump(target()),
        _ => Flow::Straight,
    }
}

/// Bytes of stack that an instruction takes.
fn stack(text: &str) -> u64 {
    let number = |text: &str| {
        let text = text.trim_start_matches('#').trim_start_matches('-');
        text.strip_prefix("0x").map_or_else(|| text.parse().ok(), |hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0)
    };
    let (mnemonic, operands) = parts(text);
    match mnemonic {
        "sub" => operands.strip_prefix("sp, sp, ").map_or(0, number),
        // Stores that move sp first: `stp x19, x20, [sp, #-0x30]!`.
        "stp" | "str" if operands.ends_with("]!") => {
            operands.split("[sp, ").nth(1).map_or(0, |offset| number(offset.trim_end_matches("]!")))
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_understood() {
        let call = instruction("180001000:      \tbl\t0x180002000 <irqlog_ring::append>").unwrap();
        assert_eq!((call.address, &*call.text), (0x1_8000_1000, "bl 0x180002000"));
        assert_eq!(call.flow, Flow::Call(Some(0x1_8000_2000)));
        assert!(instruction("Disassembly of section .text:").is_none());
    }

    #[test]
    fn flow_is_that_of_the_instruction() {
        assert_eq!(flow("blr x8"), Flow::Call(None));
        assert_eq!(flow("tbnz w0, #0x3, 0x1000"), Flow::Jump(Some(0x1000)));
        assert_eq!(flow("b.ne 0x1000"), Flow::Jump(Some(0x1000)));
        assert_eq!(flow("bic x0, x1, x2"), Flow::Straight);
    }

    #[test]
    fn frames_are_made_of_what_sp_loses() {
        assert_eq!(stack("sub sp, sp, #0x40"), 0x40);
        assert_eq!(stack("stp x19, x20, [sp, #-0x30]!"), 0x30);
        assert_eq!(stack("str x30, [sp, #-16]!"), 16);
        assert_eq!(stack("stp x19, x20, [sp, #0x30]"), 0);
    }
}
