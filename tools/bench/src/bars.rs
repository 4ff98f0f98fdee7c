//! The bars that the figures are held against, for both kinds of machine.
//!
//! On many virtual machines the clock takes most of what a record takes, whatever the recorder does. Where it takes less
//! than [`CHEAP`] of the floor, a ratio over the floor speaks of the recorder itself, and its bar is another.

use serde_json::{Map, Value};

/// The part of the floor below which a clock is cheap.
pub const CHEAP: f64 = 0.4;

/// A limit of a figure.
#[derive(Clone, Copy)]
enum Limit {
    /// The figure is this or less.
    AtMost(f64),
    /// The figure is this or more.
    AtLeast(f64),
    /// Nothing is asked for on such a machine.
    None,
}

impl Limit {
    fn holds(self, figure: f64) -> bool {
        match self {
            Self::AtMost(limit) => figure <= limit,
            Self::AtLeast(limit) => figure >= limit,
            Self::None => true,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtMost(limit) => format!("<= {limit}"),
            Self::AtLeast(limit) => format!(">= {limit}"),
            Self::None => "-".to_owned(),
        }
    }
}

use Limit::{AtLeast, AtMost};

/// The name of each ratio that has a bar, its bar where the clock is cheap, and its bar elsewhere.
const BARS: [(&str, Limit, Limit); 15] = [
    ("instructions_record48", AtMost(95.0), AtMost(95.0)),
    ("instructions_event0", AtMost(85.0), AtMost(85.0)),
    ("instructions_event6", AtMost(120.0), AtMost(120.0)),
    ("instructions_str32", AtMost(160.0), AtMost(160.0)),
    ("instructions_shared48", AtMost(105.0), AtMost(105.0)),
    ("sys_over_lib", AtMost(1.15), AtMost(1.15)),
    ("percpu_1w_over_floor", AtMost(1.0), AtMost(0.65)),
    ("event6_over_floor", AtMost(1.2), Limit::None),
    ("percpu_over_ifr_model", AtMost(1.0), AtMost(1.0)),
    ("str32_over_event6", AtMost(1.3), AtMost(1.3)),
    ("percpu_with_reader_over_alone", AtMost(2.0), AtMost(2.0)),
    ("event6_over_record48", AtMost(1.3), AtMost(1.3)),
    ("percpu_2w_over_1w", AtMost(1.10), AtMost(1.10)),
    ("lttng_over_percpu", AtLeast(9.0), AtLeast(9.0)),
    ("text_over_fmt", AtMost(1.15), AtMost(1.15)),
];

/// Prints each bar for both kinds of machine, and whether it is met on this one.
pub fn print(ratios: &Map<String, Value>, clock: f64) {
    let is_cheap = clock < CHEAP;
    println!(
        "\nthe clock takes {:.0} % of the floor: this machine is one of the {} kind\n",
        clock * 100.0,
        if is_cheap { "first" } else { "second" }
    );
    println!("{:32} {:>8}   {:>12}   {:>12}", "bar", "here", "cheap clock", "dear clock");
    for (name, cheap, dear) in BARS {
        let limit = if is_cheap { cheap } else { dear };
        let figure = ratios.get(name).and_then(Value::as_f64);
        let shown = figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.2}"));
        let verdict = match figure {
            None => "not measured",
            Some(figure) if limit.holds(figure) => "",
            Some(_) => "missed",
        };
        println!("{name:32} {shown:>8}   {:>12}   {:>12}   {verdict}", cheap.text(), dear.text());
    }
}
