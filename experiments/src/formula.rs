//! What arithmetic says about a rate, where it applies: ports held for a time, and Erlang's loss formula.

use sim_core::scenario::{Arrivals, ClientPort, CloseHow, OtherSide, PortChoice, Scenario, Side, Traffic};
use sim_core::tcp::config::TwReuse;
use sim_core::time::{Span, Time};

/// Tuples of a traffic source and how long a connection holds one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tuples {
    /// Ports times source addresses times destinations.
    pub count: u64,
    /// How long a connection lives by itself, round trips left out: seconds.
    pub lives_s: f64,
    /// The same, and then its TIME_WAIT.
    pub hold_s: f64,
    /// How much longer the timer wheel may keep a TIME_WAIT: seconds; zero with exact timers.
    pub late_s: f64,
    /// Whether arrivals are random.
    pub random: bool,
}

/// The tuples of a source of connections that its client closes, each on a port of its own; none where something else
/// than the formula decides (a pool, reuse, the server closing first, several sources on one host).
pub fn tuples(scenario: &Scenario, name: &str) -> Option<Tuples> {
    let traffic = scenario.traffic.iter().find(|t| t.name == name)?;
    let random = match traffic.arrivals {
        Arrivals::Constant(_) => false,
        Arrivals::Poisson(_) => true,
        _ => return None,
    };
    let host = scenario.hosts.get(traffic.from.index())?;
    let alone = scenario.traffic.iter().filter(|t| t.from == traffic.from).count() == 1;
    let local = traffic.to.iter().any(|to| host.addresses.contains(&to.addr));
    let reused = match host.tcp.tw_reuse {
        TwReuse::Off => false,
        TwReuse::On => true,
        TwReuse::Loopback => local,
    };
    if !alone || reused || !closed_by_client(traffic) {
        return None;
    }
    let reserved = |port: u16| host.ports.reserved.iter().any(|&(low, high)| (low..=high).contains(&port));
    let whole = u64::from(host.ports.high.saturating_sub(host.ports.low)) + 1;
    // connect() of Linux walks an even number of ports (`remaining &= ~1U` in net/ipv4/inet_hashtables.c).
    let walked = match host.ports.choice {
        PortChoice::LinuxDoubleHash { .. } if whole > 1 => whole & !1,
        _ => whole,
    };
    let walked = (host.ports.low..=host.ports.high).take(walked as usize);
    let ports = walked.filter(|&port| !reserved(port)).count() as u64;
    let time_wait = host.tcp.time_wait;
    // When it is armed decides how late the wheel is: the latest over some thousand ticks.
    let tick = Span::from_millis(1);
    let late = (0..8192).map(|n| Time::ZERO + tick.times(n));
    let late = late.map(|at| host.tcp.timers.expiry(at, time_wait).since(at)).max()?;
    let seconds = |span: Span| span.0 as f64 / 1e9;
    let thinking =
        seconds(traffic.think_time.mean()) * f64::from(traffic.requests_per_connection.saturating_sub(1));
    let service = seconds(traffic.service_time.mean()) * f64::from(traffic.requests_per_connection);
    let lives_s = seconds(traffic.hold) + thinking + service;
    Some(Tuples {
        count: ports * traffic.source.len() as u64 * traffic.to.len() as u64,
        lives_s,
        hold_s: seconds(time_wait) + lives_s,
        late_s: (seconds(late) - seconds(time_wait)).max(0.0),
        random,
    })
}

fn closed_by_client(traffic: &Traffic) -> bool {
    traffic.pool.is_none()
        && traffic.requests_per_connection < u32::MAX
        && traffic.port == ClientPort::AUTO
        && traffic.first == Side::Client
        && matches!(traffic.how, CloseHow::Graceful | CloseHow::HalfClose)
        && matches!(traffic.other, OtherSide::CloseAfter(_))
}

impl Tuples {
    /// Connections a second that never run out, if they come at equal distances and every TIME_WAIT ends as late as it
    /// can.
    pub fn rate(&self) -> f64 {
        self.count as f64 / (self.hold_s + self.late_s)
    }

    /// Connections a second of which Erlang's formula loses this share, if they come at random. `loss` is the formula:
    /// the share lost of a load on so many servers, which grows with the load.
    pub fn rate_with_loss(&self, share: f64, loss: impl Fn(f64, u64) -> f64) -> f64 {
        let (mut low, mut high) = (0.0, 4.0 * self.count as f64);
        for _ in 0..60 {
            let load = f64::midpoint(low, high);
            if loss(load, self.count) <= share { low = load } else { high = load }
        }
        // On the average a TIME_WAIT ends half a granule late, and only the average matters.
        low / (self.hold_s + self.late_s / 2.0)
    }
}

/// What connections that come at a rate hold at once, each for a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Demand {
    /// Connections a second.
    pub rate: f64,
    /// How long each holds one: seconds.
    pub hold_s: f64,
    /// How many that makes.
    pub needed: f64,
    /// Whether arrivals are random, so that it is a mean.
    pub random: bool,
    /// What they hold.
    pub held: Held,
}

