//! The bundled scenarios as JSON.

use serde::Serialize;

/// A bundled scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its title.
    pub title: String,
    /// What it shows.
    pub teaches: String,
    /// How many expectations it has.
    pub expectations: usize,
}

#[derive(Serialize)]
struct Whole<'a> {
    format: &'static str,
    timewait: &'static str,
    scenarios: &'a [Listed],
}

/// The list as JSON text.
pub fn list_json(listed: &[Listed]) -> String {
    let whole = Whole { format: "timewait-list/1", timewait: env!("CARGO_PKG_VERSION"), scenarios: listed };
    let mut text = serde_json::to_string_pretty(&whole).expect("plain data always serialises");
    text.push('\n');
    text
}
