//! What a scenario takes however little happens in it: hosts, routes, hash buckets, the time series.

use sim_core::scenario::Scenario;
use sim_core::tcp::State;

use super::source::Cost;
use super::{Input, MOST_BYTES, MOST_EVENTS};
use crate::read::Fields;
use crate::report::Diagnostic;
use crate::source::Place;
use crate::units::{show_span, thousands};

/// Lanes of the event queue are counted in 16 bits, and one number means none.
const MOST_LANES: usize = 65_534;
const LANES_OF_A_LINK: usize = 2;
const LANES_OF_A_HOST: usize = 5;
const LANES_OF_A_SOURCE: usize = 2;

/// Bytes of a host: mainly its ports.
const HOST_BYTES: u128 = 600 << 10;
/// Bytes of a route, which every host has to every other.
const ROUTE_BYTES: u128 = 8;
/// Bytes of a bucket of conntrack's hash.
const BUCKET_BYTES: u128 = 8;
/// Buckets that conntrack's collector looks at in the time of one event. It looks at all of them each minute.
const BUCKETS_PER_EVENT: u128 = 64;
const COLLECTION_SECONDS: u128 = 60;
/// Bytes of a number in the time series.
const NUMBER_BYTES: u128 = 8;
/// More than this nobody could look at, nor write as CSV.
const MOST_SERIES_BYTES: u128 = 2 << 30;
/// Columns of a host beside its states, of conntrack, of a listener and of a traffic source.
const HOST_COLUMNS: usize = 6;
const TRACKING_COLUMNS: usize = 2;
const LISTENER_COLUMNS: usize = 2;
const SOURCE_COLUMNS: usize = 8;

/// Whether hosts, links and traffic sources can be counted.
pub(super) fn lanes_suffice(input: &mut Input<'_>, fields: Fields<'_>, scenario: &Scenario) -> bool {
    let (hosts, links, sources) = (input.hosts.len(), scenario.links.len(), input.traffic.len());
    let lanes = links * LANES_OF_A_LINK + hosts * LANES_OF_A_HOST + sources * LANES_OF_A_SOURCE;
    if lanes > MOST_LANES {
        let message = format!(
            "{hosts} hosts, {links} links and {sources} traffic sources are too many together: \
             5 for a host, 2 for a link and 2 for a source make {lanes}, and {MOST_LANES} are the most"
        );
        input.notes.error(Diagnostic::error(fields.place_of("hosts"), message));
    }
    lanes <= MOST_LANES
}

/// Bytes that are needed in any case; none if that is too much, which has been noted.
pub(super) fn check(input: &mut Input<'_>, fields: Fields<'_>, costs: &[Option<Cost>]) -> Option<u128> {
    let series = series(input, fields, costs)?;
    let hosts = input.hosts.len() as u128;
    let routes = hosts * hosts * ROUTE_BYTES;
    let mut parts: Vec<(u128, Place, String)> = vec![
        (hosts * HOST_BYTES, fields.place_of("hosts"), format!("{} hosts", thousands(hosts))),
        (routes, fields.place_of("hosts"), format!("routes between {} hosts", thousands(hosts))),
        (series, fields.place_of("sample"), "the time series".to_owned()),
    ];
    let mut collected: u128 = 0;
    for read in input.hosts.iter() {
        let Some(conntrack) = &read.host.conntrack else { continue };
        let buckets = u128::from(conntrack.buckets);
        collected += buckets;
        let what = format!("the {} buckets of `{}`", thousands(buckets), read.host.name);
        parts.push((buckets * BUCKET_BYTES, read.tracking, what));
    }
    let minutes = u128::from(input.times.duration.as_secs()) / COLLECTION_SECONDS;
    let events = collected * minutes / BUCKETS_PER_EVENT;
    if events > MOST_EVENTS {
        let message = format!(
            "conntrack's collector would look at {} buckets {} times, as much as {} events; {} are the most",
            thousands(collected),
            thousands(minutes),
            thousands(events),
            thousands(MOST_EVENTS)
        );
        let help = "shorten the duration, or give conntrack fewer `buckets`";
        input.notes.error(Diagnostic::error(fields.place_of("duration"), message).help(help));
        return None;
    }
    let all: u128 = parts.iter().map(|(bytes, ..)| bytes).sum();
    if all <= MOST_BYTES {
        return Some(all);
    }
    let (bytes, place, what) = parts.into_iter().max_by_key(|(bytes, ..)| *bytes)?;
    let message = format!(
        "this scenario needs about {} GiB before anything happens, {} GiB of them for {what}; {} are the most",
        thousands(all >> 30),
        thousands(bytes >> 30),
        MOST_BYTES >> 30
    );
    input.notes.error(Diagnostic::error(place, message));
    None
}

/// Bytes of the time series; none if that is too much, which has been noted.
fn series(input: &mut Input<'_>, fields: Fields<'_>, costs: &[Option<Cost>]) -> Option<u128> {
    let host = |read: &super::super::host::HostRead| {
        let tracking = if read.host.conntrack.is_some() { TRACKING_COLUMNS } else { 0 };
        State::ALL.len() + HOST_COLUMNS + tracking + LISTENER_COLUMNS * read.host.listen.len()
    };
    let hosts: usize = input.hosts.iter().map(host).sum();
    let pairs: u128 = costs.iter().flatten().map(|cost| cost.pairs).sum();
    let columns = (hosts + SOURCE_COLUMNS * input.traffic.len()) as u128 + pairs;
    let (duration, sample) = (input.times.duration, input.times.sample);
    let rows = u128::from(duration.0 / sample.0.max(1)) + 1;
    let bytes = rows * columns * NUMBER_BYTES;
    if bytes <= MOST_SERIES_BYTES {
        return Some(bytes);
    }
    let message = format!(
        "{} sampled every {} are {} rows of {} columns, about {} GiB; {} are the most",
        show_span(duration),
        show_span(sample),
        thousands(rows),
        thousands(columns),
        thousands(bytes >> 30),
        MOST_SERIES_BYTES >> 30
    );
    let place = fields.get("sample").map_or_else(|| fields.place_of("duration"), |node| node.place);
    input.notes.error(Diagnostic::error(place, message).help("sample less often: a longer `sample`"));
    None
}
