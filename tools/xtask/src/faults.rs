//! `cargo xtask faults`: defects planted in copies of the sources, each built into a driver of its own that the rig has
//! to refuse. A test that cannot see these sees nothing.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, bail};

use crate::{build, rig, shell::step, verify};

/// What has to notice.
#[derive(Clone, Copy, Debug)]
enum Notices {
    Storm,
    Coverage,
}

struct Fault {
    name: &'static str,
    file: &'static str,
    change: (&'static str, &'static str),
    notices: Notices,
}

const FAULTS: [Fault; 8] = [
    Fault {
        name: "pointer-not-hashed",
        file: "crates/recorder/src/event.rs",
        change: ("output.push(pointers.written(address))", "output.push(address)"),
        notices: Notices::Coverage,
    },
    Fault {
        name: "no-step-to-two",
        file: "crates/ring/src/nesting.rs",
        change: ("        self.count.store(self.found.wrapping_add(2));\n", ""),
        notices: Notices::Coverage,
    },
    Fault {
        name: "skipped-publish",
        file: "crates/ring/src/lane.rs",
        change: (
            "        self.control[at::HEAD].store_release(end); // write:D, pairs with read:A\n",
            "        if seq % 1000 != 999 {\n            self.control[at::HEAD].store_release(end);\n        }\n",
        ),
        notices: Notices::Storm,
    },
    Fault {
        name: "double-delivery",
        file: "crates/ring/src/lane.rs",
        change: (
            "                batch.next.seq = first.seq.wrapping_add(1);\n",
            "                batch.next.seq = first.seq.wrapping_add(u64::from(first.seq % 1000 != 999));\n",
        ),
        notices: Notices::Storm,
    },
    Fault {
        name: "no-second-look-at-tail",
        file: "crates/ring/src/lane.rs",
        change: (
            "        if before(position, tail) {\n            return None;\n        }\n",
            "        let _ = tail;\n",
        ),
        notices: Notices::Storm,
    },
    Fault {
        name: "lock-not-released",
        file: "driver/locks.rs",
        change: (
            "        unsafe { KeReleaseSpinLockFromDpcLevel(self.0.get()) }",
            "        let _ = KeReleaseSpinLockFromDpcLevel;",
        ),
        notices: Notices::Storm,
    },
    Fault {
        name: "image-not-freed",
        file: "driver/recorder.rs",
        change: (
            "    drop((recorder, providers, image_pages, own));\n",
            "    core::mem::forget((recorder, providers, image_pages, own));\n",
        ),
        notices: Notices::Storm,
    },
    Fault {
        name: "id-asked-above-dispatch-level",
        file: "crates/recorder/src/log.rs",
        change: ("irql <= DISPATCH_LEVEL && entry", "irql <= DISPATCH_LEVEL + 1 && entry"),
        notices: Notices::Storm,
    },
];

/// Plants each, and expects the rig to fail.
///
/// # Errors
/// If a fault goes unnoticed.
pub fn run() -> Result<()> {
    rig::prepare(rig::NATIVE)?;
    let mut unnoticed = Vec::new();
    for fault in &FAULTS {
        let image = build::planted(fault.name, fault.file, fault.change)?;
        let said = try_it(fault, &image)?;
        if let Some(said) = said {
            println!("noticed    {:24} {said}", fault.name);
        } else {
            println!("UNNOTICED  {}", fault.name);
            unnoticed.push(fault.name);
        }
    }
    if unnoticed.is_empty() { Ok(()) } else { bail!("planted faults went unnoticed: {}", unnoticed.join(", ")) }
}

/// What the rig says about it; `None` if nothing.
fn try_it(fault: &Fault, image: &Path) -> Result<Option<String>> {
    let images = image.parent().context("a folder")?;
    step(&format!("running {}", fault.name));
    let mut rig = rig::command(rig::NATIVE, images)?;
    match fault.notices {
        Notices::Storm => {
            // Chance decides where interrupts hit and when a reader is lapped: this is long enough.
            rig.args(["soak", "--records", "1000000"]);
        }
        Notices::Coverage => {
            verify::verify(rig::NATIVE, image)?;
            rig.args(["--processors", "1", "coverage", "--record-path"]).arg(image.with_extension("record-path.json"));
        }
    }
    let output = timeout(&rig)?;
    if output.status.success() {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text
        .lines()
        .find(|line| line.starts_with("error") || line.contains("rule broken"))
        .unwrap_or("it ended without a word");
    Ok(Some(line.trim_start_matches("error: ").chars().take(140).collect()))
}

/// Two minutes at most: a fault may well make a run that never ends.
fn timeout(command: &Command) -> Result<std::process::Output> {
    let mut limited = Command::new("timeout");
    limited.arg("120").arg(command.get_program()).args(command.get_args());
    limited.output().context("starting the rig")
}
