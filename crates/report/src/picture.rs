//! The timeline by processor and IRQL, as SVG.
//!
//! A column that has records is filled, in the colour of their most important level and the darker the more they are.
//! Between two records nothing is drawn: nobody knows what was there. Colours are attributes and not a style sheet,
//! which the page that holds the picture forbids.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "for display"
)]

use std::{
    collections::BTreeMap,
    io::{Result, Write},
};

use irqlog_export::sink::Provenance;
use irqlog_wire::{irql, record::Level};
use maud::{Markup, PreEscaped, html};

use crate::{
    collected::{Collected, ticks},
    density::{Cell, TrackRow},
};

const LEFT: f64 = 150.0;
const WIDTH: f64 = 1024.0;
const RIGHT: f64 = 20.0;
const ROW: f64 = 14.0;
const TOP: f64 = 62.0;
/// Room between the rows of two processors.
const GAP: f64 = 6.0;

/// Colour of a level on white. Its darkness differs, for readers that do not tell red from green.
pub const fn colour(level: Level) -> &'static str {
    match level {
        Level::Error => "#b3001b",
        Level::Warn => "#e08000",
        Level::Info => "#2a78c0",
        Level::Debug => "#5aa58c",
        _ => "#8a8a8a",
    }
}

/// Writes the picture as a file.
///
/// # Errors
/// Those of `out`.
pub fn write(out: &mut impl Write, log: &Provenance<'_>, collected: &Collected) -> Result<()> {
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(out, "{}", markup(log, collected).into_string())
}

/// The picture.
pub fn markup(log: &Provenance<'_>, collected: &Collected) -> Markup {
    let scale = Scale::new(log, collected);
    let mut body = Vec::new();
    let mut y = TOP;
    y = losses(&mut body, log, collected, &scale, y);
    let mut before = None;
    for (row, cells) in collected.density.rows() {
        if before.replace(row.cpu).is_some_and(|cpu| cpu != row.cpu) {
            y += GAP;
        }
        body.push(track(row, cells, &scale, y));
        y += ROW;
    }
    let others = collected.density.others();
    if others != 0 {
        body.push(html! {
            text x=(LEFT) y=(num(y + 11.0)) { (others) " records of further processors and IRQLs are not drawn" }
        });
        y += ROW;
    }
    let (width, height) = (LEFT + WIDTH + RIGHT, y + 12.0);
    let viewbox = format!("0 0 {} {}", num(width), num(height));
    let [from, to] = [scale.from, scale.to].map(|ticks| seconds(log, ticks));
    html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox=(viewbox) font-family="sans-serif" font-size="11"
            role="img" aria-label="records by processor, IRQL and time"
            data-from=(from) data-to=(to) data-left=(num(LEFT / width)) data-right=(num((LEFT + WIDTH) / width)) {
            rect width=(num(width)) height=(num(height)) fill="#ffffff" {}
            (heading(log, collected))
            (axis(log, &scale, y))
            @for part in body { (part) }
        }
    }
}

/// From ticks to the picture.
struct Scale {
    from: i128,
    to: i128,
    /// Width of a column.
    column: f64,
    /// The largest number of records in a cell.
    most: u64,
}

impl Scale {
    fn new(log: &Provenance<'_>, collected: &Collected) -> Self {
        // A log without records may have losses all the same.
        let all = || collected.losses.iter().flat_map(|shown| [shown.loss.from_tick, shown.loss.to_tick]);
        let told = || all().flatten().map(|tick| i128::from(ticks(log, tick)));
        let (from, to) = collected
            .density
            .range()
            .unwrap_or_else(|| (told().min().unwrap_or_default(), told().max().map_or(1, |last| last + 1)));
        let columns = (to - from) / i128::from(collected.density.column_ticks());
        let cells = collected.density.rows().flat_map(|(_, cells)| cells);
        let most = cells.map(|(_, cell)| cell.count).max().unwrap_or(1);
        Self { from, to, column: WIDTH / columns.max(1) as f64, most }
    }

    fn x(&self, ticks: i128) -> f64 {
        let share = (ticks.clamp(self.from, self.to) - self.from) as f64 / (self.to - self.from).max(1) as f64;
        WIDTH.mul_add(share, LEFT)
    }

    /// How dark a cell is, of three.
    fn shade(&self, count: u64) -> usize {
        let share = (count as f64).ln_1p() / (self.most as f64).ln_1p();
        if share > 0.66 { 2 } else { usize::from(share > 0.33) }
    }
}

/// Seconds after the driver's start.
fn seconds(log: &Provenance<'_>, ticks: i128) -> f64 {
    ticks as f64 / log.tables.header.tick_frequency.get().max(1) as f64
}

