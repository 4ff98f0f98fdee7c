//! The state as characters on the screen, for a terminal of 80 columns and 24 lines or more.
//!
//! Everything from the log is escaped before it gets here. Only characters of code page 437 draw, so that a console with
//! a raster font shows them too; colours add to what the characters say.

use irqlog_export::wall_clock::WallClock;
use irqlog_reader::{image::Tables, log::Item, untrusted::Untrusted};
use irqlog_report::density::Cell;
use irqlog_shown::{
    record::{ShownContent, ShownRecord},
    text,
};
use irqlog_wire::{irql, record::Level};
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Block, Borders, Paragraph, Wrap},
};
use serde_json::Value;

use crate::{
    app::{App, Pane, loss_line, ticks},
    feed::FeedState,
};

/// Width from which threads have a column.
const WIDE: u16 = 100;

const HELP: &str = "
  Up Down j k  PageUp PageDown  Home   go through the rows
  End G                                the newest row, and follow
  Space                                pause and follow; reading goes on
  Enter                                the record in detail;  [ ]  scroll it
  f                                    filter, with the options of irqlog read:
                                         --level warn --cpu 0-3 --provider usb*
  /   n   N                            search, next, previous
  g                                    go to a time: 90, 5m, -5m, 14:05:30
  d                                    time since the row before, or start
  t                                    timeline by processor and IRQL:
                                         Left Right Enter  go to a time
  e                                    export what is shown into a new file
  Esc                                  close what is open
  q  Ctrl-C                            leave

  A row that begins with --- says which records are missing there. No filter
  hides it. Pausing or searching never loses a record.";

const KEYS: &str = " ? help  q quit  space pause  f filter  / search  g time  t timeline  e export";

/// Draws everything.
pub fn draw(frame: &mut Frame<'_>, app: &mut App) {
    let [title, main, bottom] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(1), Constraint::Length(1)]).areas(frame.area());
    draw_title(frame, app, title);
    match app.pane {
        Pane::Help => frame.render_widget(Paragraph::new(HELP), main),
        Pane::Timeline => draw_timeline(frame, app, main),
        Pane::List if app.has_detail => {
            let [list, detail] = Layout::vertical([Constraint::Min(4), Constraint::Percentage(50)]).areas(main);
            draw_list(frame, app, list);
            draw_detail(frame, app, detail);
        }
        Pane::List => draw_list(frame, app, main),
    }
    draw_bottom(frame, app, bottom);
}

const fn colour(level: Level) -> Color {
    match level {
        Level::Error => Color::Red,
        Level::Warn => Color::Yellow,
        Level::Info => Color::Green,
        Level::Debug => Color::Cyan,
        _ => Color::DarkGray,
    }
}

fn draw_title(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let (records, lost) = app.counts();
    let state = match app.state() {
        FeedState::Reading | FeedState::Waiting if app.follows => "following".to_owned(),
        FeedState::Reading | FeedState::Waiting => "PAUSED".to_owned(),
        FeedState::Ended if app.faults().is_empty() => "whole".to_owned(),
        FeedState::Ended => "DAMAGED".to_owned(),
        FeedState::Failed(why) => format!("FAILED: {}", Untrusted::new(why)),
    };
    let place = match app.rows.len() {
        0 => "0 rows".to_owned(),
        rows => format!("row {} of {rows}", app.selected + 1),
    };
    let scan = app.scan_percent().map(|percent| format!(", filtering {percent} %")).unwrap_or_default();
    let left = format!(" {}  {records} records, {lost} lost", Untrusted::new(&app.name));
    let right = format!("{place}{scan}  {state} ");
    let width = usize::from(area.width);
    let room = width.saturating_sub(right.chars().count() + 1);
    let left: String = left.chars().take(room).collect();
    let gap = width.saturating_sub(left.chars().count() + right.chars().count());
    let line = format!("{left}{:gap$}{right}", "");
    frame.render_widget(Paragraph::new(line).style(Style::new().add_modifier(Modifier::REVERSED)), area);
}

