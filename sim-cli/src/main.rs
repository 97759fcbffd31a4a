//! The command `timewait`.

mod args;
mod clock;
mod commands;
mod exit;
mod host;
mod interrupt;
mod judge;
mod keeper;
mod load;
mod output;
mod paint;
mod progress;
mod questions;
mod set;
mod simulate;
mod terminal;
mod usage;

use std::process::ExitCode;

use args::{Cli, Command};
use exit::{Exit, Failure};

fn main() -> ExitCode {
    let cli = usage::parse();
    cli.color.write_global();
    let exit = match dispatch(&cli) {
        Ok(exit) => exit,
        Err(Failure::ClosedPipe) => Exit::Ok,
        Err(failure) => {
            // Nobody is left to tell if this cannot be written.
            let _ = output::err(&failure.to_string());
            failure.exit()
        }
    };
    ExitCode::from(exit as u8)
}

fn dispatch(cli: &Cli) -> Result<Exit, Failure> {
    match &cli.command {
        Command::Advise(args) => commands::advise::advise(args),
        Command::Run(args) => commands::run::run(args),
        Command::Check(args) => commands::check::check(args),
        Command::Completions(args) => commands::completions::completions(args),
        Command::Init(args) => commands::init::init(args),
        Command::List(args) => commands::list::list(args),
        Command::Man => commands::completions::man(),
        Command::Show(args) => commands::show::show(args),
        Command::Compare(args) => commands::compare::compare(args),
        Command::Solve(args) => commands::solve::solve(args),
        Command::Sweep(args) => commands::sweep::sweep(args),
        Command::Trace(args) => commands::trace::trace(args),
        Command::Ss(args) => commands::moment::ss(args),
        Command::Nstat(args) => commands::moment::nstat(args),
        Command::Conntrack(args) => commands::moment::conntrack(args),
        Command::Sockstat(args) => commands::moment::sockstat(args),
    }
}
