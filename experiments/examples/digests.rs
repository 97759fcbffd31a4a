//! What every bundled scenario comes to: its name and its digest. `.ci/run` compares what this prints on the machine itself with what it prints
//! as WebAssembly, where a `usize` has 32 bits and no operating system helps.

use experiments::{Run, execute};

fn main() {
    for scenario in scenarios::library() {
        let run = Run::new(scenario.source());
        match run.load() {
            Ok(loaded) => {
                let (summary, _) = execute(&loaded.scenario, |_| std::ops::ControlFlow::Continue(()));
                println!("{} {} {} events", scenario.name, summary.digest, summary.events);
            }
            Err(report) => println!("{} {report}", scenario.name),
        }
    }
}
