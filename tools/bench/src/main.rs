//! The record path on the host's cores, as ratios measured in one run.
//!
//! The bench measures `crates/recorder` itself, with a platform whose raise and lower do nothing (the cost of two IRQL
//! changes is Windows' and cannot be measured here) and whose clock is the processor's time stamp counter.
//!
//! Method: a repetition is a few milliseconds of writing by pinned threads that start together. A repetition in which a
//! thread was switched away from its core is left out. A figure is the median of the other repetitions, and its spread
//! is their middle half. Rows take turns, so that a machine that gets slower gets slower for all rows. The percentiles
//! are of single records, each between two fences, so they include the constant cost of the fences; they are given over
//! the floor's median of the same kind.
//!
//! The floor is the work that no recorder with a lock can avoid: an uncontended exchange, a tick under it, and a copy
//! of 64 bytes.

#![allow(clippy::cast_precision_loss, reason = "measured times and counts, far below 2^52")]

mod bars;
mod chart;
mod exporting;
mod instructions;
mod machine;
mod reading;
mod rows;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use clap::Parser;
use rows::{Group, Row, rows};
use serde_json::json;

/// Number of undisturbed repetitions wanted of each row.
const REPETITIONS: usize = 41;
/// Largest number of repetitions of a row, disturbed ones included.
const MOST: usize = 200;
/// Approximate duration of a repetition.
const REPETITION: Duration = Duration::from_millis(4);
/// Number of single records for the percentiles.
const SAMPLES: usize = 200_000;
/// Number of texts that are stepped through to count the library's instructions.
const TEXTS: u64 = 2000;

#[derive(Parser)]
#[command(about = "Measures the record path: ratios, in one run")]
struct Cli {
    /// One JSON object instead of the table
    #[arg(long)]
    json: bool,
    /// Only count instructions, which takes seconds, whatever else the machine does
    #[arg(long)]
    instructions: bool,
    /// Only tell how often each instruction of this row is executed for a record, by its address in this program
    #[arg(long, conflicts_with = "instructions")]
    addresses: Option<String>,
    /// Only measure the exports
    #[arg(long, conflicts_with_all = ["instructions", "addresses"])]
    exports: bool,
    /// The program whose memory is measured while it exports; without it that is left out
    #[arg(long)]
    program: Option<PathBuf>,
    /// Draw the table into this file
    #[arg(long)]
    svg: Option<PathBuf>,
    /// The program that writes LTTng events; without it that row is missing
    #[arg(long)]
    lttng: Option<PathBuf>,
    /// What the rig has measured of the built irqlog.sys: instructions and nanoseconds a record
    #[arg(long, num_args = 2)]
    sys: Option<Vec<f64>>,
    /// Add a row whose changes of the IRQL take this many nanoseconds each: there are two for a record
    #[arg(long, value_name = "NANOSECONDS")]
    irql: Option<f64>,
}

/// Nanoseconds for each record and writer, of the undisturbed repetitions, ascending.
struct Figures {
    row: Row,
    records: u64,
    times: Vec<f64>,
    tried: usize,
    /// Ticks that single records took, ascending.
    single: Vec<u64>,
    /// Number of instructions for each record, with one writer and no contention.
    instructions: Option<f64>,
}

impl Figures {
    fn at(&self, part: f64) -> f64 {
        let last = self.times.len().saturating_sub(1);
        self.times.get((last as f64 * part).round() as usize).copied().unwrap_or(f64::NAN)
    }

    fn median(&self) -> f64 {
        self.at(0.5)
    }

    fn percentile(&self, part: f64) -> f64 {
        let last = self.single.len().saturating_sub(1);
        self.single.get((last as f64 * part) as usize).map_or(f64::NAN, |&ticks| ticks as f64)
    }

    fn is_done(&self) -> bool {
        self.times.len() >= REPETITIONS || self.tried >= MOST
    }
}

