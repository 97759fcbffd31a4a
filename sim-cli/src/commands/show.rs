//! `timewait show`.

use crate::args::ShowArgs;
use crate::exit::{Exit, Failure};
use crate::{load, output};

/// Prints the scenario with every default visible.
pub(crate) fn show(args: &ShowArgs) -> Result<Exit, Failure> {
    let loaded = load::load(&args.scenario)?;
    output::out(&scenarios::show(&loaded.scenario))?;
    Ok(Exit::Ok)
}
