//! `timewait compare` through the binary.

use std::fs;

use crate::place::{Place, names, timewait};

/// Ten ports for connections that come at random.
fn ten_ports(place: &Place) -> String {
    let text = r#"(
    title: "Ten ports",
    duration: "10s",
    hosts: {
        "client": (addresses: ["10.0.0.1"], sysctl: {"net.ipv4.ip_local_port_range": "40000 40009"}),
        "server": (addresses: ["10.0.0.2"], listen: [(port: 80)]),
    },
    links: [(path: ["client", "server"], delay: "1ms")],
    traffic: { "web": (from: "client", to: "server:80", arrivals: poisson("2/s")) },
    expect: [binds_first(ports(from: "client", to: "10.0.0.2:80"))],
)"#;
    place.write("ten.ron", text)
}

const WIDE: &str = r#"wide: hosts.client.sysctl."net.ipv4.ip_local_port_range"="40000 41000""#;
const BUCKETS: &str = r#"buckets: hosts.client.sysctl."net.ipv4.tcp_max_tw_buckets"=5; traffic.web.rate=4/s"#;

#[test]
fn help_is_an_interface() {
    insta::assert_snapshot!(timewait(&["compare", "--help"]).out);
}

#[test]
fn variants_stand_side_by_side_with_their_differences() {
    let place = Place::new();
    let file = ten_ports(&place);
    let of = |jobs| {
        timewait(&["compare", &file, "--with", WIDE, "--with", BUCKETS, "--seeds", "1..4", "--jobs", jobs])
    };
    let ran = of("1");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(ran.out, of("3").out);
    insta::assert_snapshot!(ran.out.replace(&place.name(""), ""));
}

#[test]
fn curves_that_are_equal_are_one_curve_with_the_names_of_both() {
    let place = Place::new();
    let file = ten_ports(&place);
    let inert = r#"inert: hosts.client.sysctl."net.ipv4.tcp_fin_timeout"=5"#;
    let out = place.name("out");
    let with = ["--with", WIDE, "--with", inert, "--out", &out];
    assert_eq!(timewait(&[&["compare", file.as_str()], &with[..]].concat()).code, 0);
    let svg = fs::read_to_string(place.path("out/compare.svg")).unwrap();
    assert!(svg.contains("as it is = inert") && svg.contains("wide"), "{svg}");
    assert!(!svg.contains("wide ="), "{svg}");
}

#[test]
fn whole_files_are_compared_and_the_files_written() {
    let place = Place::new();
    let before = ten_ports(&place);
    let text = fs::read_to_string(&before).unwrap();
    let after = place.write("after.ron", &text.replace("2/s", "1/s"));
    for out in ["a", "b"] {
        let ran = timewait(&["compare", &before, &after, "--seed", "5", "--out", &place.name(out)]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert_eq!(ran.out, fs::read_to_string(place.path(out).join("answer.txt")).unwrap());
    }
    let files = names(&place.path("a"));
    assert_eq!(files, ["answer.txt", "compare.json", "compare.png", "compare.svg"]);
    for name in &files {
        assert_eq!(
            fs::read(place.path("a").join(name)).unwrap(),
            fs::read(place.path("b").join(name)).unwrap()
        );
    }
    let json: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(place.path("a/compare.json")).unwrap()).unwrap();
    assert_eq!(json["format"], "timewait-compare/1");
    // The same numbers as those of single runs.
    for (i, file) in [&before, &after].into_iter().enumerate() {
        assert_eq!(timewait(&["run", file, "--seed", "5", "--out", &place.name("one")]).code, 0);
        let one: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(place.path("one/result.json")).unwrap()).unwrap();
        let run = &json["variants"][i]["runs"][0];
        assert_eq!((&run["seed"], &run["bound_first"]), (&one["seed"], &one["bound_first"]));
        assert_eq!(run["values"][0].as_f64(), one["traffic"][0]["attempted"]["count"].as_f64());
    }
}

#[test]
fn an_expectation_forbids_no_variant() {
    let place = Place::new();
    let text = r#"(
    duration: "1s",
    hosts: {
        "client": (addresses: ["10.0.0.1"], conntrack: on),
        "server": (addresses: ["10.0.0.2"], listen: [(port: 80)]),
    },
    links: [(path: ["client", "server"])],
    traffic: { "web": (from: "client", to: "server:80", arrivals: constant("9/s")) },
    expect: [binds_first(conntrack("client"))],
)"#;
    let file = place.write("tracked.ron", text);
    let ran = timewait(&["compare", &file, "--with", "untracked: hosts.client.conntrack=off"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
}

#[test]
fn what_is_wrong_is_said_before_the_work() {
    let place = Place::new();
    let file = ten_ports(&place);
    for (args, said) in [
        (&[][..], "one scenario alone is compared to nothing"),
        (&["--with", "wide"], "is not PATH=VALUE"),
        (&["--with", "long: duraton=5s"], "did you mean `duration`?"),
        (&["--with", WIDE, "--seeds", "until 2%"], "compare takes seeds as"),
        (&["no-such-scenario"], "neither a file nor a bundled scenario"),
    ] {
        let ran = timewait(&[&["compare", &file], args].concat());
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{args:?}");
        assert!(ran.err.contains(said), "{args:?}: {}", ran.err);
    }
}