/// A number as short as a picture needs it.
fn num(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn heading(log: &Provenance<'_>, collected: &Collected) -> Markup {
    let lost = collected.losses.iter().fold(0_u64, |sum, shown| sum.saturating_add(shown.loss.count));
    let more = if collected.more_losses == 0 { "" } else { " or more" };
    let title = format!(
        "irqlog {}, start {}: {} records, {lost}{more} lost; seconds after the start of the driver",
        log.tables.version(),
        log.start(),
        collected.records
    );
    let levels = [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace];
    html! {
        text x="10" y="18" font-size="13" { (title) }
        @for (index, level) in levels.into_iter().enumerate() {
            @let x = 80.0f64.mul_add(index as f64, LEFT);
            rect x=(num(x)) y="25" width="10" height="10" fill=(colour(level)) {}
            text x=(num(x + 14.0)) y="34" { (level.name().unwrap_or("?")) }
        }
        rect x=(num(LEFT + 400.0)) y="25" width="10" height="10" fill="#000000" {}
        text x=(num(LEFT + 414.0)) y="34" { "records are missing" }
    }
}

fn axis(log: &Provenance<'_>, scale: &Scale, bottom: f64) -> Markup {
    const PARTS: i128 = 8;
    let span = seconds(log, scale.to - scale.from) / PARTS as f64;
    // As many decimals as tell two marks apart.
    let decimals = (2.0 - span.max(1e-9).log10().floor()).clamp(0.0, 9.0) as usize;
    html! {
        @for part in 0..=PARTS {
            @let ticks = scale.from + (scale.to - scale.from) * part / PARTS;
            @let x = num(scale.x(ticks));
            line x1=(x) x2=(x) y1=(num(TOP - 4.0)) y2=(num(bottom)) stroke="#dddddd" {}
            text x=(x) y=(num(TOP - 8.0)) text-anchor=(anchor(part, PARTS)) {
                (format!("{:.decimals$}", seconds(log, ticks)))
            }
        }
    }
}

const fn anchor(part: i128, parts: i128) -> &'static str {
    if part == 0 {
        "start"
    } else if part == parts {
        "end"
    } else {
        "middle"
    }
}

/// A row for each lane that lost records; gives the place below them.
fn losses(body: &mut Vec<Markup>, log: &Provenance<'_>, collected: &Collected, scale: &Scale, mut y: f64) -> f64 {
    let mut lanes: BTreeMap<u32, Vec<(f64, f64)>> = BTreeMap::new();
    for shown in &collected.losses {
        let at = |tick: Option<u64>, open: i128| scale.x(tick.map_or(open, |tick| ticks(log, tick).into()));
        let (from, to) = (at(shown.loss.from_tick, scale.from), at(shown.loss.to_tick, scale.to));
        lanes.entry(shown.loss.lane).or_default().push((from.min(to), to.max(from)));
    }
    for (lane, spans) in &lanes {
        let mut path = String::new();
        for (from, to) in spans {
            path.push_str(&rectangle(*from, y + 2.0, (to - from).max(1.0), ROW - 4.0));
        }
        body.push(html! {
            (label(&format!("lost, {}", log.lane_name(*lane)), y))
            path d=(path) fill="#000000" {}
        });
        y += ROW;
    }
    if lanes.is_empty() { y } else { y + GAP }
}

fn label(text: &str, y: f64) -> Markup {
    html! { text x=(num(LEFT - 6.0)) y=(num(y + 11.0)) text-anchor="end" { (text) } }
}

fn rectangle(x: f64, y: f64, width: f64, height: f64) -> String {
    format!("M{} {}h{}v{}h-{}z", num(x), num(y), num(width), num(height), num(width))
}

/// The cells of a row, one path for each colour and shade.
fn track(row: TrackRow, cells: impl Iterator<Item = (i64, Cell)>, scale: &Scale, y: f64) -> Markup {
    let mut paths: BTreeMap<(u8, usize), String> = BTreeMap::new();
    for (column, cell) in cells {
        let x = scale.column.mul_add(column as f64, LEFT);
        let path = paths.entry((cell.level.0, scale.shade(cell.count))).or_default();
        path.push_str(&rectangle(x, y + 1.0, scale.column.max(1.0), ROW - 2.0));
    }
    let name = row.irql.map_or("NMI", irql::name);
    html! {
        (label(&format!("cpu {}  {name}", row.cpu), y))
        line x1=(LEFT) x2=(LEFT + WIDTH) y1=(num(y + ROW - 0.5)) y2=(num(y + ROW - 0.5)) stroke="#eeeeee" {}
        @for ((level, shade), path) in &paths {
            path d=(PreEscaped(path)) fill=(colour(Level(*level))) fill-opacity=(["0.45", "0.7", "1"][*shade]) {}
        }
    }
}
