//! The page, as HTML: everything in one file, readable without its script.
//!
//! The page's own policy lets the browser run the one script and use the one style sheet that are in it, by their
//! hashes, and load nothing. So even markup that slipped through could neither run nor ask for anything.

use std::io::{Result, Write};

use irqlog_dump::bugcheck::{Explained, explain};
use irqlog_export::{
    balance::LaneBalance,
    sink::{ExportSummary, Provenance},
};
use irqlog_reader::untrusted::Untrusted;
use irqlog_shown::{
    Named, Show,
    record::ShownLoss,
    recorder::{Info, ShownCounters, Stats},
};
use irqlog_wire::irql;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::{
    collected::{Collected, MOST_LOSSES, TableRow},
    picture, rows,
    tally::{Histogram, site_name},
};

const SCRIPT: &str = include_str!("page.js");
const STYLE: &str = include_str!("page.css");

/// SHA-256 of [`SCRIPT`] and [`STYLE`] in base64, as the policy wants them; a test says which they are.
const SCRIPT_HASH: &str = "heJG/BY33wjH9NS8q91GKO5Mjf+yjEtilt+fLKA56bE=";
const STYLE_HASH: &str = "d9EVsti2UNBrv0Mu0XyjnKTrGTKd4Dsp3dMitLw19uA=";

/// The longest time that a lock should be held or waited for, in microseconds: Microsoft's limit for the time that a
/// driver holds a spin lock ("Introduction to Spin Locks", learn.microsoft.com).
const LIMIT: f64 = 25.0;

/// Rows before the end that are shown without the script too.
const LAST: usize = 32;

/// Writes the page.
///
/// # Errors
/// Those of `out`.
pub fn write(
    out: &mut impl Write,
    log: &Provenance<'_>,
    origin: &str,
    collected: &Collected,
    summary: &ExportSummary,
) -> Result<()> {
    let title = format!("irqlog: {}", Untrusted::new(log.name));
    write!(out, "{DOCTYPE}<html lang=\"en\">{}<body>", head(&title).into_string(), DOCTYPE = DOCTYPE.into_string())?;
    for part in [
        start(log, &title, origin, collected, summary),
        crash(log),
        settings(log),
        lanes(log, summary),
        losses(collected),
        timeline(log, collected),
        histograms(log, collected),
        locks(log),
        last(collected),
        table(collected, summary),
    ] {
        writeln!(out, "{}", part.into_string())?;
    }
    write!(out, "<script type=\"application/json\" id=\"records\">")?;
    rows::write(out, collected.rows.iter())?;
    writeln!(out, "</script>\n<script>{SCRIPT}</script>\n</body></html>")
}

fn head(title: &str) -> Markup {
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{SCRIPT_HASH}'; style-src 'sha256-{STYLE_HASH}'; base-uri 'none'; \
         form-action 'none'"
    );
    html! {
        head {
            meta charset="utf-8";
            meta http-equiv="Content-Security-Policy" content=(policy);
            meta name="viewport" content="width=device-width, initial-scale=1";
            title { (title) }
            style { (PreEscaped(STYLE)) }
        }
    }
}

fn start(log: &Provenance<'_>, title: &str, origin: &str, collected: &Collected, summary: &ExportSummary) -> Markup {
    const SECTIONS: [(&str, &str); 8] = [
        ("settings", "What ran"),
        ("lanes", "Lanes"),
        ("losses", "Losses"),
        ("timeline", "Timeline"),
        ("histograms", "Histograms"),
        ("locks", "Locks"),
        ("last", "Last records"),
        ("table", "All records"),
    ];
    let clock = log.clock();
    let utc = clock.utc(clock.tick_base()).unwrap_or_else(|| "(the log has no system time)".to_owned());
    html! {
        h1 { (title) }
        p {
            (Untrusted::new(origin)) br;
            (collected.records) " records, " (summary.lost) " lost"
            @if summary.is_filtered {
                ", " strong { "filtered: " (summary.left_out) " records are left out" }
            }
            @if let Some((first, last)) = collected.time {
                "; from " (format!("{first:.7}")) " s to " (format!("{last:.7}")) " s after the start of the driver"
            }
            br;
            "The driver started at " (utc) "; times of day are as exact as the system's clock was then."
        }
        nav { @for (id, name) in SECTIONS { a href={ "#" (id) } { (name) } } }
    }
}

