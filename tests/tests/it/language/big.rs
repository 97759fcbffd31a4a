//! Big worlds in few lines: parameters, defaults, ranges, replicas.

use scenarios::{Extras, Patch, Source, load, show};
use sim_core::scenario::Scenario;

const BASE: &str = r#"(
    params: {"rate": "10/s", "pods": 3},
    defaults: (hosts: (timers: exact), traffic: (response: "5kB")),
    duration: "20s", sample: "1s",
    hosts: {
        "pod": (replicas: "$pods", addresses: ["10.1.0.1-10.1.0.2"], listen: [(port: "8080-8082")]),
        "node": (addresses: ["10.0.0.1"], timers: wheel),
        "out": (addresses: ["10.2.0.1-10.2.0.9"], listen: [(port: 80)]),
    },
    links: [(path: ["pod", "node"]), (path: ["node", "out"], delay: "1ms")],
    traffic: {
        "work": (from: "pod", to: "10.2.0.1-10.2.0.9:80", arrivals: constant("$rate")),
        "probe": (from: "node", to: ["pod:8080-8081", "out:80"], arrivals: constant("1/s"), response: "1B"),
    },
)"#;

fn loaded(text: &str, patches: &[&str]) -> Result<Scenario, String> {
    let patches: Vec<_> = patches.iter().map(|p| Patch::parse(p).expect("a patch")).collect();
    let loaded = load(&Source::new("big", text), &Extras { patches: &patches, ..Extras::default() });
    loaded.map(|loaded| loaded.scenario).map_err(|report| report.to_string())
}

#[test]
fn few_lines_are_written_out() {
    let s = loaded(BASE, &[]).unwrap_or_else(|why| panic!("{why}"));
    let names: Vec<_> = s.hosts.iter().map(|h| h.name.as_str()).collect();
    assert_eq!(names, ["pod-1", "pod-2", "pod-3", "node", "out"]);
    let last: Vec<_> = s.hosts[2].addresses.iter().map(ToString::to_string).collect();
    assert_eq!(last, ["10.1.0.5", "10.1.0.6"]);
    assert_eq!(s.hosts[0].listen.iter().map(|l| l.port).collect::<Vec<_>>(), [8080, 8081, 8082]);
    assert_eq!((s.links.len(), s.traffic.len()), (4, 4));
    let work = &s.traffic[2];
    assert_eq!((work.name.as_str(), work.to.len(), work.response), ("work-3", 9, 5_000));
    let probe = &s.traffic[3];
    assert_eq!((probe.to.len(), probe.response), (7, 1));
    // The node has its own timers, the others those of the defaults.
    assert_ne!(s.hosts[3].tcp.timers, s.hosts[0].tcp.timers);
    // What is shown is written out, and loads to the same.
    assert_eq!(loaded(&show(&s), &[]), Ok(s));
}

#[test]
fn parameters_are_changed_from_outside() {
    let s = loaded(BASE, &["params.pods=5", "params.rate=7/s"]).unwrap_or_else(|why| panic!("{why}"));
    assert_eq!((s.hosts.len(), s.traffic.len()), (7, 6));
    assert!(show(&s).contains("constant(\"7/s\")"));
}

