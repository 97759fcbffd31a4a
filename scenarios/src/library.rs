//! The scenarios that come with the program.

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

/// Every bundled scenario, in the order in which they are best read.
pub fn library() -> &'static [Bundled] {
    &[]
}

/// The bundled scenario of that name.
pub fn bundled(name: &str) -> Option<&'static Bundled> {
    library().iter().find(|b| b.name == name)
}

/// The files beside a bundled scenario.
impl Files for Bundled {
    fn read(&self, name: &str) -> Result<Source, String> {
        Err(format!("cannot read `{name}`: no such file comes with the program"))
    }
}
