//! A capture in pcapng, the format of Wireshark: real headers with valid checksums, times to the nanosecond, one interface
//! for each vantage point, and comments that say what the simulator knew.
//!
//! It is a follower of a run and writes as it goes, so a long run takes no memory.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use etherparse::{IpNumber, Ipv4Header, TcpHeader, TcpOptions};
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::{DataLink, Endianness, PcapError};
use sim_core::engine::{Carriage, Lost, Record, Sink};
use sim_core::host::{Attempt, Packet};
use sim_core::ids::{HostId, Tuple};
use sim_core::net::{Net, Path};
use sim_core::scenario::Scenario;
use sim_core::tcp::{Flags, Segment};
use sim_core::time::Time;

use super::explain::{self, Stands};
use super::vantage::Vantage;

/// Bytes of a packet that are kept where a capture is not to grow with what is transferred: all headers and a little.
pub const SNAPLEN: u32 = 128;
/// The largest IPv4 packet.
const WHOLE: u32 = 65_535;
const TTL: u8 = 64;

/// How much a capture may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most packets.
    pub packets: u64,
    /// Bytes kept of each; [`SNAPLEN`], or more.
    pub snaplen: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { packets: u64::MAX, snaplen: WHOLE }
    }
}

/// Where a packet on its way comes from.
#[derive(Clone, Copy, Debug)]
struct Under {
    from: HostId,
    ttl: u8,
    carriage: Carriage,
}

/// What tells packets on their way apart.
type Way = (Time, HostId, Tuple, u32, u32, u8, u32);

fn way(arrives: Time, to: HostId, packet: &Packet) -> Way {
    let seg = &packet.seg;
    (arrives, to, packet.tuple, seg.seq.0, seg.ack.0, seg.flags.0, seg.len)
}

/// A capture in progress.
pub struct Capture<W: Write> {
    writer: Option<PcapNgWriter<W>>,
    vantages: Vec<Vantage>,
    net: Net,
    limits: Limits,
    written: u64,
    left_out: u64,
    failed: Option<io::Error>,
    /// What has happened at the present instant.
    batch: Vec<(Time, Record)>,
    stands: Stands,
    under_way: BTreeMap<Way, Vec<Under>>,
    /// The packet that a host has just sent or let through, and its time to live.
    leaving: Option<(HostId, Packet, u8)>,
}

impl<W: Write> Capture<W> {
    /// Begins a capture: its first bytes are written.
    ///
    /// # Errors
    /// What the writer says.
    pub fn new(to: W, scenario: &Scenario, vantages: Vec<Vantage>, limits: Limits) -> io::Result<Capture<W>> {
        let section = SectionHeaderBlock {
            endianness: Endianness::Little,
            major_version: 1,
            minor_version: 0,
            section_length: -1,
            options: vec![
                SectionHeaderOption::Comment(Cow::Owned(scenario.title.clone())),
                SectionHeaderOption::UserApplication(Cow::Borrowed(concat!(
                    "timewait ",
                    env!("CARGO_PKG_VERSION")
                ))),
            ],
        };
        let mut writer = PcapNgWriter::with_section_header(to, section).map_err(io_error)?;
        for vantage in &vantages {
            let block = InterfaceDescriptionBlock {
                linktype: DataLink::RAW,
                snaplen: limits.snaplen,
                options: vec![
                    InterfaceDescriptionOption::IfName(Cow::Borrowed(&vantage.name)),
                    InterfaceDescriptionOption::IfTsResol(9),
                ],
            };
            writer.write_pcapng_block(block).map_err(io_error)?;
        }
        Ok(Capture {
            writer: Some(writer),
            vantages,
            net: Net::new(scenario),
            limits,
            written: 0,
            left_out: 0,
            failed: None,
            batch: Vec::new(),
            stands: Stands::default(),
            under_way: BTreeMap::new(),
            leaving: None,
        })
    }

    /// Ends the capture. How many packets there was no room for.
    ///
    /// # Errors
    /// The first thing that went wrong in writing.
    pub fn finish(mut self) -> io::Result<u64> {
        self.flush();
        if let Some(mut writer) = self.writer.take() {
            writer.get_mut().flush()?;
        }
        self.failed.map_or(Ok(self.left_out), Err)
    }

    /// Packets written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Takes in what has happened at one instant.
    fn flush(&mut self) {
        let batch = core::mem::take(&mut self.batch);
        for (i, (at, record)) in batch.iter().enumerate() {
            self.follow(*at, record, &batch[i + 1..]);
            self.stands.follow(record);
        }
        self.batch = batch;
        self.batch.clear();
    }

