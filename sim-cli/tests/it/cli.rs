//! The command line as scripts and people see it.

use std::fs;
use std::process::{Command, Stdio};

use crate::place::{Place, names, timewait};

#[test]
fn help_is_an_interface() {
    for args in [&["--help"][..], &["run", "--help"], &["check", "--help"], &["show", "--help"]] {
        let ran = timewait(args);
        assert_eq!(ran.code, 0);
        insta::assert_snapshot!(args.join("_").replace("--", ""), ran.out);
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let ran = timewait(&["--version"]);
    assert_eq!((ran.code, ran.out), (0, format!("timewait {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn wrong_usage_is_two() {
    for args in [&[][..], &["run"], &["fly"], &["run", "x", "--seed", "many"], &["check", "--jobs", "0"]] {
        let ran = timewait(args);
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.err);
        assert_eq!(ran.out, "");
    }
}

#[test]
fn an_unknown_name_is_two_and_says_what_to_do() {
    let ran = timewait(&["run", "no-such-scenario-anywhere"]);
    assert_eq!(ran.code, 2);
    insta::assert_snapshot!(ran.err);
    let ran = timewait(&["check", "port-run-out"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("did you mean `ports-run-out`?"), "{}", ran.err);
}

#[test]
fn a_missing_file_is_three() {
    for args in [&["run", "missing.ron"][..], &["show", "no/such/dir"]] {
        let ran = timewait(args);
        assert_eq!((ran.code, ran.out.as_str()), (3, ""));
        assert!(ran.err.starts_with("error: cannot read `"), "{}", ran.err);
    }
}

#[test]
fn one_unreadable_file_does_not_end_the_check() {
    let place = Place::new();
    place.write("all/good.ron", &small(HOLDS));
    fs::write(place.path("all/bytes.ron"), [0xff, 0xfe, 0x00]).unwrap();
    let missing = place.name("missing.ron");
    let ran = timewait(&["check", &place.name("all"), &missing, "--junit", &place.name("report.xml")]);
    assert_eq!((ran.code, ran.err.as_str()), (3, ""));
    insta::assert_snapshot!(ran.out.replace(&place.name(""), ""));
    let report = fs::read_to_string(place.path("report.xml")).unwrap();
    assert!(report.contains("tests=\"3\" failures=\"0\" errors=\"2\""), "{report}");
}

#[test]
fn a_directory_is_not_one_scenario() {
    let ran = timewait(&["run", "."]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert_eq!(
        ran.err,
        "error: `.` is a directory; one scenario is wanted\n  `timewait check .` takes all that are below it\n"
    );
}

#[test]
fn a_scenario_can_be_piped_in() {
    let place = Place::new();
    let file = place.write("small.ron", &small(HOLDS));
    let piped = Command::new(env!("CARGO_BIN_EXE_timewait"))
        .args(["run", "-"])
        .stdin(fs::File::open(&file).unwrap())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(piped.stdout).unwrap(), timewait(&["run", &file]).out);
}

#[test]
fn a_scenario_without_a_title_is_known_by_its_name() {
    let place = Place::new();
    let file = place.write("small.ron", &small(HOLDS).replace("title: \"Ten connections\",", ""));
    let ran = timewait(&["run", &file]);
    assert_eq!(ran.out.lines().next(), Some("small"));
}

#[test]
fn slips_on_the_command_line_get_advice_that_helps() {
    let seed = timewait(&["run", "ports-run-out", "--seed", "-1"]);
    assert!(seed.err.contains("a seed is a whole number from 0 to 18446744073709551615"), "{}", seed.err);
    let flag = timewait(&["run", "ports-run-out", "--jsn"]);
    assert!(flag.err.contains("unexpected argument '--jsn'") && !flag.err.contains("-- --"), "{}", flag.err);
    let command = timewait(&["rnu", "ports-run-out"]);
    assert!(command.err.contains("'run'"), "{}", command.err);
    assert_eq!((seed.code, flag.code, command.code), (2, 2, 2));
    assert!(!timewait(&["fly"]).err.contains("tip:"));
}

#[test]
fn a_directory_without_scenarios_is_two() {
    let place = Place::new();
    place.write("notes.txt", "nothing");
    let ran = timewait(&["check", &place.name("")]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("there is no `.ron` file below"), "{}", ran.err);
}

#[test]
fn a_closed_pipe_is_success() {
    let place = Place::new();
    let file = place.write("small.ron", &small(HOLDS));
    for args in [&["check", &file][..], &["list"], &["show", &file], &["run", &file]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let status = Command::new(env!("CARGO_BIN_EXE_timewait"))
            .args(args)
            .stdout(writer)
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(0), "{args:?}");
    }
}

#[test]
fn a_broken_scenario_is_two_everywhere() {
    let place = Place::new();
    let file = place.write("broken.ron", "(title: 7");
    for command in ["run", "show"] {
        let ran = timewait(&[command, &file]);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""));
        assert!(!ran.err.is_empty());
    }
    let ran = timewait(&["check", &file, "--junit", &place.name("report.xml")]);
    assert_eq!(ran.code, 2);
    assert!(ran.out.starts_with("BAD   "), "{}", ran.out);
    assert!(ran.out.ends_with("1 scenario, 0 expectations: none failed; 1 scenario does not load\n"));
    assert!(fs::read_to_string(place.path("report.xml")).unwrap().contains("<error message="));
}

#[test]
fn the_same_run_prints_and_writes_the_same() {
    let place = Place::new();
    let file = place.write("small.ron", &small(HOLDS));
    let first = timewait(&["run", &file, "--out", &place.name("a")]);
    let second = timewait(&["run", &file, "--out", &place.name("deep/b")]);
    assert_eq!((first.code, second.code), (0, 0), "{}", first.err);
    assert_eq!(first.out, second.out);
    assert_eq!(first.out, fs::read_to_string(place.path("a/answer.txt")).unwrap());
    for name in names(&place.path("a")) {
        let read = |dir: &str| fs::read(place.path(dir).join(&name)).unwrap();
        assert_eq!(read("a"), read("deep/b"), "{name}");
    }
}

#[test]
fn out_adds_its_files_and_leaves_the_others() {
    let place = Place::new();
    let file = place.write("small.ron", &small(HOLDS));
    place.write("out/mine.txt", "precious");
    place.write("out/result.json", "old");
    assert_eq!(timewait(&["run", &file, "--out", &place.name("out")]).code, 0);
    assert_eq!(fs::read_to_string(place.path("out/mine.txt")).unwrap(), "precious");
    assert!(fs::read_to_string(place.path("out/result.json")).unwrap().contains("timewait-result/1"));
    insta::assert_snapshot!(names(&place.path("out")).join("\n"));
}

#[test]
fn a_place_that_cannot_be_written_is_three_and_stays_clean() {
    let place = Place::new();
    let file = place.write("small.ron", &small(HOLDS));
    let below_a_file = timewait(&["run", &file, "--out", &place.name("small.ron/out")]);
    assert_eq!((below_a_file.code, below_a_file.out.as_str()), (3, ""));
    assert!(below_a_file.err.contains("cannot make the directory"), "{}", below_a_file.err);
    // A directory where a file should go.
    place.write("out/result.json/file", "in the way");
    place.write("out/answer.txt", "of another run");
    let in_the_way = timewait(&["run", &file, "--out", &place.name("out")]);
    assert_eq!((in_the_way.code, in_the_way.out.as_str()), (3, ""));
    assert_eq!(names(&place.path("out")), ["answer.txt", "result.json"]);
    assert_eq!(fs::read_to_string(place.path("out/answer.txt")).unwrap(), "of another run");
    // Said before the work, not after it.
    for bad in ["small.ron/report.xml", "out"] {
        let junit = timewait(&["check", &file, "--junit", &place.name(bad)]);
        assert_eq!((junit.code, junit.out.as_str()), (3, ""), "{}", junit.err);
    }
}

#[test]
fn check_says_what_held_and_what_did_not() {
    let place = Place::new();
    let holds = place.write("holds.ron", &small(HOLDS));
    let fails = place.write("fails.ron", &small(FAILS));
    let nothing = place.write("nothing.ron", &small(""));
    assert_eq!(timewait(&["check", &holds, &nothing]).code, 0);
    let ran = timewait(&["check", &holds, &fails, &nothing, "--junit", &place.name("report.xml")]);
    assert_eq!(ran.code, 1);
    insta::assert_snapshot!(ran.out.replace(&place.name(""), ""));
    let quiet = timewait(&["check", "--quiet", &holds, &fails]);
    assert!(quiet.out.starts_with("FAIL  "), "{}", quiet.out);
    let report = fs::read_to_string(place.path("report.xml")).unwrap();
    assert!(
        report.contains("<testsuites name=\"timewait\" tests=\"2\" failures=\"1\" errors=\"0\">"),
        "{report}"
    );
}

#[test]
fn check_prints_in_order_whatever_the_threads_do() {
    let place = Place::new();
    for i in 0..12 {
        place.write(&format!("all/{i:02}.ron"), &small(if i % 3 == 0 { FAILS } else { HOLDS }));
    }
    place.write("all/deeper/first.ron", &small(HOLDS));
    place.write("all/readme.txt", "not a scenario");
    let one = timewait(&["check", &place.name("all"), "--jobs", "1"]);
    let many = timewait(&["check", &place.name("all"), "--jobs", "5"]);
    assert_eq!((one.code, many.code), (1, 1));
    assert_eq!(one.out, many.out);
    assert!(one.out.ends_with("13 scenarios, 13 expectations: 4 failed\n"), "{}", one.out);
}

#[test]
fn show_prints_a_scenario_again() {
    let place = Place::new();
    let file = place.write("small.ron", &small(HOLDS));
    let shown = timewait(&["show", &file, "--seed", "7", "--set", "links[0].delay=3ms"]);
    assert_eq!(shown.code, 0, "{}", shown.err);
    assert!(shown.out.contains("seed: 7") && shown.out.contains("3ms"), "{}", shown.out);
    let again = place.write("again.ron", &shown.out);
    assert_eq!(timewait(&["show", &again]).out, shown.out);
}

#[test]
fn quiet_is_one_line() {
    let place = Place::new();
    let file = place.write("small.ron", &small(HOLDS));
    let ran = timewait(&["run", &file, "-q"]);
    assert_eq!((ran.code, ran.out.lines().count(), ran.err.as_str()), (0, 1, ""));
}

#[test]
fn changes_that_cannot_be_made_are_two() {
    let place = Place::new();
    let file = place.write("small.ron", &small(HOLDS));
    for change in [&["--set", "duration"][..], &["--set", "duraton=1s"], &["--sysctl", "client"]] {
        let ran = timewait(&[&["run", &file], change].concat());
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{change:?}");
        assert!(!ran.err.is_empty());
    }
    let missing = timewait(&["run", &file, "--sysctl", "client=missing.txt"]);
    assert_eq!(missing.code, 3);
}

#[test]
fn settings_of_a_real_machine_are_accounted_for() {
    let place = Place::new();
    let file = place.write("small.ron", &small(HOLDS));
    let dump = "net.ipv4.tcp_fin_timeout = 30\nnet.ipv4.tcp_mem = 1 2 3\nvm.swappiness = 60\n";
    let sysctl = format!("client={}", place.write("client.txt", dump));
    let brief = timewait(&["show", &file, "--sysctl", &sysctl]);
    assert!(brief.out.contains(r#""net.ipv4.tcp_fin_timeout": "30""#), "{}", brief.out);
    assert!(brief.err.starts_with("client: 1 setting taken from ") && brief.err.contains("--unmodelled"));
    let full = timewait(&["show", &file, "--sysctl", &sysctl, "--unmodelled"]);
    assert!(full.err.contains("\n    net.ipv4.tcp_mem\n"), "{}", full.err);
}

#[test]
fn every_bundled_scenario_is_listed_and_loads() {
    let ran = timewait(&["list"]);
    assert_eq!(ran.code, 0);
    let titles = ran.out.lines().filter(|line| !line.starts_with(' '));
    assert_eq!(titles.count(), scenarios::library().len());
    assert!(
        ran.out.contains("    TIME_WAIT costs a port and some memory, never a file descriptor.\n"),
        "{}",
        ran.out
    );
    assert!(!ran.out.contains("(does not load)"), "{}", ran.out);
}

/// An expectation that holds whatever happens in so short a run, and one that does not.
const HOLDS: &str = "never(\"EMFILE\")";
const FAILS: &str = "first(\"EMFILE\", between(\"0s\", \"1s\"))";

/// A scenario of one second.
fn small(expect: &str) -> String {
    format!(
        r#"(
    title: "Ten connections",
    teaches: "Nothing.",
    duration: "1s",
    sample: "100ms",
    hosts: {{
        "client": (addresses: ["10.0.0.1"]),
        "server": (addresses: ["10.0.0.2"], listen: [(port: 80)]),
    }},
    links: [(path: ["client", "server"], delay: "1ms")],
    traffic: {{
        "web": (from: "client", to: "server:80", arrivals: constant("10/s")),
    }},
    expect: [{expect}],
)
"#
    )
}

/// Random arrivals at two ports more than Erlang would like.
const SEVERAL: &str = r#"(
    duration: "120s",
    hosts: {
        "client": (addresses: ["10.0.0.1"], sysctl: {"net.ipv4.ip_local_port_range": "40000 40999"}, timers: exact),
        "server": (addresses: ["10.0.0.2"], listen: [(port: 80)]),
    },
    links: [(path: ["client", "server"])],
    traffic: {"web": (from: "client", to: "server:80", arrivals: poisson("16.6/s"))},
    expect: [
        in_seeds(4, 5, binds_first(ports(from: "client", to: "10.0.0.2:80"))),
        in_seeds(5, 5, binds_first(ports(from: "client", to: "10.0.0.2:80"))),
        mean(10, share("failed", between("0.1%", "5%"), over("60s", "120s"))),
        mean(10, share("failed", at_most("1.5%"), over("60s", "120s"))),
        same_curve("client.time_wait", with(["hosts.client.sysctl.net.ipv4.tcp_fin_timeout=10"])),
        same_curve("client.time_wait", with(["hosts.client.sysctl.net.ipv4.tcp_tw_reuse=1"])),
        times(peak("client.time_wait"), at_least(2), with(["hosts.client.sysctl.net.ipv4.tcp_tw_reuse=1"])),
        times(count("connected"), between(0.9, 0.95), with(["hosts.client.sysctl.net.ipv4.tcp_tw_reuse=1"])),
        times(peak("client.time_wait"), at_least(0.5), with(["traffic.web.close=(first: server)"])),
    ],
)"#;

#[test]
fn expectations_of_several_runs_are_judged_by_check_and_only_counted_by_run() {
    let place = Place::new();
    let file = place.write("several.ron", SEVERAL);
    let report = place.name("report.xml");
    let ran = timewait(&["check", &file, "--junit", &report]);
    assert_eq!(ran.code, 1);
    insta::assert_snapshot!(ran.out.replace(&file, "several.ron"));
    let xml = fs::read_to_string(report).expect("it was written");
    assert!(
        xml.contains(r#"tests="9" failures="5""#) && xml.contains("got in 4 of 5; not with seed 2"),
        "{xml}"
    );
    // The next seeds are others.
    let other = timewait(&["check", &file, "--seed", "100"]);
    assert_ne!(other.out, ran.out);
    let run = timewait(&["run", &file]);
    assert_eq!(run.code, 0);
    assert!(
        run.out.ends_with("Expectations of several runs: 9; `timewait check` judges them\n"),
        "{}",
        run.out
    );
    // A change that does not fit the scenario.
    let odd = place.write("odd.ron", &SEVERAL.replace("tcp_fin_timeout=10", "tcp_fin_timeuot=10"));
    let ran = timewait(&["check", &odd]);
    assert_eq!(ran.code, 2);
    assert!(ran.out.contains("with hosts.client.sysctl.net.ipv4.tcp_fin_timeuot=10:"), "{}", ran.out);
    let measure = "mean(10, share(\"failed\", at_most(\"1%\")))";
    let ran = timewait(&["sweep", &file, "--vary", "duration=10s,20s", "--measure", measure]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("an expectation of several runs is no measure"), "{}", ran.err);
}

#[test]
fn colour_comes_when_it_is_asked_for_and_changes_no_letter() {
    let plain = timewait(&["check", "ports-run-out", "nothing-of-this-name"]);
    let with = |args: &[&str], env: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_timewait"));
        command.args(["check", "ports-run-out"]).args(args).stdin(Stdio::null());
        command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").envs(env.iter().copied());
        String::from_utf8(command.output().expect("it starts").stdout).expect("text")
    };
    assert_eq!(plain.code, 2);
    let plain = with(&[], &[]);
    assert!(!plain.contains('\u{1b}') && plain.starts_with("ok  "), "{plain}");
    let coloured = with(&["--color", "always"], &[]);
    assert!(coloured.starts_with("\u{1b}[1m\u{1b}[32mok\u{1b}[0m  "), "{coloured:?}");
    let mut letters = coloured.clone();
    for code in ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[32m"] {
        letters = letters.replace(code, "");
    }
    assert_eq!(letters, plain);
    assert_eq!(with(&[], &[("CLICOLOR_FORCE", "1")]), coloured);
    assert_eq!(with(&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]), plain);
    assert_eq!(with(&["--color", "never"], &[("CLICOLOR_FORCE", "1")]), plain);
    assert!(!with(&["--json", "--color", "always"], &[]).contains('\u{1b}'));
}
