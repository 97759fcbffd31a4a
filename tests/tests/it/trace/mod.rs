//! Following connections: what is recorded changes nothing, and is told truly in every form.

mod capture;
mod forms;
mod wireshark;

use std::ops::ControlFlow;

use experiments::Run;
use experiments::trace::{Trace, Wanted, Which, trace};
use scenarios::Source;
use sim_core::scenario::Scenario;
use sim_core::time::Time;

/// A scenario from its text.
pub(crate) fn scenario(text: &str) -> Scenario {
    let loaded = Run::new(Source::new("trace.ron", text)).load();
    loaded.unwrap_or_else(|report| panic!("{report}")).scenario
}

/// A bundled scenario.
pub(crate) fn bundled(name: &str) -> Scenario {
    let bundled = *scenarios::bundled(name).expect("it is bundled");
    Run::bundled(bundled).load().expect("it loads").scenario
}

/// What happened to these connections, from beginning to end.
pub(crate) fn followed(scenario: &Scenario, which: Which) -> Trace {
    let wanted = Wanted { which, from: Time::ZERO, to: Time::NEVER, most: usize::MAX };
    trace(scenario, &wanted, |_| ControlFlow::Continue(())).expect("there is such a connection")
}

/// Two clients, a link with its faults, a router, a server; `more` goes into the traffic source, `link` into the first link.
pub(crate) fn world(link: &str, hosts: &str, more: &str) -> Scenario {
    scenario(&format!(
        r#"(
            duration: "120s",
            seed: 7,
            hosts: {{
                "client": (addresses: ["10.0.0.1"]),
                "router": (),
                "server": (addresses: ["10.0.1.2"], listen: [(port: 80)]{hosts}),
            }},
            links: [
                (path: ["client", "router"], delay: "10ms"{link}),
                (path: ["router", "server"], delay: "5ms"),
            ],
            traffic: {{ "web": (from: "client", to: "10.0.1.2:80"{more}) }},
        )"#
    ))
}

/// Whether a program is there; if not, says loudly that `what` is left out.
pub(crate) fn have(program: &str, what: &str) -> bool {
    let there = tests::equipment::program(program);
    if !there {
        tests::equipment::left_out(what, &format!("there is no `{program}`"));
    }
    there
}