/// The number of records that fill a repetition.
fn calibrate(row: &Row) -> u64 {
    let mut records = 1000;
    loop {
        let start = Instant::now();
        row.repeat(records);
        let elapsed = start.elapsed();
        if elapsed > REPETITION / 2 {
            let scaled = records as f64 * REPETITION.as_secs_f64() / elapsed.as_secs_f64();
            return (scaled as u64).max(1000);
        }
        records *= 2;
    }
}

fn measure(rows: Vec<Row>) -> Vec<Figures> {
    let mut figures: Vec<Figures> = rows
        .into_iter()
        .map(|row| Figures {
            records: calibrate(&row),
            row,
            times: Vec::new(),
            tried: 0,
            single: Vec::new(),
            instructions: None,
        })
        .collect();
    let mut round = 0;
    while figures.iter().any(|figure| !figure.is_done()) {
        for figure in figures.iter_mut().filter(|figure| !figure.is_done()) {
            figure.tried += 1;
            if let Some(time) = figure.row.repeat(figure.records) {
                figure.times.push(time);
            }
        }
        round += 1;
        if round % 10 == 0 {
            let done = figures.iter().filter(|figure| figure.is_done()).count();
            eprintln!("round {round}: {done} of {} rows are measured", figures.len());
        }
    }
    eprintln!("single records");
    for figure in &mut figures {
        figure.times.sort_by(f64::total_cmp);
        figure.single = figure.row.latencies(SAMPLES);
        figure.instructions = figure.row.instructions();
    }
    figures
}

/// The rows whose instructions have a name among the ratios.
const COUNTED: [(&str, &str); 5] = [
    ("instructions_record48", rows::PERCPU),
    ("instructions_event0", rows::NOTHING),
    ("instructions_event6", rows::SIX),
    ("instructions_str32", rows::STRING),
    ("instructions_shared48", rows::SHARED),
];

/// Prints only instructions, as one JSON object, or as a table.
fn only_instructions(cli: &Cli) {
    let rows = rows();
    let counts: Vec<(&str, &str, Option<f64>)> = COUNTED
        .iter()
        .map(|&(key, name)| (key, name, rows.iter().find(|row| row.name == name).and_then(Row::instructions)))
        .collect();
    let library = library_text();
    let sys = cli.sys.as_deref().and_then(<[f64]>::first).copied();
    let over = sys.zip(library).map(|(sys, library)| sys / library);
    if cli.json {
        let mut object: serde_json::Map<_, _> =
            counts.iter().map(|&(key, _, count)| (key.to_owned(), json!(count))).collect();
        object.insert("sys_over_lib".to_owned(), json!(over));
        println!("{}", serde_json::Value::Object(object));
        return;
    }
    let shown = |count: Option<f64>| count.map_or_else(|| "-".to_owned(), |count| format!("{count:.1}"));
    for (key, name, count) in counts {
        println!("{key:24} {:>8}   {name}", shown(count));
    }
    println!(
        "{:24} {:>8}   a text of 48 bytes whose size the call site does not know",
        "library_text48",
        shown(library)
    );
    println!("{:24} {:>8}   the same in the built x64 irqlog.sys", "sys_text48", shown(sys));
}

/// Instructions of the library for a text whose length the compiler does not know, as through the function table.
fn library_text() -> Option<f64> {
    let call = rows::text_of_any_length();
    let payload = [b'x'; rows::PAYLOAD];
    // Full, as in the rows, so that every record takes old ones away.
    for _ in 0..20_000 {
        call(&payload);
    }
    instructions::count(&|| call(std::hint::black_box(&payload[..])), TEXTS)
}

/// Prints the addresses that a row executes, each with how often it does for one record.
fn print_addresses(name: &str) -> Result<()> {
    let rows = rows();
    let row = rows.iter().find(|row| row.name == name).with_context(|| format!("no row is called {name}"))?;
    let found = row.addresses().with_context(|| format!("{name}: its instructions cannot be counted"))?;
    for (address, times) in found {
        println!("{address:#x} {times:.3}");
    }
    Ok(())
}

