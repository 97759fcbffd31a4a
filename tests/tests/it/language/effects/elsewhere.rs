//! What a field does where no expectation can say it.

use scenarios::{Extras, Files, Patch, Source, load};
use sim_core::counter::Counter;
use sim_core::engine::Simulation;
use sim_core::ids::TrafficId;
use sim_core::record::Summary;
use sim_core::scenario::{Metric, Outcome, Scenario};
use sim_core::seq::Seq;
use sim_core::tcp::{Flags, Outbox, Segment, TcpConfig};
use sim_core::time::Time;
use tests::model::side::{Stimulus, apply, env, listening};

use super::BASE;

/// The one file that there is.
struct Beside;

impl Files for Beside {
    fn read(&self, name: &str) -> Result<Source, String> {
        match name {
            "arrivals.csv" => Ok(Source::new(name, "time,client\n0.5,a\n0.75,b\n1500ms,c\n")),
            other => Err(format!("cannot read `{other}`")),
        }
    }
}

fn loaded(patches: &[&str]) -> Scenario {
    let patches: Vec<_> = patches.iter().map(|p| Patch::parse(p).expect("a patch")).collect();
    let extras = Extras { files: &Beside, patches: &patches, ..Extras::default() };
    load(&Source::new("base.ron", BASE), &extras).unwrap_or_else(|report| panic!("{report}")).scenario
}

fn run(patches: &[&str]) -> Summary {
    Simulation::new(&loaded(patches)).run()
}

#[test]
fn a_title_and_what_it_teaches_are_in_the_answer() {
    let answer = |patches: &[&str]| {
        let scenario = loaded(patches);
        let summary = Simulation::new(&scenario).run();
        reports::answer::answer(reports::Run::new(&scenario, &summary))
    };
    let plain = answer(&["duration=1s"]);
    assert!(plain.starts_with("base\n\n"), "the name of the file: {plain}");
    let told = answer(&["duration=1s", "title=A pinch of SYN", "teaches=That it needs an ACK."]);
    assert_eq!(told.strip_prefix("A pinch of SYN\nThat it needs an ACK.\n"), plain.strip_prefix("base\n"));
}

#[test]
fn a_seed_is_all_the_luck_there_is() {
    let drawn = |seed: &str| run(&[r#"traffic.web.arrivals=poisson("20/s")"#, seed]);
    let (first, again, other) = (drawn("seed=1"), drawn("seed=1"), drawn("seed=2"));
    assert!(first == again);
    assert_ne!(first.traffic[0].attempted, other.traffic[0].attempted);
}

#[test]
fn the_series_has_a_row_each_interval() {
    let attempts = |sample: &str| {
        let series = run(&["duration=4s", sample]).series;
        assert_eq!(
            series.rows,
            series.get(Metric::Outcome(TrafficId(0), Outcome::Attempted)).map_or(0, <[_]>::len)
        );
        series.get(Metric::Outcome(TrafficId(0), Outcome::Attempted)).map(<[_]>::to_vec)
    };
    // 20/s, and what comes at a sampling point comes after it.
    assert_eq!(attempts("sample=1s"), Some(vec![0, 20, 40, 60, 80]));
    assert_eq!(attempts("sample=2s"), Some(vec![0, 40, 80]));
}

#[test]
fn arrivals_come_at_the_times_of_a_file() {
    let attempted = run(&[r#"traffic.web.arrivals=csv("arrivals.csv")"#]).traffic[0].attempted;
    let millis = [attempted.first, attempted.last].map(|at| at.since(Time::ZERO).as_millis());
    assert_eq!((attempted.count, millis), (3, [500, 1500]));
}

#[test]
fn ports_of_one_parity_come_first_unless_they_are_chosen_at_random() {
    let ports = |patch: &str| {
        let range = "hosts.c.sysctl.net.ipv4.ip_local_port_range=2000 2099";
        // As many as are even, all at the same time.
        let summary =
            run(&[range, patch, "traffic.web.tuples=true", "traffic.web.stop=2500ms", "traffic.web.hold=9s"]);
        let mut ports = summary.traffic[0].tuples.as_ref().expect("its tuples").ports.clone();
        ports.sort_unstable();
        ports
    };
    let even: Vec<u16> = (2000..2100).step_by(2).collect();
    assert_eq!(ports("hosts.c.ports=()"), even);
    let random = ports("hosts.c.ports=(choice: random)");
    let odd = random.iter().filter(|port| *port % 2 == 1).count();
    assert_eq!(random.len(), 50);
    assert!((10..40).contains(&odd), "{odd} of 50 are odd");
}

/// A segment of a connection whose two ends both began at 0.
fn segment(seq: u32, len: u32, flags: Flags) -> Stimulus {
    Stimulus::Segment(Segment { seq: Seq(seq), ack: Seq(1), len, win: 65_535, flags, ..Segment::default() })
}

#[test]
fn only_6_18_checks_where_a_segment_ends() {
    let beyond = |checks_right_edge: bool| {
        let cfg = TcpConfig { checks_right_edge, ..TcpConfig::default() };
        let (mut server, mut out) = (listening(), Outbox::default());
        for stimulus in [
            segment(0, 0, Flags::SYN),
            segment(1, 0, Flags::ACK),
            // Nobody reads it, so some of the window is taken.
            segment(1, 1_000, Flags::ACK),
            // It begins in the window, which without scaling is less than 65,536 bytes, and ends beyond.
            segment(1_001, 70_000, Flags::ACK),
        ] {
            apply(&mut server, env(Time::ZERO, &cfg, Seq(0)), stimulus, &mut out)
                .expect("segments are no calls");
        }
        (out.counters.contains(&Counter::TcpExtBeyondWindow), out.segments.last().map(|seg| seg.ack))
    };
    assert_eq!(beyond(true), (true, Some(Seq(1_001))));
    assert!(!beyond(false).0);
}
