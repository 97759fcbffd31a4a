//! What cannot be computed is refused with its figures, and what can be is not.

use std::fmt::Write as _;

use scenarios::{Extras, Report, Source, load};

fn loaded(text: &str) -> Result<(), Report> {
    load(&Source::new("world.ron", text), &Extras::default()).map(|_| ())
}

/// A client with `sources` addresses and one server that listens on the ports 1 to `ports`.
fn world(times: &str, client: &str, link: &str, sources: usize, ports: usize, traffic: &str) -> String {
    let own: Vec<_> = (0..sources).map(|i| format!("\"10.1.{}.{}\"", i / 250, i % 250 + 1)).collect();
    let own = own.join(", ");
    let listen: Vec<_> = (1..=ports).map(|port| format!("(port: {port})")).collect();
    let to: Vec<_> = (1..=ports).map(|port| format!("\"server:{port}\"")).collect();
    let (listen, to) = (listen.join(", "), to.join(", "));
    format!(
        "({times}, hosts: {{\n\"client\": (addresses: [{own}]{client}),\n\
         \"server\": (addresses: [\"10.0.0.2\"], listen: [{listen}]),\n}},\n\
         links: [(path: [\"client\", \"server\"]{link})],\n\
         traffic: {{\"web\": (from: \"client\", source: [{own}], to: [{to}],\n{traffic})}})"
    )
}

/// So many hosts, each linked with the next, and one connection.
fn chain(times: &str, hosts: usize) -> String {
    let host = |i: usize| format!("\"h{i}\": (addresses: [\"10.{}.{}.1\"])", i / 250, i % 250);
    let hosts: Vec<_> = (0..hosts).map(host).collect();
    format!(
        "({times},\nhosts: {{\n{},\n}},\ntraffic: {{\"web\": (from: \"h0\", to: \"h0:80\", arrivals: at([\"0s\"]))}})",
        hosts.join(",\n")
    )
}

/// A full mesh of 260 hosts.
fn mesh() -> String {
    let text = chain("duration: \"1s\"", 260);
    let pair = |a: usize| (0..a).map(move |b| format!("(path: [\"h{a}\", \"h{b}\"])"));
    let pairs: Vec<_> = (0..260).flat_map(pair).collect();
    text.replace("\ntraffic:", &format!("\nlinks: [\n{},\n],\ntraffic:", pairs.join(",\n")))
}

/// Too much happens in them.
fn busy_worlds() -> Vec<(&'static str, String)> {
    let hour = "duration: \"1d\"";
    let files = ", limits: (open_files: 1000000000)";
    vec![
        ("workers", world(hour, "", "", 1, 1, "arrivals: workers(1000000), hold: \"1h\"")),
        (
            "refused",
            world(
                "duration: \"10s\"",
                "",
                "",
                1,
                1,
                "arrivals: workers(10000000), hold: \"1s\", on_error: retry(after: \"0s\", times: 1)",
            )
            .replace("listen: [(port: 1)]", "listen: [(port: 9)]"),
        ),
        (
            "unanswered",
            world(
                "duration: \"200s\"",
                files,
                ", loss: \"100%\"",
                1,
                1000,
                "arrivals: constant(\"200000/s\")",
            ),
        ),
        (
            "pairs",
            world(
                "duration: \"100s\", sample: \"100s\"",
                "",
                "",
                2500,
                2000,
                "arrivals: constant(\"100000/s\")",
            ),
        ),
    ]
}

/// They are too large before anything happens.
fn big_worlds() -> Vec<(&'static str, String)> {
    vec![
        (
            "buckets",
            world(
                "duration: \"1s\"",
                ", conntrack: (\nbuckets: 2147483647)",
                "",
                1,
                1,
                "arrivals: at([\"0s\"])",
            ),
        ),
        ("hosts", chain("duration: \"1s\"", 14_000)),
        ("rows", chain("duration: \"1000s\", sample: \"1ms\"", 62)),
        ("duration", chain("duration: \"18446744073709551615ns\"", 1)),
        ("links", mesh()),
        (
            "collector",
            world(
                "duration: \"73000d\"",
                ", conntrack: (buckets: 2000000)",
                "",
                1,
                1,
                "arrivals: at([\"0s\"])",
            ),
        ),
    ]
}

#[test]
fn what_cannot_be_computed_is_refused_with_its_figures() {
    let worlds = [busy_worlds(), big_worlds()].concat();
    let mut said = String::new();
    for (name, text) in worlds {
        let report = loaded(&text).expect_err(name);
        for diagnostic in report.diagnostics().iter().filter(|d| d.severity == scenarios::Severity::Error) {
            writeln!(said, "{name}: {}", diagnostic.message).unwrap();
            for help in &diagnostic.help {
                writeln!(said, "    {help}").unwrap();
            }
        }
    }
    insta::assert_snapshot!(said);
}

#[test]
fn what_is_cheap_is_accepted() {
    let quick = ", delay: \"1ns\"";
    for text in [
        world("duration: \"1d\"", "", "", 1, 1, "arrivals: workers(30000), hold: \"1h\""),
        world("duration: \"60d\"", "", "", 1, 1, "arrivals: workers(1000), stop: \"8s\""),
        world("duration: \"60s\"", "", quick, 1, 1, "arrivals: workers(5)"),
        world("duration: \"73000d\"", "", "", 1, 1, "arrivals: at([\"0s\"])"),
    ] {
        loaded(&text).unwrap_or_else(|report| panic!("{report}"));
    }
}
