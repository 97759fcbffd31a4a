//! Every field that the language documents changes something in a run, or it is said here why it cannot.

use scenarios::reference::tables;
use scenarios::{Extras, Patch, Source, bundled, load};
use sim_core::engine::Simulation;
use sim_core::record::Summary;

/// Small, with a router and room on both sides; timers are exact, so that what is set can be told from what is late.
const BASE: &str = r#"(
    duration: "20s", sample: "1s",
    hosts: {
        "c": (addresses: ["10.0.0.1", "10.0.0.3"], timers: exact, tcp: (time_wait: "3s")),
        "g": (timers: exact, conntrack: (first_gc: "2s")),
        "s": (addresses: ["10.0.0.2"], timers: exact, listen: [(port: 80), (port: 81)]),
    },
    links: [(path: ["c", "g"], delay: "1ms"), (path: ["g", "s"], delay: "1ms")],
    traffic: {"web": (from: "c", to: "s:80", arrivals: constant("20/s"))},
)"#;

/// Table, field, what must be set for it to matter, and the change; patches are divided by semicolons.
const CHANGES: &[(&str, &str, &str, &str)] = &[
    ("scenario", "duration", "", "duration=21s"),
    ("scenario", "seed", r#"traffic.web.arrivals=poisson("20/s")"#, "seed=2"),
    ("scenario", "sample", "", "sample=2s"),
    ("scenario", "hosts", "", r#"hosts.more=(addresses: ["10.9.9.9"])"#),
    ("scenario", "links", "", "links[0].delay=3ms"),
    ("scenario", "traffic", "", r#"traffic.more=(from: "c", to: "s:81", arrivals: at(["1s"]))"#),
    ("scenario", "events", "", r#"events=[(at: "5s", what: link_down("c", "g"))]"#),
    ("hosts", "addresses", "", r#"hosts.c.addresses=["10.0.0.7"]"#),
    ("hosts", "stack", "", "hosts.c.stack=windows"),
    ("hosts", "timers", "", r#"hosts.c.timers=wheel(phase: "0s")"#),
    ("hosts", "sysctl", "", r#"hosts.c.sysctl={"net.ipv4.tcp_timestamps": "0"}"#),
    ("hosts", "tcp", "", "hosts.c.tcp.isn=random"),
    ("hosts", "ports", "", "hosts.c.ports=(choice: random)"),
    ("hosts", "limits", "traffic.web.hold=2s", "hosts.c.limits=(open_files: 5)"),
    ("hosts", "listen", "", "hosts.s.listen=[(port: 81)]"),
    ("hosts", "drop", "", "hosts.s.drop=[(segments: fin, times: 1)]"),
    ("drop", "segments", DROPS, "hosts.s.drop[0].segments=syn"),
    ("drop", "port", DROPS, "hosts.s.drop[0].port=81"),
    ("drop", "start", DROPS, "hosts.s.drop[0].start=2s"),
    ("drop", "stop", DROPS, "hosts.s.drop[0].stop=100ms"),
    ("drop", "skip", DROPS, "hosts.s.drop[0].skip=5"),
    ("drop", "late", DROPS, "hosts.s.drop[0].late=700ms"),
    ("drop", "times", DROPS, "hosts.s.drop[0].times=3"),
    ("hosts", "conntrack", "", "hosts.g.conntrack=off"),
    ("wheel", "hz", r#"hosts.c.timers=wheel(hz: 100, phase: "0s")"#, "hosts.c.timers.hz=1000"),
    ("wheel", "phase", r#"hosts.c.timers=wheel(hz: 100, phase: "0s")"#, "hosts.c.timers.phase=777ms"),
    ("limits", "open_files", "traffic.web.hold=2s", "hosts.c.limits.open_files=5"),
    ("listen", "port", "", "hosts.s.listen[0].port=82"),
    ("listen", "backlog", "hosts.s.listen[0].accept_after=never", "hosts.s.listen[0].backlog=1"),
    ("listen", "accept_after", "", "hosts.s.listen[0].accept_after=5s"),
    ("listen", "closed", "", "hosts.s.listen[0].closed=true"),
    ("listen", "connections", "traffic.web.hold=1s", "hosts.s.listen[0].connections=3"),
    ("listen", "workers", "traffic.web.service_time=200ms", "hosts.s.listen[0].workers=1"),
    ("listen", "accept_every", "", "hosts.s.listen[0].accept_every=200ms"),
    ("links", "path", "", r#"links[1].path=["c", "s"]"#),
    ("links", "delay", "", "links[1].delay=5ms"),
    ("links", "loss", "", "links[1].loss=10%"),
    ("links", "duplicate", "", "links[1].duplicate=10%"),
    ("links", "reorder", "links[1].reorder_delay=5ms", "links[1].reorder=20%"),
    (
        "links",
        "reorder_delay",
        "links[1].reorder_delay=5ms;links[1].reorder=20%",
        "links[1].reorder_delay=9ms",
    ),
    ("traffic", "from", "", "traffic.web.from=s"),
    ("traffic", "source", "", r#"traffic.web.source=["10.0.0.3"]"#),
    ("traffic", "to", "", "traffic.web.to=s:81"),
    ("traffic", "arrivals", "", r#"traffic.web.arrivals=constant("10/s")"#),
    ("traffic", "start", "", "traffic.web.start=5s"),
    ("traffic", "stop", "", "traffic.web.stop=5s"),
    ("traffic", "request", "", "traffic.web.request=400B"),
    ("traffic", "response", "", "traffic.web.response=3kB"),
    ("traffic", "service_time", "", "traffic.web.service_time=5ms"),
    ("traffic", "ask_after", "", "traffic.web.ask_after=3ms"),
    ("traffic", "requests_per_connection", "", "traffic.web.requests_per_connection=3"),
    ("traffic", "greeting", "", "traffic.web.greeting=50B"),
    ("traffic", "response_timeout", "traffic.web.service_time=2s", "traffic.web.response_timeout=1s"),
    ("traffic", "server_idle_timeout", POOL, "traffic.web.server_idle_timeout=1s"),
    ("traffic", "think_time", "traffic.web.requests_per_connection=3", "traffic.web.think_time=10ms"),
    ("traffic", "wake_up", "", "traffic.web.wake_up=1ms"),
    ("traffic", "hold", "", "traffic.web.hold=1s"),
    ("traffic", "pool", "traffic.web.service_time=100ms", "traffic.web.pool=(size: 1)"),
    ("traffic", "close", "", "traffic.web.close=(first: server)"),
    ("traffic", "port", "", "traffic.web.port=fixed(range: (2000, 2003))"),
    ("traffic", "connect_timeout", "links[1].loss=100%", "traffic.web.connect_timeout=1s"),
    ("traffic", "keepalive", SILENT, "traffic.web.keepalive=(time: \"2s\")"),
    ("traffic", "server_keepalive", SILENT, "traffic.web.server_keepalive=(time: \"2s\")"),
    ("traffic", "user_timeout", SILENT, "traffic.web.user_timeout=3s"),
    ("traffic", "server_user_timeout", UNHEARD, "traffic.web.server_user_timeout=1s"),
    ("keepalive", "time", WATCHED_ITSELF, "traffic.web.keepalive.time=2s"),
    ("keepalive", "interval", WATCHED_ITSELF, "traffic.web.keepalive.interval=2s"),
    ("keepalive", "probes", WATCHED_ITSELF, "traffic.web.keepalive.probes=1"),
    ("sysctl", "net.ipv4.tcp_keepalive_time", WATCHED, "hosts.c.sysctl.net.ipv4.tcp_keepalive_time=2"),
    ("sysctl", "net.ipv4.tcp_keepalive_intvl", WATCHED, "hosts.c.sysctl.net.ipv4.tcp_keepalive_intvl=2"),
    ("sysctl", "net.ipv4.tcp_keepalive_probes", WATCHED, "hosts.c.sysctl.net.ipv4.tcp_keepalive_probes=1"),
    ("traffic", "on_error", REFUSED, r#"traffic.web.on_error=retry(after: "50ms", times: 3)"#),
    ("traffic", "tuples", "", "traffic.web.tuples=true"),
    ("arrivals", "constant(\"100/s\")", "", r#"traffic.web.arrivals=constant("100/s")"#),
    ("arrivals", "poisson(\"100/s\")", "", r#"traffic.web.arrivals=poisson("20/s")"#),
    ("arrivals", "phases([(\"10s\", \"100/s\")])", "", r#"traffic.web.arrivals=phases([("10s", "20/s")])"#),
    ("arrivals", "workers(50)", "", "traffic.web.arrivals=workers(2)"),
    ("arrivals", "behind(\"proxy:80\")", PROXY, r#"traffic.up.arrivals=constant("20/s")"#),
    ("arrivals", "at([\"0s\", \"1s\"])", "", r#"traffic.web.arrivals=at(["0s", "1s"])"#),
    ("pool", "size", POOL, "traffic.web.pool.size=1"),
    ("pool", "idle", POOL, "traffic.web.pool.idle=1"),
    ("pool", "lifetime", POOL, "traffic.web.pool.lifetime=1s"),
    ("pool", "streams", POOL, "traffic.web.pool.streams=2"),
    ("pool", "idle_timeout", POOL, "traffic.web.pool.idle_timeout=1s"),
    ("events", "link_down(\"client\", \"server\")", "", r#"events=[(at: "5s", what: link_down("c", "g"))]"#),
    (
        "events",
        "link_up(\"client\", \"server\")",
        r#"events=[(at: "5s", what: link_down("c", "g"))]"#,
        r#"events[1]=(at: "7s", what: link_up("g", "c"))"#,
    ),
    ("events", "stop(\"server:80\")", "", STOP),
    ("events", START, STOP, r#"events[1]=(at: "7s", what: start("s:80"))"#),
    ("events", "pause(\"server:80\")", "", r#"events=[(at: "5s", what: pause("s:80"))]"#),
    (
        "events",
        "resume(\"server:80\")",
        r#"events=[(at: "5s", what: pause("s:80"))]"#,
        r#"events[1]=(at: "7s", what: resume("s:80"))"#,
    ),
    (
        "events",
        "sysctl(\"client\", \"net.ipv4.tcp_tw_reuse\", \"1\")",
        FEW,
        r#"events=[(at: "5s", what: sysctl("c", "net.ipv4.tcp_tw_reuse", "1"))]"#,
    ),
    (
        "events",
        "syn_flood(to: \"server:80\", rate: \"10000/s\", until: \"20s\")",
        "",
        r#"events=[(at: "5s", what: syn_flood(to: "s:80", rate: "100/s", until: "6s"))]"#,
    ),
    ("close", "first", "", "traffic.web.close.first=server"),
    ("close", "first", "traffic.web.hold=1s", "traffic.web.close.first=both"),
    ("close", "how", "traffic.web.close.first=client", "traffic.web.close.how=unread"),
    ("close", "how", "", "traffic.web.close.how=reset"),
    ("close", "other", "", "traffic.web.close.other=never"),
    ("options", "range", "", "traffic.web.port=bound(range: (40000, 40099))"),
    ("options", "reuseaddr", "traffic.web.port=bound", "traffic.web.port=bound(reuseaddr: true)"),
    ("ports", "call_time", "", "hosts.c.ports=(call_time: \"1ms\")"),
    ("ports", "probe_time", "", "hosts.c.ports=(probe_time: \"1ms\")"),
    ("fixed", "range", "traffic.web.port=fixed(range: (2000, 2003))", "traffic.web.port.range=(2000, 2009)"),
    ("fixed", "reuseaddr", "traffic.web.port=fixed(range: (2000, 2003))", "traffic.web.port.reuseaddr=true"),
    ("retry", "after", RETRY, "traffic.web.on_error.after=70ms"),
    ("retry", "times", RETRY, "traffic.web.on_error.times=1"),
    ("retry", "factor", RETRY, "traffic.web.on_error.factor=2"),
    ("retry", "at_most", BACKOFF, "traffic.web.on_error.at_most=60ms"),
    ("retry", "until", RETRY, "traffic.web.on_error.until=1s"),
    ("retry", "broken", BROKEN, "traffic.web.on_error.broken=false"),
    ("retry", "jitter", RETRY, "traffic.web.on_error.jitter=50%"),
    ("sysctl", "net.ipv4.ip_local_port_range", "", "hosts.c.sysctl.net.ipv4.ip_local_port_range=2000 3000"),
    (
        "sysctl",
        "net.ipv4.ip_local_reserved_ports",
        FEW,
        "hosts.c.sysctl.net.ipv4.ip_local_reserved_ports=2000-2002",
    ),
    (
        "sysctl",
        "net.ipv4.ip_autobind_reuse",
        "traffic.web.port=bound(range: (40000, 40003), reuseaddr: true)",
        "hosts.c.sysctl.net.ipv4.ip_autobind_reuse=1",
    ),
    (
        "sysctl",
        "net.core.somaxconn",
        "hosts.s.listen[0].accept_after=never",
        "hosts.s.sysctl.net.core.somaxconn=3",
    ),
    ("sysctl", "net.ipv4.tcp_abort_on_overflow", BURST, "hosts.s.sysctl.net.ipv4.tcp_abort_on_overflow=1"),
    ("sysctl", "net.ipv4.tcp_early_retrans", LOSSY, "hosts.s.sysctl.net.ipv4.tcp_early_retrans=0"),
    (
        "sysctl",
        "net.ipv4.tcp_fin_timeout",
        "traffic.web.close.other=never",
        "hosts.c.sysctl.net.ipv4.tcp_fin_timeout=1",
    ),
    (
        "sysctl",
        "net.ipv4.tcp_invalid_ratelimit",
        "links[0].duplicate=100%;links[1].duplicate=100%",
        "hosts.c.sysctl.net.ipv4.tcp_invalid_ratelimit=0",
    ),
    (
        "sysctl",
        "net.ipv4.tcp_max_orphans",
        "links[1].delay=900ms",
        "hosts.c.sysctl.net.ipv4.tcp_max_orphans=1",
    ),
    (
        "sysctl",
        "net.ipv4.tcp_max_syn_backlog",
        "links[1].delay=900ms;hosts.s.sysctl.net.ipv4.tcp_syncookies=0",
        "hosts.s.sysctl.net.ipv4.tcp_max_syn_backlog=4",
    ),
    ("sysctl", "net.ipv4.tcp_max_tw_buckets", "", "hosts.c.sysctl.net.ipv4.tcp_max_tw_buckets=5"),
    (
        "sysctl",
        "net.ipv4.tcp_orphan_retries",
        "links[1].loss=60%",
        "hosts.c.sysctl.net.ipv4.tcp_orphan_retries=1",
    ),
    ("sysctl", "net.ipv4.tcp_retries2", "links[1].loss=60%", "hosts.c.sysctl.net.ipv4.tcp_retries2=1"),
    (
        "sysctl",
        "net.ipv4.tcp_rmem",
        "traffic.web.response=200kB",
        "hosts.c.sysctl.net.ipv4.tcp_rmem=4096 4096 8192",
    ),
    (
        "sysctl",
        "net.ipv4.tcp_wmem",
        "traffic.web.response=200kB",
        "hosts.s.sysctl.net.ipv4.tcp_wmem=4096 4096 8192",
    ),
    (
        "sysctl",
        "net.ipv4.tcp_no_metrics_save",
        "links[1].loss=20%;hosts.c.sysctl.net.ipv4.tcp_timestamps=0",
        "hosts.c.sysctl.net.ipv4.tcp_no_metrics_save=1",
    ),
    ("sysctl", "net.ipv4.tcp_rto_min_us", LOSSY, "hosts.s.sysctl.net.ipv4.tcp_rto_min_us=900000"),
    (
        "sysctl",
        "net.ipv4.tcp_rto_max_ms",
        "links[1].loss=100%",
        "hosts.c.sysctl.net.ipv4.tcp_rto_max_ms=1000",
    ),
    ("sysctl", "net.ipv4.tcp_sack", LOSSY, "hosts.c.sysctl.net.ipv4.tcp_sack=0"),
    (
        "sysctl",
        "net.ipv4.tcp_syn_linear_timeouts",
        "links[1].loss=100%",
        "hosts.c.sysctl.net.ipv4.tcp_syn_linear_timeouts=0",
    ),
    ("sysctl", "net.ipv4.tcp_syn_retries", "links[1].loss=100%", "hosts.c.sysctl.net.ipv4.tcp_syn_retries=1"),
    (
        "sysctl",
        "net.ipv4.tcp_synack_retries",
        "links[1].loss=60%",
        "hosts.s.sysctl.net.ipv4.tcp_synack_retries=1",
    ),
    ("sysctl", "net.ipv4.tcp_syncookies", "", "hosts.s.sysctl.net.ipv4.tcp_syncookies=2"),
    ("sysctl", "net.ipv4.tcp_timestamps", "", "hosts.c.sysctl.net.ipv4.tcp_timestamps=0"),
    ("sysctl", "net.ipv4.tcp_tw_reuse", FEW, "hosts.c.sysctl.net.ipv4.tcp_tw_reuse=1"),
    ("sysctl", "net.ipv4.tcp_tw_reuse_delay", REUSE, "hosts.c.sysctl.net.ipv4.tcp_tw_reuse_delay=2000"),
    ("sysctl", "net.ipv4.tcp_window_scaling", "", "hosts.c.sysctl.net.ipv4.tcp_window_scaling=0"),
    ("conntrack", "max", "", "hosts.g.conntrack.max=5"),
    ("conntrack", "buckets", "hosts.g.conntrack.tcp_timeout_time_wait=1", "hosts.g.conntrack.buckets=16"),
    (
        "conntrack",
        "tcp_timeout_syn_sent",
        "links[1].loss=100%;hosts.g.conntrack.first_gc=15s",
        "hosts.g.conntrack.tcp_timeout_syn_sent=1",
    ),
    ("conntrack", "tcp_timeout_syn_recv", "links[0].loss=60%", "hosts.g.conntrack.tcp_timeout_syn_recv=1"),
    (
        "conntrack",
        "tcp_timeout_established",
        "traffic.web.hold=30s",
        "hosts.g.conntrack.tcp_timeout_established=1",
    ),
    ("conntrack", "tcp_timeout_fin_wait", "links[1].loss=60%", "hosts.g.conntrack.tcp_timeout_fin_wait=1"),
    (
        "conntrack",
        "tcp_timeout_close_wait",
        "traffic.web.close.other=never",
        "hosts.g.conntrack.tcp_timeout_close_wait=1",
    ),
    ("conntrack", "tcp_timeout_last_ack", "links[0].loss=60%", "hosts.g.conntrack.tcp_timeout_last_ack=1"),
    ("conntrack", "tcp_timeout_time_wait", "", "hosts.g.conntrack.tcp_timeout_time_wait=1"),
    (
        "conntrack",
        "tcp_timeout_close",
        "traffic.web.close.how=reset",
        "hosts.g.conntrack.tcp_timeout_close=1",
    ),
    (
        "conntrack",
        "tcp_timeout_max_retrans",
        "links[1].loss=80%",
        "hosts.g.conntrack.tcp_timeout_max_retrans=1",
    ),
    (
        "conntrack",
        "tcp_timeout_unacknowledged",
        "links[1].loss=60%",
        "hosts.g.conntrack.tcp_timeout_unacknowledged=1",
    ),
    ("conntrack", "tcp_loose", FORGOTTEN, "hosts.g.conntrack.tcp_loose=0"),
    (
        "conntrack",
        "tcp_max_retrans",
        "links[1].loss=80%;hosts.g.conntrack.tcp_timeout_max_retrans=1;hosts.g.conntrack.first_gc=15s",
        "hosts.g.conntrack.tcp_max_retrans=1",
    ),
    (
        "conntrack",
        "neighbours",
        "hosts.g.conntrack.tcp_timeout_time_wait=1;hosts.g.conntrack.tcp_timeout_established=2;duration=300s",
        "hosts.g.conntrack.neighbours=100000",
    ),
    ("conntrack", "first_gc", "hosts.g.conntrack.tcp_timeout_time_wait=1", "hosts.g.conntrack.first_gc=7s"),
    ("tcp", "time_wait", "", "hosts.c.tcp.time_wait=1s"),
    ("tcp", "time_wait_policy", "@reuse-with-rfc793", "hosts.server.tcp=(time_wait_policy: linux)"),
    (
        "tcp",
        "tw_overflow",
        "hosts.c.sysctl.net.ipv4.tcp_max_tw_buckets=5",
        "hosts.c.tcp.tw_overflow=recycle_oldest",
    ),
    ("tcp", "isn", "", "hosts.c.tcp.isn=random"),
    ("tcp", "mss", "traffic.web.response=20kB", "hosts.c.tcp.mss=500"),
    ("tcp", "rto_initial", "links[1].loss=100%", "hosts.c.tcp.rto_initial=2s"),
    ("tcp", "refused_retries", REFUSED, "hosts.c.tcp.refused_retries=2"),
    ("tcp", "fast_syn_retry", "@reuse-with-random-isn", "hosts.client.tcp.fast_syn_retry=false"),
    ("ports", "choice", "", "hosts.c.ports=(choice: random)"),
    ("ports", "exhausted", FEW, r#"hosts.c.ports=(exhausted: "EADDRINUSE")"#),
];

const SILENT: &str = "traffic.web.requests_per_connection=2;traffic.web.think_time=3s;traffic.web.close.how=never;events=[(at: \"5s\", what: link_down(\"c\", \"g\"))]";
const WATCHED: &str = "hosts.c.sysctl={\"net.ipv4.tcp_keepalive_time\": \"1\", \"net.ipv4.tcp_keepalive_intvl\": \"1\", \"net.ipv4.tcp_keepalive_probes\": \"3\"};traffic.web.keepalive=on;traffic.web.close.how=never;events=[(at: \"5s\", what: link_down(\"c\", \"g\"))]";
const WATCHED_ITSELF: &str = "traffic.web.keepalive=(time: \"1s\", interval: \"1s\", probes: 3);traffic.web.close.how=never;events=[(at: \"5s\", what: link_down(\"c\", \"g\"))]";
const UNHEARD: &str = "traffic.web.service_time=1s;events=[(at: \"5s\", what: link_down(\"c\", \"g\"))]";
const REFUSED: &str = "hosts.s.listen[0].port=82";
const DROPS: &str = "hosts.s.drop=[(segments: ack, times: 40)]";
const BROKEN: &str = r#"traffic.web.service_time=2s;traffic.web.response_timeout=1s;traffic.web.on_error=retry(after: "50ms", times: 3)"#;
const RETRY: &str = r#"hosts.s.listen[0].port=82;traffic.web.on_error=retry(after: "50ms", times: 3)"#;
const POOL: &str = "traffic.web.pool=(size: 3);traffic.web.requests_per_connection=9;traffic.web.service_time=200ms;traffic.web.stop=5s";
const STOP: &str = r#"events=[(at: "5s", what: stop("s:80"))]"#;
const START: &str = r#"start(listener: "server:80", reuseaddr: true, again: "1s")"#;
const BACKOFF: &str =
    r#"hosts.s.listen[0].port=82;traffic.web.on_error=retry(after: "50ms", times: 3, factor: 3)"#;
const PROXY: &str =
    r#"traffic.up=(from: "s", to: "c:90", arrivals: behind("s:80"));hosts.c.listen=[(port: 90)]"#;
const FEW: &str = "hosts.c.sysctl.net.ipv4.ip_local_port_range=2000 2009";
const REUSE: &str =
    "hosts.c.sysctl.net.ipv4.ip_local_port_range=2000 2009;hosts.c.sysctl.net.ipv4.tcp_tw_reuse=1";
const BURST: &str = "hosts.s.listen[0].accept_after=never;hosts.s.listen[0].backlog=4;traffic.web.arrivals=constant(\"1000/s\");traffic.web.stop=200ms";
const LOSSY: &str = "links[1].loss=20%;traffic.web.response=60kB";
const FORGOTTEN: &str = "hosts.g.conntrack.tcp_timeout_established=1;traffic.web.requests_per_connection=5;traffic.web.think_time=4s";

/// Fields that change no run, or none that a small world could show.
const WITHOUT: &[(&str, &str, &str)] = &[
    ("scenario", "title", "it is only told"),
    ("scenario", "teaches", "it is only told"),
    ("scenario", "expect", "it is judged after the run"),
    ("hosts", "sysctl_file", "it needs a file: see `sysctls`"),
    ("arrivals", "csv(\"arrivals.csv\")", "it needs a file: see `library`"),
    (
        "sysctl",
        "net.ipv4.tcp_challenge_ack_limit",
        "needs more challenge ACKs in a second than a small world has",
    ),
    (
        "sysctl",
        "net.ipv4.tcp_rfc1337",
        "the library's `reuse-with-rfc1337` fails without it: see `library_runs`",
    ),
    ("conntrack", "tcp_be_liberal", "needs segments out of window: see `oracle_conntrack`"),
    ("conntrack", "tcp_ignore_invalid_rst", "needs a RST out of window: see `oracle_conntrack`"),
    ("tcp", "old_ack_unanswered", "needs segments that only 6.18 treats so: see `oracle_endpoint`"),
    ("tcp", "checks_right_edge", "needs segments that only 6.18 treats so: see `oracle_endpoint`"),
    ("tcp", "paws_counters", "needs segments that only 6.18 treats so: see `oracle_endpoint`"),
];

fn run(setup: &str, change: &str) -> Summary {
    let parts = setup.split(';').chain([change]).filter(|p| !p.is_empty() && !p.starts_with('@'));
    let patches: Vec<_> = parts.map(|p| Patch::parse(p).unwrap_or_else(|why| panic!("{why}"))).collect();
    let source = match setup.strip_prefix('@') {
        Some(name) => bundled(name).unwrap_or_else(|| panic!("no scenario {name}")).source(),
        None => Source::new("base.ron", BASE),
    };
    let loaded = load(&source, &Extras { patches: &patches, ..Extras::default() });
    let scenario = loaded.unwrap_or_else(|report| panic!("{setup} {change}\n{report}")).scenario;
    Simulation::new(&scenario).run()
}

#[test]
fn every_field_changes_something() {
    let same: Vec<_> = CHANGES
        .iter()
        .filter(|(_, _, setup, change)| run(setup, "") == run(setup, change))
        .map(|(table, field, ..)| format!("{table}.{field}"))
        .collect();
    assert!(same.is_empty(), "no effect: {}", same.join(", "));
}

/// A parameter under the model's own name that a sysctl sets on Linux is the same one.
fn is_known(table: &str, field: &str, cells: &[String]) -> bool {
    let same_as_sysctl = matches!(table, "tcp" | "ports") && cells.last().is_some_and(|c| c.contains("net."));
    same_as_sysctl
        || CHANGES.iter().any(|(t, f, ..)| (*t, *f) == (table, field))
        || WITHOUT.iter().any(|(t, f, _)| (*t, *f) == (table, field))
}

#[test]
fn every_documented_field_is_changed_or_excused() {
    let tables = tables();
    let rows = tables.iter().flat_map(|t| t.rows.iter().map(|row| (t.name, row)));
    let missing: Vec<_> = rows
        .clone()
        .filter(|(table, row)| !is_known(table, &row.name, &row.cells))
        .map(|(table, row)| format!("{table}.{}", row.name))
        .collect();
    assert!(missing.is_empty(), "neither changed nor excused: {}", missing.join(", "));
    let named = CHANGES.iter().map(|c| (c.0, c.1)).chain(WITHOUT.iter().map(|w| (w.0, w.1)));
    let gone: Vec<_> = named
        .filter(|(t, f)| !rows.clone().any(|(table, row)| (table, row.name.as_str()) == (*t, *f)))
        .collect();
    assert!(gone.is_empty(), "no such fields: {gone:?}");
}
