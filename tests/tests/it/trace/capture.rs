//! Captures, read back: every byte is what the segment says.

use std::borrow::Cow;

use etherparse::{Ipv4Slice, TcpOptionElement, TcpSlice};
use experiments::trace::Which;
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionOption;
use pcap_file::pcapng::{Block, PcapNgReader};
use reports::trace::{Capture, Limits, SNAPLEN, Vantage, capture};
use sim_core::engine::{Record, Sink};
use sim_core::scenario::Scenario;
use sim_core::tcp::{Flags, Segment};
use sim_core::time::Time;

use super::{followed, world};

/// A packet of a capture.
pub(super) struct Frame {
    pub(super) at: u64,
    pub(super) interface: u32,
    pub(super) bytes: Vec<u8>,
    pub(super) original_len: u32,
    pub(super) comments: Vec<String>,
}

/// The interfaces of a capture and its packets.
pub(super) fn read(bytes: &[u8]) -> (Vec<String>, Vec<Frame>) {
    let mut reader = PcapNgReader::new(bytes).expect("a section header");
    let (mut names, mut frames) = (Vec::new(), Vec::new());
    while let Some(block) = reader.next_block() {
        match block.expect("a whole block") {
            Block::InterfaceDescription(interface) => {
                assert!(interface.options.contains(&InterfaceDescriptionOption::IfTsResol(9)));
                names.extend(interface.options.iter().filter_map(|option| match option {
                    InterfaceDescriptionOption::IfName(name) => Some(name.clone().into_owned()),
                    _ => None,
                }));
            }
            Block::EnhancedPacket(packet) => frames.push(Frame {
                at: packet.timestamp.as_nanos() as u64,
                interface: packet.interface_id,
                bytes: packet.data.to_vec(),
                original_len: packet.original_len,
                comments: packet
                    .options
                    .iter()
                    .filter_map(|option| match option {
                        EnhancedPacketOption::Comment(text) => Some(Cow::clone(text).into_owned()),
                        _ => None,
                    })
                    .collect(),
            }),
            other => panic!("{other:?} is not expected"),
        }
    }
    (names, frames)
}

pub(super) fn captured(scenario: &Scenario, places: &[&str], records: &[(Time, Record)]) -> Vec<u8> {
    let named = |name: &&str| Vantage::named(scenario, name).expect("there is such a place");
    let vantages = places.iter().flat_map(named).collect();
    let mut bytes = Vec::new();
    capture(&mut bytes, scenario, vantages, records).expect("memory takes every write");
    bytes
}

const FAULTS: &str = r#", loss: "5%", duplicate: "5%", reorder: "10%", reorder_delay: "2ms""#;
const TWO: &str = r#", arrivals: at(["0s", "1s"]), request: "3kB", response: "40kB""#;

/// The segment that a frame holds, as far as the wire tells; checks lengths and checksums.
fn segment(frame: &Frame) -> Segment {
    let ip = Ipv4Slice::from_slice(&frame.bytes).expect("an IPv4 packet");
    let header = ip.header().to_header();
    assert_eq!(header.header_checksum, header.calc_header_checksum());
    assert_eq!((u32::from(header.total_len), header.dont_fragment), (frame.original_len, true));
    let tcp = TcpSlice::from_slice(ip.payload().payload).expect("a TCP segment");
    let (source, destination) = (header.source, header.destination);
    assert_eq!(
        tcp.checksum(),
        tcp.to_header().calc_checksum_ipv4_raw(source, destination, tcp.payload()).expect("it fits")
    );
    let bits = [tcp.fin(), tcp.syn(), tcp.rst(), tcp.psh(), tcp.ack(), tcp.urg()];
    let flags = bits.iter().enumerate().map(|(i, &set)| u8::from(set) << i).sum();
    let mut seg = Segment {
        seq: sim_core::seq::Seq(tcp.sequence_number()),
        ack: sim_core::seq::Seq(tcp.acknowledgment_number()),
        len: tcp.payload().len() as u32,
        win: tcp.window_size(),
        flags: Flags(flags),
        ..Segment::default()
    };
    let pair = |(left, right)| (sim_core::seq::Seq(left), sim_core::seq::Seq(right));
    for option in tcp.options_iterator() {
        match option.expect("a whole option") {
            TcpOptionElement::Noop => {}
            TcpOptionElement::MaximumSegmentSize(mss) => seg.syn.mss = mss,
            TcpOptionElement::WindowScale(shift) => seg.syn.wscale = Some(shift),
            TcpOptionElement::SelectiveAcknowledgementPermitted => seg.syn.sack_ok = true,
            TcpOptionElement::Timestamp(val, ecr) => seg.ts = Some(sim_core::tcp::TsOption { val, ecr }),
            TcpOptionElement::SelectiveAcknowledgement(first, more) => {
                seg.sack = Some(pair(first));
                seg.sack2 = more[0].map(pair);
            }
        }
    }
    seg
}

