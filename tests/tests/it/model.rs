//! Every state that two endpoints can reach, and what TIME_WAIT is for.

use sim_core::tcp::State::{
    self, CloseWait, Closed, Established, FinWait1, LastAck, SynRecv, SynSent, TimeWait,
};
use sim_core::tcp::{TcpConfig, TimerKind};
use tests::model::actions::Action::{self, Arrive, Connect, Double, Fire, Lose, Send, Shut, StrayArrives};
use tests::model::checker::{
    BOTH_OPEN, NO_OLD_DATA, NO_RESET, assassination, explore, last_ack_lost, old_duplicate, shortest,
    sound_plans, unsound_plans,
};
use tests::model::ladder::{Rung, replay};
use tests::model::world::{CLIENT, Plan, SERVER, World};
use tests::model::{document, lesson};

#[test]
fn every_reachable_state_keeps_the_promises() {
    for plan in sound_plans(1) {
        let found = explore(&plan, None, 2);
        println!("{}: {} states, depth {}", plan.name, found.states, found.depth);
        assert!(found.broken.is_empty(), "{}: {:?}", plan.name, found.broken);
        let expected: &[&str] = if plan.listens { &[BOTH_OPEN] } else { &[] };
        assert_eq!(found.unseen, expected, "{}", plan.name);
    }
}

#[test]
fn without_time_wait_something_breaks() {
    for (plan, property) in unsound_plans() {
        let path = shortest(&plan, property, None);
        let path = path.unwrap_or_else(|| panic!("{}: found nothing wrong", plan.name));
        replay(&plan, &path).unwrap_or_else(|e| panic!("{}: no clock allows {path:?}: {e}", plan.name));
    }
}

#[test]
fn the_lesson_is_up_to_date() {
    let text = lesson::document().expect("lessons");
    document::check("docs/why-time-wait.md", &text).unwrap_or_else(|e| panic!("{e}"));
}

/// A path with the states of client and server after each step.
type Story = [(Action, State, State)];

/// Replays a story with a clock, and the same path in the model; both must see the same states.
fn tell(plan: &Plan, story: &Story) -> Vec<Rung> {
    let actions: Vec<Action> = story.iter().map(|step| step.0).collect();
    let rungs = replay(plan, &actions).expect("a path that a clock allows");
    let mut world = World::new(plan);
    for (rung, &(action, client, server)) in rungs.iter().zip(story) {
        assert_eq!(rung.states, [client, server], "after {action:?} at {}", rung.at);
        world.act(plan, action);
        assert_eq!([world.sides[CLIENT].state(), world.sides[SERVER].state()], rung.states, "{action:?}");
    }
    rungs
}

/// One connection up to the client's end of it, with a thousand bytes each way; the server's are doubled on the way.
const FIRST_LIFE: [(Action, State, State); 14] = [
    (Connect(CLIENT), SynSent, Closed),
    (Arrive(SERVER), SynSent, SynRecv),
    (Arrive(CLIENT), Established, SynRecv),
    (Send(CLIENT), Established, SynRecv),
    (Shut(CLIENT), FinWait1, SynRecv),
    (Arrive(SERVER), FinWait1, Established),
    (Send(SERVER), FinWait1, Established),
    (Double(CLIENT), FinWait1, Established),
    (Arrive(CLIENT), FinWait1, Established),
    (Arrive(SERVER), FinWait1, Established),
    (Arrive(CLIENT), FinWait1, Established),
    (Arrive(SERVER), FinWait1, CloseWait),
    (Shut(SERVER), FinWait1, LastAck),
    // The client has seen both ends: TIME_WAIT, or nothing.
    (Arrive(CLIENT), Closed, LastAck),
];

