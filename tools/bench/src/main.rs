//! The record path on the host's cores, as ratios measured in one run.
//!
//! What is measured is `crates/recorder` itself, with a platform whose raise and lower do nothing (the cost of two IRQL
//! changes is Windows' and cannot be measured here) and whose clock is the processor's time stamp counter.
//!
//! Method: a repetition is a few milliseconds of writing by pinned threads that start together. One in which a thread was
//! switched away from its core is left out. A figure is the median of the others, its spread the middle half of them. Rows
//! take turns, so that a machine that gets slower gets slower for all.
//!
//! The floor is what no recorder of this kind can do without: a tick, an uncontended exchange, and a copy of 64 bytes.

#![allow(clippy::cast_precision_loss, reason = "measured times and counts, far below 2^52")]

mod machine;
mod rows;

use std::time::{Duration, Instant};

use rows::{Row, rows};
use serde_json::json;

/// Undisturbed repetitions wanted of each row.
const REPETITIONS: usize = 41;
/// A row that is disturbed again and again ends after so many.
const MOST: usize = 400;
/// About how long one takes.
const REPETITION: Duration = Duration::from_millis(4);

/// Nanoseconds a record and writer, of the undisturbed repetitions, ascending.
struct Figures {
    row: Row,
    records: u64,
    times: Vec<f64>,
    tried: usize,
}

impl Figures {
    fn at(&self, part: f64) -> f64 {
        let last = self.times.len().saturating_sub(1);
        self.times.get((last as f64 * part).round() as usize).copied().unwrap_or(f64::NAN)
    }

    fn median(&self) -> f64 {
        self.at(0.5)
    }
}

/// As many records as fill a repetition.
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

fn measure() -> Vec<Figures> {
    let mut figures: Vec<Figures> =
        rows().into_iter().map(|row| Figures { records: calibrate(&row), row, times: Vec::new(), tried: 0 }).collect();
    while figures.iter().any(|figure| figure.times.len() < REPETITIONS && figure.tried < MOST) {
        for figure in figures.iter_mut().filter(|figure| figure.times.len() < REPETITIONS && figure.tried < MOST) {
            figure.tried += 1;
            if let Some(time) = figure.row.repeat(figure.records) {
                figure.times.push(time);
            }
        }
    }
    for figure in &mut figures {
        figure.times.sort_by(f64::total_cmp);
    }
    figures
}

fn main() {
    let wants_json = std::env::args().any(|argument| argument == "--json");
    let figures = measure();
    let median = |name: &str| figures.iter().find(|figure| figure.row.name == name).map_or(f64::NAN, Figures::median);
    let floor = median("floor");
    if wants_json {
        println!(
            "{}",
            json!({
                "percpu_1w_over_floor": median("percpu, 1 writer") / floor,
                "percpu_2w_over_1w": median("percpu, 2 writers") / median("percpu, 1 writer"),
                "shared_1w_over_floor": median("shared/swap, 1 writer") / floor,
                "shared_2w_over_1w": median("shared/swap, 2 writers") / median("shared/swap, 1 writer"),
            })
        );
        return;
    }
    println!("cost of a record and writer, over the floor; 48 bytes of payload; the ring is full and overwrites\n");
    println!("{:28} {:>8}   {:>15}   undisturbed", "row", "median", "middle half");
    for figure in &figures {
        println!(
            "{:28} {:8.2}   {:6.2} to {:5.2}   {} of {}",
            figure.row.name,
            figure.median() / floor,
            figure.at(0.25) / floor,
            figure.at(0.75) / floor,
            figure.times.len(),
            figure.tried,
        );
    }
}
