//! `timewait show`.

use crate::args::ShowArgs;
use crate::exit::{Exit, Failure};
use crate::{load, output};

/// Prints the scenario with every default visible.
pub(crate) fn show(args: &ShowArgs) -> Result<Exit, Failure> {
    if args.source {
        output::out(&load::find(&args.scenario.scenario)?.source.text)?;
        return Ok(Exit::Ok);
    }
    let loaded = load::load(&args.scenario)?;
    output::out(&scenarios::show(&loaded.scenario))?;
    Ok(Exit::Ok)
}