    fn follow(&mut self, at: Time, record: &Record, next: &[(Time, Record)]) {
        match record {
            Record::Sent(host, packet) => self.leaving = Some((*host, *packet, TTL)),
            Record::Carried(host, carriage, packet) => self.carried(at, *host, *carriage, packet),
            Record::Lost(host, Lost::Link, packet) => {
                let ttl = self.ttl_of(*host, packet);
                if let Path::Link(_, next) = self.net.path(*host, packet.tuple.remote.addr) {
                    self.write(at, (*host, next), packet, ttl, &["lost on the link".to_owned()]);
                }
            }
            // What its own host drops never gets to an interface.
            Record::Lost(host, why, packet) if !self.leaves(*host, packet) => {
                self.came(at, *host, packet, vec![explain::lost(*why).to_owned()]);
            }
            Record::Forwarded(host, packet) => {
                let ttl = self.came(at, *host, packet, Vec::new());
                self.leaving = Some((*host, *packet, ttl.saturating_sub(1)));
            }
            Record::Arrived(host, packet) => {
                let remarks = self.remarks(*host, packet, next);
                self.came(at, *host, packet, remarks);
            }
            _ => {}
        }
    }

    /// Whether a packet is the one that a host has just sent or let through.
    fn leaves(&self, host: HostId, packet: &Packet) -> bool {
        self.leaving.is_some_and(|(h, p, _)| h == host && p == *packet)
    }

    fn ttl_of(&self, host: HostId, packet: &Packet) -> u8 {
        self.leaving.filter(|(h, p, _)| *h == host && p == packet).map_or(TTL, |(_, _, ttl)| ttl)
    }

    /// A packet leaves a host. A copy that the link makes is seen only where it arrives.
    fn carried(&mut self, at: Time, host: HostId, carriage: Carriage, packet: &Packet) {
        let ttl = self.ttl_of(host, packet);
        if !carriage.copy {
            let mut remarks = Vec::new();
            if packet.seg.rtx {
                remarks.push("sent again".to_owned());
            }
            if carriage.late {
                remarks.push("will be held back on the link".to_owned());
            }
            self.write(at, (host, carriage.to), packet, ttl, &remarks);
        }
        if carriage.to != host {
            let under = Under { from: host, ttl, carriage };
            self.under_way.entry(way(carriage.arrives, carriage.to, packet)).or_default().push(under);
        }
    }

    /// A packet has come to a host. Its time to live.
    fn came(&mut self, at: Time, host: HostId, packet: &Packet, mut remarks: Vec<String>) -> u8 {
        let key = way(at, host, packet);
        let Some(under) = self.under_way.get_mut(&key) else { return TTL };
        let first = (!under.is_empty()).then(|| under.remove(0));
        if under.is_empty() {
            self.under_way.remove(&key);
        }
        let Some(Under { from, ttl, carriage }) = first else { return TTL };
        if carriage.copy {
            remarks.push("a copy that the link made".to_owned());
        }
        if carriage.late {
            remarks.push("held back on the link".to_owned());
        }
        self.write(at, (host, from), packet, ttl, &remarks);
        ttl
    }

    /// What came of a segment that has arrived.
    fn remarks(&self, host: HostId, packet: &Packet, next: &[(Time, Record)]) -> Vec<String> {
        let end = next.iter().position(|(_, record)| matches!(record, Record::Arrived(..)));
        let caused = &next[..end.unwrap_or(next.len())];
        let mut remarks: Vec<String> =
            self.stands.syn_in_time_wait(host, packet, caused).into_iter().collect();
        remarks.extend(caused.iter().filter_map(|(_, record)| match record {
            Record::Refused(whose, why) if whose.host == host && whose.tuple == packet.tuple.reversed() => {
                Some(explain::why(*why).to_owned())
            }
            _ => None,
        }));
        remarks
    }

    fn write(
        &mut self,
        at: Time,
        (host, faces): (HostId, HostId),
        packet: &Packet,
        ttl: u8,
        remarks: &[String],
    ) {
        let found = self.vantages.iter().position(|v| v.host == host && v.faces == faces);
        let (Some(interface), Some(writer)) = (found, self.writer.as_mut()) else { return };
        if self.written == self.limits.packets {
            self.left_out += 1;
            return;
        }
        if self.failed.is_some() {
            return;
        }
        let (mut bytes, length) = frame(packet, ttl, self.limits.snaplen);
        bytes.truncate(self.limits.snaplen as usize);
        let block = EnhancedPacketBlock {
            interface_id: interface as u32,
            timestamp: Duration::from_nanos(at.0),
            original_len: length,
            data: Cow::Owned(bytes),
            options: remarks
                .iter()
                .map(|remark| EnhancedPacketOption::Comment(Cow::Borrowed(remark.as_str())))
                .collect(),
        };
        match writer.write_pcapng_block(block) {
            Ok(_) => self.written += 1,
            Err(error) => self.failed = Some(io_error(error)),
        }
    }
}

