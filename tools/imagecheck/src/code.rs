//! The code of an image, by function: instructions, and names out of the linker's map.

mod arm64;
mod x64;

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result, ensure};
use irqlog_kit::Arch;

/// Where an instruction goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// At the next instruction, or at the caller.
    Straight,
    /// At an address, with the way back on the stack or in a register; `None` if a register or memory has the address.
    Call(Option<u64>),
    /// The same without a way back; a conditional jump may go on at the next instruction too.
    Jump(Option<u64>),
}

/// An instruction.
#[derive(Debug)]
pub struct Instruction {
    /// Its address.
    pub address: u64,
    /// Mnemonic and operands.
    pub text: String,
    /// Where it goes on.
    pub flow: Flow,
    /// Bytes of stack that it takes.
    pub stack: u64,
}

/// Mnemonic and operands.
fn parts(text: &str) -> (&str, &str) {
    text.split_once(char::is_whitespace).map_or((text, ""), |(mnemonic, rest)| (mnemonic, rest.trim()))
}

/// A function: its instructions, in order.
#[derive(Debug)]
pub struct Function {
    /// Name out of the map, demangled.
    pub name: String,
    /// First address.
    pub start: u64,
    /// Whether it only jumps to the imported routine of the same name.
    pub is_import: bool,
    /// Its instructions.
    pub instructions: Vec<Instruction>,
}

/// All functions of an image, by address.
#[derive(Debug)]
pub struct Code {
    functions: BTreeMap<u64, Function>,
}

impl Code {
    /// Decodes the code of an image; the linker's map has to lie beside the image.
    ///
    /// # Errors
    /// If image, map or disassembler are missing, or next to nothing is decoded.
    pub fn read(arch: Arch, path: &Path) -> Result<Self> {
        let map = path.with_extension("map");
        let map = std::fs::read_to_string(&map).with_context(|| format!("reading {}", map.display()))?;
        let mut functions: BTreeMap<u64, Function> =
            map.lines().filter_map(symbol).map(|function| (function.start, function)).collect();
        let instructions = match arch {
            Arch::X64 => {
                let data = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
                let starts: Vec<u64> = functions.keys().copied().collect();
                let ends = starts.iter().skip(1).copied().chain([u64::MAX]);
                x64::decode(&data, starts.iter().zip(ends).map(|(start, end)| *start..end))?
            }
            Arch::Arm64 => arm64::decode(path)?,
        };
        let count = instructions.len();
        for instruction in instructions {
            if let Some((_, function)) = functions.range_mut(..=instruction.address).next_back() {
                function.instructions.push(instruction);
            }
        }
        ensure!(count > 100, "{}: the disassembly was not understood", path.display());
        for function in functions.values_mut() {
            let is_padding =
                |instruction: &Instruction| ["int3", "nop", "udf", "brk"].contains(&parts(&instruction.text).0);
            while function.instructions.last().is_some_and(is_padding) {
                function.instructions.pop();
            }
        }
        functions.retain(|_, function| !function.instructions.is_empty());
        Ok(Self { functions })
    }

    /// Rules for all code: no panic is linked, and on ARM64 the platform register is not touched.
    pub fn check(&self, arch: Arch) -> Vec<String> {
        let mut broken: Vec<String> = self
            .functions
            .values()
            .filter(|function| is_panic(&function.name))
            .map(|function| format!("a panic is linked: {}", function.name))
            .collect();
        if arch == Arch::Arm64 {
            let is_x18 =
                |text: &str| text.split(|c: char| !c.is_alphanumeric()).any(|word| word == "x18" || word == "w18");
            for function in self.functions.values() {
                for instruction in function.instructions.iter().filter(|instruction| is_x18(&instruction.text)) {
                    broken.push(format!(
                        "{} touches x18 at {:#x}: {}",
                        function.name, instruction.address, instruction.text
                    ));
                }
            }
        }
        broken
    }

    /// The function that starts at an address.
    pub fn at(&self, address: u64) -> Option<&Function> {
        self.functions.get(&address)
    }

    /// All functions, by address.
    pub fn all(&self) -> impl Iterator<Item = &Function> {
        self.functions.values()
    }

    /// The functions whose name ends with `name`, as a path.
    pub fn named(&self, name: &str) -> Vec<&Function> {
        self.functions
            .values()
            .filter(|function| function.name == name || function.name.ends_with(&format!("::{name}")))
            .collect()
    }
}

/// Whether a function is part of the panic machinery.
pub fn is_panic(name: &str) -> bool {
    name.contains("panicking::") || name.contains("rust_begin_unwind") || name.contains("panic_handler")
}

/// A line of the map that names code: `0001:00000000  name  0000000180001000  library:object`.
fn symbol(line: &str) -> Option<Function> {
    let mut fields = line.split_whitespace();
    let (place, name, address) = (fields.next()?, fields.next()?, fields.next()?);
    if !place.starts_with("0001:") || address.len() != 16 {
        return None;
    }
    let start = u64::from_str_radix(address, 16).ok()?;
    let object = fields.next().unwrap_or_default().to_lowercase();
    let is_import = [".exe", ".dll", "wdfldr.sys"].iter().any(|module| object.ends_with(module));
    let name = format!("{:#}", rustc_demangle::demangle(name));
    Some(Function { name, start, is_import, instructions: Vec::new() })
}
