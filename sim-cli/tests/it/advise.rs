//! `timewait advise` through the binary: five cases, each with what experts do first.

use crate::place::{Place, timewait};

/// A client, a server and what is said of them.
fn scenario(place: &Place, name: &str, client: &str, server: &str, more: &str, traffic: &str) -> String {
    let text = format!(
        r#"(
    title: "{name}",
    duration: "130s",
    hosts: {{
        "client": (addresses: ["10.0.0.1"], timers: exact, {client}),
        {more}
        "server": (addresses: ["10.0.1.2"], timers: exact, {server}),
    }},
    links: [(path: ["client", {} "server"], delay: "1ms")],
    traffic: {{ {traffic} }},
)"#,
        if more.is_empty() { "" } else { "\"router\"," }
    );
    place.write(&format!("{name}.ron"), &text)
}

const PORTS: &str = r#"sysctl: {"net.ipv4.ip_local_port_range": "40000 40199"}"#;
const LISTEN: &str = "listen: [(port: 80)]";

fn five(place: &Place) -> [String; 5] {
    let web = |rest: &str| format!(r#""web": (from: "client", to: "server:80", {rest})"#);
    [
        scenario(place, "ports", PORTS, LISTEN, "", &web(r#"arrivals: constant("10/s")"#)),
        scenario(
            place,
            "conntrack",
            "",
            LISTEN,
            r#""router": (timers: exact, conntrack: (max: 1000, buckets: 1024)),"#,
            &web(r#"arrivals: constant("20/s"), connect_timeout: "5s""#),
        ),
        scenario(
            place,
            "time-wait-on-the-server",
            r#"tcp: (isn: random),
               sysctl: {"net.ipv4.ip_local_port_range": "40000 40199", "net.ipv4.tcp_timestamps": "0"}"#,
            r#"listen: [(port: 80)], sysctl: {"net.ipv4.tcp_rfc1337": "1"}"#,
            "",
            &web(r#"arrivals: constant("10/s"), close: (first: server), connect_timeout: "5s""#),
        ),
        scenario(
            place,
            "small-pool",
            r#"sysctl: {"net.ipv4.ip_local_port_range": "40000 40999"}"#,
            LISTEN,
            "",
            // Of twenty connections that come back at once the pool keeps two.
            &web(
                r#"arrivals: workers(20), pool: (size: 20, idle: 2), service_time: "100ms", think_time: "200ms""#,
            ),
        ),
        scenario(
            place,
            "slow-accept",
            "",
            r#"listen: [(port: 80, backlog: 20, accept_every: "100ms")]"#,
            "",
            &web(r#"arrivals: constant("20/s"), connect_timeout: "5s""#),
        ),
    ]
}

#[test]
fn help_is_an_interface() {
    insta::assert_snapshot!(timewait(&["advise", "--help"]).out);
}

/// The names below a heading of the answer.
fn below<'a>(answer: &'a str, heading: &str) -> Vec<&'a str> {
    let lines = answer.lines().skip_while(|l| !l.starts_with(heading)).skip(1).take_while(|l| !l.is_empty());
    lines.filter(|l| !l.starts_with("      ")).map(|l| l.trim().split(": ").next().unwrap_or(l)).collect()
}

#[test]
fn what_experts_do_first_stands_above_and_folklore_is_named() {
    let place = Place::new();
    let answer = |file: String| {
        let ran = timewait(&["advise", &file, "--events", "1"]);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{file}");
        let name = file.rsplit('/').next().unwrap().trim_end_matches(".ron");
        insta::assert_snapshot!(format!("advice-{name}"), ran.out.replace(&place.name(""), ""));
        ran.out
    };
    let [ports, conntrack, server, pool, accept] = five(&place).map(answer);
    let helps = |answer: &str| below(answer, "What helps").into_iter().map(str::to_owned).collect::<Vec<_>>();
    let found = helps(&ports);
    assert!(found[..2].iter().any(|n| n.starts_with("keep connections")), "{found:?}");
    for name in ["tcp_tw_reuse=1 on the client", "widen the port range", "three more source addresses"] {
        assert!(found.iter().any(|n| n == name), "{name}: {found:?}");
    }
    assert!(ports.contains(" + three more source addresses: "), "{ports}");
    for name in ["tcp_fin_timeout=15", "more open files", "tcp_tw_reuse=1 on the server"] {
        assert!(below(&ports, "Inert").contains(&name), "{name}");
    }
    assert!(below(&ports, "Hazardous").contains(&"SO_LINGER 0"), "{ports}");
    assert!(below(&ports, "Does not apply").contains(&"tcp_tw_recycle=1 on the server"), "{ports}");
    let found = helps(&conntrack);
    for name in
        ["a larger conntrack table", "conntrack forgets TIME_WAIT after 30 s", "no tracking (NOTRACK)"]
    {
        assert!(found.iter().any(|n| n == name), "{name}: {found:?}");
    }
    assert!(helps(&server).iter().any(|n| n == "timestamps on both ends"), "{server}");
    assert_eq!(helps(&pool)[0], "a pool that keeps 500", "{pool}");
    assert!(helps(&accept).iter().any(|n| n == "accept without delay"), "{accept}");
}

#[test]
fn a_house_has_its_own_catalogue_and_json_agrees_with_the_words() {
    let place = Place::new();
    let [file, ..] = five(&place);
    let house = r##"[(
        name: "100 buckets", set: [r#"hosts.{client}.sysctl."net.ipv4.tcp_max_tw_buckets"=100"#],
        when: "folklore", cost: "no TIME_WAIT", risk: "old segments", kernels: "all", source: "the house",
    ), (
        name: "fewer ports", set: [r#"hosts.{client}.sysctl."net.ipv4.ip_local_port_range"="40000 40099""#],
        when: "never", cost: "half of the connections", risk: "none", kernels: "all", source: "the house",
    )]"##;
    let house = place.write("house.ron", house);
    let json = timewait(&["advise", &file, "--events", "1", "--catalogue", &house, "--json"]);
    assert_eq!(json.code, 0, "{}", json.err);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["format"], "timewait-advice/1");
    let named = |name: &str| json["changes"].as_array().unwrap().iter().find(|c| c["name"] == name).unwrap();
    let buckets = named("100 buckets");
    // It "works": nothing fails any more, for 100 of 600 closes a minute have a TIME_WAIT and the others have none.
    assert_eq!(
        (&buckets["judgement"], &buckets["found"]["runs_out"]),
        (&"hazardous".into(), &serde_json::Value::Null)
    );
    let hazards = &buckets["found"]["hazards"];
    let share = hazards["unprotected"].as_f64().unwrap() / hazards["closes"].as_f64().unwrap();
    assert!((share - 5.0 / 6.0).abs() < 0.1, "{share}");
    let fewer = named("fewer ports");
    assert_eq!(fewer["judgement"], "worse");
    let (base, half) = (&json["base"]["holds_per_mille"], &fewer["found"]["holds_per_mille"]);
    let ratio = half.as_f64().unwrap() / base.as_f64().unwrap();
    assert!((ratio - 0.5).abs() < 0.02, "{ratio}");
    let twice = timewait(&["advise", &file, "--catalogue", &house, "--catalogue", &house]);
    assert_eq!(twice.code, 2);
    assert!(twice.err.contains("`100 buckets` is in the catalogue already"), "{}", twice.err);
}

#[test]
fn what_cannot_be_asked_is_said() {
    let place = Place::new();
    let [file, ..] = five(&place);
    for (args, code, said) in [
        (
            &["--set", "traffic.web.arrivals=at([\"0s\"])"][..],
            2,
            "no source of the scenario has a rate or workers",
        ),
        (&["--catalogue", "missing.ron"], 3, "cannot read `missing.ron`"),
        (&["--catalogue", &file], 2, "--catalogue"),
    ] {
        let ran = timewait(&[&["advise", &file], args].concat());
        assert_eq!((ran.code, ran.out.as_str()), (code, ""), "{args:?}: {}", ran.err);
        assert!(ran.err.contains(said), "{args:?}: {}", ran.err);
    }
}
