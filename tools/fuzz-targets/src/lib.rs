//! What is fuzzed: one function for each entry through which untrusted bytes come, called with any bytes.
//!
//! | FuzzTarget | Bytes come from | What is called |
//! |---|---|---|
//! | `image` | a file | the reader of saved logs, and the text of what it gives |
//! | `image_parts` | a file whose tables are sane | the same, behind what bytes alone do not get past |
//! | `session` | the answers of a driver | every request of the reader, `follow`, `save` |
//! | `request` | a program that has opened the device | the parser of requests, and what serves them |
//! | `registration` | a driver that registers | the site table, and the reader of it |
//! | `event_words` | a driver that logs events | the encoder of events, and the text of the record |
//! | `format` | a driver's sites | the grammar of formats |
//! | `filter` | the command line | the options of `read`: levels, IRQLs, sites, expressions |
//! | `time` | the command line | the time of `--since`, and the time that the error proposes |
//! | `dump` | a crash dump | the search for the log in it, and all that `image` does with the log |
//! | `dump_parts` | a crash dump of which a few bytes are wrong | the same, behind what bytes alone do not get past |
//! | `export` | a file whose tables are sane, or two | each exporter |
//!
//! Whatever is shown is shown as text and as JSON (`json`).
//!
//! A target panics if what it calls panics, or answers what may not be; memory and endless loops are the fuzzer's to
//! see. `fuzz/` has a program for each of [`TARGETS`]; `tests/corpus.rs` calls them with `testdata/fuzz`, where every
//! input stays that once found something.

pub mod dump;
pub mod export;
pub mod image;
pub mod json;
pub mod recorder;
pub mod session;
pub mod text;

/// A function that takes any bytes.
#[derive(Clone, Copy, Debug)]
pub struct FuzzTarget {
    /// Its name: that of its program in `fuzz/fuzz_targets`.
    pub name: &'static str,
    /// The function.
    pub run: fn(&[u8]),
    /// Folders of inputs, from the root of the repository on. In the first every input is kept that found something.
    pub folders: &'static [&'static str],
    /// Inputs that are too large to be stored, and are made instead.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

const fn no_seeds() -> Vec<Vec<u8>> {
    Vec::new()
}

/// All of them.
pub const TARGETS: [FuzzTarget; 12] = [
    FuzzTarget {
        name: "image",
        run: image::bytes,
        folders: &["testdata/fuzz/image", "testdata/images", "testdata/regressions"],
        seeds: no_seeds,
    },
    FuzzTarget { name: "image_parts", run: image::parts, folders: &["testdata/fuzz/image_parts"], seeds: no_seeds },
    FuzzTarget { name: "session", run: session::answers, folders: &["testdata/fuzz/session"], seeds: no_seeds },
    FuzzTarget { name: "request", run: recorder::request, folders: &["testdata/fuzz/request"], seeds: no_seeds },
    FuzzTarget {
        name: "registration",
        run: recorder::registration,
        folders: &["testdata/fuzz/registration"],
        seeds: no_seeds,
    },
    FuzzTarget {
        name: "event_words",
        run: recorder::event_words,
        folders: &["testdata/fuzz/event_words"],
        seeds: no_seeds,
    },
    FuzzTarget { name: "format", run: text::format, folders: &["testdata/fuzz/format"], seeds: no_seeds },
    FuzzTarget { name: "filter", run: text::filter, folders: &["testdata/fuzz/filter"], seeds: no_seeds },
    FuzzTarget { name: "time", run: text::time, folders: &["testdata/fuzz/time"], seeds: no_seeds },
    FuzzTarget { name: "dump", run: dump::bytes, folders: &["testdata/fuzz/dump"], seeds: dump::seeds },
    FuzzTarget {
        name: "export",
        run: export::every_format,
        folders: &["testdata/fuzz/export", "testdata/fuzz/image_parts"],
        seeds: no_seeds,
    },
    FuzzTarget { name: "dump_parts", run: dump::parts, folders: &["testdata/fuzz/dump_parts"], seeds: no_seeds },
];
