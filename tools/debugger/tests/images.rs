//! The stored images of each version, whole, cut off and damaged: the script shows what irqlog.exe shows.

mod common;

use std::{fs, path::Path};

use common::{assert_same, expected, expected_of_image, file, mapped};
use irqlog_debugger::host;
use irqlog_dump::find;
use irqlog_makedump::{Block, Crashed, DumpVariety, write};
use irqlog_reader::saved::SavedLog;
use irqlog_wire::crash::GUID_BYTES;
use serde_json::json;

/// All stored images, with their names.
fn images() -> Vec<(String, Vec<u8>)> {
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata");
    let mut images = Vec::new();
    for folder in ["images", "regressions"] {
        for entry in fs::read_dir(testdata.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "irqlog") {
                images.push((path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()));
            }
        }
    }
    images.sort();
    assert!(images.len() >= 5, "there are stored images");
    images
}

#[test]
fn stored_images_are_shown_as_irqlog_exe_shows_them() {
    let images = images();
    let targets: Vec<_> = images.iter().map(|(name, bytes)| mapped(&file(name, bytes))).collect();
    for ((name, bytes), answer) in images.iter().zip(host::ask(&targets).unwrap()) {
        assert_same(&answer, &expected_of_image(bytes), name);
        assert_eq!(answer["origin"], "the image at the given address");
    }
}

/// A small dump with this image as its secondary data.
fn dump_of(image: &[u8]) -> Vec<u8> {
    let blocks = [Block { guid: GUID_BYTES, bytes: image.to_vec() }];
    let crashed = Crashed {
        code: 0xd1,
        parameters: [1, 2, 3, 4],
        machine: 0x8664,
        processors: 4,
        levels: 4,
        memory: &[],
        modules: &[],
        added: &[],
        blocks: &blocks,
    };
    write(DumpVariety::Small, &crashed)
}

/// Images that are cut off or changed in a few bytes, and what a fuzzer found worth keeping. Most changes are in the
/// tables.
fn damaged() -> Vec<Vec<u8>> {
    let mut state = 7_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below.max(1)
    };
    let mut all = Vec::new();
    for (_, image) in images() {
        for number in 0..24 {
            let mut bytes = image.clone();
            match number % 4 {
                0 => bytes.truncate(random(image.len())),
                1 => (0..3).for_each(|_| {
                    let at = 64 + random(4096);
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= 1 << random(8);
                    }
                }),
                _ => (0..6).for_each(|_| {
                    let at = random(image.len());
                    bytes[at] = random(256) as u8;
                }),
            }
            all.push(bytes);
        }
    }
    let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/fuzz/image");
    all.extend(fs::read_dir(stored).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()));
    all
}

#[test]
fn damage_is_told_as_irqlog_exe_tells_it() {
    let dumps: Vec<_> = damaged().iter().map(|image| dump_of(image)).collect();
    let paths = (0_usize..).zip(&dumps).map(|(number, dump)| file(&format!("damaged-{number}.dmp"), dump));
    let targets: Vec<_> = paths.map(|path| json!({ "path": path })).collect();
    let (mut refused, mut faults) = (0, 0);
    for (number, answer) in host::ask(&targets).unwrap().iter().enumerate() {
        let opened = find(&dumps[number], |_, _| {}).map_err(|error| error.to_string()).and_then(|(_, found)| {
            SavedLog::open(std::io::Cursor::new(found.image)).map_err(|error| error.to_string())
        });
        match opened {
            Ok(mut log) => {
                let expected = expected(&mut log);
                faults += expected["faults"].as_array().unwrap().len();
                assert_same(answer, &expected, &format!("damaged-{number}.dmp"));
            }
            Err(error) => {
                refused += 1;
                let said = answer["error"].as_str().unwrap_or("nothing");
                let is_the_same = said == format!("irqlog: {error}");
                // Of a dump without a log the script says what else can be tried.
                let is_none = error.contains("no log of irqlog") && said.contains("no log of irqlog");
                assert!(is_the_same || is_none, "damaged-{number}.dmp: {said}, and not: {error}");
            }
        }
    }
    assert!(refused > 10 && faults > 20, "{refused} refused, {faults} faults");
}
