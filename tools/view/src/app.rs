//! What is shown, and what a key does.
//!
//! The viewer goes through the spool in small pieces, so that a key is answered at once however long the log is: each
//! item passes the filter once, and a search looks at a piece between two keys.

use std::sync::Arc;

use irqlog_reader::{
    image::Tables,
    log::{Item, Loss},
    record::Record,
};
use irqlog_report::density::{Density, TrackRow};
use irqlog_shown::{
    Show,
    record::{ShownLoss, ShownRecord},
    text,
};
use irqlog_wire::record::Level;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use regex::{Regex, RegexBuilder};

use crate::{
    choice::{self, FilterChoice},
    feed::{FeedState, Shared},
    host::{ShownLog, ViewerHost},
    prompt::{Prompt, PromptKind, Typed},
};

/// Items that are looked at under one lock.
const PIECE: usize = 1024;

/// Items that are looked at between two keys.
const BUDGET: usize = 16 * PIECE;

/// Losses that the timeline draws.
const MOST_LOSSES: usize = 1000;

/// What a key leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// The viewer goes on.
    Stay,
    /// The user leaves.
    Leave,
}

/// What the large part of the screen shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pane {
    /// Records and losses.
    List,
    /// Processors and IRQLs over time.
    Timeline,
    /// The keys.
    Help,
}

/// A search that is under way.
#[derive(Clone, Copy, Debug)]
struct Searching {
    /// The next row to look at.
    at: usize,
    is_forward: bool,
}

/// The state of the viewer.
pub struct App {
    shared: Arc<Shared>,
    host: Box<dyn ViewerHost>,
    /// What the log is called.
    pub name: String,
    /// The filter as it was typed.
    pub filter_text: String,
    filter: Option<FilterChoice>,
    /// Items of the spool that have passed the filter, or not.
    scanned: usize,
    /// Indexes of the items that are shown: the rows.
    pub rows: Vec<usize>,
    /// The row that is picked.
    pub selected: usize,
    /// The first row on the screen.
    pub top: usize,
    /// The newest row is picked, whenever one comes.
    pub follows: bool,
    /// What the large part shows.
    pub pane: Pane,
    /// The record that is picked is shown in detail.
    pub has_detail: bool,
    /// Lines of the detail that are scrolled out.
    pub detail_top: u16,
    /// The time column shows the time since the row before.
    pub is_delta: bool,
    /// The line that is typed.
    pub prompt: Option<Prompt>,
    /// What is said, until the next key.
    pub message: Option<String>,
    search: Option<Regex>,
    searching: Option<Searching>,
    /// The records that are shown, by where they are.
    pub density: Density,
    /// The first losses, for the timeline.
    pub losses: Vec<Loss>,
    /// The first row of the timeline on the screen.
    pub track_top: usize,
    /// The column of the timeline that is picked, and how many there are.
    pub column: (usize, usize),
    /// Rows of the list on the screen.
    pub height: usize,
    state: FeedState,
}

impl App {
    /// Shows what is in the spool.
    pub fn new(shared: Arc<Shared>, name: String, host: Box<dyn ViewerHost>) -> Self {
        let state = shared.contents().state.clone();
        Self {
            shared,
            host,
            name,
            filter_text: String::new(),
            filter: None,
            scanned: 0,
            rows: Vec::new(),
            selected: 0,
            top: 0,
            follows: true,
            pane: Pane::List,
            has_detail: false,
            detail_top: 0,
            is_delta: false,
            prompt: None,
            message: None,
            search: None,
            searching: None,
            density: Density::default(),
            losses: Vec::new(),
            track_top: 0,
            column: (0, 1),
            height: 1,
            state,
        }
    }

    /// The tables of the log.
    pub fn tables(&self) -> Arc<Tables> {
        Arc::clone(&self.shared.contents().tables)
    }

    /// How far the reading is.
    pub const fn state(&self) -> &FeedState {
        &self.state
    }

    /// Records that were read, and records that are told as lost.
    pub fn counts(&self) -> (u64, u64) {
        let contents = self.shared.contents();
        (contents.spool.records(), contents.spool.lost())
    }

