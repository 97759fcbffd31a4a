//! The few questions of `timewait init`.

use std::fmt::Display;
use std::io::{self, BufRead};
use std::ops::RangeInclusive;
use std::str::FromStr;

use experiments::draft::{Role, Wishes};

use crate::commands::init::rate;
use crate::exit::Failure;
use crate::output;

/// Asks on standard error and reads the answers from standard input, a line each. An empty line leaves it open; at the
/// end of the input all that is left stays open.
pub(crate) fn ask() -> Result<Wishes, Failure> {
    output::note("A few questions; an empty answer leaves it open.");
    let mut asker = Asker { lines: io::stdin().lock(), ended: false };
    let role = asker.ask("Does the machine open connections (client) or accept them (server)?", role)?;
    let rate = asker.ask("New connections a second, as in 500/s?", rate)?;
    let destinations = if role == Some(Role::Server) {
        None
    } else {
        asker.ask("To how many destinations (address and port)?", |text| number(text, 1..=1000))?
    };
    let kept = asker.ask("Are connections kept and used again? How many; 0 for no?", |text| {
        number(text, 0..=100_000u32)
    })?;
    let kept = kept.filter(|&kept| kept > 0);
    let closes = if kept.is_some() {
        None
    } else {
        asker.ask("Who closes first and keeps TIME_WAIT, client or server?", self::role)?
    };
    let rtt = asker.ask("The way there and back, as in 1ms?", scenarios::span)?;
    let tracked = asker.ask("Does the machine track connections (conntrack), yes or no?", yes)?;
    Ok(Wishes { role, rate, destinations, closes, kept, rtt, tracked: tracked.unwrap_or(false) })
}

/// Whoever is asked.
struct Asker<R> {
    lines: R,
    ended: bool,
}

impl<R: BufRead> Asker<R> {
    /// Asks until the answer can be understood, or is empty.
    fn ask<T>(
        &mut self,
        question: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Failure> {
        while !self.ended {
            let _ = output::err(&format!("{question} "));
            let mut line = String::new();
            let got = self.lines.read_line(&mut line);
            self.ended = got.map_err(|e| Failure::Files(format!("cannot read the answer: {e}")))? == 0;
            if line.trim().is_empty() {
                break;
            }
            match read(line.trim()) {
                Ok(answer) => return Ok(Some(answer)),
                Err(why) => output::note(&why),
            }
        }
        Ok(None)
    }
}

fn role(text: &str) -> Result<Role, String> {
    match text.to_ascii_lowercase().as_str() {
        "client" | "c" => Ok(Role::Client),
        "server" | "s" => Ok(Role::Server),
        _ => Err("`client` or `server` is wanted".to_owned()),
    }
}

fn yes(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "y" => Ok(true),
        "no" | "n" => Ok(false),
        _ => Err("`yes` or `no` is wanted".to_owned()),
    }
}

fn number<T: FromStr + PartialOrd + Display>(text: &str, range: RangeInclusive<T>) -> Result<T, String> {
    let wanted = || format!("a whole number from {} to {} is wanted", range.start(), range.end());
    text.parse().ok().filter(|n| range.contains(n)).ok_or_else(wanted)
}