/// The bug check, if there was one.
fn crash(log: &Provenance<'_>) -> Markup {
    let header = &log.tables.header;
    if header.crashed.get() == 0 {
        return html! {};
    }
    let values = header.crash_parameters.map(u64::from);
    let Explained { code, name, cause, parameters } = explain(header.crash_code.get() as u32, values);
    html! {
        h2 { "Bug check" }
        p {
            strong { (format!("{code:#x}")) " " (name.unwrap_or_default()) }
            " on cpu " (header.crash_processor) ", "
            (format!("{:.7}", log.tables.seconds(header.crash_tick.get()))) " s after the start of the driver"
            @if let Some(cause) = cause { br; (cause) }
        }
        table class="mono" {
            @for parameter in &parameters {
                tr {
                    td { (format!("{:#018x}", parameter.value)) }
                    td { (parameter.what) }
                    td { (parameter.meaning.unwrap_or_default()) }
                }
            }
        }
    }
}

fn settings(log: &Provenance<'_>) -> Markup {
    let info = Info::new(log.tables, None);
    let stats = Stats::new(log.tables, None, None);
    let dropped = stats.dropped.reasons().filter(|(_, count)| *count != 0);
    let dropped: Vec<_> = dropped.map(|(reason, count)| format!("{count} {reason}")).collect();
    let processors = format!("{} active at the start, of {}", info.active_processors, info.processor_count);
    let rows = [
        ("version", format!("{}, format {}", info.version, info.format)),
        ("engine", info.engine.to_string()),
        ("lock", info.lock.to_string()),
        ("level", info.level.to_string()),
        ("policy", info.policy.to_string()),
        ("writing", if info.paused { "paused" } else { "yes" }.to_owned()),
        ("pointers", info.pointers.to_owned()),
        ("processors", processors),
        ("clock", format!("{} ticks in a second", info.tick_frequency)),
        ("start", log.start()),
        ("records written", stats.written.to_string()),
        ("calls of irqlog.sys", stats.own_calls.to_string()),
        ("dropped calls", if dropped.is_empty() { "none".to_owned() } else { dropped.join(", ") }),
    ];
    html! {
        h2 id="settings" { "What ran" }
        table { @for (name, value) in rows { tr { td { (name) } td { (value) } } } }
    }
}

fn lanes(log: &Provenance<'_>, summary: &ExportSummary) -> Markup {
    let balances = summary.balances.first().map(Vec::as_slice).unwrap_or_default();
    let room = |lane: u32| log.tables.lanes.get(lane as usize).map_or(0, |control| control.data_words.get() / 128);
    html! {
        h2 id="lanes" { "Lanes" }
        p class="soft" { "Of each record that was written it is known what became of it: written = delivered + lost + cleared." }
        table {
            tr {
                th { "lane" } th class="n" { "KiB" } th class="n" { "written" } th class="n" { "delivered" }
                th class="n" { "lost" } th class="n" { "cleared" } th class="n" { "in this report" } th {}
            }
            @for balance in balances {
                @let LaneBalance { lane, written, delivered, lost, cleared, exported } = *balance;
                tr {
                    td { (log.lane_name(lane)) }
                    @for number in [room(lane), written, delivered, lost, cleared, exported] {
                        td class="n" { (number) }
                    }
                    td { @if !balance.holds() { span class="bad" { "DOES NOT ADD UP: the log is damaged" } } }
                }
            }
        }
    }
}

fn losses(collected: &Collected) -> Markup {
    html! {
        h2 id="losses" { "Losses" }
        @if collected.losses.is_empty() {
            p { "No record is missing." }
        } @else {
            table class="mono" {
                @for shown in &collected.losses { tr { td { (line(shown)) } } }
            }
        }
        @if collected.more_losses != 0 {
            p class="bad" { (collected.more_losses) " losses behind the first " (MOST_LOSSES) " are not listed here" }
        }
    }
}

/// A loss as the text output has it, without the dashes around it.
fn line(shown: &ShownLoss) -> String {
    let mut line = Vec::new();
    // Writing to a Vec cannot fail.
    let _ = shown.text(&mut line);
    String::from_utf8_lossy(&line).trim().trim_matches('-').trim().to_owned()
}

fn timeline(log: &Provenance<'_>, collected: &Collected) -> Markup {
    html! {
        h2 id="timeline" { "Timeline" }
        p class="soft" {
            "Each filled place has records, the darker the more. Between two records nothing is drawn: nobody knows what was "
            "there. Click to go to a time in the table below."
        }
        div id="picture" { (picture::markup(log, collected)) }
    }
}