#[test]
fn what_is_read_back_is_what_was_sent_and_what_arrived() {
    let scenario = world(FAULTS, "", TWO);
    let records = followed(&scenario, Which::All).records;
    let (names, frames) = read(&captured(&scenario, &["client", "router"], &records));
    assert_eq!(names, ["client", "router-client", "router-server"]);
    let at_client: Vec<_> = frames.iter().filter(|f| f.interface == 0).map(|f| (f.at, segment(f))).collect();
    let host = sim_core::ids::HostId(0);
    let expected: Vec<_> = records
        .iter()
        .filter_map(|(at, record)| match record {
            // What the link loses has left all the same.
            Record::Sent(h, packet) | Record::Arrived(h, packet) if *h == host => Some((at.0, packet.seg)),
            _ => None,
        })
        .map(|(at, seg)| (at, Segment { rtx: false, ..seg }))
        .collect();
    assert!(expected.len() > 100);
    assert_eq!(at_client, expected);
    let said: Vec<&str> = frames.iter().flat_map(|f| &f.comments).map(String::as_str).collect();
    for remark in ["lost on the link", "a copy that the link made", "held back on the link", "sent again"] {
        assert!(said.contains(&remark), "{remark}: {said:?}");
    }
    // One hop further on, a packet has one hop less to live.
    let ttls = |interface: u32, source: u8| {
        let of = frames.iter().filter(move |f| f.interface == interface && f.bytes[14] == source);
        of.map(|f| f.bytes[8]).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!((ttls(0, 0), ttls(1, 0), ttls(2, 0)), ([64].into(), [64].into(), [63].into()));
    assert_eq!((ttls(2, 1), ttls(0, 1)), ([64].into(), [63].into()));
}

#[test]
fn a_capture_of_everything_is_bounded_and_says_what_it_left_out() {
    let scenario = world("", "", TWO);
    let records = followed(&scenario, Which::All).records;
    let mut bytes = Vec::new();
    let limits = Limits { packets: 30, snaplen: SNAPLEN };
    let mut capture =
        Capture::new(&mut bytes, &scenario, Vantage::of_clients(&scenario), limits).expect("memory");
    for (at, record) in &records {
        capture.record(*at, record);
    }
    let written = capture.written();
    let left_out = capture.finish().expect("memory takes every write");
    let (_, frames) = read(&bytes);
    assert_eq!((written, frames.len()), (30, 30));
    assert!(left_out > 10);
    assert!(frames.iter().all(|f| f.bytes.len() <= SNAPLEN as usize));
    assert!(frames.iter().any(|f| f.original_len > 1_000 && f.bytes.len() == SNAPLEN as usize));
}

#[test]
fn comments_say_what_the_simulator_knew() {
    let scenario = super::bundled("reuse-with-timestamps");
    let records = followed(&scenario, Which::All).records;
    let (_, frames) = read(&captured(&scenario, &["server"], &records));
    let said: Vec<_> = frames.iter().flat_map(|f| &f.comments).collect();
    assert!(said.iter().any(|text| *text == "SYN in TIME_WAIT: newer timestamp, reopened"), "{said:?}");
}
