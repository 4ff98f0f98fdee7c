//! The record path, and the path of the bug-check callbacks: the roots, everything that can be called from them, and the
//! rules for all of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use irqlog_kit::Arch;
use irqlog_nt::routines::{EXPORTS, Export};
use serde_json::{Value, json};

use super::{
    code::{Code, Flow, Function, is_panic},
    image::LinkedImage,
};

/// A path: where it begins, and what holds for it.
#[derive(Debug)]
pub struct Rules {
    /// Its name in messages.
    name: &'static str,
    roots: &'static [&'static str],
    /// Whether it may call a routine of the kernel.
    may_reach: fn(&Export) -> bool,
    /// The most stack that a call of a root may take, in bytes.
    stack: u64,
}

/// The record path: the functions of the table that other drivers get (`driver/interface.rs`). What it may call is allowed
/// at any IRQL, or at least from DISPATCH_LEVEL up, or asked for only below it.
pub const RECORD: Rules = Rules {
    name: "record path",
    roots: &[
        "irqlog_write_text",
        "irqlog_write_blob",
        "irqlog_write_event",
        "irqlog_write_text_never_waits",
        "irqlog_write_blob_never_waits",
        "irqlog_write_event_never_waits",
    ],
    may_reach: Export::is_for_record_path,
    stack: 2048,
};

/// The bug-check callbacks (`driver/crash.rs`). They write a record, so they may call what the record path may call.
pub const CRASH: Rules = Rules {
    name: "crash path",
    roots: &["irqlog_on_secondary_parts", "irqlog_on_secondary", "irqlog_on_triage"],
    may_reach: Export::is_for_crash_path,
    stack: 4096,
};

/// Functions that may call an address which the code does not name: none.
const INDIRECT: [&str; 0] = [];

/// What was found from the roots.
#[derive(Debug)]
pub struct CallGraph {
    functions: BTreeMap<u64, Found>,
    roots: Vec<u64>,
    missing: Vec<&'static str>,
    arch: Arch,
    rules: &'static Rules,
}

#[derive(Debug)]
struct Found {
    name: String,
    is_import: bool,
    addresses: Vec<u64>,
    calls: BTreeSet<u64>,
    /// Calls and jumps to an address that the code does not name, one message each.
    unresolved: Vec<String>,
    /// Bytes of stack that it takes, its return address included.
    frame: u64,
}

impl CallGraph {
    /// Follows every call and jump from the roots.
    pub fn find(code: &Code, arch: Arch, rules: &'static Rules) -> Self {
        let mut path = Self { functions: BTreeMap::new(), roots: Vec::new(), missing: Vec::new(), arch, rules };
        for root in rules.roots {
            match code.named(root)[..] {
                [function] => path.roots.push(function.start),
                _ => path.missing.push(root),
            }
        }
        let mut open = path.roots.clone();
        while let Some(start) = open.pop() {
            let Some(function) = code.at(start).filter(|_| !path.functions.contains_key(&start)) else { continue };
            let found = Found::of(function, code, arch);
            open.extend(&found.calls);
            path.functions.insert(start, found);
        }
        path
    }

    /// The broken rules, one message each.
    pub fn check(&self, image: &LinkedImage) -> Vec<String> {
        let mut broken: Vec<String> =
            self.missing.iter().map(|root| format!("the root {root} is not in the image, or inlined")).collect();
        for (start, found) in &self.functions {
            if is_panic(&found.name) {
                broken.push(format!("the {} reaches a panic: {}{}", self.rules.name, found.name, self.how(*start)));
            }
            if found.is_import && !self.may_reach(&found.name) {
                broken.push(format!("the {} calls {}{}", self.rules.name, found.name, self.how(*start)));
            }
            broken.extend(found.unresolved.iter().map(|what| format!("{}: {what}", found.name)));
            let section = image.section(start - image.base);
            if !section.is_some_and(super::image::Section::is_resident) {
                broken.push(format!("{} lies in a section that may not be resident", found.name));
            }
        }
        for &root in &self.roots {
            match self.stack(root, &mut Vec::new()) {
                Ok(bytes) if bytes > self.rules.stack => {
                    let most = self.rules.stack;
                    broken.push(format!("{} takes {bytes} bytes of stack, more than {most}", self.name(root)));
                }
                Ok(_) => {}
                Err(name) => broken.push(format!("{name} is recursive: its stack has no bound")),
            }
        }
        broken
    }

