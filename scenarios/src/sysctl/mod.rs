//! Linux settings by their real names: from a scenario's own `sysctl:`, or from the whole output of `sysctl -a`.

mod machine;
mod table;

use sim_core::profile::Stack;

use crate::DumpNotes;
use crate::read::{Notes, nearest};
use crate::report::Diagnostic;
use crate::section::{lines, text};
use crate::source::Place;
use crate::syntax::{Key, Kind, Node, clip};

pub use machine::{Changed, MachineSettings};
pub(crate) use table::{HostSettings, SETTINGS, Setting, find};

/// Every name that a Linux 6.18 prints, with `*` for the name of an interface.
const KNOWN: &str = include_str!("known.txt");

/// What the names of conntrack's settings begin with.
pub(crate) const CONNTRACK: &str = "net.netfilter.nf_conntrack_";

/// Names of former times, or of folklore, with what to say about them.
const STALE: &[(&str, &str)] = &[
    (
        "net.ipv4.netfilter.ip_conntrack_max",
        "it is called `net.netfilter.nf_conntrack_max` since Linux 2.6.27",
    ),
    ("net.ipv4.ip_conntrack_max", "it is called `net.netfilter.nf_conntrack_max` since Linux 2.6.27"),
    ("net.ipv4.netfilter.ip_conntrack_buckets", "it is called `net.netfilter.nf_conntrack_buckets`"),
    ("net.ipv4.nf_conntrack_max", "it is called `net.netfilter.nf_conntrack_max`"),
    (
        "net.ipv4.tcp_tw_recycle",
        "it was removed in Linux 4.12, for it broke clients behind NAT; `net.ipv4.tcp_tw_reuse` is what is left",
    ),
    ("net.ipv4.tcp_tw_timeout", "stock Linux has no such setting: TIME_WAIT is 60 s, fixed in the source"),
    ("net.ipv4.tcp_timewait_len", "stock Linux has no such setting: TIME_WAIT is 60 s, fixed in the source"),
    ("net.ipv4.tcp_max_ssthresh", "it was removed in Linux 3.6"),
    ("net.ipv4.tcp_fack_enabled", "stock Linux has no such setting"),
    (
        "net.ipv4.tcp_backlog",
        "the listen queue is bounded by `net.core.somaxconn` and the argument of listen()",
    ),
    ("net.ipv4.somaxconn", "it is called `net.core.somaxconn`"),
    ("net.core.tcp_max_syn_backlog", "it is called `net.ipv4.tcp_max_syn_backlog`"),
    (
        "net.inet.tcp.msl",
        "it is FreeBSD's and macOS's: there `tcp: (time_wait: \"60s\")` says the same (2 MSL)",
    ),
    ("kern.ipc.somaxconn", "it is FreeBSD's and macOS's: there `tcp: (somaxconn: 128)` says the same"),
];

/// What a name is.
enum Name {
    Modelled(&'static table::Setting),
    Unmodelled,
    /// With what to say about it.
    Unknown(String),
}

fn classify(name: &str, stack: Stack) -> Name {
    if let Some((_, say)) = STALE.iter().find(|(stale, _)| *stale == name) {
        return Name::Unknown((*say).to_owned());
    }
    if let Some(prefixed) = name.strip_prefix("net.ipv4.netfilter.ip_conntrack_") {
        return Name::Unknown(format!(
            "it is called `net.netfilter.nf_conntrack_{prefixed}` since Linux 2.6.27"
        ));
    }
    if let Some(setting) = find(name) {
        if setting.exists_in(stack) {
            return Name::Modelled(setting);
        }
        let since = setting.since.map_or("a later Linux", Stack::name);
        return Name::Unknown(format!(
            "`{stack}` does not have it yet, of the profiles only {since} and later do"
        ));
    }
    if is_known(name) {
        return Name::Unmodelled;
    }
    match nearest_name(name) {
        Some(near) => Name::Unknown(format!("did you mean `{near}`?")),
        None => Name::Unknown("Linux 6.18 has no setting of that name".to_owned()),
    }
}

/// The likeliest name: one of the same directory, else a modelled one with a like last part.
fn nearest_name(name: &str) -> Option<&'static str> {
    let known = || SETTINGS.iter().map(|s| s.name).chain(KNOWN.lines());
    if let Some((directory, last)) = name.rsplit_once('.') {
        // The directories are alike anyhow: compared whole, every short name would be near every other.
        let beside = |k: &'static str| k.rsplit_once('.').filter(|(d, _)| *d == directory).map(|(_, l)| l);
        if let Some(near) = nearest(last, known().filter_map(beside)) {
            return known().find(|k| beside(k) == Some(near));
        }
    }
    by_last_part(name)
}

/// `tcp_tw_reuse`, or `tcp_fin_timout`, without its directory.
fn by_last_part(name: &str) -> Option<&'static str> {
    let last = name.rsplit('.').next()?;
    let ends = || SETTINGS.iter().map(|s| s.name.rsplit('.').next().unwrap_or(s.name));
    let near = nearest(last, ends())?;
    SETTINGS.iter().map(|s| s.name).find(|n| n.rsplit('.').next() == Some(near))
}

/// Whether Linux has the name, whatever the interface.
fn is_known(name: &str) -> bool {
    let matches = |pattern: &str| match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => {
            name.len() > head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail)
        }
    };
    KNOWN.lines().any(matches)
}

/// Where the values that matter for later checks were set.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SetAt {
    /// The port range, or the reserved ports.
    pub(crate) ports: Option<Place>,
    /// Any setting of conntrack in the scenario's own `sysctl:`.
    pub(crate) conntrack: Option<Place>,
    /// Any setting of keep-alive there.
    pub(crate) keepalive: Option<Place>,
}

