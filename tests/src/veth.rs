//! The standard job on the kernel of this machine: two network namespaces with a veth pair between them. Needs root and
//! the command `ip`.
//!
//! No latency, and one connection after the other, as fast as they go. A TIME_WAIT is not waited out. The kernel does its
//! work for a segment in the context of whoever sends it, so that the two processes have all of it in their CPU time.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use crate::usage;

const SERVER: &str = "10.77.0.2";
/// Connections to a port of the server: fewer than half of the client's ports, so that connect() finds one at once.
const EACH: u64 = 10_000;

/// The ports of the server, from 8000 on.
fn ports(connections: u64) -> impl Iterator<Item = (u16, u64)> {
    let parts = connections.div_ceil(EACH);
    (0..parts).map(move |part| (8000 + part as u16, EACH.min(connections - part * EACH)))
}

fn ip(words: &str) -> Result<(), String> {
    let output = Command::new("ip").args(words.split(' ')).output().map_err(|why| format!("ip: {why}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("ip {words}: {}", said.trim())) }
}

/// Two namespaces; gone when this is.
struct Namespaces {
    client: String,
    server: String,
}

impl Namespaces {
    fn new() -> Result<Namespaces, String> {
        let name = |side: &str| format!("timewait-{side}-{}", std::process::id());
        let both = Namespaces { client: name("client"), server: name("server") };
        let Namespaces { client, server } = &both;
        ip(&format!("netns add {client}"))?;
        ip(&format!("netns add {server}"))?;
        ip(&format!("-n {client} link add tw type veth peer name tw netns {server}"))?;
        for (name, address) in [(client, "10.77.0.1"), (server, SERVER)] {
            ip(&format!("-n {name} addr add {address}/24 dev tw"))?;
            ip(&format!("-n {name} link set tw up"))?;
        }
        Ok(both)
    }

    /// This program in a namespace, with a mode of its own.
    fn start(namespace: &str, mode: &str, connections: u64) -> Result<Child, String> {
        let program = std::env::current_exe().map_err(|why| why.to_string())?;
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace]).arg(program).args([mode, &connections.to_string()]);
        command.stdout(Stdio::piped()).spawn().map_err(|why| why.to_string())
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for name in [&self.client, &self.server] {
            let _ = ip(&format!("netns del {name}"));
        }
    }
}

/// Runs so many connections. CPU seconds of both ends.
///
/// # Errors
///
/// What is missing, or what an end said.
pub fn run(connections: u64) -> Result<f64, String> {
    let namespaces = Namespaces::new()?;
    let mut server = Namespaces::start(&namespaces.server, "veth-server", connections)?;
    let mut ready = [0; 1];
    let output = server.stdout.as_mut().ok_or("no output")?;
    output.read_exact(&mut ready).map_err(|why| format!("the server does not begin: {why}"))?;
    let client = Namespaces::start(&namespaces.client, "veth-client", connections)?;
    let seconds = |child: Child| {
        let output = child.wait_with_output().map_err(|why| why.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout);
        text.trim().parse::<f64>().map_err(|_| format!("an end said `{}`", text.trim()))
    };
    Ok(seconds(client)? + seconds(server)?)
}

/// The server's end: it says that it is ready, answers so many connections, and says what CPU time that took.
///
/// # Errors
///
/// What a call returned.
pub fn serve(connections: u64) -> std::io::Result<()> {
    let listeners = ports(connections).map(|(port, count)| Ok((TcpListener::bind((SERVER, port))?, count)));
    let listeners = listeners.collect::<std::io::Result<Vec<_>>>()?;
    let mut output = std::io::stdout();
    output.write_all(b"\n")?;
    output.flush()?;
    let mut buffer = [0; 1000];
    for (listener, count) in listeners {
        for _ in 0..count {
            let (mut stream, _) = listener.accept()?;
            stream.read_exact(&mut buffer[..100])?;
            stream.write_all(&buffer)?;
            // Until the client has closed.
            while stream.read(&mut buffer)? > 0 {}
        }
    }
    println!("{}", usage::cpu_seconds().unwrap_or(f64::NAN));
    Ok(())
}

/// The client's end.
///
/// # Errors
///
/// What a call returned.
pub fn ask(connections: u64) -> std::io::Result<()> {
    let mut buffer = [0; 1000];
    for (port, count) in ports(connections) {
        for _ in 0..count {
            let mut stream = TcpStream::connect((SERVER, port))?;
            stream.write_all(&buffer[..100])?;
            stream.read_exact(&mut buffer)?;
            stream.shutdown(Shutdown::Write)?;
            while stream.read(&mut buffer)? > 0 {}
        }
    }
    println!("{}", usage::cpu_seconds().unwrap_or(f64::NAN));
    Ok(())
}