#[test]
fn an_old_duplicate_is_taken_by_the_next_connection() {
    let mut story = FIRST_LIFE.to_vec();
    story.extend([
        (Connect(CLIENT), SynSent, LastAck),
        (Arrive(SERVER), SynSent, LastAck),
        (Arrive(SERVER), SynSent, Closed),
        (Arrive(SERVER), SynSent, SynRecv),
        (Arrive(CLIENT), Established, SynRecv),
        (Send(CLIENT), Established, SynRecv),
    ]);
    story.push((StrayArrives(0), Established, SynRecv));
    let rungs = tell(&old_duplicate(), &story);
    let read: Vec<u32> = rungs.iter().map(|rung| rung.read[CLIENT]).collect();
    assert_eq!(read[13], 1_000, "the first connection's data");
    assert_eq!(read[19..], [1_000, 1_900], "900 bytes more, though nothing was sent on the second");
}

#[test]
fn time_wait_keeps_the_old_duplicate_out() {
    let cfg = TcpConfig { max_tw_buckets: 10, ..old_duplicate().cfg };
    let mut story = FIRST_LIFE.to_vec();
    story[13].1 = TimeWait;
    story.extend([(Connect(CLIENT), TimeWait, LastAck), (StrayArrives(0), TimeWait, LastAck)]);
    let rungs = tell(&Plan { cfg, ..old_duplicate() }, &story);
    assert!(rungs[14].refused, "the tuple is taken");
    assert_eq!(rungs[15].read[CLIENT], 1_000);
}

#[test]
fn a_lost_last_ack_is_answered_only_by_time_wait() {
    let story = |waits: State| {
        [
            (Connect(CLIENT), SynSent, Closed),
            (Arrive(SERVER), SynSent, SynRecv),
            (Arrive(CLIENT), Established, SynRecv),
            (Shut(CLIENT), FinWait1, SynRecv),
            (Arrive(SERVER), FinWait1, Established),
            (Arrive(SERVER), FinWait1, CloseWait),
            (Shut(SERVER), FinWait1, LastAck),
            (Arrive(CLIENT), waits, LastAck),
            (Lose(SERVER), waits, LastAck),
            (Fire(SERVER, TimerKind::Retransmit), waits, LastAck),
            (Arrive(CLIENT), waits, LastAck),
            (Arrive(SERVER), waits, Closed),
        ]
    };
    let answer = |rungs: &[Rung]| rungs[11].segment.expect("an answer").flags;
    let without = last_ack_lost();
    assert_eq!(answer(&tell(&without, &story(Closed))), sim_core::tcp::Flags::RST);
    let with = Plan { cfg: TcpConfig { max_tw_buckets: 10, ..without.cfg.clone() }, ..without };
    assert_eq!(answer(&tell(&with, &story(TimeWait))), sim_core::tcp::Flags::ACK);
    assert!(shortest(&with, NO_RESET, None).is_none());
}

#[test]
fn rfc1337_keeps_time_wait_alive() {
    let (plan, ignoring) = (assassination(), Plan { cfg: old_duplicate().cfg, ..assassination() });
    let ignoring = Plan { cfg: TcpConfig { max_tw_buckets: 10, ..ignoring.cfg.clone() }, ..ignoring };
    assert!(ignoring.cfg.rfc1337 && !plan.cfg.rfc1337);
    assert!(shortest(&ignoring, NO_OLD_DATA, None).is_none());
    let story = |server: State| {
        [
            (Connect(CLIENT), SynSent, Closed),
            (Arrive(SERVER), SynSent, SynRecv),
            (Arrive(CLIENT), Established, SynRecv),
            (Arrive(SERVER), Established, Established),
            (Shut(SERVER), Established, FinWait1),
            (Arrive(CLIENT), CloseWait, FinWait1),
            (Shut(CLIENT), LastAck, FinWait1),
            (Arrive(SERVER), LastAck, TimeWait),
            (Arrive(CLIENT), Closed, TimeWait),
            (Connect(CLIENT), SynSent, TimeWait),
            (Arrive(SERVER), SynSent, TimeWait),
            (Arrive(CLIENT), SynSent, TimeWait),
            (Arrive(SERVER), SynSent, server),
        ]
    };
    tell(&plan, &story(Closed));
    tell(&ignoring, &story(TimeWait));
}
