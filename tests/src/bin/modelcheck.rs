//! Explores every state that two endpoints can reach, and prints how many there are and what holds in them.
//!
//! `modelcheck [--faults N] [--depth N]`: more faults mean more states; a depth bounds the number of steps.

use tests::model::actions::Action;
use tests::model::checker::{explore, shortest, sound_plans, unsound_plans};
use tests::model::ladder::{draw, replay};
use tests::model::world::Plan;

fn main() -> Result<(), String> {
    let mut faults = 1;
    let mut depth = None;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let value =
            args.next().and_then(|v| v.parse::<usize>().ok()).ok_or(format!("{arg} takes a number"))?;
        match arg.as_str() {
            "--faults" => faults = value.min(9) as u8,
            "--depth" => depth = Some(value),
            _ => return Err(format!("{arg} is not known; there are --faults N and --depth N")),
        }
    }
    let mut failed = false;
    for plan in sound_plans(faults) {
        let found = explore(&plan, depth, 2);
        println!("{}: {} states, depth {}", plan.name, found.states, found.depth);
        for property in &found.broken {
            failed = true;
            println!("  BROKEN: {property}");
            if let Some(actions) = shortest(&plan, property, depth) {
                show(&plan, &actions);
            }
        }
        for property in &found.unseen {
            println!("  not seen: {property}");
        }
    }
    for (plan, property) in unsound_plans() {
        if let Some(actions) = shortest(&plan, property, depth) {
            println!("{}: after {} steps it does not hold that {property}", plan.name, actions.len());
            show(&plan, &actions);
        } else {
            failed = true;
            println!("{}: no counter-example found to this: {property}", plan.name);
        }
    }
    if failed { Err("the model does not hold".into()) } else { Ok(()) }
}

fn show(plan: &Plan, actions: &[Action]) {
    match replay(plan, actions) {
        Ok(rungs) => println!("{}", draw(plan, &rungs)),
        Err(why) => println!("{actions:?}\nNo clock allows it: {why}"),
    }
}
