//! The table as an SVG picture: one bar for each row, over the floor, on a logarithmic scale.

use std::fmt::Write;

use crate::rows::Group;

/// The bar of a row.
pub struct Bar {
    /// Name of the row.
    pub name: String,
    /// Group of the row, which gives the bar its colour.
    pub group: Group,
    /// Lower quartile, median and upper quartile, over the floor.
    pub spread: [f64; 3],
}

const LEFT: f64 = 250.0;
const WIDTH: f64 = 560.0;
const LINE: f64 = 20.0;
const TOP: f64 = 60.0;

const fn colour(group: Group) -> &'static str {
    match group {
        Group::Floor => "#888888",
        Group::Irqlog => "#1f77b4",
        Group::Events => "#2ca02c",
        Group::Thread => "#d62728",
        Group::Peer => "#ff7f0e",
    }
}

/// Draws the picture as SVG text. The scale goes from a quarter of the floor to the largest bar.
pub fn svg(bars: &[Bar]) -> String {
    let least: f64 = 0.25;
    let most = bars.iter().map(|bar| bar.spread[2]).fold(1.0, f64::max) * 1.1;
    let x = |ratio: f64| LEFT + WIDTH * (ratio.max(least) / least).ln() / (most / least).ln();
    let height = LINE.mul_add(bars.len() as f64, TOP + 20.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 860 {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"860\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"22\" font-size=\"15\">Cost of a record and writer over the floor (48 bytes of payload, ring full)</text>\n"
    );
    for tick in std::iter::successors(Some(least), |tick| Some(tick * 2.0)).take_while(|&tick| tick < most) {
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(
            svg,
            "<line x1=\"{0:.1}\" y1=\"44\" x2=\"{0:.1}\" y2=\"{1}\" stroke=\"#dddddd\"/><text x=\"{0:.1}\" y=\"40\" text-anchor=\"middle\">{tick}</text>",
            x(tick),
            height - 15.0
        );
    }
    for (index, bar) in bars.iter().enumerate() {
        let y = LINE.mul_add(index as f64, TOP);
        let [low, median, high] = bar.spread;
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{LEFT}\" y=\"{:.1}\" width=\"{:.1}\" height=\"12\" fill=\"{}\"/>\
             <line x1=\"{:.1}\" y1=\"{3:.1}\" x2=\"{:.1}\" y2=\"{3:.1}\" transform=\"translate(0 6)\" stroke=\"black\"/>\
             <text x=\"{:.1}\" y=\"{1:.1}\">{median:.2}</text>",
            LEFT - 8.0,
            y + 10.0,
            bar.name,
            y,
            x(median) - LEFT,
            colour(bar.group),
            x(low),
            x(high),
            x(high) + 6.0,
        );
    }
    svg.push_str("</svg>\n");
    svg
}