/// Draws the chart of all rows.
fn draw(file: &Path, figures: &[Figures], floor: f64) -> Result<()> {
    let bars: Vec<_> = figures
        .iter()
        .map(|figure| chart::Bar {
            name: figure.row.name.clone(),
            group: figure.row.group,
            spread: [0.25, 0.5, 0.75].map(|part| figure.at(part) / floor),
        })
        .collect();
    std::fs::write(file, chart::svg(&bars)).with_context(|| format!("writing {}", file.display()))?;
    eprintln!("chart: {}", file.display());
    Ok(())
}

/// Prints the instructions of a record in the library, and in the built driver if the rig has measured it: instructions
/// and nanoseconds.
fn print_library(library: Option<f64>, sys: Option<(f64, f64)>, percpu: f64) {
    let Some(library) = library else { return };
    println!("instructions a record, engine percpu, a text of 48 bytes: {library:.0} in the library");
    if let Some((instructions, time)) = sys {
        println!(
            "  {instructions:.0} inside the built x64 irqlog.sys ({:.2} times); its time in the rig, whose kernel checks \
             every call, over the library's: {:.1}",
            instructions / library,
            time / percpu
        );
    }
}

/// MiB of the ring in the image that is exported.
const EXPORTED: u32 = 64;
/// MiB of the ring in the image whose export's memory is measured.
const LARGE: u32 = 256;

/// What is measured of exports: times over that of the text, and memory in MiB.
fn exports(cli: &Cli) -> Result<serde_json::Map<String, serde_json::Value>> {
    let mut measured = exporting::measure(&reading::image(EXPORTED))?;
    if let Some(program) = &cli.program {
        let peak = exporting::peak_memory(program, &reading::image(LARGE))?;
        measured.insert(format!("export_peak_mib_of_{LARGE}_mib"), json!(peak));
    }
    Ok(measured)
}

/// The median of a single record of the floor, in ticks.
fn floor_single(figures: &[Figures]) -> f64 {
    figures.iter().find(|figure| figure.row.group == Group::Floor).map_or(f64::NAN, |figure| figure.percentile(0.5))
}

/// Prints the row of each figure.
fn print_table(figures: &[Figures], floor: f64) {
    let floor_single = floor_single(figures);
    let single = |figure: &Figures, part: f64| {
        let ratio = figure.percentile(part) / floor_single;
        if ratio.is_nan() { "-".to_owned() } else { format!("{ratio:.2}") }
    };
    println!("cost of a record and writer, over the floor; 48 bytes of payload; the ring is full and overwrites\n");
    println!(
        "{:34} {:>7}   {:>15}   undisturbed   {:>6} {:>6} {:>7}   instructions",
        "row", "median", "middle half", "p50", "p99", "p99.9"
    );
    for figure in figures {
        println!(
            "{:34} {:7.2}   {:6.2} to {:5.2}   {:3} of {:3}    {:>6} {:>6} {:>7}   {}",
            figure.row.name,
            figure.median() / floor,
            figure.at(0.25) / floor,
            figure.at(0.75) / floor,
            figure.times.len(),
            figure.tried,
            single(figure, 0.5),
            single(figure, 0.99),
            single(figure, 0.999),
            figure.instructions.map_or_else(|| "-".to_owned(), |count| format!("{count:.0}")),
        );
    }
}

