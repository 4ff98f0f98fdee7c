//! `completions` and `man`: what a shell and a reader of manuals want of the command line, made from itself.

use std::{
    fs,
    io::{Write, stdout},
    path::Path,
};

use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_complete::Shell;

use crate::{args::Cli, exit};

/// The command line with its whole help.
pub fn command() -> clap::Command {
    Cli::command().after_help(exit::help())
}

/// The same without what is there for tests only.
fn of_users() -> clap::Command {
    let command = command();
    #[cfg(unix)]
    let command = command.mut_arg("rig", |rig| rig.hide(true));
    command
}

/// Prints the script of a shell.
pub fn completions(shell: Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut of_users(), "irqlog", &mut script);
    stdout().lock().write_all(&script)?;
    Ok(())
}

/// Writes a page of each command.
pub fn man(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    clap_mangen::generate_to(of_users(), folder).with_context(|| format!("writing into {}", folder.display()))
}
