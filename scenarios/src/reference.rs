//! The language as tables. `LANGUAGE.md` holds them, and a test holds it to them.

use sim_core::conntrack::ConntrackConfig;
use sim_core::profile::Stack;
use sim_core::scenario::PortOptions;
use sim_core::tcp::KeepTimes;

use crate::check::{
    self, arrivals, conntrack, events, host, link, listen, pool, rules, silence, stack, traffic,
};
use crate::section::{Absent, Field};
use crate::source::Place;
use crate::sysctl::{CONNTRACK, HostSettings, SETTINGS};

/// One table of the reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name, as in the mark before it in `LANGUAGE.md`.
    pub name: &'static str,
    /// Headings of the columns; the first is that of the names.
    pub columns: &'static [&'static str],
    /// One for each field, setting or kind.
    pub rows: Vec<Row>,
}

/// One line of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The field's name, or how it is written.
    pub name: String,
    /// What stands in the other columns.
    pub cells: Vec<String>,
}

const FIELDS: &[&str] = &["field", "takes", "default", "meaning"];
const SYSCTLS: &[&str] = &["setting", "takes", "default", "meaning"];
const PARAMETERS: &[&str] = &["field", "takes", "default", "meaning", "on Linux"];
const EVENTS: &[&str] = &["event", "meaning"];
const KINDS: &[&str] = &["arrivals", "meaning"];

/// Every table, in the order of the reference.
pub fn tables() -> Vec<Table> {
    let scenario = check::blank();
    let host = host::HostRead::blank("", Place::default());
    let source = traffic::blank("", sim_core::time::Span::ZERO);
    let mut hosts = fields(host::FIRST, &host);
    hosts.extend(fields(host::THEN, &host));
    let mut general = fields(check::GENERAL, &scenario);
    general.extend(fields(check::PARTS, &scenario));
    let mut tracking = sysctls(|name| name.strip_prefix(CONNTRACK));
    tracking.extend(fields(conntrack::OTHERS, &knobs()));
    let table = |name, columns, rows| Table { name, columns, rows };
    vec![
        table("scenario", FIELDS, general),
        table("hosts", FIELDS, hosts),
        table("wheel", FIELDS, fields(host::WHEEL, &host::Wheel::BLANK)),
        table("limits", FIELDS, fields(host::LIMITS, &host.host)),
        table("sysctl", SYSCTLS, sysctls(|name| (!name.starts_with(CONNTRACK)).then_some(name))),
        table("tcp", PARAMETERS, parameters(stack::TCP)),
        table("ports", PARAMETERS, parameters(stack::PORTS)),
        table("listen", FIELDS, fields(listen::LISTEN, &listen::BLANK)),
        table("drop", FIELDS, fields(rules::DROP, &rules::BLANK)),
        table("conntrack", FIELDS, tracking),
        table("links", FIELDS, fields(link::LINK, &link::Path::blank())),
        table("traffic", FIELDS, fields(traffic::TRAFFIC, &source)),
        table("arrivals", KINDS, kinds()),
        table("pool", FIELDS, fields(pool::POOL, &pool::NO_POOL)),
        table("keepalive", FIELDS, fields(silence::KEEPALIVE, &KeepTimes::default())),
        table("events", EVENTS, events()),
        table("close", FIELDS, fields(traffic::CLOSE, &source)),
        table("options", FIELDS, fields(traffic::OPTIONS, &PortOptions::default())),
        table("fixed", FIELDS, fields(traffic::FIXED, &traffic::Fixed::BLANK)),
        table("retry", FIELDS, fields(traffic::RETRY, &traffic::NO_RETRY)),
    ]
}

