//! `timewait sweep` through the binary.

use std::fs;
use std::process::{Command, Stdio};

use crate::place::{Place, names, timewait};

/// Ten ports and a TIME_WAIT of a minute: from 10 connections on, some fail.
fn few_ports(place: &Place) -> String {
    let text = r#"(
    title: "Few ports",
    duration: "10s",
    hosts: {
        "client": (addresses: ["10.0.0.1"], sysctl: {"net.ipv4.ip_local_port_range": "40000 40009"}),
        "server": (addresses: ["10.0.0.2"], listen: [(port: 80)]),
    },
    links: [(path: ["client", "server"], delay: "1ms")],
    traffic: { "web": (from: "client", to: "server:80", arrivals: poisson("1/s")) },
    expect: [never("EMFILE")],
)"#;
    place.write("few.ron", text)
}

const RATES: &str = "traffic.web.rate=0.5/s..2/s step 0.5";

#[test]
fn help_is_an_interface() {
    insta::assert_snapshot!(timewait(&["sweep", "--help"]).out);
}

#[test]
fn a_sweep_prints_a_table_and_what_was_asked() {
    let place = Place::new();
    let file = few_ports(&place);
    let measures = ["--measure", r#"share("failed")"#, "--measure", r#"never("EADDRNOTAVAIL")"#];
    let ran = timewait(&[&["sweep", &file, "--vary", RATES, "--seeds", "1..5"], &measures[..]].concat());
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    insta::assert_snapshot!(ran.out.replace(&place.name(""), ""));
}

#[test]
fn a_measure_that_is_none_is_told_as_the_flag_that_it_came_with() {
    let place = Place::new();
    let file = few_ports(&place);
    let ran = timewait(&["sweep", &file, "--vary", RATES, "--measure", "failed"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(
        ran.err.contains("`failed` is not an expectation") && ran.err.contains("--> --measure:1:9"),
        "{}",
        ran.err
    );
    assert!(!ran.err.contains("at the point"), "{}", ran.err);
    let ran = timewait(&["solve", &file, "--vary", "traffic.web.rate=1/s..2/s", "--until", "fails"]);
    assert!(ran.err.contains("--> --until:1:9"), "{}", ran.err);
}

#[test]
fn a_range_within_a_value_is_shown_as_the_whole_value() {
    let place = Place::new();
    let file = few_ports(&place);
    let vary = "hosts.client.sysctl.net.ipv4.ip_local_port_range=40000 {40009..40019 step 10}";
    let ran = timewait(&["sweep", &file, "--vary", vary, "--measure", r#"count("connected")"#]);
    let values = ran.out.lines().filter(|l| l.starts_with("  40000 400"));
    assert_eq!(values.count(), 2, "{}{}", ran.out, ran.err);
}

#[test]
fn the_table_agrees_with_single_runs() {
    let place = Place::new();
    let file = few_ports(&place);
    let swept = timewait(&["sweep", &file, "--vary", RATES, "--measure", r#"count("connected")"#]);
    let rows: Vec<Vec<&str>> = swept.out.lines().map(|l| l.split_whitespace().collect()).collect();
    for rate in ["0.5/s", "1/s", "1.5/s", "2/s"] {
        let set = format!(r#"traffic.web.arrivals=poisson("{rate}")"#);
        assert_eq!(timewait(&["run", &file, "--set", &set, "--out", &place.name("one")]).code, 0);
        let json: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(place.path("one/result.json")).unwrap()).unwrap();
        let connected = json["traffic"][0]["connected"]["count"].to_string();
        let row = rows.iter().find(|r| r.first() == Some(&rate)).unwrap();
        assert_eq!(row[1], connected, "{rate}");
        assert_eq!(row[2] == "nothing", json["bound_first"].is_null(), "{rate}");
    }
}

#[test]
fn files_are_the_same_at_any_number_of_jobs_and_have_a_picture() {
    let place = Place::new();
    let file = few_ports(&place);
    for jobs in ["1", "3"] {
        let out = place.name(jobs);
        let ran =
            timewait(&["sweep", &file, "--vary", RATES, "--seeds", "1,4", "--jobs", jobs, "--out", &out]);
        assert_eq!(ran.code, 0, "{}", ran.err);
    }
    let files = names(&place.path("1"));
    assert_eq!(files, ["points.csv", "runs.jsonl", "sweep.json", "sweep.png", "sweep.svg"]);
    for name in files {
        assert_eq!(
            fs::read(place.path("1").join(&name)).unwrap(),
            fs::read(place.path("3").join(&name)).unwrap(),
            "{name}"
        );
    }
    insta::assert_snapshot!(fs::read_to_string(place.path("1/points.csv")).unwrap());
}

#[test]
fn two_axes_make_a_map_and_three_no_picture() {
    let place = Place::new();
    let file = few_ports(&place);
    let out = place.name("out");
    let two = ["sweep", &file, "--vary", RATES, "--vary", "links[0].loss=0%,5%", "--out", &out];
    assert_eq!(timewait(&two).code, 0);
    let svg = fs::read_to_string(place.path("out/sweep.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    for text in [">links[0].loss<", ">upwards: traffic.web.rate<", ">share(connected)<", ">1.5/s<", ">5%<"] {
        assert!(svg.contains(text), "{text}");
    }
    assert_eq!(timewait(&[&two[..], &["--vary", "links[0].delay=1ms,9ms"]].concat()).code, 0);
    assert_eq!(names(&place.path("out")), ["points.csv", "runs.jsonl", "sweep.json"]);
}

#[test]
fn constraints_designs_and_plans_choose_the_points() {
    let place = Place::new();
    let file = few_ports(&place);
    let axes = ["--vary", "duration=5s,10s", "--vary", "traffic.web.stop=5s,10s"];
    let planned = |more: &[&str]| {
        let ran = timewait(&[&["sweep", &file, "--plan"], more].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.out.lines().count()
    };
    assert_eq!(planned(&axes), 4);
    assert_eq!(
        planned(&[&axes[..], &["--where", "traffic.web.stop <= duration", "--seeds", "1..7"]].concat()),
        21
    );
    let design = place.write("design.csv", "traffic.web.rate,links[0].loss\n1/s,0%\n2/s,1%\n");
    assert_eq!(planned(&["--design", &design]), 2);
    let plan = timewait(&["sweep", &file, "--plan", "--design", &design]).out;
    assert!(plan.contains(r#""links[0].loss=1%""#) && plan.contains(r#"poisson(\"2/s\")"#), "{plan}");
}

#[test]
fn what_is_wrong_is_said_before_the_work() {
    let place = Place::new();
    let file = few_ports(&place);
    for (args, said) in [
        (&["--vary", "traffic.wob.rate=1/s,2/s"][..], "there is no traffic source `wob`"),
        (&["--vary", "duration=1..9"], "add `step 100`, `times 2` or `points 10`"),
        (&["--vary", "duraton=1s,2s"], "did you mean `duration`?"),
        (&["--vary", RATES, "--measure", r#"peak("client.tme_wait")"#], "did you mean \"client.time_wait\"?"),
        (&["--vary", RATES, "--where", "a < b"], "neither side of `a < b` is an axis"),
        (&["--vary", RATES, "--where", "traffic.web.rate > 9/s"], "no point is left"),
        (&["--vary", RATES, "--seeds", "9..1"], "--seeds: `9..1` is not a choice of seeds"),
        (&[], "--vary"),
    ] {
        let ran = timewait(&[&["sweep", &file], args].concat());
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{args:?}");
        assert!(ran.err.contains(said), "{args:?}: {}", ran.err);
    }
    let missing = timewait(&["sweep", &file, "--design", "missing.csv"]);
    assert_eq!(missing.code, 3);
}

/// A thousand runs, each of some milliseconds.
fn long(file: &str, out: &str) -> Vec<String> {
    let args = [
        "sweep",
        file,
        "--set",
        "duration=60s",
        "--vary",
        "traffic.web.rate=11/s..60/s step 1",
        "--seeds",
        "1..20",
    ];
    args.iter().map(|a| (*a).to_owned()).chain(["--out".to_owned(), out.to_owned()]).collect()
}

fn lines(place: &Place, dir: &str) -> usize {
    fs::read_to_string(place.path(dir).join("runs.jsonl")).map_or(0, |text| text.matches('\n').count())
}

#[test]
fn killed_ten_times_it_ends_with_the_same_bytes() {
    let place = Place::new();
    let file = few_ports(&place);
    let mut killed = 0;
    // Where it is killed has no pattern: 100 runs further at the most.
    let mut chance: usize = 7;
    let mut wanted = 0;
    for round in 1..=10 {
        chance = (chance * 1_103_515_245 + 12_345) % 2_147_483_648;
        wanted += 1 + chance / 65_536 % 95;
        let mut command = Command::new(env!("CARGO_BIN_EXE_timewait"));
        let mut child = command
            .args(long(&file, &place.name("killed")))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Until it has kept some more.
        while lines(&place, "killed") < wanted && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        killed += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!place.path("killed/sweep.json").exists() || round > 1);
    }
    assert!(killed > 5, "it was killed {killed} times only");
    let run = |dir: &str| {
        let args = long(&file, &place.name(dir));
        timewait(&args.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let (resumed, whole) = (run("killed"), run("whole"));
    assert_eq!((resumed.code, whole.code), (0, 0), "{}", resumed.err);
    assert_eq!(resumed.out, whole.out);
    for name in names(&place.path("whole")) {
        let read = |dir: &str| fs::read(place.path(dir).join(&name)).unwrap();
        assert!(read("killed") == read("whole"), "{name}");
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_prints_what_there_is_and_keeps_it() {
    let place = Place::new();
    let file = few_ports(&place);
    let mut command = Command::new(env!("CARGO_BIN_EXE_timewait"));
    // Long enough not to end by itself.
    let args =
        long(&file, &place.name("out")).into_iter().map(|a| a.replace("duration=60s", "duration=2000s"));
    let mut child = command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while lines(&place, "out") < 23 {
        assert_eq!(child.try_wait().unwrap(), None, "it ended by itself");
        std::thread::yield_now();
    }
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(130), "{err}");
    assert!(out.contains("\n  11/s ") && !out.contains("\n  60/s "), "{out}");
    assert!(err.contains("the same command goes on from here"), "{err}");
    assert_eq!(names(&place.path("out")), ["runs.jsonl"]);
    assert!(lines(&place, "out") >= 23);
}

#[test]
fn damaged_and_foreign_results_are_noticed_and_not_used() {
    let place = Place::new();
    let file = few_ports(&place);
    let (out, runs) = (place.name("out"), place.path("out/runs.jsonl"));
    let sweep = || timewait(&["sweep", &file, "--vary", RATES, "--out", &out]);
    let first = sweep();
    let whole = fs::read_to_string(&runs).unwrap();
    // A digit of a result changes, and the last line is cut off.
    let mut lines: Vec<String> = whole.lines().map(str::to_owned).collect();
    lines[2] = lines[2].replace("\"values\":[", "\"values\":[1");
    let cut = lines.last().unwrap().len() / 2;
    lines.last_mut().unwrap().truncate(cut);
    fs::write(&runs, lines.join("\n")).unwrap();
    let again = sweep();
    assert_eq!((again.code, &again.out), (0, &first.out));
    assert!(again.err.contains("runs.jsonl: line 3 is damaged and not used"), "{}", again.err);
    assert_eq!(fs::read_to_string(&runs).unwrap(), whole);
    // A whole line, but not what this program computes.
    fs::write(&runs, forged(&whole)).unwrap();
    let forged = sweep();
    assert_eq!((forged.code, forged.out.as_str()), (3, ""));
    assert!(forged.err.contains("was computed by another program"), "{}", forged.err);
    // Another file altogether.
    fs::write(&runs, "precious\n").unwrap();
    let foreign = sweep();
    assert_eq!((foreign.code, foreign.out.as_str()), (3, ""));
    assert!(foreign.err.contains("was not written by a sweep of this version"), "{}", foreign.err);
    assert_eq!(fs::read_to_string(&runs).unwrap(), "precious\n");
}

/// The same runs with other digests, their sums made right.
fn forged(text: &str) -> String {
    use experiments::record::{heading, line, parse};
    let mut out = heading();
    for (key, mut reading) in text.lines().skip(1).filter_map(parse) {
        reading.digest.push('0');
        out.push_str(&line(key, &reading));
    }
    out
}

#[test]
fn two_at_once_on_one_directory_do_not_harm_each_other() {
    let place = Place::new();
    let file = few_ports(&place);
    fs::create_dir(place.path("out")).unwrap();
    let held = fs::File::create(place.path("out/runs.jsonl")).unwrap();
    held.lock().unwrap();
    let out = place.name("out");
    let ran = timewait(&["sweep", &file, "--vary", RATES, "--out", &out]);
    assert_eq!((ran.code, ran.out.as_str()), (3, ""));
    assert!(ran.err.contains("another sweep is at work in"), "{}", ran.err);
    drop(held);
    assert_eq!(timewait(&["sweep", &file, "--vary", RATES, "--out", &out]).code, 0);
}

#[test]
fn parts_computed_elsewhere_are_taken_in_and_checked() {
    let place = Place::new();
    let file = few_ports(&place);
    let sweep =
        |more: &[&str]| timewait(&[&["sweep", &file, "--vary", RATES, "--seeds", "1..3"], more].concat());
    let whole = sweep(&["--out", &place.name("whole")]);
    let mut taken = Vec::new();
    for part in ["1", "2", "3"] {
        let ran = sweep(&["--part", &format!("{part}/3"), "--out", &place.name(part)]);
        assert_eq!((ran.code, ran.out.as_str()), (0, ""));
        assert!(ran.err.contains(&format!("part {part} of 3: 4 of 4 runs are kept")), "{}", ran.err);
        assert_eq!(names(&place.path(part)), ["runs.jsonl"]);
        taken.push(place.name(&format!("{part}/runs.jsonl")));
    }
    let take: Vec<&str> = taken.iter().flat_map(|t| ["--take", t]).collect();
    let together = sweep(&[&take[..], &["--out", &place.name("together")]].concat());
    assert_eq!((together.code, &together.out), (0, &whole.out), "{}", together.err);
    for name in names(&place.path("whole")) {
        let read = |dir: &str| fs::read(place.path(dir).join(&name)).unwrap();
        assert!(read("together") == read("whole"), "{name}");
    }
    // A part that another program computed.
    fs::write(&taken[1], forged(&fs::read_to_string(&taken[1]).unwrap())).unwrap();
    let mixed = sweep(&[&take[..], &["--out", &place.name("mixed")]].concat());
    assert_eq!((mixed.code, mixed.out.as_str()), (3, ""));
    assert!(mixed.err.contains("2/runs.jsonl` keeps was computed by another program"), "{}", mixed.err);
    for (args, said) in [
        (&["--part", "4/3", "--out", "x"][..], "a part is K/N"),
        (&["--part", "1/3"], "--out"),
        (&["--take", "x"], "--out"),
    ] {
        let ran = sweep(args);
        assert_eq!(ran.code, 2, "{args:?}");
        assert!(ran.err.contains(said), "{args:?}: {}", ran.err);
    }
}
