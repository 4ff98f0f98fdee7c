//! The instructions of an x64 image, by the decoder of iced-x86.

use std::ops::Range;

use anyhow::{Context, Result};
use iced_x86::{Decoder, DecoderOptions, FlowControl, Formatter, IntelFormatter, Mnemonic, OpKind, Register};
use object::{Object, ObjectSection, read::pe::PeFile64};

use super::{Flow, Instruction};

/// Decodes each of these ranges of addresses.
///
/// # Errors
/// If a range is not part of a section.
pub fn decode(data: &[u8], ranges: impl Iterator<Item = Range<u64>>) -> Result<Vec<Instruction>> {
    let file = PeFile64::parse(data)?;
    let mut formatter = IntelFormatter::new();
    let mut instructions = Vec::new();
    for range in ranges {
        let holds = |section: &object::read::pe::PeSection64<'_, '_>| {
            (section.address()..section.address() + section.size()).contains(&range.start)
        };
        let section = file.sections().find(holds).with_context(|| format!("no section holds {:#x}", range.start))?;
        let bytes = &section.data()?[(range.start - section.address()) as usize..];
        let length = bytes.len().min((range.end - range.start) as usize);
        let decoder = Decoder::with_ip(64, &bytes[..length], range.start, DecoderOptions::NONE);
        instructions.extend(decoder.into_iter().map(|decoded| {
            let mut text = String::new();
            formatter.format(&decoded, &mut text);
            Instruction { address: decoded.ip(), text, flow: flow(&decoded), stack: stack(&decoded) }
        }));
    }
    Ok(instructions)
}

fn flow(decoded: &iced_x86::Instruction) -> Flow {
    match decoded.flow_control() {
        FlowControl::Call => Flow::Call(Some(decoded.near_branch_target())),
        FlowControl::IndirectCall => Flow::Call(None),
        FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch | FlowControl::XbeginXabortXend => {
            Flow::Jump(Some(decoded.near_branch_target()))
        }
        FlowControl::IndirectBranch => Flow::Jump(None),
        FlowControl::Next | FlowControl::Return | FlowControl::Interrupt | FlowControl::Exception => Flow::Straight,
    }
}

/// Bytes of stack that an instruction takes; a call's own are the callee's.
fn stack(decoded: &iced_x86::Instruction) -> u64 {
    match decoded.mnemonic() {
        Mnemonic::Push => 8,
        Mnemonic::Sub if decoded.op0_register() == Register::RSP && decoded.op1_kind() != OpKind::Register => {
            decoded.immediate(1)
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(bytes: &[u8]) -> iced_x86::Instruction {
        let instruction = Decoder::with_ip(64, bytes, 0x1000, DecoderOptions::NONE).decode();
        assert_eq!(instruction.len(), bytes.len());
        instruction
    }

    #[test]
    fn flow_is_that_of_the_instruction() {
        assert_eq!(flow(&one(&[0xe8, 0, 1, 0, 0])), Flow::Call(Some(0x1105)));
        assert_eq!(flow(&one(&[0xff, 0x15, 0, 0, 0, 0])), Flow::Call(None), "call [rip]");
        assert_eq!(flow(&one(&[0x75, 0xfe])), Flow::Jump(Some(0x1000)), "jne to itself");
        assert_eq!(flow(&one(&[0xe2, 0xfe])), Flow::Jump(Some(0x1000)), "loop");
        assert_eq!(flow(&one(&[0xff, 0xe0])), Flow::Jump(None), "jmp rax");
        assert_eq!(flow(&one(&[0xc3])), Flow::Straight, "ret");
    }

    #[test]
    fn frames_are_made_of_pushes_and_of_what_rsp_loses() {
        assert_eq!(stack(&one(&[0x41, 0x57])), 8, "push r15");
        assert_eq!(stack(&one(&[0x48, 0x83, 0xec, 0x28])), 0x28, "sub rsp, 28h");
        assert_eq!(stack(&one(&[0x48, 0x81, 0xec, 0, 4, 0, 0])), 0x400, "sub rsp, 400h");
        assert_eq!(stack(&one(&[0x48, 0x83, 0xc4, 0x28])), 0, "add rsp, 28h");
    }
}
