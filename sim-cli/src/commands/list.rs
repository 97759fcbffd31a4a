//! `timewait list`.

use reports::files::{Listed, list_json};

use crate::args::ListArgs;
use crate::exit::{Exit, Failure};
use crate::{load, output};

/// Each bundled scenario: its name, its title, and below it what it teaches.
pub(crate) fn list(args: &ListArgs) -> Result<Exit, Failure> {
    let listed: Vec<Listed> = scenarios::library()
        .iter()
        .map(|&bundled| {
            let loaded = load::of_library(bundled).load().ok().map(|l| l.scenario);
            let title = loaded.as_ref().map_or("(does not load)", |s| &s.title).to_owned();
            let teaches = loaded.as_ref().map_or("", |s| &s.teaches).to_owned();
            let expectations = loaded.map_or(0, |s| s.expect.len());
            Listed { name: bundled.name.to_owned(), title, teaches, expectations }
        })
        .collect();
    if args.json {
        output::out(&list_json(&listed))?;
        return Ok(Exit::Ok);
    }
    let width = listed.iter().map(|l| l.name.len()).max().unwrap_or(0);
    let taught = |l: &Listed| match l.teaches.as_str() {
        "" => String::new(),
        teaches => format!("{:width$}    {teaches}\n", ""),
    };
    let lines: Vec<_> =
        listed.iter().map(|l| format!("{:width$}  {}\n{}", l.name, l.title, taught(l))).collect();
    output::answer(&lines.concat())?;
    Ok(Exit::Ok)
}