/// Percentiles of single records, over the floor's median of the same kind.
fn percentiles(figures: &[Figures]) -> serde_json::Map<String, serde_json::Value> {
    let floor = floor_single(figures);
    let rows = [("percpu", rows::PERCPU), ("event0", rows::NOTHING), ("event6", rows::SIX), ("str32", rows::STRING)];
    let mut ratios = serde_json::Map::new();
    for (key, name) in rows {
        let Some(figure) = figures.iter().find(|figure| figure.row.name == name) else { continue };
        for (part, percentile) in [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)] {
            ratios.insert(format!("{key}_{part}"), json!(figure.percentile(percentile) / floor));
        }
    }
    ratios
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    if cli.instructions {
        only_instructions(&cli);
        return Ok(());
    }
    if let Some(name) = &cli.addresses {
        return print_addresses(name);
    }
    if cli.exports {
        println!("{:#}", serde_json::Value::Object(exports(&cli)?));
        return Ok(());
    }
    let mut all = rows();
    if let Some(nanoseconds) = cli.irql {
        machine::WithIrql::calibrate(nanoseconds);
        all.push(rows::with_irql());
    }
    if let Some(program) = &cli.lttng {
        all.push(Row::lttng(program)?);
    }
    let figures = measure(all);
    let median = |name: &str| {
        let found = figures.iter().find(|figure| figure.row.name == name);
        found.map_or(f64::NAN, Figures::median)
    };
    let floor = median("floor: exchange, tick, copy");
    let percpu = median(rows::PERCPU);
    let clock = median(rows::CLOCK) / floor;
    eprintln!("decoding and text");
    let (decode, text) = reading::measure();
    let library = library_text();
    let (sys_instructions, sys_time) = match cli.sys.as_deref() {
        Some(&[instructions, time]) => (Some(instructions), Some(time)),
        _ => (None, None),
    };
    let counted = |key: &str| {
        let (_, name) = COUNTED.iter().find(|(found, _)| *found == key)?;
        figures.iter().find(|figure| figure.row.name == *name)?.instructions
    };
    eprintln!("exports");
    let exports = exports(&cli)?;
    let mut ratios = json!({
        "clock_over_floor": clock,
        "percpu_1w_over_floor": percpu / floor,
        "percpu_over_ifr_model": percpu / median(rows::IN_FLIGHT),
        "percpu_with_reader_over_alone": median(rows::WITH_READER) / percpu,
        "event6_over_floor": median(rows::SIX) / floor,
        "str32_over_event6": median(rows::STRING) / median(rows::SIX),
        "percpu_2w_over_1w": median("percpu, 2 writers") / percpu,
        "shared_1w_over_floor": median(rows::SHARED) / floor,
        "shared_2w_over_1w": median("shared/swap, 2 writers") / median(rows::SHARED),
        "lttng_over_percpu": cli.lttng.as_ref().map(|_| median(rows::LTTNG) / percpu),
        "sys_over_lib": sys_instructions.zip(library).map(|(sys, library)| sys / library),
        "decode_over_memcpy": decode,
        "text_over_fmt": text,
        "event6_over_record48": median(rows::SIX) / percpu,
        "fmt6_over_event6": median(rows::SIX_FORMATTED) / median(rows::SIX),
        "disabled_over_record48": median(rows::DISABLED) / percpu,
        "instructions_record48": counted("instructions_record48"),
        "instructions_event0": counted("instructions_event0"),
        "instructions_event6": counted("instructions_event6"),
        "instructions_str32": counted("instructions_str32"),
        "instructions_shared48": counted("instructions_shared48"),
    });
    if let Some(ratios) = ratios.as_object_mut() {
        ratios.extend(exports);
        ratios.extend(percentiles(&figures));
        if let Some(nanoseconds) = cli.irql {
            ratios.insert("irql_change_nanoseconds".to_owned(), json!(nanoseconds));
            ratios.insert("percpu_with_irql_over_floor".to_owned(), json!(median(rows::WITH_IRQL) / floor));
        }
    }
    if let Some(file) = &cli.svg {
        draw(file, &figures, floor)?;
    }
    if cli.json {
        println!("{ratios}");
        return Ok(());
    }
    print_table(&figures, floor);
    println!();
    print_library(library, sys_instructions.zip(sys_time), percpu);
    println!("\n{ratios:#}");
    if let Some(ratios) = ratios.as_object() {
        bars::print(ratios, clock);
    }
    Ok(())
}
