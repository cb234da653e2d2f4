use std::process::ExitCode;

use clap::Parser;
use openshelf::cli::{self, CommandLine};

/// 0: done. 1: it failed, and one line on standard error says why. 2: the command line makes no sense (clap's own).
fn main() -> ExitCode {
    match cli::run(CommandLine::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A message may have lines of its own, as that of the settings file has.
            let said: Vec<String> = format!("{error:#}").lines().map(|line| line.trim().to_owned()).collect();
            eprintln!("openshelf: {}", said.join(" "));
            ExitCode::FAILURE
        }
    }
}
