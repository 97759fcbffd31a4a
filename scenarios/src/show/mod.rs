//! A scenario as text again, with nothing left to defaults.

mod expect;

use core::fmt::Write as _;

use sim_core::scenario::{
    Arrivals, ClientPort, CloseHow, Host, Link, OnError, OtherSide, Scenario, Side, Traffic,
};
use sim_core::tcp::config::TimerModel;
use sim_core::time::Span;

use crate::check::stack;
use crate::sysctl::{self, Knobs, SETTINGS};
use crate::units::{show_rate, show_ratio, show_span};

/// The scenario with every default visible, as RON that loads to the same scenario.
pub fn show(scenario: &Scenario) -> String {
    let mut out = Out::default();
    out.open("(");
    out.line(&format!("title: {},", text(&scenario.title)));
    out.line(&format!("teaches: {},", text(&scenario.teaches)));
    out.line(&format!("duration: {},", time(scenario.duration)));
    out.line(&format!("seed: {},", scenario.seed));
    out.line(&format!("sample: {},", time(scenario.sample)));
    out.open("hosts: {");
    for host in &scenario.hosts {
        show_host(&mut out, host);
    }
    out.close("},");
    out.open("links: [");
    for link in &scenario.links {
        show_link(&mut out, scenario, link);
    }
    out.close("],");
    out.open("traffic: {");
    for traffic in &scenario.traffic {
        show_traffic(&mut out, scenario, traffic);
    }
    out.close("},");
    out.open("expect: [");
    for expectation in &scenario.expect {
        out.line(&format!("{},", expect::check(scenario, &expectation.check)));
    }
    out.close("],");
    out.close(")");
    out.text
}

/// Lines with their indentation.
#[derive(Default)]
struct Out {
    text: String,
    depth: usize,
}

impl Out {
    fn line(&mut self, line: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{:indent$}{line}", "", indent = self.depth * 4);
    }
    fn open(&mut self, line: &str) {
        self.line(line);
        self.depth += 1;
    }
    fn close(&mut self, line: &str) {
        self.depth = self.depth.saturating_sub(1);
        self.line(line);
    }
}

/// A text in quotes.
fn text(text: &str) -> String {
    format!("{text:?}")
}

fn time(span: Span) -> String {
    format!("\"{}\"", show_span(span))
}

/// A time, or the word for "for ever".
fn time_or(span: Span, endless: &str) -> String {
    if span == Span::MAX { endless.to_owned() } else { time(span) }
}

