//! The disassembly of an image, by function: llvm-objdump's text and the linker's map.

use std::{collections::BTreeMap, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use irqlog_build::{host, shell::output};
use irqlog_kit::Arch;

/// An instruction.
#[derive(Debug)]
pub struct Instruction {
    /// Its address.
    pub address: u64,
    /// Mnemonic and operands, as llvm-objdump prints them.
    pub text: String,
}

impl Instruction {
    /// Mnemonic and the rest.
    pub fn parts(&self) -> (&str, &str) {
        self.text.split_once(char::is_whitespace).map_or((&*self.text, ""), |(mnemonic, rest)| (mnemonic, rest.trim()))
    }

    /// The address that it names as its operand, as a branch does.
    pub fn target(&self) -> Option<u64> {
        let operand = self.parts().1.rsplit(", ").next()?;
        let hex = operand.strip_prefix("0x")?.split_whitespace().next()?;
        u64::from_str_radix(hex, 16).ok()
    }
}

/// A function: its instructions, in order.
#[derive(Debug)]
pub struct Function {
    /// Name out of the map, demangled.
    pub name: String,
    /// First address.
    pub start: u64,
    /// It only jumps to an imported routine, whose name it has.
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
    /// Disassembles a file; the map has to lie beside it.
    ///
    /// # Errors
    /// If the tool or the map is missing.
    pub fn read(arch: Arch, path: &Path) -> Result<Self> {
        let map = path.with_extension("map");
        let map = std::fs::read_to_string(&map).with_context(|| format!("reading {}", map.display()))?;
        let mut functions: BTreeMap<u64, Function> =
            map.lines().filter_map(symbol).map(|function| (function.start, function)).collect();
        let mut objdump = Command::new(host::llvm_objdump());
        objdump.args(["-d", "--no-show-raw-insn"]);
        if arch == Arch::X64 {
            objdump.arg("--x86-asm-syntax=intel");
        }
        let text = output(objdump.arg(path))?;
        let mut count = 0;
        for instruction in text.lines().filter_map(instruction) {
            if let Some((_, function)) = functions.range_mut(..=instruction.address).next_back() {
                match function.instructions.last_mut() {
                    // llvm-objdump prints a prefix on a line of its own; it is the same instruction.
                    Some(last) if ["lock", "rep", "repne", "data16"].contains(&&*last.text) => {
                        last.text = format!("{} {}", last.text, instruction.text);
                    }
                    _ => function.instructions.push(instruction),
                }
                count += 1;
            }
        }
        ensure!(count > 100, "{}: the disassembly was not understood", path.display());
        for function in functions.values_mut() {
            let is_padding = |instruction: &Instruction| ["int3", "nop", "udf", "brk"].contains(&instruction.parts().0);
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

/// A line of the disassembly: `180001000:   push  r15`.
fn instruction(line: &str) -> Option<Instruction> {
    let (address, text) = line.split_once(':')?;
    let address = u64::from_str_radix(address.trim(), 16).ok()?;
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = text.split(" <").next().unwrap_or_default().to_owned();
    (!text.is_empty()).then_some(Instruction { address, text })
}
