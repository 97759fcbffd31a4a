//! The endpoint under lists of inputs made by chance.
//!
//! Each test uses one fixed seed, so that a run is the same everywhere; `PROPTEST_CASES` and `PROPTEST_RNG_SEED` make
//! it longer and different. A list that once failed stays in `proptest-regressions/`.

use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, RngSeed};
use sim_core::tcp::config::{TimerModel, TwReuse};
use sim_core::tcp::{Flags, Input, Linger2, TcpConfig, Timestamps};
use sim_core::time::Span;
use tests::model::chance::{Shape, Step, Subject};
use tests::model::wire::{Fate, Plan, Wire};

/// A configuration with a fixed seed, unless the environment names another one.
pub(crate) fn config(cases: u32) -> Config {
    let default = Config::default();
    let seed = match default.rng_seed {
        RngSeed::Random => RngSeed::Fixed(9293),
        fixed @ RngSeed::Fixed(_) => fixed,
    };
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { cases };
    Config {
        cases,
        rng_seed: seed,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/proptest-regressions/properties.txt"
        )))),
        max_shrink_iters: 20_000,
        ..default
    }
}

/// Parameters that change which paths are taken.
fn tcp() -> impl Strategy<Value = TcpConfig> {
    (
        any::<[bool; 6]>(),
        prop_oneof![Just(131_072_u32), Just(8_192)],
        prop_oneof![Just(0_u32), Just(1), Just(131_072)],
    )
        .prop_map(|([wheel, timestamps, sack, scaling, rfc1337, reuse], buffer, buckets)| TcpConfig {
            timers: if wheel { TimerModel::Wheel { hz: 250, phase: Span::ZERO } } else { TimerModel::Exact },
            timestamps: if timestamps { Timestamps::RandomOffset } else { Timestamps::Off },
            sack,
            window_scaling: scaling,
            rfc1337,
            tw_reuse: if reuse { TwReuse::On } else { TwReuse::Off },
            rcv_buf: buffer,
            snd_buf: buffer,
            max_tw_buckets: buckets,
            ..TcpConfig::default()
        })
}

/// The same with TIME_WAIT: without it, not every end is a good one.
fn tcp_that_waits() -> impl Strategy<Value = TcpConfig> {
    tcp().prop_map(|cfg| TcpConfig { max_tw_buckets: 131_072, ..cfg })
}

/// The same with large buffers. The kernel scales the window of a crossing SYN,ACK though RFC 7323 §2.2 says it is never
/// scaled; small buffers would be overrun at once.
fn tcp_with_room() -> impl Strategy<Value = TcpConfig> {
    tcp_that_waits().prop_map(|cfg| TcpConfig { rcv_buf: 131_072, snd_buf: 131_072, ..cfg })
}

/// A distance: mostly none, sometimes a little, seldom anything.
fn distance() -> impl Strategy<Value = i32> {
    prop_oneof![
        12 => Just(0),
        4 => -3..=3_i32,
        2 => -3_000..=3_000_i32,
        1 => any::<i32>(),
    ]
}

fn flags() -> impl Strategy<Value = Flags> {
    prop_oneof![
        3 => Just(Flags::SYN),
        3 => Just(Flags::SYN_ACK),
        8 => Just(Flags::ACK),
        5 => Just(Flags::PSH_ACK),
        5 => Just(Flags::FIN_ACK),
        1 => Just(Flags::RST),
        1 => Just(Flags::RST_ACK),
        1 => (0_u8..64).prop_map(Flags),
    ]
}

/// Sometimes a SACK block; mostly for something that is in flight.
fn sack() -> impl Strategy<Value = Option<(i32, u32)>> {
    let block = prop_oneof![4 => (0..=8_000_i32, 1..=1_460_u32), 1 => (any::<i32>(), 1..=100_000_u32)];
    prop_oneof![3 => Just(None), 1 => block.prop_map(Some)]
}

fn shape() -> impl Strategy<Value = Shape> {
    let len = prop_oneof![4 => Just(0_u32), 4 => 1..=1460_u32, 1 => 1461..=20_000_u32];
    let win = prop_oneof![4 => Just(500_u16), 1 => Just(0), 1 => any::<u16>()];
    let ts_age = prop_oneof![3 => Just(None), 3 => Just(Some(0)), 1 => (0..10_000_u32).prop_map(Some)];
    let shape = (flags(), distance(), distance(), len, win, ts_age, sack());
    shape.prop_map(|(flags, seq, ack, len, win, ts_age, sack)| {
        let len = if flags.has(Flags::SYN) { 0 } else { len };
        Shape { flags, seq, ack, len, win, ts_age, sack }
    })
}