/// A text with each table rewritten that follows a mark `<!-- table: NAME -->`.
///
/// # Errors
/// A table without a mark, or a mark without a table.
pub fn rewrite(text: &str) -> Result<String, String> {
    let tables = tables();
    let mut found = Vec::new();
    let mut lines = text.lines().peekable();
    let mut out = String::new();
    while let Some(line) = lines.next() {
        out.push_str(line);
        out.push('\n');
        let Some(name) = line.strip_prefix("<!-- table: ").and_then(|rest| rest.strip_suffix(" -->")) else {
            continue;
        };
        let table = tables.iter().find(|t| t.name == name).ok_or(format!("there is no table `{name}`"))?;
        found.push(name);
        while lines.next_if(|line| line.starts_with('|')).is_some() {}
        out.push_str(&table.to_string());
    }
    match tables.iter().find(|table| !found.contains(&table.name)) {
        Some(missing) => Err(format!("the text has no mark `<!-- table: {} -->`", missing.name)),
        None => Ok(out),
    }
}

/// As Markdown.
impl core::fmt::Display for Table {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        writeln!(f, "| {} |", self.columns.join(" | "))?;
        writeln!(f, "|{}", " --- |".repeat(self.columns.len()))?;
        for row in &self.rows {
            writeln!(f, "| `{}` | {} |", row.name, row.cells.join(" | "))?;
        }
        Ok(())
    }
}

fn code(text: &str) -> String {
    if text.is_empty() { "`\"\"`".to_owned() } else { format!("`{text}`") }
}

fn knobs() -> HostSettings {
    let defaults = Stack::Linux6_18.defaults();
    HostSettings {
        tcp: defaults.tcp,
        ports: defaults.ports,
        phase: None,
        conntrack: ConntrackConfig::default(),
    }
}

fn fields<T>(table: &[Field<T>], blank: &T) -> Vec<Row> {
    let scenario = check::blank();
    let row = |field: &Field<T>| {
        let default = match field.absent {
            Absent::Blank => code(&(field.get)(blank, &scenario)),
            Absent::Words(words) => words.to_owned(),
            Absent::Wrong(_) => "must be given".to_owned(),
        };
        Row {
            name: field.name.to_owned(),
            cells: vec![field.takes.to_owned(), default, field.doc.to_owned()],
        }
    };
    table.iter().map(row).collect()
}

fn sysctls(shorten: fn(&'static str) -> Option<&'static str>) -> Vec<Row> {
    let knobs = knobs();
    let row = |setting: &crate::sysctl::Setting| {
        let name = shorten(setting.name)?;
        let since = match setting.since {
            Some(Stack::Linux6_18) => " (from 6.18 on)",
            Some(_) => " (from 6.12 on)",
            None => "",
        };
        let cells = vec![setting.takes(), code(&setting.get(&knobs)), format!("{}{since}", setting.doc)];
        Some(Row { name: name.to_owned(), cells })
    };
    SETTINGS.iter().filter_map(row).collect()
}

fn parameters(table: &[stack::Parameter]) -> Vec<Row> {
    let (knobs, scenario) = (knobs(), check::blank());
    let row = |parameter: &stack::Parameter| {
        let field = &parameter.field;
        let on_linux = match parameter.sysctl.map(|name| (name, crate::sysctl::find(name))) {
            None => "here".to_owned(),
            Some((name, Some(setting))) if setting.since.is_some() => {
                format!("here, or {}", code(name))
            }
            Some((name, _)) => code(name),
        };
        let default = code(&(field.get)(&knobs, &scenario));
        let cells = vec![field.takes.to_owned(), default, field.doc.to_owned(), on_linux];
        Row { name: field.name.to_owned(), cells }
    };
    table.iter().map(row).collect()
}

fn events() -> Vec<Row> {
    let row =
        |kind: &events::EventKind| Row { name: kind.example.to_owned(), cells: vec![kind.doc.to_owned()] };
    events::KINDS.iter().map(row).collect()
}

fn kinds() -> Vec<Row> {
    let row = |kind: &arrivals::ArrivalKind| Row {
        name: kind.example.to_owned(),
        cells: vec![kind.doc.to_owned()],
    };
    arrivals::KINDS.iter().map(row).collect()
}