fn list<T: ToString>(items: &[T]) -> String {
    let items = items.iter().map(|i| format!("\"{}\"", i.to_string()));
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

fn show_host(out: &mut Out, host: &Host) {
    let knobs = Knobs {
        tcp: host.tcp.clone(),
        ports: host.ports.clone(),
        phase: host.phase,
        conntrack: host.conntrack.clone().unwrap_or_default(),
    };
    out.open(&format!("{}: (", text(&host.name)));
    out.line(&format!("addresses: {},", list(&host.addresses)));
    out.line(&format!("stack: {},", host.stack));
    out.line(&format!("timers: {},", timers(host)));
    if host.stack.is_linux() {
        out.open("sysctl: {");
        let here = |s: &&sysctl::Setting| s.exists_in(host.stack) && !s.name.starts_with("net.netfilter.");
        for setting in SETTINGS.iter().filter(here) {
            out.line(&format!("{}: {},", text(setting.name), text(&setting.get(&knobs))));
        }
        out.close("},");
    }
    for (name, table) in [("tcp", stack::TCP), ("ports", stack::PORTS)] {
        out.open(&format!("{name}: ("));
        for field in table.iter().filter(|f| f.sysctl_on(host.stack).is_none()) {
            out.line(&format!("{}: {},", field.name, (field.get)(&knobs)));
        }
        out.close("),");
    }
    out.line(&format!("limits: (open_files: {}),", host.open_files));
    out.open("listen: [");
    for l in &host.listen {
        out.line(&format!(
            "(port: {}, backlog: {}, accept_after: {}, accept_every: {}),",
            l.port,
            l.backlog,
            time_or(l.accept_after, "never"),
            time(l.accept_every)
        ));
    }
    out.close("],");
    show_conntrack(out, host, &knobs);
    out.close("),");
}

fn show_conntrack(out: &mut Out, host: &Host, knobs: &Knobs) {
    if host.conntrack.is_none() {
        return out.line("conntrack: off,");
    }
    out.open("conntrack: (");
    for setting in SETTINGS {
        if let Some(name) = setting.name.strip_prefix(sysctl::CONNTRACK) {
            out.line(&format!("{name}: {},", setting.get(knobs)));
        }
    }
    if let Some(first_gc) = knobs.conntrack.first_gc {
        out.line(&format!("first_gc: {},", time(first_gc)));
    }
    out.close("),");
}

fn timers(host: &Host) -> String {
    match (host.tcp.timers, host.phase) {
        (TimerModel::Exact, _) => "exact".to_owned(),
        (TimerModel::Wheel { hz, .. }, None) => format!("wheel(hz: {hz})"),
        (TimerModel::Wheel { hz, .. }, Some(phase)) => format!("wheel(hz: {hz}, phase: {})", time(phase)),
    }
}

fn show_link(out: &mut Out, scenario: &Scenario, link: &Link) {
    let name = |id: sim_core::ids::HostId| text(&scenario.hosts[id.index()].name);
    out.line(&format!(
        "(path: [{}, {}], delay: {}, loss: \"{}\", duplicate: \"{}\", reorder: \"{}\", reorder_delay: {}),",
        name(link.a),
        name(link.b),
        time(link.delay),
        show_ratio(link.loss),
        show_ratio(link.duplicate),
        show_ratio(link.reorder),
        time(link.reorder_delay)
    ));
}

fn show_traffic(out: &mut Out, scenario: &Scenario, t: &Traffic) {
    out.open(&format!("{}: (", text(&t.name)));
    out.line(&format!("from: {},", text(&scenario.hosts[t.from.index()].name)));
    out.line(&format!("source: {},", list(&t.source)));
    out.line(&format!("to: {},", list(&t.to)));
    out.line(&format!("arrivals: {},", arrivals(&t.arrivals)));
    out.line(&format!("start: {},", time(Span(t.start.0))));
    out.line(&format!("stop: {},", time(Span(t.stop.0))));
    out.line(&format!("request: \"{}B\",", t.request));
    out.line(&format!("response: \"{}B\",", t.response));
    out.line(&format!("service_time: {},", time(t.service_time)));
    out.line(&format!("requests_per_connection: {},", t.requests_per_connection));
    out.line(&format!("think_time: {},", time(t.think_time)));
    out.line(&format!("hold: {},", time(t.hold)));
    if let Some(pool) = t.pool {
        let idle = time_or(pool.idle_timeout, "never");
        out.line(&format!("pool: (size: {}, idle_timeout: {idle}),", pool.size));
    }
    out.line(&format!("close: {},", close(t)));
    let port = match t.port {
        ClientPort::Auto => "auto".to_owned(),
        ClientPort::Fixed { low, high, reuse } => {
            format!("fixed(range: ({low}, {high}), reuseaddr: {reuse})")
        }
    };
    out.line(&format!("port: {port},"));
    out.line(&format!("connect_timeout: {},", time_or(t.connect_timeout, "none")));
    let on_error = match t.on_error {
        OnError::GiveUp => "give_up".to_owned(),
        OnError::Retry { after, times } => format!("retry(after: {}, times: {times})", time(after)),
    };
    out.line(&format!("on_error: {on_error},"));
    out.close("),");
}

fn arrivals(arrivals: &Arrivals) -> String {
    match arrivals {
        Arrivals::Constant(rate) => format!("constant(\"{}\")", show_rate(*rate)),
        Arrivals::Poisson(rate) => format!("poisson(\"{}\")", show_rate(*rate)),
        Arrivals::Workers(n) => format!("workers({n})"),
        Arrivals::Phases(phases) => {
            let phases =
                phases.iter().map(|(len, rate)| format!("({}, \"{}\")", time(*len), show_rate(*rate)));
            format!("phases([{}])", phases.collect::<Vec<_>>().join(", "))
        }
        Arrivals::At(times) => {
            let times = times.iter().map(|t| time(Span(t.0)));
            format!("at([{}])", times.collect::<Vec<_>>().join(", "))
        }
    }
}

fn close(t: &Traffic) -> String {
    let first = match t.first {
        Side::Client => "client",
        Side::Server => "server",
    };
    let how = match t.how {
        CloseHow::Graceful => "graceful",
        CloseHow::HalfClose => "half_close",
        CloseHow::Reset => "reset",
        CloseHow::Never => "never",
    };
    let other = match t.other {
        OtherSide::CloseAfter(span) => format!("close_after({})", time(span)),
        OtherSide::Never => "never".to_owned(),
    };
    format!("(first: {first}, how: {how}, other: {other})")
}
