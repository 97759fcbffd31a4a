//! `docs/questions.md`: what planners ask, answered by what the command prints.

#[allow(dead_code, reason = "no file is written here")]
use std::fs;
use std::path::Path;

use crate::place::timewait;

/// A question, the command that answers it, and why it is so.
type Question = (&'static str, &'static [&'static str], &'static str);

const REUSE: &str = r#"reuse: hosts.client.sysctl."net.ipv4.tcp_tw_reuse"=1"#;
const REUSE_WITHOUT: &str = r#"reuse without timestamps: hosts.client.sysctl."net.ipv4.tcp_tw_reuse"=1; hosts.client.sysctl."net.ipv4.tcp_timestamps"=0"#;
const FEWER_BUCKETS: &str = r#"5000 buckets: hosts.client.sysctl."net.ipv4.tcp_max_tw_buckets"=5000"#;

const QUESTIONS: &[Question] = &[
    (
        "\"Cannot assign requested address\" under load: what ran out, and how do I prove it?",
        &["run", "ports-run-out", "--quiet"],
        "connect() needs a local port that no connection to the same destination holds, and TIME_WAIT holds each for a minute. \
         `ss -tan state time-wait dst ADDRESS | wc -l` near 28,232 is the proof on a real machine.",
    ),
    (
        "I have thousands of TIME_WAIT: is that a problem?",
        &["run", "time-wait-holds-no-descriptor", "--quiet"],
        "It is none as long as no limit binds: a TIME_WAIT holds a tuple and some hundred bytes, no descriptor and no thread. Look at how \
         many are there for one destination, not at their sum.",
    ),
    (
        "How do I get rid of TIME_WAIT? Does tcp_fin_timeout do it?",
        &["check", "fin-timeout"],
        "It does not: it bounds how long an orphan waits in FIN_WAIT2 for the peer's FIN. The length of TIME_WAIT is a constant of the \
         kernel (TCP_TIMEWAIT_LEN, 60 s).",
    ),
    (
        "How many connections a second can one client make to one server? To many?",
        &["check", "ports-run-out", "two-destinations"],
        "28,232 ports for 60 s are 470/s, for each destination address and port. A second destination has its own 28,232.",
    ),
    (
        "tcp_tw_reuse: what does it do, and why did nothing change when I set it?",
        &["compare", "ports-run-out", "--with", REUSE, "--with", REUSE_WITHOUT],
        "With it connect() takes over a TIME_WAIT that is older than a second, if both ends use timestamps: they tell old segments from new ones. \
         Without timestamps, or on the end that accepts, it does nothing. tcp_tw_recycle was another thing, broke clients behind NAT, and is gone since Linux 4.12.",
    ),
    (
        "Which side should close?",
        &["compare", "ports-run-out", "--with", "server closes: traffic.web.close.first=server"],
        "Whoever closes first keeps TIME_WAIT. At the server it holds no port that connect() needs, and a SYN with a newer timestamp or \
         sequence number reopens it at once.",
    ),
    (
        "How much does a pool help?",
        &["compare", "ports-run-out", "--with", "pool of 50: traffic.web.pool=(size: 50)"],
        "The rate of connections matters, not that of requests, and kept connections make it nearly zero. A pool that keeps fewer idle \
         connections than there are requests at once closes the others, and the churn is back.",
    ),
    (
        "The conntrack table is full: what happens, and what takes the entries?",
        &["run", "conntrack-full", "--quiet"],
        "Each connection that has ended stays for 120 s, so max/120 s is the rate that fits. New SYNs are dropped without a word, and clients see \
         timeouts; connections that are in the table go on.",
    ),
    (
        "How large should nf_conntrack_max be?",
        &[
            "compare",
            "conntrack-full",
            "--with",
            "max 32768: hosts.router.conntrack.max=32768",
            "--with",
            "30 s: hosts.router.conntrack.tcp_timeout_time_wait=30",
        ],
        "Rate times 120 s, and some room. A shorter tcp_timeout_time_wait does the same; behind a NAT it must not be shorter than the server's own TIME_WAIT.",
    ),
    (
        "Connects take a second or longer at random: why?",
        &["check", "reuse-with-random-isn", "reuse-with-rfc1337"],
        "A SYN that looks old to a TIME_WAIT is answered with an ACK, and only after a RST does a second SYN pass. If the RST is ignored \
         (tcp_rfc1337) or lost, the SYN waits for its retransmission timer or for the end of TIME_WAIT.",
    ),
    (
        "Is 65,535 the limit of connections?",
        &["check", "two-destinations", "unaffected-destination"],
        "Of ports, not of connections: a connection is known by both addresses and both ports. Each further destination, source address or \
         server port multiplies what is possible.",
    ),
    (
        "Does TIME_WAIT use file descriptors?",
        &["check", "time-wait-holds-no-descriptor", "close-wait-holds-descriptors"],
        "No: close() gives the descriptor back. CLOSE_WAIT does, for there the application has not called close() yet.",
    ),
    (
        "What happens to a SYN that meets a TIME_WAIT?",
        &["check", "reuse-with-timestamps", "reuse-with-random-isn", "reuse-with-rfc793"],
        "Linux accepts it if its timestamp or its sequence number is newer, and else asks with an ACK whether the old connection is really \
         over. Only a stack that keeps to the letter of RFC 793 refuses.",
    ),
    (
        "When is SO_LINGER 0 acceptable?",
        &["compare", "ports-run-out", "--with", "linger 0: traffic.web.close.how=reset"],
        "It frees the port at once, as no TIME_WAIT follows a RST. What has not arrived by then is lost, so only an application that knows \
         that everything has arrived may do it; `timewait advise` measures what is lost on a bad network.",
    ),
    (
        "\"Address already in use\" after a restart: why, and what does SO_REUSEADDR change?",
        &[
            "compare",
            "ports-run-out",
            "--set",
            "duration=120s",
            "--set",
            "traffic.web.close.first=server",
            "--with",
            r#"without it: events=[(at: "30s", what: stop("server:80")), (at: "31s", what: start(listener: "server:80", reuseaddr: false))]"#,
            "--with",
            r#"with it: events=[(at: "30s", what: stop("server:80")), (at: "31s", what: start(listener: "server:80"))]"#,
        ],
        "A server that closes first keeps TIME_WAITs on its own port, and bind() to that port fails until the last of them has ended: a minute of \
         refused connections. With SO_REUSEADDR before bind() they do not count, and only the second of the restart is lost.",
    ),
    (
        "Connections are reset after they were idle: which timer is shortest?",
        &[
            "compare",
            "ports-run-out",
            "--set",
            "duration=300s",
            "--set",
            r#"traffic.web.arrivals=constant("1/10s")"#,
            "--set",
            "traffic.web.pool=(size: 1)",
            "--with",
            "the server's, 10 s: traffic.web.server_idle_timeout=9.9998s",
            "--with",
            r#"the pool's, 9 s: traffic.web.server_idle_timeout=9.9998s; traffic.web.pool=(size: 1, idle_timeout: "9s")"#,
        ],
        "A kept connection dies of the shortest idle timer on its path: the server's, a balancer's, a NAT's. If that is the other end's, a request can \
         cross its FIN on the way and is answered with a RST; so the client's own timer has to be the shortest.",
    ),
    (
        "Do settings of the node apply in the pod?",
        &[
            "compare",
            "conntrack-full",
            "--with",
            r#"on the node: hosts.router.sysctl."net.ipv4.ip_local_port_range"="1024 2047""#,
            "--with",
            r#"in the pod: hosts.client.sysctl."net.ipv4.ip_local_port_range"="1024 2047""#,
        ],
        "Those of TCP and of ports belong to a network namespace, and a pod has its own: on the node, here the router, they change nothing for it. \
         The connection tracking that fills is the node's, whatever the pod sets.",
    ),
    (
        "Does a smaller tcp_max_tw_buckets cure it?",
        &["compare", "ports-run-out", "--with", FEWER_BUCKETS],
        "It ends the errors by ending the protection: closes beyond the limit have no TIME_WAIT, as the row of risk says.",
    ),
    (
        "How does this differ on Windows and macOS?",
        &["check", "msl-by-system"],
        "16,384 ports instead of 28,232, and another TIME_WAIT: 120 s on Windows, 30 s on macOS. The rate is ports divided by that time.",
    ),
    (
        "How long until it recovers after I stop the load?",
        &["run", "ports-run-out"],
        "The first port comes back 60 s after the first close, not after the last failure. With a constant load that is too high the failures come back, too: a square \
         wave with the period of TIME_WAIT.",
    ),
];

fn quoted(arg: &str) -> String {
    let plain = arg.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.=/".contains(&b));
    if plain { arg.to_owned() } else { format!("'{arg}'") }
}

fn written() -> String {
    let heading = String::from(
        "# Questions\n\nWhat planners ask, each with the command that answers it and what it prints. A test runs every command and holds this \
         page to it;\n`UPDATE_DOCS=1 cargo test -p sim-cli --test it questions` writes it anew.\n",
    );
    let sections = QUESTIONS.iter().map(|(question, args, why)| {
        let ran = timewait(args);
        assert_eq!(ran.code, 0, "{question}: {}{}", ran.out, ran.err);
        let args: Vec<_> = args.iter().map(|a| quoted(a)).collect();
        let printed: Vec<_> = ran.out.trim_end().lines().map(str::trim_end).collect();
        format!(
            "\n## {question}\n\n```console\n$ timewait {}\n{}\n```\n\n{why}\n",
            args.join(" "),
            printed.join("\n")
        )
    });
    heading + &sections.collect::<Vec<_>>().concat()
}

#[test]
fn every_question_is_answered_by_what_is_printed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/questions.md");
    let now = written();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let then = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        then == now,
        "docs/questions.md is not what the commands print: UPDATE_DOCS=1 cargo test -p sim-cli --test it questions"
    );
}