impl<W: Write> Sink for Capture<W> {
    fn follows(&self, _attempt: Attempt, _tuple: Tuple) -> bool {
        true
    }
    fn record(&mut self, at: Time, record: &Record) {
        if self.batch.last().is_some_and(|(then, _)| *then != at) {
            self.flush();
        }
        self.batch.push((at, *record));
    }
}

/// A capture of what was recorded, whole packets.
///
/// # Errors
/// What the writer says.
pub fn capture<W: Write>(
    to: W,
    scenario: &Scenario,
    vantages: Vec<Vantage>,
    records: &[(Time, Record)],
) -> io::Result<()> {
    let mut capture = Capture::new(to, scenario, vantages, Limits::default())?;
    for (at, record) in records {
        capture.record(*at, record);
    }
    capture.finish().map(drop)
}

fn io_error(error: PcapError) -> io::Error {
    match error {
        PcapError::IoError(error) => error,
        other => io::Error::other(other.to_string()),
    }
}

/// A packet as bytes, and its whole length. The payload is made only as far as it is kept.
fn frame(packet: &Packet, ttl: u8, keep: u32) -> (Vec<u8>, u32) {
    let seg = &packet.seg;
    let payload = payload(seg);
    let tcp = tcp_header(packet);
    let length = (tcp.header_len() + payload.len()).min(WHOLE as usize - Ipv4Header::MIN_LEN) as u16;
    let (from, to) = (packet.tuple.local.addr.0.to_be_bytes(), packet.tuple.remote.addr.0.to_be_bytes());
    let Ok(mut ip) = Ipv4Header::new(length, ttl, IpNumber::TCP, from, to) else { return (Vec::new(), 0) };
    // RFC 6864: the identification of a packet that may not be fragmented says nothing.
    ip.dont_fragment = true;
    ip.header_checksum = ip.calc_header_checksum();
    let mut tcp = tcp;
    tcp.checksum = tcp.calc_checksum_ipv4(&ip, &payload).unwrap_or(0);
    let whole = u32::from(length) + Ipv4Header::MIN_LEN as u32;
    let mut bytes = Vec::with_capacity(whole.min(keep) as usize);
    bytes.extend_from_slice(&ip.to_bytes());
    bytes.extend_from_slice(&tcp.to_bytes());
    bytes.extend_from_slice(&payload);
    (bytes, whole)
}

/// The alphabet in lines, over and over, by the place in the stream: the same bytes when they are sent again. (Of a text
/// without an end of line Wireshark would wait for more, whatever protocol the port stands for.)
fn payload(seg: &Segment) -> Vec<u8> {
    let first = u64::from(seg.seq.0) + u64::from(seg.flags.has(Flags::SYN));
    (0..u64::from(seg.len)).map(|i| b"abcdefghijklmnopqrstuvwxyz\n"[((first + i) % 27) as usize]).collect()
}

fn tcp_header(packet: &Packet) -> TcpHeader {
    let Segment { seq, ack, win, flags, .. } = packet.seg;
    let mut tcp = TcpHeader::new(packet.tuple.local.port, packet.tuple.remote.port, seq.0, win);
    tcp.acknowledgment_number = ack.0;
    tcp.fin = flags.has(Flags::FIN);
    tcp.syn = flags.has(Flags::SYN);
    tcp.rst = flags.has(Flags::RST);
    tcp.psh = flags.has(Flags::PSH);
    tcp.ack = flags.has(Flags::ACK);
    tcp.urg = flags.has(Flags::URG);
    if let Ok(options) = TcpOptions::try_from_slice(&options(&packet.seg)) {
        tcp.options = options;
    }
    tcp
}

/// The options as Linux lays them out (`tcp_options_write`, net/ipv4/tcp_output.c).
fn options(seg: &Segment) -> Vec<u8> {
    let mut out = Vec::with_capacity(40);
    if seg.syn.mss != 0 {
        out.extend([2, 4]);
        out.extend(seg.syn.mss.to_be_bytes());
    }
    if let Some(ts) = seg.ts {
        out.extend(if seg.syn.sack_ok { [4, 2] } else { [1, 1] });
        out.extend([8, 10]);
        out.extend(ts.val.to_be_bytes());
        out.extend(ts.ecr.to_be_bytes());
    } else if seg.syn.sack_ok {
        out.extend([1, 1, 4, 2]);
    }
    if let Some(shift) = seg.syn.wscale {
        out.extend([1, 3, 3, shift]);
    }
    let blocks: Vec<_> = [seg.sack, seg.sack2].into_iter().flatten().collect();
    if !blocks.is_empty() {
        out.extend([1, 1, 5, 2 + 8 * blocks.len() as u8]);
        for (left, right) in blocks {
            out.extend(left.0.to_be_bytes());
            out.extend(right.0.to_be_bytes());
        }
    }
    out
}