    /// What of the log could not be read.
    pub fn faults(&self) -> Vec<String> {
        self.shared.contents().faults.clone()
    }

    /// Lets the reading end.
    pub fn stop(&self) {
        self.shared.stop();
        self.host.stop();
    }

    /// There is work that waits for nobody.
    pub fn is_busy(&self) -> bool {
        self.searching.is_some() || self.scanned < self.shared.contents().spool.len()
    }

    /// Share of the spool that has passed the filter, in percent, while that is under way.
    pub fn scan_percent(&self) -> Option<usize> {
        let all = self.shared.contents().spool.len();
        (self.scanned < all).then(|| self.scanned * 100 / all)
    }

    /// The item of a row; `None` if there is no such row.
    pub fn item(&self, row: usize) -> Option<Item> {
        let index = *self.rows.get(row)?;
        self.shared.contents().spool.items(index, 1).ok()?.pop()
    }

    /// Tick of the last record before a row.
    pub fn tick_before(&self, row: usize) -> Option<u64> {
        let contents = self.shared.contents();
        self.rows.get(..row)?.iter().rev().find_map(|&index| contents.spool.tick(index))
    }

    /// Looks at the next items; answers whether there is something new to draw.
    pub fn advance(&mut self) -> bool {
        let mut is_new = false;
        for _ in 0..BUDGET / PIECE {
            if !self.scan() {
                break;
            }
            is_new = true;
        }
        if self.searching.is_some() {
            self.search_on();
            is_new = true;
        }
        let state = self.shared.contents().state.clone();
        // Waiting and reading take turns, and look the same.
        let is_running = |state: &FeedState| matches!(state, FeedState::Reading | FeedState::Waiting);
        is_new |= !(is_running(&state) && is_running(&self.state)) && state != self.state;
        self.state = state;
        if self.follows {
            self.selected = self.rows.len().saturating_sub(1);
        }
        is_new
    }

    /// Lets a piece pass the filter; false if there is none.
    fn scan(&mut self) -> bool {
        let (items, tables) = {
            let mut contents = self.shared.contents();
            let tables = Arc::clone(&contents.tables);
            match contents.spool.items(self.scanned, PIECE) {
                Ok(items) => (items, tables),
                Err(error) => {
                    self.message = Some(format!("the temporary file of the log cannot be read: {error}"));
                    return false;
                }
            }
        };
        if items.is_empty() {
            return false;
        }
        let passes = self.filter.as_ref().map(|filter| filter.passes(&tables, &items));
        for (index, item) in items.iter().enumerate() {
            match item {
                Item::Record(record) => {
                    if passes.as_ref().is_some_and(|passes| passes.get(index) == Some(&false)) {
                        continue;
                    }
                    self.count(&tables, record);
                }
                Item::Loss(loss) if self.losses.len() < MOST_LOSSES => self.losses.push(*loss),
                Item::Loss(_) => {}
            }
            self.rows.push(self.scanned + index);
        }
        self.scanned += items.len();
        true
    }

    fn count(&mut self, tables: &Tables, record: &Record) {
        let shown = ShownRecord::new(tables, record);
        let irql = (!shown.is_nmi()).then_some(shown.irql);
        let time = ticks(tables, record.header.tick.get());
        self.density.count(TrackRow { cpu: shown.cpu, irql }, time, Level(record.header.level));
    }

