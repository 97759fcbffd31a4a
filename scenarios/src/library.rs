//! The scenarios that come with the program, and the files beside them.

use crate::source::{Files, Source};

/// A scenario that comes with the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bundled {
    /// What `timewait run` takes: the name of the file without `.ron`.
    pub name: &'static str,
    /// Its path below `scenarios/library`.
    pub file: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// Embeds a scenario by directory and name.
macro_rules! bundled {
    ($directory:literal, $name:literal) => {
        Bundled {
            name: $name,
            file: concat!($directory, "/", $name, ".ron"),
            text: include_str!(concat!("../library/", $directory, "/", $name, ".ron")),
        }
    };
}

const LIBRARY: &[Bundled] = &[
    bundled!("ports-run-out", "ports-run-out"),
    bundled!("per-destination", "two-destinations"),
    bundled!("per-destination", "unaffected-destination"),
    bundled!("tuple-reuse", "reuse-with-timestamps"),
    bundled!("tuple-reuse", "reuse-with-random-isn"),
    bundled!("tuple-reuse", "reuse-with-rfc1337"),
    bundled!("tuple-reuse", "reuse-with-rfc793"),
    bundled!("conntrack-full", "conntrack-full"),
    bundled!("ports-or-conntrack", "ports-first"),
    bundled!("ports-or-conntrack", "two-destinations-neither"),
    bundled!("ports-or-conntrack", "conntrack-first"),
    bundled!("descriptors", "time-wait-holds-no-descriptor"),
    bundled!("descriptors", "close-wait-holds-descriptors"),
    bundled!("msl", "msl-by-system"),
    bundled!("fin-timeout", "fin-timeout"),
    bundled!("erlang", "poisson-470"),
    bundled!("erlang", "poisson-500"),
    bundled!("real-machine", "real-machine"),
    bundled!("incidents", "redis-loop"),
    bundled!("incidents", "websockets-held"),
    bundled!("incidents", "proxy-idle-pool"),
    bundled!("incidents", "macos-16384"),
    bundled!("incidents", "bind-before-connect"),
    bundled!("incidents", "time-wait-one-second"),
    bundled!("incidents", "node-conntrack"),
    bundled!("incidents", "both-tables"),
    bundled!("incidents", "threads-close-wait"),
    bundled!("incidents", "close-wait-leak"),
];

/// Files that scenarios name, by their path below `scenarios/library`.
const DATA: &[(&str, &str)] =
    &[("real-machine/real-machine.sysctl", include_str!("../library/real-machine/real-machine.sysctl"))];

/// Every bundled scenario, in the order in which they are best read.
pub fn library() -> &'static [Bundled] {
    LIBRARY
}

/// The bundled scenario of that name.
pub fn bundled(name: &str) -> Option<&'static Bundled> {
    library().iter().find(|b| b.name == name)
}

impl Bundled {
    /// Its text, ready to be loaded.
    pub fn source(&self) -> Source {
        Source::new(self.file, self.text)
    }

    /// The group it belongs to: its directory.
    pub fn group(&self) -> &'static str {
        self.file.split('/').next().unwrap_or_default()
    }
}

/// The files beside a bundled scenario.
impl Files for Bundled {
    fn read(&self, name: &str) -> Result<Source, String> {
        let path = format!("{}/{name}", self.group());
        match DATA.iter().find(|(file, _)| *file == path) {
            Some((file, text)) => Ok(Source::new(*file, *text)),
            None => Err(format!("cannot read `{name}`: no such file comes with the program")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(directory: &std::path::Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, found);
            } else {
                found.push(path.to_str().unwrap().split("library/").last().unwrap().to_owned());
            }
        }
    }

    #[test]
    fn every_file_of_the_library_is_embedded() {
        let mut on_disk = Vec::new();
        files(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/library")), &mut on_disk);
        let mut embedded: Vec<_> = LIBRARY.iter().map(|b| b.file).chain(DATA.iter().map(|d| d.0)).collect();
        on_disk.sort();
        embedded.sort_unstable();
        assert_eq!(on_disk, embedded);
    }

    #[test]
    fn names_are_unique() {
        for bundled in LIBRARY {
            assert_eq!(LIBRARY.iter().filter(|b| b.name == bundled.name).count(), 1, "{}", bundled.name);
        }
    }
}
