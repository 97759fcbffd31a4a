//! Random worlds, the scripts of conversations and the memory of steps: neither they nor the queue change what a run comes to, and
//! the memory pays, is bounded and steps aside.

use experiments::in_order;
use scenarios::{Extras, Source, load};
use sim_core::engine::World;
use sim_core::engine::queue::{Heap, Lanes, Queue};
use sim_core::scenario::Scenario;
use tests::audit::both_ways;
use tests::job::{Job, Kind};
use tests::worlds::{calm, small, text};

use crate::library_runs::on_two_threads;

/// So many random worlds are audited; `worlds -- FROM TO audit` takes as many as wanted.
const AUDITED: u64 = 200;

/// So many small ones are.
const SMALL: u64 = 3_000;

/// So many random worlds are run.
const WORLDS: u64 = 240;

/// The random world with this number; `None` if the checker refuses it.
fn world(number: u64) -> Option<Scenario> {
    load(&Source::new("world", text(number)), &Extras::default()).ok().map(|loaded| loaded.scenario)
}

fn begin<Q: Queue>(scenario: &Scenario) -> World<Q, ()> {
    World::with_sink(scenario, ())
}

/// Runs the worlds in every way; those that the checker took.
fn valid_worlds<R: Send>(numbers: std::ops::Range<u64>, run: impl Fn(u64, &Scenario) -> R + Sync) -> Vec<R> {
    let numbers: Vec<u64> = numbers.collect();
    on_two_threads(&numbers, |&number| world(number).map(|scenario| run(number, &scenario)))
        .into_iter()
        .flatten()
        .collect()
}

#[test]
fn neither_memory_nor_queue_changes_a_run() {
    let recalled = valid_worlds(0..WORLDS, |number, scenario| {
        let mut with = begin::<Lanes>(scenario);
        while with.advance(u64::MAX) {}
        let (recalled, _, _) = with.memory().expect("it is on").tally();
        let summary = with.run();
        let without = begin::<Lanes>(scenario).without_memory().run();
        assert_eq!(summary, without, "world {number}: without the memory of steps");
        let on_heap = begin::<Heap>(scenario).run();
        assert_eq!(summary, on_heap, "world {number}: on the heap");
        recalled
    });
    assert!(recalled.len() as u64 > WORLDS * 9 / 10, "only {} worlds are valid", recalled.len());
    // Else the comparison would prove nothing.
    let used = recalled.iter().filter(|&&steps| steps > 0).count();
    assert!(used > recalled.len() / 2, "only {used} of {} worlds recalled a step", recalled.len());
}

/// The books are held against the tables on the way, rarer and rarer, and at the end, under both queues.
#[test]
fn books_and_tables_agree_in_every_world() {
    let audited = valid_worlds(1_000..1_000 + AUDITED, |number, scenario| both_ways(scenario, number).err());
    assert!(audited.len() as u64 > AUDITED * 9 / 10, "only {} worlds are valid", audited.len());
    assert!(audited.iter().all(Option::is_none), "{audited:?}");
}

