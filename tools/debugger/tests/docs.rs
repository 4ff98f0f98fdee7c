//! `docs/windbg.md`: what it shows is what the host in Node prints, on a dump with a stored log.
//!
//! `IRQLOG_ACCEPT=1 cargo test -p irqlog-debugger` puts what is printed now into the page; look at the difference then.

mod common;

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use common::file;
use irqlog_build::host::node;
use irqlog_debugger::{host, script};
use irqlog_makedump::{Block, Crashed, DumpVariety, write};
use irqlog_wire::crash::GUID_BYTES;
use serde_json::json;

const PROMPT: &str = "0: kd> ";
/// Start and end of a block that is made.
const START: &str = "<!-- printed by debugger/tests/dx.js -->\n\n```text\n";
const END: &str = "```\n";

/// A kernel dump with the stored log in its memory, and in its secondary data as irqlog.sys hands it out.
fn dump() -> PathBuf {
    let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/images/format-1.1.irqlog");
    let image = fs::read(image).unwrap();
    let blocks = [Block { guid: GUID_BYTES, bytes: image.clone() }];
    let memory = [(0x7f12_3456_7000, image)];
    let crashed = Crashed {
        code: 0xd1,
        parameters: [0x10, 2, 1, 0xffff_f802_1234_abcd],
        machine: 0x8664,
        processors: 4,
        levels: 4,
        memory: &memory,
        added: &[],
        blocks: &blocks,
        modules: &[],
    };
    file("docs.dmp", &write(DumpVariety::Kernel, &crashed))
}

/// What the host prints for these commands.
fn print(dump: &Path, commands: &[&str]) -> String {
    let mut node = Command::new(node().unwrap());
    node.arg(host::folder().join("dx.js")).arg(script::path()).args(commands);
    let mut child = node.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(json!({ "path": dump }).to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_page_shows_what_the_host_prints() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/windbg.md");
    let page = fs::read_to_string(&path).unwrap();
    let dump = dump();
    let mut parts = page.split(START);
    let mut made = parts.next().unwrap().to_owned();
    let mut blocks = 0;
    for part in parts {
        let (block, behind) = part.split_once(END).unwrap();
        let commands: Vec<_> = block.lines().filter_map(|line| line.strip_prefix(PROMPT)).collect();
        assert!(!commands.is_empty(), "a block without a command");
        made += &format!("{START}{}{END}{behind}", print(&dump, &commands));
        blocks += 1;
    }
    assert!(blocks >= 4, "{blocks} blocks");
    if std::env::var_os("IRQLOG_ACCEPT").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let page = fs::read_to_string(&path).unwrap();
    for (number, (there, made)) in page.lines().zip(made.lines()).enumerate() {
        assert_eq!(there, made, "line {} of docs/windbg.md", number + 1);
    }
    assert_eq!(page.lines().count(), made.lines().count());
}
