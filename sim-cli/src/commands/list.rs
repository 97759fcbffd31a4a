//! `timewait list`.

use scenarios::Bundled;

use crate::exit::{Exit, Failure};
use crate::{load, output};

/// One line for each bundled scenario: its name and its title.
pub(crate) fn list() -> Result<Exit, Failure> {
    let library = scenarios::library();
    let width = library.iter().map(|b| b.name.len()).max().unwrap_or(0);
    let line = |&bundled: &Bundled| {
        let loaded = load::of_library(bundled).load();
        let title = loaded.map_or_else(|_| "(does not load)".to_owned(), |l| l.scenario.title);
        format!("{:width$}  {title}\n", bundled.name)
    };
    let text: String = library.iter().map(line).collect();
    output::out(&text)?;
    Ok(Exit::Ok)
}
