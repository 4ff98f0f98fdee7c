//! irqlog: reads the flight recorder, live or from a file.
//!
//! | Module | What |
//! |---|---|
//! | [`args`] | the command line, in the three groups below |
//! | [`offline`] | commands that need neither the driver nor a log |
//! | [`query`] | commands that work on any log, live or saved |
//! | [`control`] | commands that need the running driver: they change it, or wait in it |
//! | [`source`] | opens logs and the driver: the Windows device, the rig, a file |
//! | [`filter`] | which records of a log are shown |
//! | [`cursor_file`] | how far a log was given to the user |
//! | [`output`] | the forms of output: text or JSON |
//! | [`new_file`] | a new file that is written whole, or not at all |
//! | [`exit`] | the exit codes |
//!
//! Modules further down never use those further up.

#![deny(clippy::print_stdout, clippy::print_stderr, reason = "output::Printer and output::say escape")]

use anyhow::Result;
use clap::FromArgMatches;

use crate::{
    args::{Cli, ColorWhen, Command, Control, Query},
    exit::Exit,
};

mod args;
mod control;
mod cursor_file;
mod exit;
mod new_file;
mod offline;
mod output;
mod query;
mod source;

fn main() -> Exit {
    let cli = match parse() {
        Ok(cli) => cli,
        Err(error) => {
            let error = args::escaped(error);
            // Whoever has closed the stream does not want to know.
            let _ = error.print();
            return if error.use_stderr() { Exit::WrongCommandLine } else { Exit::Done };
        }
    };
    run(&cli).unwrap_or_else(|error| {
        let exit = Exit::of(&error);
        if exit != Exit::Done {
            output::say(&format!("irqlog: {error:#}"));
        }
        exit
    })
}

fn parse() -> clap::error::Result<Cli> {
    Cli::from_arg_matches(&offline::command().try_get_matches()?)
}

fn run(cli: &Cli) -> Result<Exit> {
    #[cfg(unix)]
    let rig = cli.rig.as_deref();
    #[cfg(not(unix))]
    let rig = None;
    let form = cli.form();
    match cli.color {
        ColorWhen::Auto => {}
        ColorWhen::Always => anstream::ColorChoice::Always.write_global(),
        ColorWhen::Never => anstream::ColorChoice::Never.write_global(),
    }
    match &cli.command {
        Command::Query(Query::Read { follow: true, filter, look, cursor_file, .. }) => {
            let (filter, cursor_file) = (filter.clone(), cursor_file.clone());
            let follow = Control::Follow {
                filter,
                look: *look,
                count: None,
                until_match: None,
                pause: false,
                cursor_file,
                follow: true,
            };
            control::run(&follow, rig, form)
        }
        Command::Query(query) => query::run(query, rig, form),
        Command::Control(control) => control::run(control, rig, form),
        Command::Offline(offline) => offline::run(offline, form),
    }
}