    /// Lets everything pass the filter again.
    fn rescan(&mut self) {
        self.scanned = 0;
        self.rows.clear();
        self.density = Density::default();
        self.losses.clear();
        (self.selected, self.top, self.track_top) = (0, 0, 0);
        self.searching = None;
    }

    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent) -> After {
        self.message = None;
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            return After::Leave;
        }
        if let Some(prompt) = &mut self.prompt {
            let kind = prompt.kind;
            match prompt.key(key) {
                Typed::More => {}
                Typed::Cancelled => self.prompt = None,
                Typed::Entered(text) => {
                    self.prompt = None;
                    self.entered(kind, text.trim());
                }
            }
            return After::Stay;
        }
        match key.code {
            KeyCode::Char('q') => return After::Leave,
            KeyCode::Esc => self.close(),
            KeyCode::Char('?') => self.turn(Pane::Help),
            KeyCode::Char('t') => self.turn(Pane::Timeline),
            KeyCode::Char('f') => self.prompt = Some(Prompt::new(PromptKind::Filter, &self.filter_text)),
            KeyCode::Char('/') => self.prompt = Some(Prompt::new(PromptKind::Search, "")),
            KeyCode::Char('g') => self.prompt = Some(Prompt::new(PromptKind::Time, "")),
            KeyCode::Char('e') => self.prompt = Some(Prompt::new(PromptKind::Export, "")),
            KeyCode::Char('d') => self.is_delta = !self.is_delta,
            KeyCode::Char('n') => self.search_next(true),
            KeyCode::Char('N') => self.search_next(false),
            KeyCode::Char(' ') => self.follows = !self.follows,
            code if self.pane == Pane::Timeline => self.key_in_timeline(code),
            code => self.key_in_list(code),
        }
        After::Stay
    }

    fn turn(&mut self, pane: Pane) {
        self.pane = if self.pane == pane { Pane::List } else { pane };
    }

    /// Leaves what is open, the newest first.
    fn close(&mut self) {
        if self.searching.take().is_some() {
            self.message = Some("the search was given up".to_owned());
        } else if self.pane != Pane::List {
            self.pane = Pane::List;
        } else {
            self.has_detail = false;
        }
    }

    fn key_in_list(&mut self, code: KeyCode) {
        let last = self.rows.len().saturating_sub(1);
        let page = self.height.max(2) - 1;
        match code {
            KeyCode::Enter => (self.has_detail, self.detail_top) = (!self.has_detail, 0),
            KeyCode::Char('[') => self.detail_top = self.detail_top.saturating_sub(1),
            KeyCode::Char(']') => self.detail_top = self.detail_top.saturating_add(1),
            KeyCode::End | KeyCode::Char('G') => self.follows = true,
            KeyCode::Up | KeyCode::Char('k') => self.go(self.selected.saturating_sub(1)),
            KeyCode::Down | KeyCode::Char('j') => self.go((self.selected + 1).min(last)),
            KeyCode::PageUp => self.go(self.selected.saturating_sub(page)),
            KeyCode::PageDown => self.go((self.selected + page).min(last)),
            KeyCode::Home => self.go(0),
            _ => {}
        }
        if self.follows {
            self.selected = last;
        }
    }

    /// Picks a row, and stays there.
    fn go(&mut self, row: usize) {
        (self.selected, self.follows, self.detail_top) = (row, false, 0);
    }

    fn key_in_timeline(&mut self, code: KeyCode) {
        let (column, columns) = self.column;
        let last = columns.saturating_sub(1);
        match code {
            KeyCode::Left => self.column.0 = column.saturating_sub(1),
            KeyCode::Right => self.column.0 = (column + 1).min(last),
            KeyCode::Home => self.column.0 = 0,
            KeyCode::End => self.column.0 = last,
            KeyCode::Up | KeyCode::Char('k') => self.track_top = self.track_top.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => self.track_top += 1,
            KeyCode::Enter => {
                if let Some((from, to)) = self.density.range() {
                    let ticks = from + (to - from) * column as i128 / columns.max(1) as i128;
                    self.go_to_ticks(ticks);
                    self.pane = Pane::List;
                }
            }
            _ => {}
        }
    }

    /// A line was entered.
    fn entered(&mut self, kind: PromptKind, text: &str) {
        match kind {
            PromptKind::Filter => self.set_filter(text),
            PromptKind::Search => self.set_search(text),
            PromptKind::Time => self.go_to_time(text),
            PromptKind::Export => self.export(text),
        }
    }

    fn set_filter(&mut self, text: &str) {
        let tables = self.tables();
        match FilterChoice::new(text, &tables, self.end(&tables)) {
            Ok(filter) => {
                self.filter = filter;
                text.clone_into(&mut self.filter_text);
                self.rescan();
            }
            Err(why) => self.message = Some(why),
        }
    }

    fn set_search(&mut self, text: &str) {
        if text.is_empty() {
            self.search = None;
            return;
        }
        // As less does: upper and lower case are the same unless there is an upper case.
        let ignores_case = !text.chars().any(char::is_uppercase);
        match RegexBuilder::new(text).case_insensitive(ignores_case).build() {
            Ok(search) => {
                self.search = Some(search);
                self.search_next(true);
            }
            Err(error) => {
                let lines = error.to_string();
                self.message = lines.lines().last().map(|line| format!("{text}: {}", line.trim()));
            }
        }
    }

    fn search_next(&mut self, is_forward: bool) {
        if self.search.is_none() {
            self.message = Some("nothing is searched for; / searches".to_owned());
            return;
        }
        let next = if is_forward { Some(self.selected + 1) } else { self.selected.checked_sub(1) };
        match next {
            Some(at) => self.searching = Some(Searching { at, is_forward }),
            None => self.message = Some("nothing is found before this row".to_owned()),
        }
    }

    /// Looks at some rows of the search that is under way.
    fn search_on(&mut self) {
        let (Some(Searching { mut at, is_forward }), Some(search)) = (self.searching.take(), self.search.clone())
        else {
            return;
        };
        let tables = self.tables();
        for _ in 0..BUDGET / 8 {
            let Some(item) = self.item(at) else { break };
            if search.is_match(&line(&tables, &item)) {
                self.go(at);
                return;
            }
            // Before the first row comes none.
            at = if is_forward { at + 1 } else { at.checked_sub(1).unwrap_or(usize::MAX) };
        }
        if at < self.rows.len() {
            self.searching = Some(Searching { at, is_forward });
            let percent = at * 100 / self.rows.len();
            self.message = Some(format!("searching at {percent} %; Esc gives up"));
        } else {
            let side = if is_forward { "behind" } else { "before" };
            self.message = Some(format!("nothing is found {side} this row"));
        }
    }

    fn go_to_time(&mut self, text: &str) {
        let tables = self.tables();
        match choice::time(text, &tables, self.end(&tables)) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "it saturates")]
            Ok(seconds) => self.go_to_ticks((seconds * tables.header.tick_frequency.get() as f64).ceil() as i128),
            Err(why) => self.message = Some(why),
        }
    }

    /// Seconds of the newest record.
    fn end(&self, tables: &Tables) -> f64 {
        let contents = self.shared.contents();
        let newest = (0..contents.spool.len()).rev().find_map(|index| contents.spool.tick(index));
        newest.map_or(0.0, |tick| tables.seconds(tick))
    }

    /// Picks the first record from that time on.
    fn go_to_ticks(&mut self, wanted: i128) {
        let tables = self.tables();
        let row = {
            let contents = self.shared.contents();
            let is_from_then_on = |index: &usize| {
                contents.spool.tick(*index).is_some_and(|tick| i128::from(ticks(&tables, tick)) >= wanted)
            };
            self.rows.iter().position(is_from_then_on)
        };
        if row.is_none() {
            self.message = Some("no record that is shown is from then on or later".to_owned());
        }
        self.go(row.unwrap_or_else(|| self.rows.len().saturating_sub(1)));
    }

    fn export(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let said = {
            let log = ShownLog::new(&self.shared, self.filter.as_ref(), &self.name);
            self.host.export(text, log)
        };
        self.message = Some(said.unwrap_or_else(|why| why));
    }
}

/// Ticks after the driver's start; negative for a record from before it.
pub const fn ticks(tables: &Tables, tick: u64) -> i64 {
    tick.wrapping_sub(tables.header.tick_base.get()).cast_signed()
}

/// What a search looks at: what stands behind the columns of a line.
fn line(tables: &Tables, item: &Item) -> String {
    match item {
        Item::Record(record) => text::message(&ShownRecord::new(tables, record)),
        Item::Loss(loss) => loss_line(tables, *loss),
    }
}

/// A loss as text shows it.
pub fn loss_line(tables: &Tables, loss: Loss) -> String {
    let mut line = Vec::new();
    // Writing to a Vec cannot fail.
    let _ = ShownLoss::new(tables, loss).text(&mut line);
    String::from_utf8_lossy(&line).trim_end().to_owned()
}
