//! Explores every state that two endpoints can reach, and prints how many there are and what holds in them.
//!
//! `modelcheck [--faults N] [--depth N]`: more faults mean more states; a depth bounds the number of steps.

use std::process::ExitCode;
use tests::model::actions::Action;
use tests::model::checker::{explore, shortest, sound_plans, unsound_plans};
use tests::model::ladder::{draw, replay};
use tests::model::world::Plan;

fn main() -> ExitCode {
    match arguments() {
        Ok((faults, depth)) if check(faults, depth) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(why) => {
            eprintln!("modelcheck: {why}");
            ExitCode::from(2)
        }
    }
}

/// The number of faults, and the most steps if they are bounded.
fn arguments() -> Result<(u8, Option<usize>), String> {
    let (mut faults, mut depth) = (1, None);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let value = args.next().and_then(|v| v.parse::<usize>().ok());
        match (arg.as_str(), value) {
            ("--faults", Some(value)) => faults = value.min(9) as u8,
            ("--depth", Some(value)) => depth = Some(value),
            ("--faults" | "--depth", None) => return Err(format!("{arg} takes a number")),
            _ => return Err(format!("{arg} is not known; there are --faults N and --depth N")),
        }
    }
    Ok((faults, depth))
}

/// Explores all plans; answers whether everything is as it should be.
fn check(faults: u8, depth: Option<usize>) -> bool {
    let mut good = true;
    for plan in sound_plans(faults) {
        let found = explore(&plan, depth, 2);
        println!("{}: {} states, depth {}", plan.name, found.states, found.depth);
        for property in &found.broken {
            good = false;
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
            // Within a bounded number of steps there need not be one.
            good &= depth.is_some();
            println!("{}: no counter-example found to this: {property}", plan.name);
        }
    }
    good
}

fn show(plan: &Plan, actions: &[Action]) {
    match replay(plan, actions) {
        Ok(rungs) => println!("{}", draw(plan, &rungs)),
        Err(why) => println!("{actions:?}\nNo clock allows it: {why}"),
    }
}
