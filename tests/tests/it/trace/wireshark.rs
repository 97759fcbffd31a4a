//! What Wireshark makes of our captures: nothing is malformed, and its own analysis agrees with what the simulator knows,
//! segment by segment.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};

use experiments::trace::Which;
use sim_core::engine::Record;
use sim_core::ids::HostId;
use sim_core::scenario::Scenario;
use sim_core::seq::Seq;
use sim_core::tcp::{Flags, Segment};
use sim_core::time::Time;

use super::capture::captured;
use super::{bundled, followed, have, world};

/// What tshark says of a frame, by the fields that it sets.
struct Seen {
    malformed: bool,
    checksums_good: bool,
    again: bool,
    out_of_order: bool,
    zero_window: bool,
    reused: bool,
    reset: bool,
}

fn tshark(capture: &[u8]) -> Vec<Seen> {
    let fields = [
        "_ws.malformed",
        "ip.checksum.status",
        "tcp.checksum.status",
        "tcp.analysis.retransmission",
        "tcp.analysis.fast_retransmission",
        "tcp.analysis.spurious_retransmission",
        "tcp.analysis.out_of_order",
        "tcp.analysis.zero_window",
        "tcp.analysis.reused_ports",
        "tcp.flags.reset",
    ];
    let mut command = Command::new("tshark");
    command.args(["-n", "-r", "-", "-T", "fields", "-E", "separator=/t"]);
    command.args(["-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"]);
    command.args(fields.iter().flat_map(|field| ["-e", field]));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("tshark starts");
    let mut stdin = child.stdin.take().expect("it reads");
    let bytes = capture.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&bytes));
    let out = child.wait_with_output().expect("it ends");
    writer.join().expect("it was written").expect("it was read");
    let complaints = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{complaints}");
    let text = String::from_utf8(out.stdout).expect("text");
    text.lines()
        .map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            let set = |i: usize| cells.get(i).is_some_and(|cell| !cell.is_empty());
            Seen {
                malformed: set(0),
                checksums_good: cells[1] == "1" && cells[2] == "1",
                again: set(3) || set(4) || set(5),
                out_of_order: set(6),
                zero_window: set(7),
                reused: set(8),
                reset: matches!(cells[9], "1" | "True"),
            }
        })
        .collect()
}

/// Segments, each with whether the host sent it.
type Passed = Vec<(Segment, bool)>;

/// What passes at a host's interface, in order.
fn passed(records: &[(Time, Record)], host: HostId) -> Passed {
    let at_host = records.iter().filter_map(|(_, record)| match record {
        Record::Sent(h, packet) if *h == host => Some((packet.seg, true)),
        Record::Arrived(h, packet) if *h == host => Some((packet.seg, false)),
        _ => None,
    });
    at_host.collect()
}

fn numbers<'a, T>(of: impl IntoIterator<Item = &'a T>, which: impl Fn(&T) -> bool) -> BTreeSet<usize>
where
    T: 'a,
{
    of.into_iter().enumerate().filter(|(_, one)| which(one)).map(|(i, _)| i + 1).collect()
}

/// What must agree whatever happens; answers what was captured and what Wireshark saw, at the client and at the server.
fn compare(name: &str, scenario: &Scenario) -> [(Passed, Vec<Seen>); 2] {
    let records = followed(scenario, Which::All).records;
    let last = HostId(scenario.hosts.len() as u16 - 1);
    [HostId(0), last].map(|host| {
        let place = scenario.hosts[host.index()].name.as_str();
        let seen = tshark(&captured(scenario, &[place], &records));
        let passed = passed(&records, host);
        assert_eq!(seen.len(), passed.len(), "{name}, {place}: every packet is a frame");
        assert_eq!(numbers(&seen, |s| s.malformed), BTreeSet::new(), "{name}, {place}: malformed");
        assert_eq!(numbers(&seen, |s| !s.checksums_good), BTreeSet::new(), "{name}, {place}: checksums");
        assert_eq!(
            numbers(&seen, |s| s.reset),
            numbers(&passed, |(seg, _)| seg.flags.has(Flags::RST)),
            "{name}, {place}: resets"
        );
        let quiet = Flags(Flags::SYN.0 | Flags::FIN.0 | Flags::RST.0);
        assert_eq!(
            numbers(&seen, |s| s.zero_window),
            numbers(&passed, |(seg, _)| seg.win == 0 && seg.flags.0 & quiet.0 == 0),
            "{name}, {place}: closed windows"
        );
        // What is sent again is sure only where it is sent. There nothing can be out of order; that is what Wireshark calls
        // what is sent again within 3 ms.
        let mine = numbers(&passed, |(_, sent)| *sent);
        let again = numbers(&seen, |s| s.again || s.out_of_order);
        let again: BTreeSet<usize> = again.intersection(&mine).copied().collect();
        assert_eq!(
            again,
            numbers(&passed, |(seg, sent)| *sent && seg.rtx && seg.seq_len() > 0),
            "{name}, {place}: sent again"
        );
        (passed, seen)
    })
}