    fn may_reach(&self, name: &str) -> bool {
        EXPORTS.iter().any(|export| export.name == name && (self.rules.may_reach)(export))
    }

    fn name(&self, start: u64) -> &str {
        self.functions.get(&start).map_or("?", |found| &found.name)
    }

    /// The callers of a function, for a message.
    fn how(&self, start: u64) -> String {
        let callers: Vec<_> =
            self.functions.values().filter(|found| found.calls.contains(&start)).map(|found| &*found.name).collect();
        format!(" (from {})", callers.join(", "))
    }

    /// Bytes of stack that a function and its callees take at most.
    ///
    /// # Errors
    /// The name of a recursive function, whose stack has no bound.
    fn stack(&self, start: u64, above: &mut Vec<u64>) -> Result<u64, String> {
        if above.contains(&start) {
            return Err(self.name(start).to_owned());
        }
        let Some(found) = self.functions.get(&start).filter(|found| !found.is_import) else { return Ok(0) };
        above.push(start);
        let mut deepest = 0;
        for &call in &found.calls {
            deepest = deepest.max(self.stack(call, above)?);
        }
        above.pop();
        Ok(found.frame + deepest)
    }

    fn own(&self) -> impl Iterator<Item = (&u64, &Found)> {
        self.functions.iter().filter(|(_, found)| !found.is_import)
    }

    /// Addresses of the instructions by function, for the rig.
    pub fn to_json(&self) -> Value {
        let functions: Vec<_> =
            self.own().map(|(_, found)| json!({ "name": found.name, "addresses": found.addresses })).collect();
        json!({ "arch": self.arch.name(), "functions": functions })
    }

    /// The summary that `verify-sys` prints.
    pub fn report(&self) -> String {
        let instructions: usize = self.own().map(|(_, found)| found.addresses.len()).sum();
        let stack = self.roots.iter().filter_map(|&root| self.stack(root, &mut Vec::new()).ok()).max().unwrap_or(0);
        let mut text = format!(
            "  {}: {} roots, {} functions, {instructions} instructions, at most {stack} bytes of stack, no panic\n",
            self.rules.name,
            self.roots.len(),
            self.own().count(),
        );
        for (_, found) in self.own() {
            let _ = writeln!(
                text,
                "    {:5} instructions, {:4} bytes of stack  {}",
                found.addresses.len(),
                found.frame,
                found.name
            );
        }
        text
    }
}

impl Found {
    fn of(function: &Function, code: &Code, arch: Arch) -> Self {
        // A call pushes the return address on x64.
        let pushed = if arch == Arch::X64 { 8 } else { 0 };
        let mut found = Self {
            name: function.name.clone(),
            is_import: function.is_import,
            addresses: function.instructions.iter().map(|instruction| instruction.address).collect(),
            calls: BTreeSet::new(),
            unresolved: Vec::new(),
            frame: if function.is_import {
                0
            } else {
                pushed + function.instructions.iter().map(|it| it.stack).sum::<u64>()
            },
        };
        if function.is_import {
            return found;
        }
        let last = function.instructions.last().map_or(0, |instruction| instruction.address);
        for instruction in &function.instructions {
            let target = match instruction.flow {
                Flow::Straight => continue,
                Flow::Jump(Some(target)) if (function.start..=last).contains(&target) => continue,
                Flow::Jump(target) | Flow::Call(target) => target,
            };
            match target {
                Some(target) if code.at(target).is_some() => {
                    found.calls.insert(target);
                }
                _ if INDIRECT.contains(&function.name.as_str()) => {}
                _ => found.unresolved.push(format!(
                    "{:#x} {} goes where the disassembly does not say",
                    instruction.address, instruction.text
                )),
            }
        }
        found
    }
}
