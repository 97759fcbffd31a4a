//! `timewait init`: a scenario to begin with.

#[allow(dead_code, reason = "names of a directory are not needed everywhere")]
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::place::{Place, Ran, timewait};

/// Unpacks what was recorded of a machine, a file for each tool.
fn machine(place: &Place, which: &str) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machine").join(which);
    for entry in fs::read_dir(dir).expect("recordings") {
        let path = entry.expect("a file").path();
        let mut text = String::new();
        let mut reader = flate2::read::GzDecoder::new(File::open(&path).expect("it can be read"));
        reader.read_to_string(&mut text).expect("text");
        place.write(path.file_stem().and_then(|name| name.to_str()).expect("a name"), &text);
    }
}

/// Runs `init` in the place with these arguments; names of files are those in the place.
fn init(place: &Place, args: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_timewait"));
    command.arg("init").args(args).current_dir(place.path(".")).stdin(Stdio::null());
    let output = command.output().expect("it starts");
    Ran {
        code: output.status.code().expect("it ends by itself"),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

/// What is written can be checked, and what it expects holds; nothing has to be said about it.
fn holds(place: &Place, text: &str) {
    let file = place.write("written.ron", text);
    let ran = timewait(&["check", &file, "--strict"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}\n{text}", ran.out);
}

const CLIENT: &[&str] =
    &["--sysctl", "sysctl", "--ss", "ss", "--nstat", "nstat.1", "--nstat", "nstat.2", "--apart", "10s"];

#[test]
fn a_client_is_drafted_from_what_its_tools_print() {
    let place = Place::new();
    machine(&place, "client");
    let ran = init(&place, CLIENT);
    assert_eq!(ran.code, 0, "{}", ran.err);
    insta::assert_snapshot!("client", ran.out);
    insta::assert_snapshot!("client-not-known", ran.err);
    holds(&place, &ran.out);
    let run = timewait(&["run", &place.name("written.ron")]);
    assert_eq!(run.code, 0, "{}", run.err);
    // About as many wait as were seen: 12,055.
    assert!(run.out.contains("timewait    12,151"), "{}", run.out);
}

#[test]
fn a_server_is_drafted_and_proc_says_the_same_as_the_tools() {
    let place = Place::new();
    machine(&place, "server");
    let ran = init(&place, &[CLIENT, &["--conntrack", "conntrack", "--rtt", "500us"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    insta::assert_snapshot!("server", ran.out);
    holds(&place, &ran.out);
    let raw = ["--sysctl", "sysctl", "--ss", "tcp", "--nstat", "nstat.1", "--nstat", "snmp"];
    let raw =
        init(&place, &[&raw[..], &["--apart", "10s", "--conntrack", "nfct", "--rtt", "500us"]].concat());
    assert_eq!(raw.code, 0, "{}", raw.err);
    let destinations = |text: &str| {
        text.lines().filter(|line| line.contains("to: [")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(destinations(&raw.out), destinations(&ran.out));
}

#[test]
fn totals_alone_are_enough_for_a_rate() {
    let place = Place::new();
    machine(&place, "client");
    let ran = init(&place, &["--ss-s", "ss-s"]);
    assert!(ran.out.contains("arrivals: constant(\"201/s\")"), "{}", ran.out);
    holds(&place, &ran.out);
    let ran = init(&place, &["--sockstat", "sockstat", "--role", "server", "--closes", "server"]);
    assert!(ran.out.contains("constant(\"201/s\")") && ran.out.contains("first: server"), "{}", ran.out);
    holds(&place, &ran.out);
    // One sample of the counters says nothing, and this is said.
    let ran = init(&place, &["--nstat", "nstat.1"]);
    assert!(ran.err.contains("one sample of the counters counts since the machine came up"), "{}", ran.err);
    holds(&place, &ran.out);
    // The other way round.
    let ran = init(&place, &["--nstat", "nstat.2", "--nstat", "nstat.1", "--apart", "10s"]);
    assert!(ran.err.contains("the second sample counts less than the first"), "{}", ran.err);
    holds(&place, &ran.out);
}

#[test]
fn what_is_wished_is_written() {
    let place = Place::new();
    let ran = init(&place, &["--role", "client", "--rate", "500/s", "--destinations", "4", "--rtt", "3ms"]);
    for part in ["constant(\"500/s\")", "\"10.1.0.4:80\"", "delay: \"1500us\"", "(first: client)"] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    assert!(!ran.out.contains("10.1.0.5"));
    holds(&place, &ran.out);
    // Ports of one destination run out at 500/s, and the expectation says so.
    let ran = init(&place, &["--rate", "30000/min"]);
    assert!(ran.out.contains("binds_first(ports(from: \"10.0.0.1\", to: \"10.1.0.1:80\"))"), "{}", ran.out);
    holds(&place, &ran.out);
    let ran = init(&place, &["--role", "server", "--kept", "300", "--tracked"]);
    assert!(ran.out.contains("pool: (size: 300)") && ran.out.contains("conntrack: on"), "{}", ran.out);
    holds(&place, &ran.out);
}

#[test]
fn questions_are_answered_a_line_each() {
    let place = Place::new();
    let ask = |answers: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_timewait"));
        command.args(["init", "--ask"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        child.stdin.take().expect("piped").write_all(answers.as_bytes()).expect("it is read");
        let output = child.wait_with_output().expect("it ends");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, out, err) = ask("server\nfast\n300/s\n0\nserver\n20ms\nyes\n");
    assert_eq!(code, Some(0));
    assert!(err.contains("a rate is wanted, as in `500/s`"), "{err}");
    for part in ["constant(\"300/s\")", "(first: server)", "delay: \"10ms\"", "conntrack: on", "\"here:80\""]
    {
        assert!(out.contains(part), "{part}: {out}");
    }
    holds(&place, &out);
    // Nobody answers: everything is assumed, as without questions.
    let (code, out, _) = ask("");
    assert_eq!(code, Some(0));
    assert_eq!(out, init(&place, &[]).out);
}

#[test]
fn this_machine_can_be_read() {
    let place = Place::new();
    let ran = init(&place, &["--from-host", "--apart", "1ms", "--out", "host.ron"]);
    if cfg!(not(target_os = "linux")) {
        assert_eq!(ran.code, 3, "{}", ran.err);
        return;
    }
    assert_eq!(ran.code, 0, "{}", ran.err);
    let text = fs::read_to_string(place.path("host.ron")).expect("it was written");
    assert!(text.contains("settings taken") && text.contains("ports listen"), "{text}");
    assert!(ran.err.contains("not known: how large requests and answers are"), "{}", ran.err);
    holds(&place, &text);
}

#[test]
fn a_bundled_scenario_is_copied_with_its_files_and_nothing_is_written_over() {
    let place = Place::new();
    let ran = init(&place, &["real-machine", "--out", "mine.ron"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let text = fs::read_to_string(place.path("mine.ron")).expect("it was written");
    assert_eq!(text, timewait(&["show", "real-machine", "--source"]).out);
    assert_eq!(timewait(&["check", &place.name("mine.ron")]).code, 0);
    let again = init(&place, &["ports-run-out", "--out", "mine.ron"]);
    assert_eq!((again.code, again.out.as_str()), (3, ""));
    assert!(again.err.contains("is there already"), "{}", again.err);
    let beside = init(&place, &["real-machine", "--out", "other.ron"]);
    assert_eq!(beside.code, 3, "the file beside it is there: {}", beside.err);
    assert!(!place.path("other.ron").exists());
    let unknown = init(&place, &["port-run-out"]);
    assert!(unknown.code == 2 && unknown.err.contains("did you mean `ports-run-out`?"), "{}", unknown.err);
}

#[test]
fn what_is_not_what_it_should_be_is_named_all_at_once() {
    let place = Place::new();
    machine(&place, "client");
    place.write("nothing", "");
    place.write("story", "Once upon a time\nthere was a port = 5\n");
    let ran =
        init(&place, &["--sysctl", "story", "--ss", "sysctl", "--nstat", "nothing", "--conntrack", "ss"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    insta::assert_snapshot!("wrong-files", ran.err);
    for (args, said) in [
        (&["--nstat", "nstat.1", "--nstat", "nstat.2"][..], "--apart 10s"),
        (&["--nstat", "nstat.1", "--apart", "10s"], "--nstat twice"),
        (&["--nstat", "nstat.1", "--nstat", "nstat.2", "--apart", "0s"], "--apart 10s"),
        (&["--from-host", "--apart", "0s"], "need some time"),
        (&["--rate", "fast"], "a rate is wanted"),
        (&["--ss", "ss", "--role", "client"], "cannot be used with"),
        (&["--ss", "-", "--sysctl", "-"], "can be read only once"),
    ] {
        let ran = init(&place, args);
        assert!(ran.code == 2 && ran.err.contains(said), "{args:?}: {}", ran.err);
    }
}

/// The bytes that are left of a text, some exchanged for others.
fn mangled(text: &str, keep: usize, every: usize) -> String {
    const OTHERS: [char; 8] = ['9', ' ', ':', '\n', '-', 'x', '.', '='];
    let kept = text.chars().take(keep).enumerate();
    kept.map(|(i, c)| if i % every == every - 1 { OTHERS[(i / every) % 8] } else { c }).collect()
}

#[test]
fn truncated_and_mangled_files_make_scenarios_that_hold_or_are_refused() {
    let place = Place::new();
    machine(&place, "server");
    let whole: Vec<_> = ["sysctl", "ss", "nstat.1", "nstat.2", "conntrack"]
        .map(|name| (name, fs::read_to_string(place.path(name)).expect("recorded")))
        .to_vec();
    let (mut drafted, mut refused) = (0, 0);
    for step in 0..16 {
        for (name, text) in &whole {
            let every = if step % 2 == 0 { usize::MAX } else { 5 + 13 * step };
            place.write(name, &mangled(text, text.len() * (step + 1) / 17, every));
        }
        let ran = init(&place, &[CLIENT, &["--conntrack", "conntrack"]].concat());
        match ran.code {
            0 => holds(&place, &ran.out),
            2 => assert!(ran.err.contains("is not the output of"), "{}", ran.err),
            other => panic!("{other}: {}", ran.err),
        }
        if ran.code == 0 { drafted += 1 } else { refused += 1 }
    }
    assert!(drafted > 2 && refused > 2, "{drafted} {refused}");
}

#[test]
fn tens_of_thousands_of_sockets_are_few_sources() {
    let place = Place::new();
    let mut text = String::from("State Recv-Q Send-Q Local Address:Port Peer Address:Port\n");
    for i in 0..40_000 {
        let (port, net, host) = (1024 + i % 60_000, (i / 200) % 250, 1 + i % 200);
        let _ = writeln!(text, "TIME-WAIT 0 0 10.0.0.{}:{port} 192.0.{net}.{host}:443", 1 + i % 3);
    }
    place.write("ss", &text);
    let ran = init(&place, &["--ss", "ss"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(ran.out.matches("from: \"here\"").count(), 12);
    assert!(ran.out.contains("Many destinations, 39989 of them"), "{}", ran.out);
    holds(&place, &ran.out);
}

#[test]
fn a_file_can_come_from_standard_input() {
    let place = Place::new();
    machine(&place, "server");
    let mut command = Command::new(env!("CARGO_BIN_EXE_timewait"));
    command.args(["init", "--ss", "-"]).stdin(File::open(place.path("ss")).expect("recorded"));
    let output = command.output().expect("it starts");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(text.contains("standard input: 2895 connections with others"), "{text}");
}