/// Applies the scenario's own `sysctl:`.
pub(crate) fn apply_own(
    notes: &mut Notes,
    node: &Node,
    stack: Stack,
    knobs: &mut HostSettings,
    at: &mut SetAt,
) {
    let entries = notes.map(node, "a map of settings", "{\"net.ipv4.tcp_tw_reuse\": \"1\"}");
    if !stack.is_linux() {
        let message = format!("sysctls are Linux settings, and this host runs `{stack}`");
        let help =
            "use `tcp: (time_wait: \"240s\", ..)` and `ports: (range: (49152, 65535))` for other stacks";
        notes.error(Diagnostic::error(node.place, message).help(help));
        return;
    }
    for (key, value) in entries {
        apply_one(notes, key, value, stack, knobs, at);
    }
}

fn apply_one(
    notes: &mut Notes,
    key: &Key,
    value: &Node,
    stack: Stack,
    knobs: &mut HostSettings,
    at: &mut SetAt,
) {
    let name = key.text.trim().replace('/', ".");
    match classify(&name, stack) {
        Name::Modelled(setting) => {
            let text = match &value.kind {
                Kind::Text(t) | Kind::Number(t) => t.as_str(),
                _ => return notes.expected(value, "the value as `sysctl -a` prints it", "\"1\""),
            };
            if let Err(takes) = setting.set(knobs, text) {
                let message = format!("Linux would refuse {} here", crate::syntax::quoted(text));
                notes.error(Diagnostic::error(value.place, message).label("EINVAL").help(takes));
            }
            note_place(setting.name, value.place, at);
            if setting.name.starts_with("net.netfilter.") {
                at.conntrack = Some(value.place);
            }
            if setting.name.starts_with("net.ipv4.tcp_keepalive") {
                at.keepalive = Some(key.place);
            }
        }
        Name::Unmodelled => {
            let message = format!("`{}` has no effect: Linux has it, the model has not", clip(&name));
            notes.error(Diagnostic::warning(key.place, message).label("not modelled"));
        }
        Name::Unknown(say) => {
            let diagnostic = Diagnostic::error(key.place, format!("there is no sysctl `{}`", clip(&name)));
            notes.error(if say.len() > 60 { diagnostic.help(say) } else { diagnostic.label(say) });
        }
    }
}

fn note_place(name: &str, place: Place, at: &mut SetAt) {
    if name.starts_with("net.ipv4.ip_local") {
        at.ports = Some(place);
    }
}

/// Applies the output of `sysctl -a`. What the model has not is counted, not refused.
pub(crate) fn apply_dump(
    notes: &mut Notes,
    source: usize,
    host: &str,
    stack: Stack,
    knobs: &mut HostSettings,
    at: &mut SetAt,
) -> DumpNotes {
    let (file, text) =
        notes.sources.get(source).map(|s| (s.name.clone(), s.text.clone())).unwrap_or_default();
    let mut dump = DumpNotes { host: host.to_owned(), file, ..DumpNotes::default() };
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let begin = start;
        start += line.len();
        let Some((name, value)) = split_line(line) else { continue };
        match classify(&name, stack) {
            Name::Modelled(setting) => {
                let place = Place { source, start: begin, end: begin + line.trim_end().len() };
                note_place(setting.name, place, at);
                match setting.set(knobs, value) {
                    Ok(()) => dump.applied += 1,
                    Err(takes) => {
                        let message = format!("Linux would refuse this value of `{}`", setting.name);
                        notes.error(Diagnostic::error(place, message).label("EINVAL").help(takes));
                    }
                }
            }
            Name::Unmodelled => dump.unmodelled.push(name),
            // Other kernels print other names outside the part that concerns us.
            Name::Unknown(_) if !concerns_tcp(&name) => dump.unmodelled.push(name),
            Name::Unknown(say) => dump.unknown.push((name, say)),
        }
    }
    if dump.applied == 0 && dump.unmodelled.is_empty() {
        let place = Place { source, start: 0, end: 0 };
        let message = format!("`{}` holds no settings", dump.file);
        let help = "the output of `sysctl -a` is wanted: lines like `net.ipv4.tcp_tw_reuse = 2`";
        notes.error(Diagnostic::error(place, message).help(help));
    }
    dump
}

fn concerns_tcp(name: &str) -> bool {
    ["net.ipv4.tcp_", "net.ipv4.ip_", "net.netfilter.nf_conntrack", "net.ipv4.netfilter."]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// `name = value`, as `sysctl -a` prints it and sysctl.conf has it; none for comments and complaints.
fn split_line(line: &str) -> Option<(String, &str)> {
    let line = line.trim().trim_start_matches('\u{feff}');
    if line.starts_with(['#', ';']) {
        return None;
    }
    let (name, value) = line.split_once('=')?;
    let name = name.trim().trim_start_matches('-').replace('/', ".");
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-:@".contains(c);
    (name.contains('.') && name.chars().all(plain)).then_some((name, value.trim()))
}

/// The map of all settings that this stack has, those of conntrack apart; empty where there are no sysctls.
pub(crate) fn show(stack: Stack, knobs: &HostSettings) -> String {
    if !stack.is_linux() {
        return String::new();
    }
    let here = SETTINGS.iter().filter(|s| s.exists_in(stack) && !s.name.starts_with(CONNTRACK));
    lines("{", here.map(|s| format!("{}: {}", text(s.name), text(&s.get(knobs)))), "}")
}