/// What connections hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Tuples: so many there are where all holds, and so many where it does not.
    Tuples([u64; 2]),
    /// Entries of a connection tracker.
    Entries,
}

/// What bounds a value that is not a rate: the number of tuples that it makes, or of entries that it allows. `holds` and
/// `fails` are the scenarios on either side of the edge. None where no formula applies.
pub fn demand(path: &str, holds: &Scenario, fails: &Scenario) -> Option<Demand> {
    holds.traffic.iter().find_map(|source| {
        let there = tuples(holds, &source.name)?;
        let rate = match source.arrivals {
            Arrivals::Constant(rate) | Arrivals::Poisson(rate) => {
                rate.count as f64 / (rate.per.0 as f64 / 1e9)
            }
            _ => return None,
        };
        let tracker = path.strip_prefix("hosts.").and_then(|rest| rest.strip_suffix(".conntrack.max"));
        let of = |hold_s: f64, most: f64, held: Held| Demand {
            rate,
            hold_s,
            needed: (rate * hold_s.min(holds.duration.0 as f64 / 1e9)).min(most),
            random: there.random,
            held,
        };
        if let Some(name) = tracker {
            let host = holds.hosts.iter().find(|host| host.name == name)?;
            let waits = host.conntrack.as_ref()?.timeouts.time_wait.0 as f64 / 1e9;
            // A reused tuple replaces its old entry.
            return Some(of(there.lives_s + waits, there.count as f64, Held::Entries));
        }
        let short = tuples(fails, &source.name)?;
        (short.count != there.count)
            .then(|| of(there.hold_s, f64::INFINITY, Held::Tuples([there.count, short.count])))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Run;
    use scenarios::Patch;

    fn of(name: &str, patch: &str) -> Option<Tuples> {
        let run = Run::bundled(*scenarios::bundled(name).expect("it is bundled"));
        let run = if patch.is_empty() { run } else { run.with(Patch::parse(patch).expect(patch)) };
        tuples(&run.load().unwrap_or_else(|r| panic!("{r}")).scenario, "web")
    }

    #[test]
    fn ports_held_for_a_minute_are_470_a_second_and_455_with_the_wheel() {
        let exact = of("ports-run-out", "").expect("it applies");
        assert_eq!((exact.count, exact.random), (28_232, false));
        assert!((exact.rate() - 470.53).abs() < 0.01, "{}", exact.rate());
        let wheel = of("ports-run-out", "hosts.client.timers=wheel").expect("it applies").rate();
        assert!((454.0..456.0).contains(&wheel), "{wheel}");
        let odd = r#"hosts.client.sysctl."net.ipv4.ip_local_port_range"="40000 40060""#;
        assert_eq!(of("ports-run-out", odd).expect("it applies").count, 60);
        let reserved = r#"hosts.client.sysctl."net.ipv4.ip_local_reserved_ports"="40000-40999""#;
        assert_eq!(of("ports-run-out", reserved).expect("it applies").count, 27_232);
    }

    #[test]
    fn it_does_not_apply_where_something_else_decides() {
        for patch in [
            r#"hosts.client.sysctl."net.ipv4.tcp_tw_reuse"=1"#,
            "traffic.web.close=(first: server)",
            "traffic.web.close=(how: reset)",
            "traffic.web.pool=(size: 5)",
            "traffic.web.arrivals=workers(5)",
        ] {
            assert_eq!(of("ports-run-out", patch), None, "{patch}");
        }
        assert!(of("poisson-470", "").expect("it applies").random);
    }

    #[test]
    fn what_a_rate_holds_bounds_ports_and_entries() {
        let with = |name: &str, patch: &str| {
            let run = Run::bundled(*scenarios::bundled(name).expect("it is bundled"));
            run.with(Patch::parse(patch).expect(patch)).load().unwrap_or_else(|r| panic!("{r}")).scenario
        };
        let ports = |high: u32| {
            with(
                "ports-run-out",
                &format!(r#"hosts.client.sysctl."net.ipv4.ip_local_port_range"="1024 {high}""#),
            )
        };
        let needed = demand("any", &ports(61_027), &ports(61_025)).expect("it applies");
        assert_eq!((needed.needed, needed.held), (60_000.0, Held::Tuples([60_004, 60_002])));
        assert_eq!(demand("any", &ports(61_027), &ports(61_027)), None);
        let of = |max: u32| with("conntrack-first", &format!("hosts.router.conntrack.max={max}"));
        let entries = demand("hosts.router.conntrack.max", &of(200_000), &of(100_000)).expect("it applies");
        assert_eq!((entries.hold_s, entries.held), (120.0, Held::Entries));
        assert!((entries.needed - entries.rate * 120.0).abs() < 1e-6, "{entries:?}");
    }

    #[test]
    fn the_rate_with_a_loss_inverts_the_formula() {
        let tuples = Tuples { count: 100, lives_s: 0.0, hold_s: 10.0, late_s: 0.0, random: true };
        // Any formula that grows with the load: here one that loses what is above the number of servers.
        let loss = |load: f64, servers: u64| (1.0 - servers as f64 / load).max(0.0);
        assert!((tuples.rate_with_loss(0.2, loss) - 12.5).abs() < 1e-9);
    }
}
