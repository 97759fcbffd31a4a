//! The standard job on smoltcp: two of its interfaces with a wire between them, on a clock of our own.
//!
//! Kind to it: an interface is polled only when a packet arrives or a TIME_WAIT is due, and its applications look only at
//! sockets that are in use. What it costs is what the stack does.

use std::collections::VecDeque;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{self, ChecksumCapabilities, Device, DeviceCapabilities, Medium};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

const LATENCY: Duration = Duration::from_millis(1);
/// `CLOSE_DELAY` there.
pub const TIME_WAIT: Duration = Duration::from_secs(10);
const LISTENERS: usize = 64;
const SERVER: IpAddress = IpAddress::v4(10, 0, 0, 2);

/// A network card: what has arrived or will, and what it has sent since it was last looked at.
#[derive(Default)]
struct Card {
    arriving: VecDeque<(Instant, Vec<u8>)>,
    sent: Vec<Vec<u8>>,
}

struct Received(Vec<u8>);
struct Sending<'a>(&'a mut Vec<Vec<u8>>);

impl phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        take(&self.0)
    }
}

impl phy::TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        let mut packet = vec![0; len];
        let result = fill(&mut packet);
        self.0.push(packet);
        result
    }
}

impl Device for Card {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, now: Instant) -> Option<(Received, Sending<'_>)> {
        let due = self.arriving.front().is_some_and(|(at, _)| *at <= now);
        let (_, packet) = due.then(|| self.arriving.pop_front()).flatten()?;
        Some((Received(packet), Sending(&mut self.sent)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sending<'_>> {
        Some(Sending(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = 1500;
        capabilities.checksum = ChecksumCapabilities::ignored();
        capabilities
    }
}

/// A machine with its sockets.
struct Machine {
    card: Card,
    interface: Interface,
    sockets: SocketSet<'static>,
}

impl Machine {
    fn new(last: u8) -> Machine {
        let mut card = Card::default();
        let mut interface = Interface::new(Config::new(HardwareAddress::Ip), &mut card, Instant::ZERO);
        interface.update_ip_addrs(|all| {
            // There is room for one.
            let _ = all.push(IpCidr::new(IpAddress::v4(10, 0, 0, last), 24));
        });
        Machine { card, interface, sockets: SocketSet::new(Vec::new()) }
    }

    fn add(&mut self, receive: usize, send: usize) -> SocketHandle {
        let buffer = |bytes: usize| SocketBuffer::new(vec![0; bytes]);
        let mut socket = Socket::new(buffer(receive), buffer(send));
        socket.set_ack_delay(None);
        socket.set_nagle_enabled(false);
        self.sockets.add(socket)
    }

    fn poll(&mut self, now: Instant, other: &mut Machine) {
        self.interface.poll(now, &mut self.card, &mut self.sockets);
        other.card.arriving.extend(self.card.sent.drain(..).map(|packet| (now + LATENCY, packet)));
    }

    fn next(&self) -> Option<Instant> {
        self.card.arriving.front().map(|(at, _)| *at)
    }
}

/// So many connections at so many a second. How many came to TIME_WAIT, and how many were in it at most.
///
/// # Errors
///
/// If smoltcp refuses what the job asks of it.
pub fn run(connections: u64, rate: u64) -> Result<(u64, u64), String> {
    let (mut client, mut server) = (Machine::new(1), Machine::new(2));
    let listeners: Vec<_> = (0..LISTENERS).map(|_| server.add(256, 1024)).collect();
    for &handle in &listeners {
        server.sockets.get_mut::<Socket>(handle).listen(80).map_err(|_| failed("listen"))?;
    }
    let start = |n: u64| Instant::from_micros((n * 1_000_000 / rate) as i64);
    let (mut idle, mut waiting) = (Vec::new(), VecDeque::<(Instant, SocketHandle)>::new());
    // Those in use, and whether the request has been sent.
    let mut live: Vec<(SocketHandle, bool)> = Vec::new();
    let (mut opened, mut done, mut most) = (0, 0, 0);
    loop {
        let first = (opened < connections).then(|| start(opened));
        let over = waiting.front().map(|(at, _)| *at);
        let Some(now) = [first, over, client.next(), server.next()].into_iter().flatten().min() else {
            return Ok((done, most as u64));
        };
        if first.is_some_and(|at| at <= now) {
            let handle = idle.pop().unwrap_or_else(|| client.add(1024, 256));
            let port = 32_768 + (opened % 28_232) as u16;
            let socket = client.sockets.get_mut::<Socket>(handle);
            socket.connect(client.interface.context(), (SERVER, 80), port).map_err(|_| failed("connect"))?;
            live.push((handle, false));
            opened += 1;
        }
        client.poll(now, &mut server);
        let before = live.len();
        let mut acted = false;
        live.retain_mut(|(handle, asked)| {
            let socket = client.sockets.get_mut::<Socket>(*handle);
            match socket.state() {
                State::Established if socket.can_recv() => {
                    acted |= socket.recv(|bytes| (bytes.len(), ())).is_ok();
                    socket.close();
                }
                State::Established if !*asked => {
                    *asked = true;
                    acted |= socket.send_slice(&[1; 100]).is_ok();
                }
                State::TimeWait => {
                    waiting.push_back((now + TIME_WAIT, *handle));
                    return false;
                }
                _ => {}
            }
            true
        });
        done += (before - live.len()) as u64;
        most = most.max(waiting.len());
        if acted {
            client.poll(now, &mut server);
        }
        while waiting.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, handle)) = waiting.pop_front() else { break };
            if client.sockets.get::<Socket>(handle).state() != State::Closed {
                return Err(failed("a TIME_WAIT lasts longer than it should"));
            }
            idle.push(handle);
        }
        if server.next().is_none_or(|at| at > now) {
            continue;
        }
        server.poll(now, &mut client);
        answer(&mut server, &listeners)?;
        server.poll(now, &mut client);
    }
}

/// The server's application: it answers what has come, closes what has been closed, and listens again.
fn answer(server: &mut Machine, listeners: &[SocketHandle]) -> Result<(), String> {
    for &handle in listeners {
        let socket = server.sockets.get_mut::<Socket>(handle);
        match socket.state() {
            State::Established if socket.can_recv() => {
                let _ = socket.recv(|bytes| (bytes.len(), ()));
                socket.send_slice(&[2; 1000]).map_err(|_| failed("send"))?;
            }
            State::CloseWait => socket.close(),
            State::Closed => socket.listen(80).map_err(|_| failed("listen"))?,
            _ => {}
        }
    }
    Ok(())
}

fn failed(what: &str) -> String {
    format!("smoltcp: {what}")
}