fn draw_bottom(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let line = if let Some(prompt) = &app.prompt {
        let (before, at, behind) = prompt.parts();
        let label = prompt.kind.label();
        // The end of a long line is in sight.
        let room = usize::from(area.width).saturating_sub(label.len() + 2);
        let skipped = before.chars().count().saturating_sub(room);
        let shown = |part: String| Untrusted::new(part).to_string();
        Line::from(vec![
            Span::styled(label, Style::new().add_modifier(Modifier::BOLD)),
            Span::raw(shown(before.chars().skip(skipped).collect())),
            Span::styled(shown(at.to_string()), Style::new().add_modifier(Modifier::REVERSED)),
            Span::raw(shown(behind)),
        ])
    } else if let Some(message) = &app.message {
        let style = Style::new().add_modifier(Modifier::BOLD);
        Line::styled(format!(" {}", Untrusted::new(message)), style)
    } else if app.filter_text.is_empty() {
        Line::raw(KEYS)
    } else {
        Line::raw(format!(" filter: {}", Untrusted::new(&app.filter_text)))
    };
    frame.render_widget(Paragraph::new(line), area);
}

fn draw_list(frame: &mut Frame<'_>, app: &mut App, area: Rect) {
    let is_wide = area.width >= WIDE;
    let thread = if is_wide { "  thread" } else { "" };
    let heading = format!("{:>13} cpu {:8} {:3} {:5}{thread} text", "time", "IRQL", "", "level");
    let style = Style::new().add_modifier(Modifier::UNDERLINED);
    frame.render_widget(Paragraph::new(heading).style(style), Rect { height: 1, ..area });
    let rows = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    app.height = usize::from(rows.height);
    app.top = app.top.min(app.selected).max((app.selected + 1).saturating_sub(app.height));
    let tables = app.tables();
    let mut before = if app.is_delta { app.tick_before(app.top) } else { None };
    let mut lines = Vec::new();
    for row in app.top..app.rows.len().min(app.top + app.height) {
        let Some(item) = app.item(row) else { break };
        let line = row_line(&tables, &item, before, app.is_delta, is_wide);
        if let Item::Record(record) = &item {
            before = Some(record.header.tick.get());
        }
        let picked = Style::new().add_modifier(Modifier::REVERSED);
        lines.push(if row == app.selected { line.patch_style(picked) } else { line });
    }
    frame.render_widget(Paragraph::new(lines), rows);
}

fn row_line(tables: &Tables, item: &Item, before: Option<u64>, is_delta: bool, is_wide: bool) -> Line<'static> {
    let record = match item {
        Item::Loss(loss) => {
            let style = Style::new().fg(Color::Magenta).add_modifier(Modifier::BOLD);
            return Line::styled(loss_line(tables, *loss), style);
        }
        Item::Record(record) => record,
    };
    let shown = ShownRecord::new(tables, record);
    let time = match before {
        Some(before) if is_delta => format!("{:+13.7}", tables.seconds(shown.tick) - tables.seconds(before)),
        None if is_delta => format!("{:>13}", "-"),
        _ => format!("{:13.7}", shown.seconds),
    };
    let nmi = if shown.is_nmi() { "nmi" } else { "" };
    let head = format!("{time} {:3} {:8} {nmi:3} ", shown.cpu, shown.irql_name);
    let level = Span::styled(format!("{:5}", shown.level), Style::new().fg(colour(Level(record.header.level))));
    let thread = match shown.thread {
        _ if !is_wide => String::new(),
        Some(thread) => format!("  {:#6x}", thread.thread),
        None => format!("  {:>6}", "-"),
    };
    Line::from(vec![Span::raw(head), level, Span::raw(format!("{thread} {}", text::message(&shown)))])
}

