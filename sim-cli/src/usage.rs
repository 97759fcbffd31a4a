//! Reading the command line, and what to say when it is wrong.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Error, FromArgMatches};

use crate::args::Cli;

/// Reads the command line; ends the program with help or with what is wrong.
pub(crate) fn parse() -> Cli {
    let read = Cli::command().try_get_matches().and_then(|found| Cli::from_arg_matches(&found));
    read.unwrap_or_else(|error| improved(error).exit())
}

/// The error without advice that leads astray, and with a name that is near.
fn improved(mut error: Error) -> Error {
    match error.kind() {
        // A flag that does not exist is a slip; nobody means it as the name of a scenario.
        ErrorKind::UnknownArgument => {
            error.remove(ContextKind::Suggested);
        }
        ErrorKind::InvalidSubcommand if error.get(ContextKind::SuggestedSubcommand).is_none() => {
            if let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidSubcommand)
                && let Some(near) = nearest_command(given)
            {
                error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(vec![near]));
            }
        }
        _ => {}
    }
    error
}

/// The subcommand that is one slip away: a letter more, less or other, or two exchanged.
fn nearest_command(given: &str) -> Option<String> {
    let command = Cli::command();
    let names = command.get_subcommands().map(|c| c.get_name().to_owned());
    let distance = |name: &String| strsim::damerau_levenshtein(name, given);
    names.filter(|name| distance(name) <= 1 + name.len() / 5).min_by_key(distance)
}
