//! The page and the picture of logs that want to break out of them, and of a large one.

use std::{collections::BTreeSet, fs, io::Cursor, path::Path};

use irqlog_export::run::{ExportFilter, NamedLog, export};
use irqlog_exports::images;
use irqlog_reader::{image::Tables, record::Record, save::build, saved::SavedLog, untrusted::is_deceptive};
use irqlog_report::{Report, ReportKind, collected};
use irqlog_wire::record::{HEADER_SIZE, Kind, RecordHeader, WORD, flags};
use sha2::{Digest, Sha256};
use zerocopy::FromZeros;

fn stored(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/images").join(name)).unwrap()
}

/// The report of a log, as text.
fn report(image: Vec<u8>, name: &str, kind: ReportKind) -> String {
    let mut out = Vec::new();
    let mut logs = [NamedLog { name: name.to_owned(), log: SavedLog::open(Cursor::new(image)).unwrap() }];
    let all = ExportFilter { passes: &mut |_, _| true, last: None, is_filtered: false };
    let mut sink = Report::new(&mut out, kind, format!("file: {name}"));
    export(&mut logs, all, &mut sink, |_| ()).unwrap();
    String::from_utf8(out).unwrap()
}

/// A log with many texts on three processors.
fn large(records: u64) -> Vec<u8> {
    let mut tables = Tables::parse(&stored("format-1.1.irqlog")).unwrap();
    tables.lanes.truncate(1);
    tables.header.lane_count.set(1);
    let lane = &mut tables.lanes[0];
    for field in [&mut lane.first_seq, &mut lane.next_seq, &mut lane.floor] {
        field.set(0);
    }
    lane.next_seq.set(records);
    let record = |seq: u64| {
        let payload = format!("record {seq} of a storm, with some text <b>&amp;</b>").into_bytes();
        let mut header = RecordHeader::new_zeroed();
        header.size.set((HEADER_SIZE + payload.len()).next_multiple_of(WORD) as u16);
        header.kind = Kind::Text.0;
        header.level = 1 + [97, 13, 5].into_iter().map(|every| u8::from(!seq.is_multiple_of(every))).sum::<u8>();
        header.irql = [0, 0, 0, 2, 2, 5, 13, 15][(seq % 8) as usize];
        header.processor.set((seq % 3) as u16);
        header.flags.set(flags::NO_THREAD);
        header.payload_size.set(payload.len() as u16);
        header.seq.set(seq);
        // In bursts, with pauses between them.
        header.tick.set(tables.header.tick_base.get() + seq * 300 + seq / 9000 * 5_000_000);
        Record { lane: 0, header, payload, late: false }
    };
    build(&tables, &[(0..records).map(record).collect()])
}

/// A start tag: its name, and its attributes with their values.
type Tag = (String, Vec<(String, String)>);

/// The start tags of a page, by rules that are stricter than HTML's: each `<` begins a tag, and each value is in quotes.
/// Gives the text of all scripts and of the style apart.
fn tags(page: &str) -> (Vec<Tag>, Vec<String>) {
    let (mut tags, mut raw) = (Vec::new(), Vec::new());
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "!/?".contains(*c)).collect();
        assert!(!name.is_empty(), "a < without a tag: {}", &rest[..rest.len().min(40)]);
        rest = &rest[name.len()..];
        let mut attributes = Vec::new();
        while !rest.starts_with('>') {
            rest = rest.trim_start();
            let end = rest.find(['=', '>', ' ']).unwrap();
            let attribute = rest[..end].trim_end_matches('?').to_owned();
            rest = &rest[end..];
            let mut value = String::new();
            if let Some(behind) = rest.strip_prefix("=\"") {
                let close = behind.find('"').unwrap();
                behind[..close].clone_into(&mut value);
                rest = behind[close + 1..].trim_start_matches('?');
            }
            attributes.push((attribute, value));
        }
        if matches!(name.as_str(), "script" | "style") {
            let end = rest.find(&format!("</{name}>")).unwrap();
            raw.push(rest[1..end].to_owned());
            rest = &rest[end..];
        }
        tags.push((name, attributes));
    }
    (tags, raw)
}

const TAGS: &str = "!DOCTYPE html head meta title style body h1 h2 p br strong nav a table tr td th span div svg rect text line \
                    path meter input select option noscript script";

