//! Text that a person or a driver wrote: formats and the options of a command. And the check of text that is shown.

use clap::Parser as _;
use irqlog_filter::moment::Moment;
use irqlog_reader::{
    event::{self, DecodedArgument},
    untrusted::{Untrusted, is_deceptive},
};
use irqlog_wire::format::{Piece, pieces};

#[expect(
    dead_code,
    unexpected_cfgs,
    reason = "the command line of irqlog.exe, of which only the parser is called, and without its features"
)]
#[path = "../../cli/src/args.rs"]
mod args;

/// Splits a format, and shows it with no arguments.
///
/// # Panics
/// If a piece is empty, or if the pieces do not come to an end.
pub fn format(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut count = 0;
    for piece in pieces(&text) {
        count += 1;
        assert!(!matches!(piece, Ok(Piece::Literal(""))), "a piece of nothing");
    }
    assert!(count <= text.len(), "{count} pieces of {} bytes", text.len());
    let arguments: [DecodedArgument<'_>; 0] = [];
    shown(&Untrusted::new(event::text(&text, "", &arguments)).to_string());
}

/// Parses the options of `read`: one on each line. An error is shown as the command shows it.
///
/// # Panics
/// If an error message holds what a terminal obeys.
pub fn filter(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let words = ["irqlog", "read"].into_iter().chain(text.lines().take(16));
    if let Err(error) = args::Cli::try_parse_from(words) {
        let error = args::escaped(error).render().to_string();
        error.lines().for_each(shown);
    }
}

/// Parses each line as a time of `--since`.
///
/// # Panics
/// If seconds are not a finite number, or if an error shows what a terminal obeys.
pub fn time(bytes: &[u8]) {
    for line in String::from_utf8_lossy(bytes).lines().take(16) {
        if let Err(error) = since(line) {
            shown(&error);
        }
    }
}

/// The time of `--since`, or the error's first line.
fn since(text: &str) -> Result<Moment, String> {
    let cli = args::Cli::try_parse_from(["irqlog", "read", &format!("--since={text}")]).map_err(|error| {
        let text = args::escaped(error).render().to_string();
        text.lines().next().unwrap_or_default().to_owned()
    })?;
    let args::Command::Query(args::Query::Read { filter, .. }) = cli.command else {
        panic!("`read --since` is another command");
    };
    let since = filter.since.expect("it was given");
    if let Moment::AfterStart(seconds) | Moment::BeforeEnd(seconds) = since {
        assert!(seconds.is_finite(), "{seconds} from {text:?}");
    }
    Ok(since)
}

/// Checks that a line holds nothing that a terminal obeys or an eye does not see.
///
/// # Panics
/// If it does.
pub fn shown(line: &str) {
    let hidden = line.chars().find(|&character| is_deceptive(character));
    assert!(hidden.is_none(), "{hidden:?} in {line:?}");
}