fn draw_detail(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let tables = app.tables();
    let lines = match app.item(app.selected) {
        None => Vec::new(),
        Some(Item::Loss(loss)) => vec![loss_line(&tables, loss)],
        Some(Item::Record(record)) => {
            let before = app.tick_before(app.selected);
            detail(&tables, &ShownRecord::new(&tables, &record), before)
        }
    };
    let block = Block::new().borders(Borders::TOP).title("[ detail ]");
    let lines: Vec<_> = lines.into_iter().map(Line::raw).collect();
    let text = Paragraph::new(lines).wrap(Wrap { trim: false }).scroll((app.detail_top, 0)).block(block);
    frame.render_widget(text, area);
}

/// Everything about a record, in lines.
fn detail(tables: &Tables, record: &ShownRecord<'_>, before: Option<u64>) -> Vec<String> {
    let utc = WallClock::new(tables).utc(record.tick).unwrap_or_else(|| "no time of day".to_owned());
    let mut lines = vec![text::message(record)];
    if let ShownContent::Event(event) = &record.content {
        if let Some((file, line)) = event.place() {
            lines.push(format!("at {file}:{line}"));
        }
        for (number, argument) in event.arguments.iter().enumerate() {
            let value = serde_json::to_value(argument).unwrap_or_default();
            lines.push(format!("  {}", argument_line(number, &value)));
        }
    }
    if let ShownContent::Blob { blob } = &record.content {
        lines.push(format!(
            "blob {} tag {:#x}, offset {} of {}: {}",
            blob.blob, blob.tag, blob.offset, blob.total, blob.bytes
        ));
    }
    let since = before.map_or_else(String::new, |before| {
        format!(", {:+.7} s after the row before", tables.seconds(record.tick) - tables.seconds(before))
    });
    lines.push(format!("{:.7} s after the start{since}", record.seconds));
    lines.push(utc);
    let thread = record
        .thread
        .map_or_else(String::new, |thread| format!(", thread {:#x}, process {}", thread.thread, thread.process));
    let nmi = if record.is_nmi() { " nmi" } else { "" };
    lines.push(format!(
        "cpu {}, IRQL {} {}{nmi}, level {}{thread}",
        record.cpu, record.irql, record.irql_name, record.level
    ));
    lines.push(format!("lane {}, number {}, tick {}", record.lane, record.seq, record.tick));
    lines
}

/// `port: u32 = 3`; an argument without a name has its number, from 0, as in a format.
fn argument_line(number: usize, argument: &Value) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => Untrusted::new(text).to_string(),
        other => Untrusted::new(other.to_string()).to_string(),
    };
    let name = argument.get("name").map_or_else(|| number.to_string(), text);
    let kind = argument.get("type").map(text).unwrap_or_default();
    let value = match argument.get("value") {
        // A status has its number and its name.
        Some(Value::Object(fields)) => {
            fields.values().filter(|value| !value.is_null()).map(text).collect::<Vec<_>>().join(" ")
        }
        Some(value) => argument.get("value_exact").map_or_else(|| text(value), text),
        None => String::new(),
    };
    let hashed = if argument.get("hashed").is_some() { " (hash of an address)" } else { "" };
    let cut = argument.get("cut").map(|cut| format!(" ({cut} bytes cut off)")).unwrap_or_default();
    format!("{name}: {kind} = {value}{hashed}{cut}")
}

/// Names of the rows of the timeline, and the characters of a cell by how many records it has.
const LABEL: u16 = 17;
const SHADES: [char; 4] = ['\u{2591}', '\u{2592}', '\u{2593}', '\u{2588}'];