#[test]
fn nothing_of_a_hostile_log_is_markup() {
    let model = Tables::parse(&stored("format-1.1.irqlog")).unwrap();
    let name = "<script>\"' \u{202e}&.irqlog";
    let page = report(images::hostile(&model), name, ReportKind::Page);
    assert!(page.contains("onerror=alert(1)"), "the hostile text is not there at all");
    let (tags, raw) = tags(&page);
    for (tag, attributes) in &tags {
        let tag = tag.trim_start_matches('/');
        assert!(TAGS.split_whitespace().any(|known| known == tag), "a tag of the log: {tag}");
        for (attribute, value) in attributes {
            assert!(!attribute.starts_with("on") && attribute != "style", "<{tag} {attribute}={value}>");
            let may_link = matches!((tag, attribute.as_str()), ("a", "href") | ("svg", "xmlns"));
            assert!(may_link || !(value.contains("//") || value.contains("url(")), "<{tag} {attribute}={value}>");
            assert!(
                attribute != "src" && (attribute != "href" || value.starts_with('#')),
                "<{tag} {attribute}={value}>"
            );
        }
    }
    assert_eq!(raw.len(), 3, "a style sheet, the data, and the script");
    let deceptive: BTreeSet<char> = page.chars().filter(|&c| c != '\n' && is_deceptive(c)).collect();
    assert!(deceptive.is_empty(), "not escaped: {deceptive:?}");
    assert!(!raw[1].contains(['<', '>', '&']), "the data may end its block");
}

#[test]
fn the_policy_lets_only_the_own_script_and_style_run() {
    let page = report(stored("format-1.1.irqlog"), "log", ReportKind::Page);
    let (tags, raw) = tags(&page);
    let hash = |text: &str| format!("'sha256-{}'", data_encoding::BASE64.encode(&Sha256::digest(text)));
    let expected = format!(
        "default-src 'none'; script-src {}; style-src {}; base-uri 'none'; form-action 'none'",
        hash(&raw[2]),
        hash(&raw[0])
    );
    let policy = tags.iter().flat_map(|(_, attributes)| attributes).find(|(_, value)| value.starts_with("default-src"));
    assert_eq!(policy.unwrap().1, expected, "put the hashes into src/page.rs");
}

#[test]
fn every_record_and_loss_is_in_the_table_and_counted() {
    for image in ["format-1.0.irqlog", "format-1.1.irqlog", "format-1.2.irqlog"] {
        let page = report(stored(image), image, ReportKind::Page);
        let (_, raw) = tags(&page);
        let rows: Vec<Vec<serde_json::Value>> = serde_json::from_str(&raw[1]).unwrap();
        let mut log = SavedLog::open(Cursor::new(stored(image))).unwrap();
        let items = irqlog_reader::log::Log::collect(&mut log).unwrap();
        assert_eq!(rows.len(), items.len());
        for (row, item) in rows.iter().zip(&items) {
            match item {
                irqlog_reader::log::Item::Loss(loss) => {
                    assert!(row[0].as_str().unwrap().contains(&loss.count.to_string()));
                }
                irqlog_reader::log::Item::Record(record) => {
                    assert_eq!(row[6], record.header.seq.get().to_string());
                    assert_eq!((&row[1], &row[5]), (&record.header.processor.get().into(), &record.lane.into()));
                }
            }
        }
        assert!(!page.contains("DOES NOT ADD UP"));
    }
}

#[test]
fn a_large_log_keeps_its_newest_records_and_says_so() {
    let more = 5;
    let page = report(large(collected::MOST_ROWS as u64 + more), "large", ReportKind::Page);
    let (_, raw) = tags(&page);
    let rows: Vec<Vec<serde_json::Value>> = serde_json::from_str(&raw[1]).unwrap();
    assert_eq!((rows.len(), rows[0][6].as_str()), (collected::MOST_ROWS, Some("5")));
    assert!(page.contains("5 older ones are left out of it") && page.contains("100005 records, 0 lost"));
    assert!(!page.contains("DOES NOT ADD UP"));
    // For a look at it in a browser.
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("large.html");
    fs::write(file, report(large(collected::MOST_ROWS as u64), "large", ReportKind::Page)).unwrap();
}

#[test]
fn a_picture_is_xml_and_draws_every_row() {
    let model = Tables::parse(&stored("format-1.1.irqlog")).unwrap();
    for image in [images::hostile(&model), images::many_sites(&model), stored("format-1.1.irqlog"), large(0)] {
        let picture = report(image, "<svg>&", ReportKind::Picture);
        let document = roxmltree::Document::parse(&picture).unwrap();
        assert_eq!(document.root_element().tag_name().name(), "svg");
        let known =
            |node: &roxmltree::Node<'_, '_>| ["svg", "text", "line", "rect", "path"].contains(&node.tag_name().name());
        assert!(document.root_element().descendants().filter(roxmltree::Node::is_element).all(|node| known(&node)));
        for attribute in document.root_element().descendants().flat_map(|node| node.attributes()) {
            let (name, value) = (attribute.name(), attribute.value());
            assert!(!value.contains("NaN") && !value.contains("inf"), "{name}={value}");
        }
    }
    let picture = report(large(1000), "log", ReportKind::Picture);
    for row in ["cpu 0  HIGH", "cpu 1  CLOCK", "cpu 2  PASSIVE", "1000 records, 0 lost"] {
        assert!(picture.contains(row), "{row}");
    }
}