/// The same with everything that the language has. 299, 338, 460, 959 and 977 are worlds in which a retransmission was never sent,
/// because another timer of its socket had fired before.
#[test]
fn books_and_tables_agree_in_small_worlds() {
    let numbers: Vec<u64> = (0..SMALL).collect();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (mut valid, mut found) = (0, Vec::new());
    let one = |&number: &u64| {
        let loaded = load(&Source::new("world", small(number)), &Extras::default()).ok()?;
        Some((number, both_ways(&loaded.scenario, number).err()))
    };
    let _: Option<()> = in_order(&numbers, threads, one, |audited| {
        valid += u64::from(audited.is_some());
        found.extend(audited.and_then(|(number, why)| why.map(|why| format!("{number} {why}"))));
        std::ops::ControlFlow::Continue(())
    });
    assert!(valid > SMALL * 6 / 10, "only {valid} worlds are valid");
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_world_cloned_on_its_way_ends_like_the_original() {
    let middles = valid_worlds(WORLDS..WORLDS + 60, |number, scenario| {
        let whole = begin::<Lanes>(scenario).run();
        let mut original = begin::<Lanes>(scenario);
        let more = original.advance(whole.events / 2);
        let clone = original.clone();
        assert_eq!(clone.run(), whole, "world {number}: the clone");
        assert_eq!(original.run(), whole, "world {number}: the original");
        more
    });
    assert!(middles.iter().filter(|&&more| more).count() > 40, "most were cloned before their end");
}

/// What the memory came to: steps recalled, learnt and missed, values and steps held.
#[derive(Debug)]
struct Usage {
    recalled: u64,
    learnt: u64,
    missed: u64,
    values: usize,
    steps: usize,
}

fn usage(scenario: &Scenario) -> Usage {
    let mut world = begin::<Lanes>(scenario).without_scripts();
    while world.advance(u64::MAX) {}
    let memory = world.memory().expect("it is on");
    let ((recalled, learnt, missed), (values, steps)) = (memory.tally(), memory.size());
    Usage { recalled, learnt, missed, values, steps }
}

fn job(kind: Kind) -> Scenario {
    let job = Job { connections: 8_000, rate: 400, destinations: 1, kind };
    job.scenario().unwrap_or_else(|why| panic!("{why}"))
}

/// Calm worlds: there conversations follow scripts, and limits make them leave.
#[test]
fn scripts_change_nothing() {
    let numbers: Vec<u64> = (0..48).collect();
    let followed = on_two_threads(&numbers, |&number| {
        let loaded = load(&Source::new("world", calm(number)), &Extras::default()).ok()?;
        let scenario = loaded.scenario;
        let mut with = begin::<Lanes>(&scenario);
        while with.advance(u64::MAX) {}
        let (followed, left, _) = with.conversations();
        let summary = with.run();
        let without = begin::<Lanes>(&scenario).without_scripts().run();
        assert_eq!(summary, without, "calm world {number}: without scripts");
        let plain = begin::<Heap>(&scenario).without_memory().run();
        assert_eq!(summary, plain, "calm world {number}: without anything");
        Some((followed, left))
    });
    let followed: Vec<(u64, u64)> = followed.into_iter().flatten().filter(|&(all, _)| all > 0).collect();
    // Else the comparison would prove nothing.
    let left = followed.iter().filter(|&&(_, left)| left > 0).count();
    assert!(followed.len() > 10 && left > 5, "conversations that followed, and left: {followed:?}");
}

#[test]
fn the_standard_job_follows_scripts() {
    for kind in [Kind::Plain, Kind::Tracked, Kind::Wheel, Kind::Poisson] {
        let scenario = job(kind);
        let mut world = begin::<Lanes>(&scenario);
        while world.advance(u64::MAX) {}
        let (followed, left, scripts) = world.conversations();
        let summary = world.run();
        let attempted = summary.traffic[0].attempted.count;
        assert!(followed * 100 > attempted * 97, "{kind:?}: {followed} of {attempted}");
        assert_eq!(left, 0, "{kind:?}");
        assert!(scripts < 12, "{kind:?}: {scripts} scripts");
    }
}

/// A conversation takes up the script of those whose pause is like its own; it leaves where there is none as yet.
#[test]
fn drawn_service_times_are_in_scripts() {
    let conversations_over = |delay: &str, service: &str| {
        let text = Job { connections: 8_000, rate: 400, destinations: 1, kind: Kind::Drawn }.text();
        let text = text.replace("exponential(mean: \"5ms\")", service);
        let text = text.replace("delay: \"1ms\"", &format!("delay: \"{delay}\""));
        let scenario = load(&Source::new("job", text), &Extras::default()).expect("a job").scenario;
        let mut world = begin::<Lanes>(&scenario);
        while world.advance(u64::MAX) {}
        let conversations = world.conversations();
        let plain = begin::<Heap>(&scenario).without_memory().run();
        assert_eq!(world.run(), plain, "{service} over {delay}");
        both_ways(&scenario, 7).expect("its books agree");
        conversations
    };
    let conversations = |service: &str| conversations_over("1ms", service);
    // Three lengths are as few as can be: nearly all follow to their end.
    let (followed, left, scripts) = conversations("sample([\"0s\", \"2.5ms\", \"70ms\"])");
    assert!(followed > 7_800 && left < 400 && scripts < 30, "{followed}, {left}, {scripts}");
    let (followed, left, scripts) = conversations("exponential(mean: \"5ms\")");
    assert!(followed > 7_800 && left < 1_600 && scripts > 40, "{followed}, {left}, {scripts}");
    // Over a short way all steps after the pause lie in one period of the wheel's clock: only the class says how far the clock of
    // milliseconds has moved.
    let (followed, left, _) = conversations_over("0.1ms", "exponential(mean: \"5ms\")");
    assert!(followed > 7_800 && left < 4_000, "{followed}, {left}");
    // Hardly two are alike: then there are few scripts, for each has to pay.
    let (followed, left, scripts) = conversations("exponential(mean: \"500ms\")");
    assert!(left > followed - 800 && scripts < 80, "{followed}, {left}, {scripts}");
}

#[test]
fn whom_a_link_hits_leaves_and_others_follow() {
    let conversations = |kind: Kind| {
        let mut world = begin::<Lanes>(&job(kind));
        while world.advance(u64::MAX) {}
        world.conversations()
    };
    // Ten segments a connection, of which one in a hundred is lost.
    let (followed, left, _) = conversations(Kind::Loss);
    assert!(followed > 7_000 && left * 20 > followed && left * 5 < followed, "{left} of {followed} left");
    // One in four is late: hardly anybody would come through.
    assert_eq!(conversations(Kind::Reorder), (0, 0, 0));
}

#[test]
fn the_standard_job_is_recalled() {
    for kind in [Kind::Plain, Kind::Tracked, Kind::Wheel, Kind::Poisson] {
        let usage = usage(&job(kind));
        let all = usage.recalled + usage.missed;
        assert!(usage.recalled * 100 > all * 99, "{kind:?}: {usage:?}");
        assert_eq!(usage.learnt, usage.steps as u64, "{kind:?}: what was learnt is held");
        assert!(usage.values < 100 && usage.steps < 200, "{kind:?}: {usage:?}");
    }
}

/// Long transfers over a bad link, timers in ticks: hardly two connections do the same.
const NOTHING_REPEATS: &str = r#"(
    duration: "120s", seed: 1, sample: "1s",
    hosts: {
        "c": (addresses: ["10.0.0.1"], timers: wheel),
        "s": (addresses: ["10.0.1.1"], timers: wheel, listen: [(port: 80, backlog: 4096)]),
    },
    links: [(path: ["c", "s"], delay: "1234567ns", loss: "20%", reorder: "30%", reorder_delay: "0.3ms")],
    traffic: { "web": (from: "c", to: "10.0.1.1:80", arrivals: poisson("50/s"), request: "20kB",
        response: "100kB", close: (first: client, how: graceful)) },
)"#;

#[test]
fn it_steps_aside_where_nothing_repeats() {
    let loaded = load(&Source::new("world", NOTHING_REPEATS), &Extras::default());
    let scenario = loaded.unwrap_or_else(|why| panic!("{why}")).scenario;
    let mut world = begin::<Lanes>(&scenario);
    let (mut aside, mut most) = (false, 0);
    while world.advance(5_000) {
        let memory = world.memory().expect("it is on");
        aside |= !memory.clone().pays();
        most = most.max(memory.size().1);
    }
    let usage = usage(&scenario);
    assert!(aside, "it never stepped aside: {usage:?}");
    assert!(most <= 1 << 16, "{most} steps were held");
    let summary = world.run();
    let tried = usage.recalled + usage.missed;
    assert!(
        tried * 10 < summary.segments,
        "it goes on trying, with {} segments: {usage:?}",
        summary.segments
    );
    assert_eq!(summary, begin::<Lanes>(&scenario).without_memory().run(), "and nothing is different");
}