#[expect(clippy::cast_precision_loss, reason = "for display")]
fn draw_timeline(frame: &mut Frame<'_>, app: &mut App, area: Rect) {
    let columns = usize::from(area.width.saturating_sub(LABEL)).max(1);
    app.column = (app.column.0.min(columns - 1), columns);
    let tables = app.tables();
    let Some((from, to)) = app.density.range() else {
        frame.render_widget(Paragraph::new(" no record is shown"), area);
        return;
    };
    let span = (to - from).max(1);
    let width = i128::from(app.density.column_ticks());
    // Which column of the screen has these ticks.
    let at = |ticks: i128| ((ticks.clamp(from, to - 1) - from) * columns as i128 / span) as usize;
    let mut lines = losses(app, &tables, columns, &at);
    let mut most = 1;
    let mut tracks = Vec::new();
    for (row, cells) in app.density.rows() {
        let mut track: Vec<Option<Cell>> = vec![None; columns];
        for (column, Cell { count, level }) in cells {
            let place = &mut track[at(from + i128::from(column) * width)];
            let cell = place.get_or_insert(Cell { count: 0, level });
            cell.count = cell.count.saturating_add(count);
            cell.level = Level(cell.level.0.min(level.0));
            most = most.max(cell.count);
        }
        tracks.push((row, track));
    }
    for (row, track) in tracks {
        let name = row.irql.map_or("NMI", irql::name);
        let cells = track.iter().map(|cell| cell.map_or_else(|| Span::raw(" "), |cell| shade(cell, most)));
        lines.push(track_line(&format!("cpu {:<3} {name}", row.cpu), cells.collect(), app.column.0));
    }
    if app.density.others() != 0 {
        lines.push(Line::raw(format!("{} records of further rows are not drawn", app.density.others())));
    }
    let height = usize::from(area.height).saturating_sub(2);
    app.track_top = app.track_top.min(lines.len().saturating_sub(height));
    let more = lines.len().saturating_sub(app.track_top + height);
    let picked = from + span * app.column.0 as i128 / columns as i128;
    let seconds = |ticks: i128| ticks as f64 / tables.header.tick_frequency.get().max(1) as f64;
    let below = if more == 0 { String::new() } else { format!("  {more} more rows below") };
    let head = Line::raw(format!("{:17}{:.7} s to {:.7} s", "", seconds(from), seconds(to)));
    let foot = Line::raw(format!("{:17}at {:.7} s; Enter goes there{below}", "", seconds(picked)));
    let mut shown = vec![head];
    shown.extend(lines.into_iter().skip(app.track_top).take(height));
    shown.push(foot);
    frame.render_widget(Paragraph::new(shown), area);
}

/// A row for each lane that lost records.
fn losses(app: &App, tables: &Tables, columns: usize, at: &impl Fn(i128) -> usize) -> Vec<Line<'static>> {
    let mut lanes: std::collections::BTreeMap<u32, Vec<bool>> = std::collections::BTreeMap::new();
    for loss in &app.losses {
        let place = |tick: Option<u64>, open: usize| tick.map_or(open, |tick| at(ticks(tables, tick).into()));
        let (from, to) = (place(loss.from_tick, 0), place(loss.to_tick, columns - 1));
        let cells = lanes.entry(loss.lane).or_insert_with(|| vec![false; columns]);
        // At the start of a lane, what is missing lies before what is drawn.
        let from = if loss.from_tick.is_none() { to } else { from };
        cells[from.min(to)..=to.max(from)].fill(true);
    }
    let style = Style::new().fg(Color::Magenta).add_modifier(Modifier::BOLD);
    let line = |(lane, cells): (u32, Vec<bool>)| {
        let spans = cells.iter().map(|&is_lost| if is_lost { Span::styled("x", style) } else { Span::raw(" ") });
        track_line(&format!("lost, lane {lane}"), spans.collect(), app.column.0)
    };
    lanes.into_iter().map(line).collect()
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "for display")]
fn shade(cell: Cell, most: u64) -> Span<'static> {
    let share = (cell.count as f64).ln_1p() / (most as f64).ln_1p();
    let index = ((share * SHADES.len() as f64) as usize).min(SHADES.len() - 1);
    Span::styled(SHADES[index].to_string(), Style::new().fg(colour(cell.level)))
}

fn track_line(label: &str, mut cells: Vec<Span<'static>>, picked: usize) -> Line<'static> {
    if let Some(cell) = cells.get_mut(picked) {
        cell.style = cell.style.add_modifier(Modifier::REVERSED);
    }
    let width = usize::from(LABEL);
    let mut spans = vec![Span::raw(format!("{label:width$.width$}"))];
    spans.extend(cells);
    Line::from(spans)
}
