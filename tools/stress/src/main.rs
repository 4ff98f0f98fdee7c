//! `irqlog-stress`: rounds of stress until the asked number of records is written; its last line is one JSON object.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Result;
use clap::Parser;
use irqlog_stress::{
    plan::Plan,
    round::{self, RoundTotals},
};
use serde_json::json;

/// Stresses ring and recorder as libraries, and checks every byte and every count.
#[derive(Parser)]
struct Arguments {
    /// Records to write, over all rounds
    #[arg(long, default_value_t = 1_000_000)]
    records: u64,
    /// Calls of each round; without it as many as give each kind of round twice, but at most four million
    #[arg(long)]
    calls: Option<u64>,
    /// Where the chance begins
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Calls of the smallest and the largest round that are chosen without `--calls`.
const CALLS: std::ops::RangeInclusive<u64> = 20_000..=4_000_000;

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let calls = arguments.calls.unwrap_or_else(|| (arguments.records / 20).clamp(*CALLS.start(), *CALLS.end()));
    let (mut sums, mut rounds, mut told) = (RoundTotals::default(), 0, Instant::now());
    while sums.written < arguments.records {
        sums.add(&round::run(&Plan::of(rounds, calls, arguments.seed))?);
        rounds += 1;
        if told.elapsed() > Duration::from_secs(5) {
            told = Instant::now();
            let percent = sums.written.saturating_mul(100) / arguments.records.max(1);
            eprintln!("    {percent:3} %: {} records written in {rounds} rounds", sums.written);
        }
    }
    let answer = json!({
        "rounds": rounds, "called": sums.called, "written": sums.written, "dropped": sums.dropped,
        "delivered": sums.delivered, "lost": sums.lost, "cleared": sums.cleared, "damaged": sums.damaged,
        "in_ring": sums.in_ring, "clears": sums.clears, "nmis": sums.nmis, "nmis_in_write": sums.nmis_in_write,
        "torn": 0, "seed": arguments.seed,
    });
    println!("{answer}");
    Ok(())
}
