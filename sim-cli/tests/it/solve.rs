//! `timewait solve` through the binary.

use std::fs;

use crate::place::{Place, names, timewait};

/// Twenty ports, and runs that last long enough for them to come back.
fn twenty_ports(place: &Place, arrivals: &str) -> String {
    let text = r#"(
    title: "Twenty ports",
    duration: "300s",
    hosts: {
        "client": (
            addresses: ["10.0.0.1"],
            timers: exact,
            sysctl: {"net.ipv4.ip_local_port_range": "40000 40019", "net.ipv4.tcp_tw_reuse": "0"},
        ),
        "server": (addresses: ["10.0.0.2"], listen: [(port: 80)]),
    },
    links: [(path: ["client", "server"], delay: "1ms")],
    traffic: { "web": (from: "client", to: "server:80", arrivals: ARRIVALS) },
)"#;
    place.write("twenty.ron", &text.replace("ARRIVALS", arrivals))
}

const RATE: &str = "traffic.web.rate=0.100/s..1.000/s";
const NEVER: &str = r#"never("web.failed")"#;

#[test]
fn help_is_an_interface() {
    insta::assert_snapshot!(timewait(&["solve", "--help"]).out);
}

#[test]
fn the_largest_rate_agrees_with_arithmetic_and_with_single_runs() {
    let place = Place::new();
    let file = twenty_ports(&place, r#"constant("1/s")"#);
    let solved = timewait(&["solve", &file, "--vary", RATE, "--until", NEVER]);
    assert_eq!((solved.code, solved.err.as_str()), (0, ""));
    insta::assert_snapshot!(solved.out.replace(&place.name(""), ""));
    for (rate, held) in [("0.333/s", "Expectations: 1 of 1 hold"), ("0.334/s", "Expectations: 0 of 1 hold")] {
        let set = format!(r#"traffic.web.arrivals=constant("{rate}")"#);
        let ran = timewait(&["run", &file, "--set", &set, "--set", &format!("expect=[{NEVER}]")]);
        assert!(ran.out.contains(held), "{rate}: {}", ran.out);
    }
    assert_eq!(names(&place.path("")), ["twenty.ron"]);
}

#[test]
fn the_fewest_ports_are_found_too() {
    let place = Place::new();
    let file = twenty_ports(&place, r#"constant("1/s")"#);
    let vary = "hosts.client.sysctl.net.ipv4.ip_local_port_range=40000 {40009..40999}";
    let solved = timewait(&["solve", &file, "--vary", vary, "--until", NEVER]);
    let line = solved.out.lines().nth(2).unwrap();
    // One a second, each held for a minute and some milliseconds, need 61 ports; of an odd number Linux leaves out the last.
    assert!(line.ends_with("40000 40061 is the smallest at which all hold; 40000 40060 fails."), "{line}");
    let said = "1/s held for 60 s need 60 tuples: there are 62 where all hold, and 60 beyond it.";
    assert!(solved.out.contains(said), "{}", solved.out);
}

#[test]
fn several_seeds_give_an_interval_and_the_same_bytes_at_any_number_of_jobs() {
    let place = Place::new();
    let file = twenty_ports(&place, r#"poisson("1/s")"#);
    let until = r#"share("failed", at_most("10%"), over("60s", "300s"))"#;
    let solve = |jobs| {
        timewait(&["solve", &file, "--vary", RATE, "--until", until, "--seeds", "1..6", "--jobs", jobs])
    };
    let one = solve("1");
    assert_eq!(one.code, 0, "{}", one.err);
    assert_eq!(one.out, solve("4").out);
    insta::assert_snapshot!(one.out.replace(&place.name(""), ""));
}

#[test]
fn ports_of_linux_last_for_470_a_second_and_with_the_timer_wheel_for_fewer() {
    let of = |timers: &str| {
        let vary = "traffic.web.rate=400/s..600/s";
        let set = format!("hosts.client.timers={timers}");
        let ran = timewait(&["solve", "ports-run-out", "--set", &set, "--vary", vary, "--until", NEVER]);
        let line = ran.out.lines().nth(2).unwrap_or_default().to_owned();
        let rate =
            line.strip_prefix("traffic.web.rate: ").and_then(|l| l.split('/').next()).map(str::to_owned);
        rate.unwrap_or_else(|| panic!("{}{}", ran.out, ran.err)).parse::<u32>().unwrap()
    };
    assert_eq!(of("exact"), 470);
    assert!((454..=458).contains(&of("wheel")));
}

/// The largest load of Poisson arrivals that loses at most so much, by Erlang's formula.
fn erlang(servers: u32, share: f64) -> f64 {
    let loss = |load: f64| (1..=servers).fold(1.0, |b, k| load * b / (f64::from(k) + load * b));
    let (mut low, mut high) = (0.0, 4.0 * f64::from(servers));
    for _ in 0..60 {
        let load = f64::midpoint(low, high);
        if loss(load) <= share { low = load } else { high = load }
    }
    low
}

#[test]
fn with_random_arrivals_the_edge_agrees_with_erlang_inside_its_interval() {
    let place = Place::new();
    let file = twenty_ports(&place, r#"poisson("1/s")"#);
    let until = r#"share("failed", at_most("1%"), over("600s", "12000s"))"#;
    let ports = r#"hosts.client.sysctl."net.ipv4.ip_local_port_range"="40000 40199""#;
    let args = ["solve", &file, "--set", "duration=12000s", "--set", "sample=60s", "--set", ports];
    let vary = ["--vary", "traffic.web.rate=2.50/s..3.50/s", "--until", until, "--seeds", "1..5"];
    let solved = timewait(&[&args[..], &vary].concat());
    let line = solved
        .out
        .lines()
        .find(|l| l.starts_with("The mean of the seeds"))
        .unwrap_or_else(|| panic!("{}", solved.out));
    let numbers: Vec<f64> = line.split([' ', '/']).filter_map(|word| word.parse().ok()).collect();
    // A connection lives for 3 ms and keeps its port for 60 s more.
    let expected = erlang(200, 0.01) / 60.003;
    assert!((numbers[0] - expected).abs() <= numbers[1] + 0.01, "{expected} by the formula, but {line}");
    assert!(solved.out.contains("By Erlang's formula 2.99"), "{}", solved.out);
}

#[test]
fn no_edge_and_a_wrong_question_are_said() {
    let place = Place::new();
    let file = twenty_ports(&place, r#"constant("1/s")"#);
    let low = timewait(&["solve", &file, "--vary", "traffic.web.rate=0.1/s..0.2/s", "--until", NEVER]);
    assert!(low.out.contains("all hold from 0.1/s to 0.2/s; widen the range"), "{}", low.out);
    let high = timewait(&["solve", &file, "--vary", "traffic.web.rate=5/s..9/s", "--until", NEVER]);
    assert!(high.out.contains("nowhere from 5/s to 9/s do all hold"), "{}", high.out);
    assert_eq!((low.code, high.code), (0, 0));
    for (args, said) in [
        (&["--vary", RATE][..], "the scenario expects nothing"),
        (&["--vary", "traffic.web.rate=5/s", "--until", NEVER], "is not LOW..HIGH"),
        (&["--vary", RATE, "--until", "never(\"web.faild\")"], "did you mean \"failed\"?"),
        (&["--vary", RATE, "--until", NEVER, "--seeds", "until 2%"], "solve takes seeds as"),
        (&["--vary", "seed=1..9", "--until", NEVER, "--seeds", "1..x"], "is not a choice of seeds"),
    ] {
        let ran = timewait(&[&["solve", &file], args].concat());
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{args:?}");
        assert!(ran.err.contains(said), "{args:?}: {}", ran.err);
    }
    assert!(fs::exists(&file).unwrap());
}

#[test]
fn what_is_asked_can_be_a_mean_over_seeds() {
    let small = [
        "solve",
        "poisson-470",
        "--set",
        "duration=60s",
        "--set",
        r#"hosts.client.sysctl.net.ipv4.ip_local_port_range="40000 40099""#,
        "--vary",
        "traffic.web.rate=1/s..3/s",
        "--until",
    ];
    let one = timewait(&[&small[..], &["share(\"failed\", at_most(\"1%\"))"]].concat());
    let mean = timewait(&[&small[..], &["mean(20, share(\"failed\", at_most(\"1%\")))"]].concat());
    assert_eq!((one.code, mean.code), (0, 0), "{}", mean.err);
    assert!(one.out.contains("1/s is the largest at which all hold; 2/s fails"), "{}", one.out);
    assert!(mean.out.contains("1/s is the largest at which all hold; 2/s fails"), "{}", mean.out);
    assert!(
        mean.out.contains("mean over 20 seeds of share failed: at most 1%, got 14.3% ± 3.29%"),
        "{}",
        mean.out
    );
}
