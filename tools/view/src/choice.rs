//! Which records are shown: a line with the options of `irqlog read`.

use std::convert::Infallible;

use clap::Parser;
use irqlog_filter::{moment::Moment, names::check_names, options::Filter, selection::RecordSelection};
use irqlog_reader::{image::Tables, log::Item};
use jiff::tz::TimeZone;

/// The line, as clap sees it.
#[derive(Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
struct FilterLine {
    #[command(flatten)]
    filter: Filter,
}

/// The records that a line chooses.
#[derive(Debug)]
pub struct FilterChoice {
    filter: Box<Filter>,
    /// The end of the log when the line was entered, in seconds after the driver's start: `-5m` is before it.
    end: f64,
}

impl FilterChoice {
    /// The choice of a line for a log with these tables that ends then; `None` for an empty line.
    ///
    /// # Errors
    /// A line for the user.
    pub fn new(line: &str, tables: &Tables, end: f64) -> Result<Option<Self>, String> {
        if line.trim().is_empty() {
            return Ok(None);
        }
        let words = shlex::split(line).ok_or("a quote is not closed")?;
        let filter = FilterLine::try_parse_from(words).map_err(|error| first_line(&error))?.filter;
        if filter.last.is_some() || filter.context != 0 {
            return Err("the viewer shows all that match: --last and --context are for read".to_owned());
        }
        check_names(&filter, tables).map_err(|error| error.to_string())?;
        Ok(Some(Self { filter: Box::new(filter), end }))
    }

    /// Whether each of these items is shown. A loss always is.
    pub fn passes(&self, tables: &Tables, items: &[Item]) -> Vec<bool> {
        let selection = self.selection(tables);
        let passes = |item: &Item| match item {
            Item::Record(record) => selection.wants(tables, record),
            Item::Loss(_) => true,
        };
        items.iter().map(passes).collect()
    }

    /// The same for a log that is gone through once.
    pub fn selection(&self, tables: &Tables) -> RecordSelection<'_> {
        let Ok(selection) = RecordSelection::new(&self.filter, tables, || Ok::<_, Infallible>(self.end));
        selection
    }
}

/// What clap says, without its hints about a command line that is not there.
fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines = text.lines().take_while(|line| !line.trim().is_empty());
    lines.map(str::trim).collect::<Vec<_>>().join(" ").trim_start_matches("error: ").to_owned()
}

/// The time that a text means, in seconds after the driver's start, as for `--since`. The log ends at `end`.
///
/// # Errors
/// A line for the user.
pub fn time(text: &str, tables: &Tables, end: f64) -> Result<f64, String> {
    let moment: Moment = text.parse().map_err(|error| format!("{text}: {error}"))?;
    Ok(moment.seconds(tables, end, &TimeZone::system()))
}
