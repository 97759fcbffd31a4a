//! Incidents that people have had: the first line names the cause, and fixes that help are told from those that do not.

use experiments::Run;
use reports::answer::{headline, hurt};
use scenarios::{Patch, Source, bundled};

/// An incident, what its headline says, and changes with whether they help.
struct Incident {
    name: &'static str,
    says: &'static str,
    fixes: &'static [(&'static str, bool)],
}

const INCIDENTS: &[Incident] = &[
    Incident {
        name: "redis-loop",
        says: "ephemeral ports of app to 127.0.0.1:6379: 28,232 of 28,232 in TIME_WAIT",
        fixes: &[
            ("hosts.app.stack=linux", true),
            ("traffic.publish.pool=(size: 1)", true),
            ("traffic.publish.requests_per_connection=2", false),
            (r#"hosts.app.sysctl={"net.ipv4.tcp_fin_timeout": "5"}"#, false),
            ("hosts.app.limits=(open_files: 9000000)", false),
        ],
    },
    Incident {
        name: "websockets-held",
        says: "ephemeral ports of tester from 10.0.0.1 to 10.0.1.1:80: 28,232 of 28,232 in ESTABLISHED",
        fixes: &[
            (r#"traffic.sockets.source=["10.0.0.1", "10.0.0.2"]"#, true),
            (r#"hosts.tester.sysctl={"net.ipv4.ip_local_port_range": "1024 65535"}"#, true),
            (r#"hosts.tester.sysctl={"net.ipv4.tcp_tw_reuse": "1"}"#, false),
            ("hosts.tester.limits=(open_files: 9000000)", false),
        ],
    },
    Incident {
        name: "proxy-idle-pool",
        says: "ephemeral ports of traefik to 10.0.0.3:8080: 28,232 of 28,232",
        fixes: &[
            ("traffic.upstream.pool.idle=50", true),
            (r#"hosts.traefik.sysctl={"net.ipv4.tcp_tw_reuse": "1"}"#, true),
            ("traffic.upstream.requests_per_connection=1000", false),
            (r#"hosts.traefik.sysctl={"net.ipv4.tcp_fin_timeout": "5"}"#, false),
        ],
    },
    Incident {
        name: "macos-16384",
        says: "ephemeral ports of mac to 10.0.0.2:80: 16,384 of 16,384",
        fixes: &[
            ("hosts.mac.ports=(range: (1024, 65535))", true),
            ("traffic.ab.close.first=server", true),
            ("traffic.ab.response=10B", false),
        ],
    },
    Incident {
        name: "bind-before-connect",
        says: "ports that envoy binds before connect(), one pool for all 10 destinations: 28,232 of 28,232",
        fixes: &[
            ("traffic.upstream.port=auto", true),
            ("hosts.envoy.limits=(open_files: 9000000)", false),
            (r#"hosts.envoy.sysctl={"net.ipv4.tcp_tw_reuse": "1"}"#, false),
        ],
    },
    Incident {
        name: "time-wait-one-second",
        says: "Nothing ran out, but 6.4% of connects (1,535) waited 1 s or longer: their SYN met a TIME_WAIT at traefik",
        fixes: &[
            ("traffic.https.close.first=client", true),
            (r#"hosts.balancer.sysctl={"net.ipv4.tcp_timestamps": "1"}"#, true),
            ("hosts.traefik.listen[0].backlog=65535", false),
            (r#"hosts.traefik.sysctl={"net.ipv4.tcp_fin_timeout": "5"}"#, false),
        ],
    },
    Incident {
        name: "node-conntrack",
        says: "nf_conntrack_max of node: 65,536 of 65,536",
        fixes: &[
            ("hosts.node.conntrack.max=131072", true),
            ("hosts.node.conntrack.tcp_timeout_time_wait=30", true),
            ("hosts.node.conntrack.tcp_timeout_established=600", false),
        ],
    },
    Incident {
        name: "both-tables",
        says: "tcp_max_tw_buckets of proxy: 16,384 of 16,384",
        fixes: &[
            ("hosts.proxy.conntrack.max=262144", true),
            ("hosts.proxy.conntrack.tcp_timeout_time_wait=30", true),
        ],
    },
    Incident {
        name: "threads-close-wait",
        says: "threads of app:80: 90 of 90",
        fixes: &[
            ("hosts.app.listen[0].connections=1000", false),
            (r#"traffic.web.service_time=exponential(mean: "2s")"#, true),
            ("hosts.app.listen[0].backlog=65535", false),
        ],
    },
    Incident {
        name: "close-wait-leak",
        says: "open files of ingress: 1,024 of 1,024",
        fixes: &[
            (r#"traffic.upstream.close.other=close_after("0s")"#, true),
            ("traffic.upstream.close.first=client", true),
            (r#"hosts.ingress.sysctl={"net.ipv4.tcp_fin_timeout": "5"}"#, false),
            (r#"hosts.ingress.sysctl={"net.ipv4.tcp_orphan_retries": "1"}"#, false),
        ],
    },
];

/// What a run comes to: its headline, whether anything hurt, and how many requests were not served or waited a second.
fn outcome(name: &str, fix: Option<&str>) -> (String, bool, u64) {
    let bundled = bundled(name).unwrap_or_else(|| panic!("no scenario {name}"));
    let patches = fix.map(|fix| Patch::parse(fix).unwrap_or_else(|why| panic!("{fix}: {why}")));
    let run = Run { patches: patches.into_iter().collect(), ..Run::bundled(*bundled) };
    let outcome = run.run().unwrap_or_else(|report| panic!("{report}"));
    let read = reports::Run::new(&outcome.scenario, &outcome.summary);
    let second = sim_core::time::Span::from_secs(1);
    let bad = outcome.summary.traffic.iter().map(|t| t.abandoned.count + t.connect_latency.at_least(second));
    (headline(read), !hurt(read).is_empty(), bad.sum())
}

#[test]
fn the_first_line_names_the_cause_and_something_hurt() {
    for incident in INCIDENTS {
        let (says, hurts, _) = outcome(incident.name, None);
        assert!(says.contains(incident.says), "{}: {says}", incident.name);
        assert!(hurts, "{}", incident.name);
    }
}

#[test]
fn fixes_that_help_are_told_from_those_that_do_not() {
    let mut wrong = Vec::new();
    for incident in INCIDENTS {
        let (_, _, before) = outcome(incident.name, None);
        for (fix, helps) in incident.fixes {
            let (says, _, after) = outcome(incident.name, Some(fix));
            if (after * 10 < before) != *helps {
                wrong.push(format!("{}: {fix}: {before} before, {after} after: {says}", incident.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A pool, or workers, that are fewer than the requests at a time: nothing fails, and everybody waits.
#[test]
fn who_waits_for_a_pool_or_a_worker_is_told() {
    let text = |server: &str, pool: &str| {
        format!(
            r#"(duration: "20s", hosts: {{"c": (addresses: ["10.0.0.1"]), "s": (addresses: ["10.0.0.2"], listen: [(port: 80{server})])}},
            links: [(path: ["c", "s"], delay: "1ms")],
            traffic: {{"web": (from: "c", to: "s:80", arrivals: workers(50), service_time: "5ms"{pool})}})"#
        )
    };
    let told = |server: &str, pool: &str| {
        let ran = Run::new(Source::new("waits.ron", text(server, pool))).run();
        let ran = ran.unwrap_or_else(|report| panic!("{report}"));
        hurt(reports::Run::new(&ran.scenario, &ran.summary)).join("\n")
    };
    let pool = told("", ", pool: (size: 2)");
    assert!(
        pool.contains("had to wait for a connection of the pool; half of the answers came within"),
        "{pool}"
    );
    let workers = told(", workers: 4", ", requests_per_connection: 9");
    assert!(workers.contains("had to wait for one of the workers of s:80"), "{workers}");
    assert_eq!(told("", ", pool: (size: 50)"), "");
}