#[test]
fn a_path_goes_through_replicas_and_on() {
    let through = r#"links=[(path: ["pod", "node", "out"])]"#;
    let s = loaded(BASE, &[through]).unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(s.links.len(), 4);
    assert_eq!(loaded(&show(&s), &[]).map(|shown| shown.links), Ok(s.links));
    // What another path says, or the same one twice, is too much.
    let twice = |links: &str| loaded(BASE, &[links]).expect_err("it is wrong").contains("linked twice");
    assert!(twice(r#"links=[(path: ["pod", "node", "out"]), (path: ["node", "out"])]"#));
    assert!(twice(r#"links=[(path: ["node", "out", "node", "pod"])]"#));
}

#[test]
fn what_is_wrong_with_them_is_told() {
    let told = |patch| loaded(BASE, &[patch]).expect_err("it is wrong");
    assert!(told("traffic.work.arrivals=constant(\"$rte\")").contains("did you mean \"$rate\"?"));
    assert!(told("hosts.pod.replicas=0").contains("a whole number from 1"));
    assert!(told("hosts.pod.replicas=99999").contains("a whole number from 1"));
    assert!(told("hosts.out.addresses=[\"10.2.0.9-10.2.0.1\"]").contains("a range goes upward"));
    assert!(told("traffic.work.to=\"10.0.0.0-10.9.0.0:80\"").contains("a range goes upward"));
    assert!(told("defaults=(host: (timers: exact))").contains("did you mean `hosts`?"));
}

/// A thousand hosts around a switch, and ten thousand addresses behind it.
const LARGE: &str = r#"(
    defaults: (hosts: (timers: exact)),
    duration: "2s", sample: "1s",
    hosts: {
        "pod": (replicas: 1000, addresses: ["10.1.0.1"]),
        "switch": (),
        "out": (addresses: ["10.64.0.1-10.64.39.16"], listen: [(port: 80)]),
    },
    links: [(path: ["pod", "switch"]), (path: ["switch", "out"], delay: "1ms")],
    traffic: {
        "work": (from: "pod", to: "out:80", arrivals: constant("5/s")),
        "all": (from: "pod-1", to: "10.64.0.1-10.64.39.16:80", arrivals: constant("10000/s")),
    },
)"#;

#[test]
fn a_thousand_hosts_and_ten_thousand_addresses_run() {
    let s = loaded(LARGE, &[]).unwrap_or_else(|why| panic!("{why}"));
    assert_eq!((s.hosts.len(), s.hosts[1001].addresses.len(), s.traffic.len()), (1_002, 10_000, 1_001));
    let summary = sim_core::engine::Simulation::new(&s).run();
    let answered: u64 = summary.traffic.iter().map(|t| t.answered.count).sum();
    assert!((29_900..=30_000).contains(&answered), "{answered}");
}

#[test]
fn what_is_too_large_to_be_written_out_is_named_with_its_figures() {
    let all = LARGE.replace("to: \"out:80\"", "to: \"10.64.0.1-10.64.39.16:80\"");
    let why = loaded(&all, &[]).unwrap_err();
    for part in ["more than 400,000 entries: this alone is 10,000,000", "12 |", "\"work\"", "fewer replicas"]
    {
        assert!(why.contains(part), "{part}: {why}");
    }
}

/// What a thousand replicas come to is read by people: they stand together, each thing that hurt and each limit once.
#[test]
fn the_answer_of_a_thousand_hosts_fits_on_a_screen() {
    let few_files =
        LARGE.replace("addresses: [\"10.1.0.1\"]", "addresses: [\"10.1.0.1\"], limits: (open_files: 4)");
    let all_hold =
        few_files.replace("arrivals: constant(\"5/s\")", "arrivals: constant(\"5/s\"), hold: \"10s\"");
    let all_hold = all_hold.replace("constant(\"10000/s\")", "at([\"1.9s\"])");
    let s = loaded(&all_hold, &[]).unwrap_or_else(|why| panic!("{why}"));
    let summary = sim_core::engine::Simulation::new(&s).run();
    let run = reports::Run::new(&s, &summary);
    let answer = reports::answer::answer(run);
    let lines: Vec<&str> = answer.lines().collect();
    assert!(lines.len() < 70 && lines.iter().all(|line| line.len() < 140), "{answer}");
    let failed: u64 = summary.traffic[..1_000].iter().map(|t| t.failed.count).sum();
    assert_eq!(failed, 6_000, "six of ten find no descriptor");
    for part in [
        "work-* (1,000): 6,000 of 10,000 requests (60%) failed: EMFILE at socket()",
        "open files of pod-1 and of 999 like it: 4,000 of 4,000 in use",
        "work-* (1,000): socket() EMFILE x 6,000",
        "pod-* (1,000)",
    ] {
        assert!(answer.contains(part), "{part}: {answer}");
    }
}
