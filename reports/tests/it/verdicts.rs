//! Each kind of expectation, holding and failing.

use crate::sample::{self, CLIENT, GATEWAY, SERVER, Sample, WEB, ms};
use reports::verdict::{Verdict, verdicts};
use sim_core::counter::Counter;
use sim_core::errno::Errno;
use sim_core::record::LogLine;
use sim_core::scenario::{Band, Check, Expectation, Limit, Metric, Outcome, Runs, Timing, Window};
use sim_core::tcp::State;
use sim_core::time::{Span, Time};

fn judge(mut s: Sample, checks: Vec<Check>) -> Vec<Verdict> {
    let expectation =
        |(i, check)| Expectation { text: format!("check {i}"), line: 40 + i as u32, check, runs: Runs::This };
    s.scenario.expect = checks.into_iter().enumerate().map(expectation).collect();
    verdicts(s.run())
}

/// The checks in pairs: the first of each holds, the second does not; what is said about them.
fn pairs(s: Sample, checks: Vec<Check>) -> String {
    let verdicts = judge(s, checks);
    for pair in verdicts.chunks(2) {
        assert!(pair[0].passed, "{:?} should hold", pair[0]);
        assert!(!pair[1].passed, "{:?} should fail", pair[1]);
    }
    let line = |v: &Verdict| {
        format!("{} expected {}; got {}", if v.passed { "ok  " } else { "FAIL" }, v.expected, v.got)
    };
    verdicts.iter().map(line).collect::<Vec<_>>().join("\n")
}

const fn band(low: u64, high: u64) -> Band {
    Band { low, high }
}

const ALL: Window = Window { from: Time::ZERO, to: Time(150_000_000_000) };
const HALF: Window = Window { from: Time::ZERO, to: Time(60_000_000_000) };
const REFUSED: Outcome = Outcome::Error(Errno::Eaddrnotavail);

#[test]
fn limits_and_moments() {
    let first = |low, high| Check::First { traffic: None, outcome: REFUSED, band: band(low, high) };
    insta::assert_snapshot!(pairs(
        sample::ports_bound(),
        vec![
            Check::BindsFirst(Some(sample::ports())),
            Check::BindsFirst(Some(Limit::Conntrack(GATEWAY))),
            Check::BindsFirst(Some(sample::ports())),
            Check::BindsFirst(None),
            first(28_200_000_000, 28_300_000_000),
            first(0, 28_000_000_000),
            Check::First { traffic: Some(WEB), outcome: Outcome::Connected, band: band(0, 0) },
            Check::First { traffic: None, outcome: Outcome::Error(Errno::Emfile), band: band(0, u64::MAX) },
        ]
    ));
    insta::assert_snapshot!(pairs(
        sample::nothing_bound(),
        vec![Check::BindsFirst(None), Check::BindsFirst(Some(sample::ports()))]
    ));
}

#[test]
fn values() {
    let time_wait = Metric::Sockets(CLIENT, State::TimeWait);
    insta::assert_snapshot!(pairs(
        sample::ports_bound(),
        vec![
            Check::Peak(time_wait, band(28_232, 28_232)),
            Check::Peak(time_wait, band(0, 28_231)),
            Check::Peak(Metric::Used(sample::ports()), band(28_232, 28_232)),
            Check::Peak(Metric::Used(Limit::Conntrack(GATEWAY)), band(0, u64::MAX)),
            Check::Peak(Metric::Outcome(WEB, REFUSED), band(65_304, 65_304)),
            Check::Peak(Metric::Orphans(SERVER), band(1, u64::MAX)),
            Check::Peak(Metric::Memory(CLIENT), band(7_000_000, 8_000_000)),
            Check::Peak(Metric::Memory(CLIENT), band(0, 1_000_000)),
            Check::At(time_wait, ms(10_000), band(9_992, 9_992)),
            Check::At(time_wait, ms(10_000), band(10_000, 10_001)),
            Check::At(Metric::Conntrack(GATEWAY), ms(10_000), band(0, 0)),
            Check::At(time_wait, ms(10_001), band(0, u64::MAX)),
        ]
    ));
}

#[test]
fn windows() {
    let count =
        |outcome, over, low, high| Check::Count { traffic: None, outcome, over, band: band(low, high) };
    let share = |over, low, high| Check::Share {
        traffic: None,
        outcome: Outcome::Connected,
        over,
        band: band(low, high),
    };
    let rate =
        |over, low, high| Check::Rate { traffic: Some(WEB), outcome: REFUSED, over, band: band(low, high) };
    insta::assert_snapshot!(pairs(
        sample::ports_bound(),
        vec![
            count(REFUSED, ALL, 65_304, 65_304),
            count(REFUSED, HALF, 65_304, 65_304),
            count(REFUSED, HALF, 31_768, 31_768),
            count(Outcome::Attempted, HALF, 0, 59_999),
            count(Outcome::Error(Errno::Econnrefused), ALL, 0, 0),
            count(REFUSED, ALL, 0, 0),
            // 28,232 of 60,000 is 47.0533...%: neither end of the band is rounded to.
            share(HALF, 470_533, 470_534),
            share(HALF, 470_534, 470_535),
            rate(ALL, 435_360, 435_360),
            rate(HALF, 435_360, 435_360),
        ]
    ));
    let nobody = judge(sample::no_traffic(), vec![share(ALL, 0, 1_000_000), count(REFUSED, ALL, 0, 0)]);
    assert_eq!((nobody[0].passed, nobody[0].got.as_str()), (false, "no attempts"));
    assert!(nobody[1].passed);
}

#[test]
fn erlang() {
    let check = |servers, within| Check::ErlangB {
        traffic: None,
        over: ALL,
        servers,
        hold: Span::from_millis(60_008),
        within,
    };
    // A deterministic system is not Poisson, but far above its capacity it loses what the formula says within a tenth.
    insta::assert_snapshot!(pairs(
        sample::ports_bound(),
        vec![check(28_232, 100_000), check(28_232, 1_000), check(34_000, 10_000), check(1, 100_000)]
    ));
    assert_eq!(judge(sample::no_traffic(), vec![check(1, 1_000_000)])[0].got, "no attempts");
}

#[test]
fn kernel_and_latency() {
    let log = LogLine::ConntrackTableFull;
    let latency = |quantile, low, high| Check::Latency {
        traffic: None,
        timing: Timing::Connect,
        quantile,
        band: band(low, high),
    };
    insta::assert_snapshot!(pairs(
        sample::conntrack_bound(),
        vec![
            Check::Counter(GATEWAY, Counter::CtDrop, band(1, u64::MAX)),
            Check::Counter(CLIENT, Counter::CtDrop, band(1, u64::MAX)),
            Check::Log(GATEWAY, log, band(310, 310)),
            Check::Log(SERVER, log, band(1, 1)),
            latency(990, 2_000_000, 2_100_000),
            latency(1000, 0, 1_000_000),
        ]
    ));
    let nobody = judge(sample::no_traffic(), vec![latency(500, 0, u64::MAX)]);
    assert_eq!((nobody[0].passed, nobody[0].got.as_str()), (false, "nothing connected"));
}