fn histograms(log: &Provenance<'_>, collected: &Collected) -> Markup {
    let tallies = &collected.tallies;
    let nmi = |irql: &Option<u8>| irql.map_or("NMI", irql::name).to_owned();
    html! {
        h2 id="histograms" { "Histograms" }
        div class="side" {
            (histogram("provider", &tallies.writers, collected.records, crate::tally::RecordWriter::name))
            (histogram("level", &tallies.levels, collected.records, |level| rows::level_name(*level)))
            (histogram("IRQL", &tallies.irqls, collected.records, nmi))
        }
        @if !tallies.sites.top().0.is_empty() {
            (histogram("site", &tallies.sites, collected.records, |site| site_name(&log.tables.sites, *site)))
        }
    }
}

fn histogram<K: Clone + Eq + std::hash::Hash + Ord>(
    of: &str,
    histogram: &Histogram<K>,
    all: u64,
    name: impl Fn(&K) -> String,
) -> Markup {
    let (top, others) = histogram.top();
    let row = |name: &str, count: u64| {
        html! {
            tr {
                td class="n" { (count) }
                td { meter max=(all) value=(count) {} }
                td { (name) }
            }
        }
    };
    html! {
        table {
            tr { th class="n" { "records" } th {} th { (of) } }
            @for (key, count) in &top { (row(&name(key), *count)) }
            @if others != 0 { (row("(others)", others)) }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "for display")]
fn locks(log: &Provenance<'_>) -> Markup {
    let stats = Stats::new(log.tables, None, None);
    let microseconds = |ticks: u64| ticks as f64 * 1e6 / stats.tick_frequency.max(1) as f64;
    let time = |ticks: u64| {
        let time = microseconds(ticks);
        html! {
            td class={ "n" @if time > LIMIT { " bad" } } { (format!("{time:.1}")) }
            td { meter max=(LIMIT) value=(time.min(LIMIT)) {} }
        }
    };
    let used = |counters: &&ShownCounters| counters.contended != 0 || counters.hold_samples != 0;
    html! {
        h2 id="locks" { "Locks" }
        p class="soft" {
            "The longest times in microseconds. A bar is full at " (LIMIT)
            ": Windows asks drivers to hold no spin lock for longer."
        }
        @if stats.lanes.iter().any(|counters| used(&counters)) {
            table {
                tr {
                    th { "lane" } th class="n" { "hold" } th {} th class="n" { "samples" } th class="n" { "wait" } th {}
                    th class="n" { "waits" }
                }
                @for counters in stats.lanes.iter().filter(used) {
                    tr {
                        td { (log.lane_name(counters.lane.lane)) }
                        (time(counters.longest_hold_ticks_sampled)) td class="n" { (counters.hold_samples) }
                        (time(counters.longest_wait_ticks)) td class="n" { (counters.contended) }
                    }
                }
            }
        } @else {
            p { "No lock was measured: engine " (stats_engine(log)) "." }
        }
    }
}

fn stats_engine(log: &Provenance<'_>) -> Named {
    Info::new(log.tables, None).engine
}

fn last(collected: &Collected) -> Markup {
    let rows = collected.rows.iter().skip(collected.rows.len().saturating_sub(LAST));
    html! {
        h2 id="last" { "Last records" }
        table class="mono" { @for row in rows { (last_row(row)) } }
    }
}

fn last_row(row: &TableRow) -> Markup {
    match row {
        TableRow::Loss { message } => html! { tr { td colspan="6" { strong { (message) } } } },
        TableRow::Record { seconds, cpu, irql, is_nmi, level, thread, message, place, .. } => html! {
            tr {
                td class="n" { (format!("{seconds:.7}")) } td { "cpu " (cpu) } td { (rows::irql_cell(irql, *is_nmi)) }
                td { (rows::level_name(*level)) } td { (rows::thread_cell(*thread)) }
                td { (message) @if let Some(place) = place { "  " span class="soft" { "(" (place) ")" } } }
            }
        },
    }
}

fn table(collected: &Collected, summary: &ExportSummary) -> Markup {
    html! {
        h2 id="table" { "All records" }
        p class="soft" {
            "Losses stand where they happened, and no search hides them. Click a row for its lane and number."
            @if collected.older != 0 {
                " " strong { "The table has the newest records; " (collected.older) " older ones are left out of it, and are counted above." }
            }
            @if summary.is_filtered { " " (summary.left_out) " records are left out by a filter." }
        }
        noscript { p class="bad" { "The table needs the script in this page, which this browser does not run." } }
        div id="search" {
            input id="text" type="search" placeholder="search" aria-label="search";
            select id="level" aria-label="level" {
                option value="" { "all levels" }
                @for level in ["error", "warn", "info", "debug"] { option value=(level) { (level) " and above" } }
            }
            span id="count" class="soft" {}
        }
        div id="view" { div id="space" {} div id="rows" {} }
    }
}
