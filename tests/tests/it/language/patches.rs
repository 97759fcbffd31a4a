//! `--set`: what it changes, and what is said when it cannot.

use std::fmt::Write as _;

use scenarios::{Extras, Loaded, Patch, Report, Source, bundled, load};
use sim_core::rng::Ratio;
use sim_core::scenario::{Arrivals, OnError, Retry};
use sim_core::tcp::config::TwReuse;
use sim_core::time::Span;

fn set(name: &str, patches: &[&str]) -> Result<Loaded, Report> {
    let patches: Vec<_> = patches.iter().map(|p| Patch::parse(p).expect("a patch")).collect();
    let bundled = bundled(name).expect("a bundled scenario");
    let extras = Extras { files: bundled, patches: &patches, ..Extras::default() };
    load(&Source::new("ports.ron", bundled.text), &extras)
}

#[test]
fn values_are_replaced_at_every_depth() {
    let loaded = set(
        "ports-run-out",
        &[
            "seed=7",
            "links[0].loss=1%",
            "links[0].delay=\"2ms\"",
            "traffic.web.arrivals=poisson(\"470/s\")",
            "hosts.client.sysctl.\"net.ipv4.tcp_tw_reuse\"=1",
            "hosts.client.limits.open_files=100",
            "hosts.server.listen[0].backlog=16",
            "traffic.web.on_error=retry(after: \"1s\", times: 2)",
            "expect=[]",
            "duration=30s",
        ],
    );
    let s = loaded.unwrap_or_else(|report| panic!("{report}")).scenario;
    assert_eq!((s.seed, s.duration), (7, Span::from_secs(30)));
    assert_eq!((s.links[0].loss, s.links[0].delay), (Ratio { num: 1, den: 100 }, Span::from_millis(2)));
    assert!(matches!(s.traffic[0].arrivals, Arrivals::Poisson(_)));
    assert_eq!(s.hosts[0].tcp.tw_reuse, TwReuse::On);
    assert_eq!((s.hosts[0].open_files, s.hosts[1].listen[0].backlog), (100, 16));
    assert_eq!(s.traffic[0].on_error, OnError::Retry(Retry::new(Span::from_secs(1), 2)));
}

#[test]
fn names_with_dots_need_no_quotes_under_sysctl() {
    let loaded = set("ports-run-out", &["hosts.server.sysctl.net.core.somaxconn=64"]).unwrap();
    assert_eq!(loaded.scenario.hosts[1].tcp.somaxconn, 64);
}

#[test]
fn texts_need_no_quotes_on_a_command_line() {
    let loaded = set("ports-run-out", &["title=A new day", "traffic.web.to=10.0.0.2:80"]).unwrap();
    assert_eq!(loaded.scenario.title, "A new day");
    let range = "hosts.client.sysctl.\"net.ipv4.ip_local_port_range\"=1024 65535";
    let loaded = set("ports-run-out", &[range]).unwrap();
    assert_eq!(loaded.scenario.hosts[0].ports.low, 1024);
}

#[test]
fn a_list_grows_at_its_end_and_an_argument_can_be_replaced() {
    let loaded = set(
        "ports-run-out",
        &[
            "expect[10]=never(\"ETIMEDOUT\")",
            "traffic.web.arrivals[0]=900/s",
            "hosts.extra=(addresses: [\"10.0.0.9\"])",
        ],
    );
    let s = loaded.unwrap_or_else(|report| panic!("{report}")).scenario;
    assert_eq!((s.expect.len(), s.hosts.len()), (11, 3));
    assert!(matches!(s.traffic[0].arrivals, Arrivals::Constant(rate) if rate.count == 900));
}

#[test]
fn a_section_that_is_not_there_is_made() {
    let patches = ["hosts.server.conntrack=on", "hosts.server.conntrack.max=100", "traffic.web.pool.size=5"];
    let s = set("ports-run-out", &patches).unwrap_or_else(|report| panic!("{report}")).scenario;
    assert_eq!(s.hosts[1].conntrack.as_ref().map(|c| c.max), Some(100));
    assert_eq!(s.traffic[0].pool.map(|p| p.size), Some(5));
}

#[test]
fn later_patches_win() {
    let loaded = set("ports-run-out", &["seed=1", "seed=2"]).unwrap();
    assert_eq!(loaded.scenario.seed, 2);
}

#[test]
fn what_cannot_be_set_is_told_at_the_option() {
    let slips: &[&[&str]] = &[
        &["duration=30"],
        &["duraton=30s"],
        &["links[3].loss=1%"],
        &["links[x].loss=1%"],
        &["links.loss=1%"],
        &["hosts.clinet.limits.open_files=5"],
        &["hosts.client.limits.open_file=5"],
        &["hosts.client.sysctl.net.ipv4.tcp_tw_resue=1"],
        &["traffic.web.arrivals=constant(100/s)"],
        &["title.x=1"],
        &["a..b=1"],
        &["hosts.\"client=1"],
        &["links[0]loss=1"],
        &["seed=two"],
        &["traffic.web.close.first=sever"],
        &["seed=-1"],
    ];
    let mut said = String::new();
    for slip in slips {
        let report = set("ports-run-out", slip).expect_err(slip[0]);
        writeln!(said, "### --set {}\n\n{report}", slip.join(" --set ")).unwrap();
    }
    insta::assert_snapshot!(said);
}

#[test]
fn expectations_that_no_longer_fit_are_left_out_with_a_word() {
    let loaded = set("ports-run-out", &["duration=35s"]).unwrap();
    assert_eq!(loaded.warnings.warnings(), 4);
    assert_eq!(loaded.scenario.expect.len(), 6);
    assert_eq!(loaded.scenario.traffic[0].stop.as_millis(), 35_000);
}

#[test]
fn an_option_without_a_value_is_no_patch() {
    assert_eq!(
        Patch::parse("duration").unwrap_err(),
        "`duration` is not PATH=VALUE, as in `duration=30s` or `links[0].loss=1%`"
    );
    assert!(Patch::parse("=1").is_err());
}

#[test]
fn an_expectation_on_what_a_patch_took_away_is_left_out() {
    let loaded =
        set("conntrack-full", &["hosts.router.conntrack=off"]).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(loaded.warnings.warnings(), 1, "{}", loaded.warnings);
    assert!(loaded.warnings.to_string().contains("left out, because it does not fit what `--set` changed"));
    assert_eq!(loaded.scenario.expect.len(), 8);
}

#[test]
fn an_expectation_that_was_wrong_before_stays_wrong() {
    let text = bundled("ports-run-out").unwrap().text.replace("never(", "nevr(");
    let patches = [Patch::new("seed", "2")];
    let extras = Extras { patches: &patches, ..Extras::default() };
    assert!(load(&Source::new("a.ron", text), &extras).is_err());
}

#[test]
fn a_pool_can_be_taken_away_and_given_back() {
    let loaded = set("ports-run-out", &["traffic.web.pool=(size: 5)", "traffic.web.pool=none"]).unwrap();
    assert_eq!(loaded.scenario.traffic[0].pool, None);
    let loaded = set("ports-run-out", &["traffic.web.pool=none", "traffic.web.pool.size=3"]).unwrap();
    assert_eq!(loaded.scenario.traffic[0].pool.map(|p| p.size), Some(3));
}
