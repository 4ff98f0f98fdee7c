//! What the viewer shows after keys, on a terminal of 80 columns and 24 lines: the screens are stored.
//!
//! A change that is meant is accepted with `IRQLOG_ACCEPT=1 cargo test -p irqlog-view`; look at the difference then.

use std::{
    fs,
    io::Cursor,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use irqlog_exports::images;
use irqlog_reader::{
    image::Tables,
    log::{Item, Log},
    saved::SavedLog,
};
use irqlog_view::{
    app::{After, App},
    draw::draw,
    feed::{self, Shared},
    host::{ShownLog, ViewerHost},
};
use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{KeyCode, KeyEvent, KeyModifiers},
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn stored(name: &str) -> Vec<u8> {
    fs::read(folder().join("../../testdata/images").join(name)).unwrap()
}

/// Notes what is exported.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<(String, usize, usize)>>>);

impl ViewerHost for Notes {
    fn export(&self, out: &str, mut log: ShownLog<'_>) -> Result<String, String> {
        let items = log.collect().unwrap();
        let passes = log.filter().map_or(items.len(), |choice| {
            choice.passes(log.tables(), &items).into_iter().filter(|passes| *passes).count()
        });
        self.0.lock().unwrap().push((out.to_owned(), items.len(), passes));
        Ok(format!("exported into {out}"))
    }

    fn stop(&self) {}
}

/// The viewer of a log that was read, and its screen.
struct Viewer {
    app: App,
    terminal: Terminal<TestBackend>,
    notes: Notes,
}

impl Viewer {
    fn new(image: Vec<u8>, name: &str, (width, height): (u16, u16)) -> Self {
        let mut log = SavedLog::open(Cursor::new(image)).unwrap();
        let shared = Shared::new(log.tables().clone()).unwrap();
        feed::read(&mut log, &shared);
        let notes = Notes::default();
        let app = App::new(shared, name.to_owned(), Box::new(notes.clone()));
        let mut viewer = Self { app, terminal: Terminal::new(TestBackend::new(width, height)).unwrap(), notes };
        viewer.settle();
        viewer
    }

    /// Lets the viewer do its own work to the end.
    fn settle(&mut self) {
        while self.app.advance() || self.app.is_busy() {}
        self.terminal.draw(|frame| draw(frame, &mut self.app)).unwrap();
    }

    fn press(&mut self, code: KeyCode) -> After {
        let after = self.app.key(KeyEvent::new(code, KeyModifiers::NONE));
        self.settle();
        after
    }

    /// Presses a key for each character; `\n` is Enter.
    fn keys(&mut self, keys: &str) {
        for key in keys.chars() {
            self.press(if key == '\n' { KeyCode::Enter } else { KeyCode::Char(key) });
        }
    }

    fn screen(&self) -> String {
        let buffer = self.terminal.backend().buffer();
        let line = |row: u16| (0..buffer.area.width).map(|column| buffer[(column, row)].symbol()).collect::<String>();
        (0..buffer.area.height).map(|row| format!("{}\n", line(row).trim_end())).collect()
    }

    /// Compares the screen with the stored one of that name.
    fn golden(&self, name: &str) {
        let golden = folder().join("tests/screens").join(format!("{name}.text"));
        let screen = self.screen();
        if std::env::var_os("IRQLOG_ACCEPT").is_some() {
            fs::create_dir_all(golden.parent().unwrap()).unwrap();
            fs::write(&golden, &screen).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        assert!(screen == expected, "{name} shows\n{screen}\nand was\n{expected}");
    }
}

const SMALL: (u16, u16) = (80, 24);

fn sample() -> Viewer {
    Viewer::new(stored("format-1.1.irqlog"), "format-1.1.irqlog", SMALL)
}

#[test]
fn the_list_and_what_keys_do_to_it() {
    let mut viewer = sample();
    viewer.golden("end");
    viewer.press(KeyCode::Home);
    viewer.golden("home");
    viewer.keys("jjj\n");
    viewer.golden("detail");
    viewer.keys("\nd");
    viewer.golden("delta");
    viewer.keys("d?");
    viewer.golden("help");
    viewer.press(KeyCode::Esc);
    viewer.keys("t");
    viewer.golden("timeline");
    assert_eq!(viewer.press(KeyCode::Char('q')), After::Leave);
}

#[test]
fn a_wide_terminal_shows_threads() {
    let viewer = Viewer::new(stored("format-1.1.irqlog"), "format-1.1.irqlog", (120, 12));
    viewer.golden("wide");
}

#[test]
fn a_filter_hides_records_and_no_loss() {
    let mut viewer = sample();
    viewer.keys("f--level warn --cpu 2\n");
    viewer.golden("filtered");
    let shown: Vec<_> = (0..viewer.app.rows.len()).map(|row| viewer.app.item(row).unwrap()).collect();
    let is_wanted = |item: &Item| match item {
        Item::Record(record) => record.header.level <= 2 && record.header.processor.get() == 2,
        Item::Loss(_) => true,
    };
    assert!(shown.len() > 5 && shown.iter().all(is_wanted) && matches!(shown[0], Item::Loss(_)));
    for (line, said) in [
        ("f --provider nobody\n", "there is no provider nobody"),
        ("f --loud\n", "--loud"),
        ("f --last 3\n", "--last and --context are for read"),
        ("f --grep '\n", "quote"),
    ] {
        viewer.press(KeyCode::Char('f'));
        viewer.app.key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
        viewer.keys(&line[2..]);
        assert!(viewer.screen().lines().last().unwrap().contains(said), "{line}: {}", viewer.screen());
        assert_eq!(viewer.app.rows.len(), shown.len(), "a wrong filter changes nothing");
    }
}

#[test]
fn a_search_and_a_time_are_found() {
    let mut viewer = sample();
    viewer.press(KeyCode::Home);
    viewer.keys("/round 7\n");
    let text = |viewer: &Viewer| viewer.screen();
    let first = viewer.app.selected;
    assert!(text(&viewer).contains("round 7"));
    viewer.keys("n");
    let second = viewer.app.selected;
    viewer.keys("N");
    assert!(first < second && viewer.app.selected == first);
    viewer.press(KeyCode::End);
    viewer.keys("n");
    assert!(text(&viewer).contains("nothing is found behind this row"));
    viewer.keys("/(\n");
    assert!(text(&viewer).lines().last().unwrap().contains("unclosed group"), "{}", text(&viewer));
    viewer.keys("g0.95\n");
    let Some(Item::Record(record)) = viewer.app.item(viewer.app.selected) else { panic!("no record") };
    let seconds = |tick| viewer.app.tables().seconds(tick);
    assert!(seconds(record.header.tick.get()) >= 0.95);
    assert!(seconds(viewer.app.tick_before(viewer.app.selected).unwrap()) < 0.95);
    viewer.keys("gsoon\n");
    assert!(text(&viewer).lines().last().unwrap().contains("soon"));
}

#[test]
fn the_timeline_goes_to_a_time() {
    let mut viewer = sample();
    viewer.keys("t");
    viewer.press(KeyCode::End);
    viewer.press(KeyCode::Enter);
    // Only the mark is that late.
    assert!(viewer.screen().contains("a mark with") && !viewer.app.follows);
}

#[test]
fn what_is_shown_is_exported_with_its_filter() {
    let mut viewer = sample();
    viewer.keys("f--level warn\n");
    let rows = viewer.app.rows.len();
    viewer.keys("eout.html\n");
    assert!(viewer.screen().contains("exported into out.html"));
    assert_eq!(*viewer.notes.0.lock().unwrap(), [("out.html".to_owned(), 252, rows)]);
}

/// Whatever a driver logs, the terminal gets nothing that it obeys, and no line is torn.
#[test]
fn hostile_text_stays_in_its_line() {
    let model = Tables::parse(&stored("format-1.1.irqlog")).unwrap();
    let mut viewer = Viewer::new(images::hostile(&model), "\u{1b}[31m\u{202e}name", SMALL);
    viewer.press(KeyCode::Home);
    viewer.keys("\n");
    for _ in 0..viewer.app.rows.len() {
        viewer.press(KeyCode::Down);
        let deceptive = |c: char| c != '\n' && irqlog_reader::untrusted::is_deceptive(c);
        assert!(!viewer.screen().contains(deceptive), "{:?}", viewer.screen());
    }
    viewer.keys("\nt");
    viewer.golden("hostile-timeline");
}

#[test]
fn a_terminal_of_any_size_is_drawn() {
    for size in [(1, 1), (3, 2), (20, 5), (80, 3), (300, 100)] {
        let mut viewer = Viewer::new(stored("format-1.1.irqlog"), "log", size);
        for keys in ["\n", "t", "?", "f--cpu", "\n"] {
            viewer.keys(keys);
        }
    }
}

#[test]
fn an_empty_log_is_shown() {
    let model = Tables::parse(&stored("format-1.1.irqlog")).unwrap();
    let image = irqlog_reader::save::build(&model, &vec![Vec::new(); model.lanes.len()]);
    let mut viewer = Viewer::new(image, "empty", SMALL);
    viewer.keys("\nt");
    viewer.keys("tG/x\n");
    viewer.press(KeyCode::PageUp);
    assert!(viewer.screen().contains("empty"));
}