fn call() -> impl Strategy<Value = Input> {
    prop_oneof![
        6 => (1..=6_000_u32).prop_map(|len| Input::Send { len }),
        6 => prop_oneof![Just(u32::MAX), 0..=2_000_u32].prop_map(|len| Input::Recv { len }),
        2 => Just(Input::ShutdownWrite),
        1 => Just(Input::ShutdownRead),
        3 => Just(Input::Close),
        1 => Just(Input::Abort),
        1 => Just(Input::Disconnect),
        1 => Just(Input::TakeError),
        1 => prop_oneof![
            Just(Linger2::Never),
            Just(Linger2::Sysctl),
            (0..200_u64).prop_map(|s| Linger2::For(Span::from_secs(s))),
        ].prop_map(Input::SetLinger2),
        1 => any::<bool>().prop_map(Input::SetNoDelay),
        1 => any::<bool>().prop_map(Input::SetKeepAlive),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Connect),
        8 => call().prop_map(Step::Call),
        14 => shape().prop_map(Step::Segment),
        4 => Just(Step::Timer),
        2 => (0..90_000_u32).prop_map(Step::Wait),
        1 => Just(Step::Unlisten),
    ]
}

fn fate() -> impl Strategy<Value = Fate> {
    let late = prop_oneof![4 => Just(0_u32), 2 => 0..60_u32, 1 => 0..3_000_u32];
    let doubled = prop_oneof![6 => Just(None), 1 => (0..5_000_u32).prop_map(Some)];
    (prop::bool::weighted(0.2), doubled, late).prop_map(|(lost, doubled, late)| Fate { lost, doubled, late })
}

fn plan() -> impl Strategy<Value = Plan> {
    let bytes = prop_oneof![Just(0_u64), 1..3_000_u64, 1..60_000_u64];
    let reads_every = prop_oneof![3 => Just(0_u32), 1 => 1..2_000_u32];
    (bytes, 1..8_000_u32, reads_every, any::<bool>()).prop_map(|(bytes, piece, reads_every, eager)| Plan {
        bytes,
        piece,
        reads_every,
        eager,
        ..Plan::default()
    })
}

/// Runs a list to its end and beyond.
fn run(cfg: TcpConfig, listens: bool, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut subject = Subject::new(cfg, listens);
    for (number, &step) in steps.iter().enumerate() {
        subject
            .step(step)
            .map_err(|rule| {
                TestCaseError::fail(format!("after step {number}, {step:?}: {rule}; {subject:?}"))
            })?
            .ok();
    }
    subject.run_out().map_err(TestCaseError::fail)
}

proptest! {
    #![proptest_config(config(30_000))]

    /// Whatever is done to one host: the invariants hold after each step, and at the end nothing is left.
    #[test]
    fn any_list_of_inputs_keeps_the_rules(
        cfg in tcp(),
        listens in any::<bool>(),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        run(cfg, listens, &steps)?;
    }
}

proptest! {
    #![proptest_config(config(8_000))]

    /// A client and a server always finish: everything arrives once, both ends go, whatever the network does at first.
    #[test]
    fn client_and_server_always_settle(
        cfg in tcp_that_waits(),
        client in plan(),
        server in plan(),
        fates in prop::collection::vec(fate(), 0..80),
    ) {
        let client = Plan { connects: Some(0), eager: client.eager || !server.eager, ..client };
        let server = Plan { listens: true, ..server };
        Wire::new(cfg, [client, server], fates).settle().map_err(TestCaseError::fail)?;
    }

    /// So do two that call each other at the same time.
    #[test]
    fn two_callers_always_settle(
        cfg in tcp_with_room(),
        one in plan(),
        other in plan(),
        after in 0..15_u32,
        fates in prop::collection::vec(fate(), 0..60),
    ) {
        let one = Plan { connects: Some(0), eager: one.eager || !other.eager, ..one };
        let other = Plan { connects: Some(after), ..other };
        Wire::new(cfg, [one, other], fates).settle().map_err(TestCaseError::fail)?;
    }
}