const SOME: &str = r#", arrivals: at(["0s", "1s", "2s"]), request: "3kB", response: "60kB""#;

#[test]
fn wireshark_agrees_on_clean_lossy_and_closed_connections() {
    if !have("tshark", "the comparison of captures with Wireshark's analysis") {
        return;
    }
    let [(passed, seen), _] = compare("clean", &world("", "", SOME));
    assert!(seen.iter().all(|s| !s.again && !s.out_of_order) && passed.len() > 100);
    let [(passed, _), (at_server, _)] = compare("loss", &world(r#", loss: "4%""#, "", SOME));
    assert!(passed.iter().chain(&at_server).any(|(seg, sent)| *sent && seg.rtx && seg.len > 0));
    let slow =
        r#", listen: [(port: 80, accept_after: "5s")], sysctl: { "net.ipv4.tcp_rmem": "4096 16384 16384" }"#;
    let scenario = scenario_with_slow_reader(slow);
    let [(passed, _), _] = compare("closed window", &scenario);
    assert!(passed.iter().any(|(seg, sent)| !sent && seg.win == 0), "the window closes");
    let reset = r#", arrivals: at(["0s"]), close: (first: client, how: reset)"#;
    let [(passed, _), _] = compare("reset", &world("", "", reset));
    assert!(passed.iter().any(|(seg, _)| seg.flags.has(Flags::RST)));
}

/// A server that does not read for a while, with a small buffer.
fn scenario_with_slow_reader(server: &str) -> Scenario {
    super::scenario(&format!(
        r#"(
            duration: "30s",
            hosts: {{
                "client": (addresses: ["10.0.0.1"]),
                "server": (addresses: ["10.0.1.2"]{server}),
            }},
            links: [(path: ["client", "server"], delay: "5ms")],
            traffic: {{ "web": (from: "client", to: "10.0.1.2:80", arrivals: at(["0s"]), request: "200kB") }},
        )"#
    ))
}

#[test]
fn wireshark_agrees_on_what_comes_out_of_order() {
    if !have("tshark", "the comparison of captures with Wireshark's analysis") {
        return;
    }
    // Less than the 3 ms within which Wireshark takes a gap that is filled for reordering.
    let link = r#", reorder: "25%", reorder_delay: "1ms""#;
    let [_, (passed, seen)] =
        compare("reordering", &world(link, "", r#", arrivals: at(["0s"]), request: "60kB""#));
    let mut highest: Option<Seq> = None;
    let (mut late, mut again) = (BTreeSet::new(), BTreeSet::new());
    for (i, (seg, _)) in passed.iter().enumerate().filter(|(_, (seg, sent))| !sent && seg.len > 0) {
        if seg.rtx {
            again.insert(i + 1);
        } else if highest.is_some_and(|highest| highest.after(seg.seq)) {
            late.insert(i + 1);
        }
        highest = Some(highest.map_or(seg.end(), |h| if seg.end().after(h) { seg.end() } else { h }));
    }
    // Two duplicate ACKs before a late segment make Wireshark take it for a fast retransmission: the receiver cannot tell.
    let theirs = numbers(&passed, |(seg, sent)| !sent && seg.len > 0);
    let marked: BTreeSet<usize> =
        numbers(&seen, |s| s.out_of_order || s.again).intersection(&theirs).copied().collect();
    assert!(numbers(&seen, |s| s.out_of_order).intersection(&late).next().is_some());
    assert_eq!(marked, late.union(&again).copied().collect());
}

#[test]
fn wireshark_agrees_on_tuples_that_are_used_again() {
    if !have("tshark", "the comparison of captures with Wireshark's analysis") {
        return;
    }
    for name in ["reuse-with-timestamps", "reuse-with-random-isn", "reuse-with-rfc793"] {
        let scenario = bundled(name);
        let [(passed, seen), _] = compare(name, &scenario);
        let records = followed(&scenario, Which::All).records;
        let ports = records.iter().filter_map(|(_, record)| match record {
            Record::Sent(h, p) if *h == HostId(0) => Some(p.tuple.local.port),
            Record::Arrived(h, p) if *h == HostId(0) => Some(p.tuple.remote.port),
            _ => None,
        });
        // Another first number of either side on the same ports begins another life: that of the SYN, or that of the SYN,ACK
        // where the SYN is the one that was refused before.
        let mut isns: BTreeMap<u16, [Option<Seq>; 2]> = BTreeMap::new();
        let mut again = BTreeSet::new();
        for (i, ((seg, sent), port)) in passed.iter().zip(ports).enumerate() {
            let (side, life) = (usize::from(!sent), isns.entry(port).or_default());
            if seg.flags.has(Flags::SYN) {
                if life[side].is_some_and(|isn| isn != seg.seq) {
                    again.insert(i + 1);
                    *life = [None; 2];
                }
                life[side] = Some(seg.seq);
            } else {
                // The old side's answer to the new SYN stands for its first number.
                life[side].get_or_insert(seg.seq);
            }
        }
        assert_eq!(numbers(&seen, |s| s.reused), again, "{name}");
        assert!(!again.is_empty(), "{name}");
    }
}
