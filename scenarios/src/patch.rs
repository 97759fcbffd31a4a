//! A change to a scenario: a path and a value. `--set`, the axes of a sweep and advice are all made of these.

use core::fmt;

/// A change: the value at a path is replaced, or put there if nothing was.
///
/// ```
/// use scenarios::Patch;
/// let patch = Patch::parse("traffic.web.arrivals=poisson(\"470/s\")").unwrap();
/// assert_eq!(patch, Patch::new("traffic.web.arrivals", "poisson(\"470/s\")"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// Where: `duration`, `links[0].loss`, `hosts.client.sysctl."net.ipv4.tcp_tw_reuse"`.
    pub path: String,
    /// What: RON, or a bare quantity (`30s`).
    pub value: String,
}

impl Patch {
    /// The change of `path` to `value`.
    pub fn new(path: impl Into<String>, value: impl Into<String>) -> Patch {
        Patch { path: path.into(), value: value.into() }
    }

    /// Reads `PATH=VALUE` as given to `--set`.
    pub fn parse(text: &str) -> Result<Patch, String> {
        match text.split_once('=') {
            Some((path, value)) if !path.trim().is_empty() => Ok(Patch::new(path.trim(), value.trim())),
            _ => Err(format!("`{text}` is not PATH=VALUE, as in `duration=30s` or `links[0].loss=1%`")),
        }
    }
}

/// As it is given to `--set`.
impl fmt::Display for Patch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.path, self.value)
    }
}
