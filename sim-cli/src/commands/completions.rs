//! `timewait completions` and `timewait man`.

use clap::CommandFactory;

use crate::args::{Cli, CompletionsArgs};
use crate::exit::{Exit, Failure};
use crate::output;

/// Prints what a shell needs to complete commands.
pub(crate) fn completions(args: &CompletionsArgs) -> Result<Exit, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "timewait", &mut text);
    output::out(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Ok)
}

/// Prints the manual page: the command, then each subcommand.
pub(crate) fn man() -> Result<Exit, Failure> {
    let mut text = Vec::new();
    let render = |command: clap::Command, text: &mut Vec<u8>| {
        clap_mangen::Man::new(command).render(text).expect("a vector takes every write");
    };
    let mut command = Cli::command();
    command.build();
    render(command.clone(), &mut text);
    for sub in command.get_subcommands().filter(|c| c.get_name() != "help") {
        let name: &'static str = Box::leak(format!("timewait {}", sub.get_name()).into_boxed_str());
        render(sub.clone().name(name), &mut text);
    }
    output::out(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Ok)
}
