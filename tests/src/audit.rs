//! Worlds whose books are held against their tables as they run.

use sim_core::engine::World;
use sim_core::engine::queue::{Heap, Lanes, Queue};
use sim_core::record::Summary;
use sim_core::scenario::Scenario;

/// Segments that may be on their way in an audited world: each look looks at all of them.
const MOST_ON_THE_WAY: u64 = 20_000;

/// Runs a world to its end, or until too much is on its way, and holds its books against its tables at the beginning, rarer and rarer on the way, and at the
/// end.
///
/// # Errors
/// What does not agree, and when that was first seen.
fn audited<Q: Queue + Clone>(scenario: &Scenario, mut stride: u64) -> Result<Summary, String> {
    let mut world = World::<Q, ()>::with_sink(scenario, ()).with_most_on_the_way(MOST_ON_THE_WAY);
    let mut more = true;
    loop {
        let found = world.audit();
        if !found.is_empty() {
            return Err(format!("disagrees after {} events, at {}: {found:?}", world.events(), world.now()));
        }
        if !more {
            return Ok(world.into_summary());
        }
        more = world.advance(stride);
        stride += stride / 2 + 1;
    }
}

/// Audits a world under both queues; they come to the same, too. At different moments: `seed` says at which.
///
/// # Errors
/// What does not agree.
pub fn both_ways(scenario: &Scenario, seed: u64) -> Result<Summary, String> {
    let lanes = audited::<Lanes>(scenario, 1 + seed % 61)?;
    let heap = audited::<Heap>(scenario, 1 + seed % 37).map_err(|why| format!("on the heap {why}"))?;
    // Which link holds most is known to lanes only.
    let early = lanes.overrun.is_some() && heap.overrun.is_some() && lanes.digest == heap.digest;
    if lanes != heap && !early {
        return Err(format!("comes to something else on the heap: {} and {}", lanes.digest, heap.digest));
    }
    Ok(lanes)
}

/// Runs a scenario plainly, and without all that makes the engine fast: the scripts of conversations, the memory of steps, the lanes of
/// the queue.
///
/// # Errors
/// Whatever came out differently without one of them.
pub fn referees(scenario: &Scenario) -> Result<Summary, String> {
    let lanes = || World::<Lanes, ()>::with_sink(scenario, ());
    let plain = lanes().run();
    let others = [
        ("without scripts", lanes().without_scripts().run()),
        ("without the memory of steps", lanes().without_memory().run()),
        (
            "on the heap, without either",
            World::<Heap, ()>::with_sink(scenario, ()).without_memory().without_scripts().run(),
        ),
    ];
    let differ: Vec<_> = others.iter().filter(|(_, other)| *other != plain).map(|(how, _)| *how).collect();
    if differ.is_empty() { Ok(plain) } else { Err(format!("comes to something else {}", differ.join(", "))) }
}
