//! Readers of crash dumps that are not irqlog's: they find the image through the anchor, in the dumps that tests write.
//!
//! So the dumps of the tests are not only what our own reader takes for dumps. What a reader does not read is said, and
//! is an error as soon as it changes.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};
use irqlog_build::{
    host,
    shell::{output, root},
};
use irqlog_makedump::{Crashed, DumpVariety, write};
use irqlog_wire::crash::{ANCHOR_MAGIC, Anchor};
use zerocopy::IntoBytes;

/// Versions from PyPI.
const PACKAGES: [&str; 2] = ["kdmp-parser==0.7.4", "leechcorepyc==2.23.3"];

/// Where image and anchor lie, and where dumps show the memory of tests (`tools/makedump`).
const IMAGE: usize = 0x7f12_3456_7000;
const ANCHOR: usize = 0x7f00_0001_3800;
const FILLER: usize = 0x7f20_0000_0000;
const KERNEL: usize = 0xffff_8000_0000_0000;

/// A reader, and the dumps that it does not read, each with the reason.
struct Reader {
    name: &'static str,
    not_read: fn(DumpVariety) -> Option<&'static str>,
}

const READERS: [Reader; 2] = [
    Reader {
        name: "kdmp",
        // It translates addresses as on x64, which fits the tables of the ARM64 dumps of tests too.
        not_read: |kind| (kind == DumpVariety::Small).then_some("kdmp-parser reads no small dumps"),
    },
    Reader {
        name: "leechcore",
        not_read: |kind| match kind {
            DumpVariety::Small => Some("LeechCore reads no small dumps"),
            DumpVariety::Ranges => Some("LeechCore takes a dump by ranges for raw memory"),
            _ => None,
        },
    },
];

/// Lets each reader read each kind of dump, for both architectures.
///
/// # Errors
/// If a reader finds something else, or reads what it is said not to read.
pub fn check() -> Result<()> {
    let packages = host::python_packages(&PACKAGES)?;
    let folder = root().join("target/xtask/readers");
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let image = root().join("testdata/images/format-1.1.irqlog");
    for machine in [0x8664, 0xaa64] {
        for kind in DumpVariety::ALL {
            let dump = folder.join(format!("{kind:?}-{machine:x}.dmp"));
            write_dump(kind, machine, &image, &dump)?;
            for reader in &READERS {
                let mut python = Command::new("python3");
                python.env("PYTHONPATH", &packages).arg(root().join("tools/makedump/readers.py")).arg(reader.name);
                let said = output(python.arg(&dump).arg(format!("{:#x}", ANCHOR | KERNEL)).arg(&image))?;
                // The reader itself may have said something before.
                let said = said.lines().next_back().unwrap_or_default();
                let expected = (reader.not_read)(kind);
                let why = expected.map_or_else(String::new, |why| format!(" ({why})"));
                println!("{:9} {:10} {machine:#x}: {said}{why}", reader.name, format!("{kind:?}"));
                ensure!((said == "found") == expected.is_none(), "{} and {}: {said}", reader.name, dump.display());
            }
        }
    }
    fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))
}

/// A dump with an anchor and an image.
fn write_dump(kind: DumpVariety, machine: u32, image: &PathBuf, dump: &PathBuf) -> Result<()> {
    // LeechCore takes a smaller file for none.
    const LEAST: usize = 17 << 20;
    let image = fs::read(image).with_context(|| format!("reading {}", image.display()))?;
    let anchor = Anchor {
        magic: ANCHOR_MAGIC,
        version: Anchor::VERSION.into(),
        image: (IMAGE as u64).into(),
        image_size: (image.len() as u64).into(),
        pieces: 0.into(),
        piece_count: 0.into(),
        piece_size: 4096.into(),
    };
    let memory = [(ANCHOR, anchor.as_bytes().to_vec()), (IMAGE, image), (FILLER, vec![0x5a; LEAST])];
    let crashed = Crashed {
        code: 0xd1,
        parameters: [1, 2, 3, 4],
        machine,
        processors: 4,
        levels: 4,
        memory: &memory,
        modules: &[],
        added: &memory[..2],
        blocks: &[],
    };
    fs::write(dump, write(kind, &crashed)).with_context(|| format!("writing {}", dump.display()))
}
