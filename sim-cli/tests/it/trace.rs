//! `timewait trace` and `run --pcap` through the binary.

use std::fs;

use crate::place::{Place, names, timewait};

const TWO: &str = r#"(
    title: "Two connections",
    duration: "5s",
    hosts: {
        "client": (addresses: ["10.0.0.1"]),
        "router": (),
        "server": (addresses: ["10.0.0.2"], listen: [(port: 80)]),
    },
    links: [(path: ["client", "router", "server"], delay: "1ms")],
    traffic: { "web": (from: "client", to: "server:80", arrivals: at(["0s", "1s"])) },
)"#;

#[test]
fn help_is_an_interface() {
    insta::assert_snapshot!(timewait(&["trace", "--help"]).out);
}

#[test]
fn each_form_comes_out_whole_and_the_same_every_time() {
    let place = Place::new();
    let file = place.write("two.ron", TWO);
    for (name, begins) in
        [("a.svg", &b"<svg"[..]), ("a.jsonl", b"{\"format\""), ("a.pcapng", b"\x0a\x0d\x0d\x0a")]
    {
        let bytes = [1, 2].map(|_| {
            let ran = timewait(&["trace", &file, "--all", "--out", &place.name(name)]);
            assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);
            fs::read(place.path(name)).unwrap()
        });
        assert!(bytes[0].starts_with(begins), "{name}");
        assert_eq!(bytes[0], bytes[1], "{name}");
    }
    assert_eq!(names(&place.path("")), ["a.jsonl", "a.pcapng", "a.svg", "two.ron"]);
    let ladder = timewait(&["trace", &file, "--width", "80", "--ascii"]).out;
    assert_eq!(timewait(&["trace", &file, "--width", "80", "--ascii"]).out, ladder);
    assert!(ladder.is_ascii() && ladder.lines().all(|line| line.len() <= 80), "{ladder}");
    assert!(ladder.starts_with("web #1: 10.0.0.1:"), "{ladder}");
    assert_eq!(timewait(&["trace", &file, "--all"]).out.matches("web #").count(), 2);
    assert_eq!(timewait(&["trace", &file, "--all", "--most", "1"]).out.matches("web #").count(), 1);
}

#[test]
fn connections_times_and_places_are_chosen() {
    let place = Place::new();
    let file = place.write("two.ron", TWO);
    let ladder = |more: &[&str]| timewait(&[&["trace", file.as_str()], more].concat()).out;
    assert!(ladder(&["--connection", "2"]).starts_with("web #2"));
    assert_eq!(ladder(&["--connection", "web:2"]), ladder(&["--connection", "2"]));
    let tuple =
        ladder(&["--connection", "2"]).lines().next().unwrap()["web #2: ".len()..].replace(" to ", "-");
    assert_eq!(ladder(&["--tuple", &tuple]), ladder(&["--connection", "2"]));
    assert!(ladder(&["--from", "3ms"]).lines().count() < ladder(&[]).lines().count());
    assert!(!ladder(&["--to", "3ms"]).contains("TIME_WAIT"));
    let lines = |more: &[&str]| ladder(&[&["--as", "json"], more].concat());
    assert!(lines(&[]).contains("\"host\":\"router\""));
    assert!(!lines(&["--at", "server"]).contains("\"host\":\"router\","));
}

#[test]
fn what_is_asked_wrongly_is_told() {
    let place = Place::new();
    let file = place.write("two.ron", TWO);
    let cases: [&[&str]; 9] = [
        &["--connection", "0"],
        &["--connection", "ftp:1"],
        &["--first", "lucky"],
        &["--tuple", "10.0.0.1-10.0.0.2"],
        &["--at", "nowhere", "--as", "json"],
        &["--at", "client"],
        &["--from", "3s", "--to", "3s"],
        &["--width", "90", "--as", "svg"],
        &["--from", "soon"],
    ];
    let mut text = String::new();
    for case in cases {
        let ran = timewait(&[&["trace", file.as_str()], case].concat());
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{case:?}: {}", ran.err);
        text = format!("{text}{}\n{}", case.join(" "), ran.err);
    }
    insta::assert_snapshot!(text);
    let none = timewait(&["trace", &file, "--first", "reset"]);
    assert_eq!(
        (none.code, none.out.as_str(), none.err.as_str()),
        (0, "", "no connection of this run was reset\n")
    );
    let late = timewait(&["trace", &file, "--connection", "99"]);
    assert_eq!((late.code, late.err.as_str()), (0, "nothing happened to such a connection in that time\n"));
}

#[test]
fn a_run_can_be_captured_and_is_the_same_run() {
    let place = Place::new();
    let file = place.write("two.ron", TWO);
    let plain = timewait(&["run", &file]);
    let captured = timewait(&["run", &file, "--pcap", &place.name("a.pcapng")]);
    assert_eq!((captured.code, captured.out), (0, plain.out), "{}", captured.err);
    let at_client = fs::read(place.path("a.pcapng")).unwrap();
    let both = timewait(&[
        "run",
        &file,
        "--pcap",
        &place.name("b.pcapng"),
        "--pcap-at",
        "client",
        "--pcap-at",
        "router-server",
    ]);
    assert_eq!(both.code, 0, "{}", both.err);
    assert!(fs::read(place.path("b.pcapng")).unwrap().len() > at_client.len() * 3 / 2);
    let wrong = timewait(&["run", &file, "--pcap", &place.name("c.pcapng"), "--pcap-at", "x"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("there are `client`, `router`, `router-client`"), "{}", wrong.err);
    assert_eq!(names(&place.path("")), ["a.pcapng", "b.pcapng", "two.ron"]);
}
