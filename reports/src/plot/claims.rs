//! What a scenario claims, drawn: Erlang's loss beside what was lost, and several systems beside each other.

use sim_core::errno::Errno;
use sim_core::ids::TrafficId;
use sim_core::scenario::{Check, Metric, Outcome, Window};
use sim_core::time::{Span, Time};

use super::palette;
use super::panel::{Bar, Curve, Kind, LimitLine, Measure, Panel, thinned};
use crate::run::Run;
use crate::verdict;
use crate::words;

/// From so many systems on they are compared by a bar each.
const SYSTEMS: usize = 4;

/// Erlang's formula and how the share of failures comes to it, for each expectation that calls it.
pub(super) fn erlang(run: Run<'_>) -> Vec<Panel> {
    let calls = run.scenario.expect.iter().filter_map(|e| match e.check {
        Check::ErlangB { traffic, over, servers, hold, .. } => Some((traffic, over, servers, hold)),
        _ => None,
    });
    calls.filter_map(|(traffic, over, servers, hold)| loss(run, traffic, over, servers, hold)).collect()
}

fn loss(run: Run<'_>, traffic: Option<TrafficId>, over: Window, servers: u64, hold: Span) -> Option<Panel> {
    let series = &run.summary.series;
    let column = |outcome| -> Vec<u64> {
        let columns: Vec<&[u64]> =
            run.sources(traffic).filter_map(|(id, _)| series.get(Metric::Outcome(id, outcome))).collect();
        (0..series.rows).map(|row| columns.iter().filter_map(|c| c.get(row)).sum()).collect()
    };
    let (attempted, failed) = (column(Outcome::Attempted), column(Outcome::Failed));
    let from = (0..series.rows).find(|&row| series.time(row) >= over.from)?;
    let to = (0..series.rows).rev().find(|&row| series.time(row) <= over.to)?;
    let point = |row: usize| {
        let tried = attempted[row].saturating_sub(attempted[from]);
        let share = failed[row].saturating_sub(failed[from]) as f64 * 100.0 / tried as f64;
        (series.time(row).0 as f64 / 1e9, if tried == 0 { f64::NAN } else { share })
    };
    let points: Vec<_> = (from..=to).map(point).collect();
    let got = points.last()?.1;
    let expected = verdict::erlang_loss(run, traffic, over, servers, hold)? * 100.0;
    Some(Panel {
        curves: vec![Curve {
            name: format!(
                "failed, as a share of all attempts since {}: {got:.2}% in the end",
                words::at(over.from)
            ),
            color: palette::ALARM,
            dash: palette::SOLID,
            points: thinned(points),
        }],
        limits: vec![LimitLine { value: expected, text: format!("Erlang B: {expected:.2}%") }],
        weight: 1.4,
        ..Panel::lines(
            "Attempts that failed, beside what Erlang's formula says",
            "of attempts",
            Measure::Share,
        )
    })
}

/// A bar for each of several sources on hosts of their own that fare differently; none if there is nothing to compare.
pub(super) fn systems(run: Run<'_>) -> Option<Panel> {
    let sources: Vec<TrafficId> = run.sources(None).map(|(id, _)| id).collect();
    let hosts: Vec<_> = run.scenario.traffic.iter().filter_map(|t| run.host(t.from)).collect();
    // Replicas of one host are no systems to compare.
    let apart = |i: usize| {
        let (a, rest) = (hosts[i], &hosts[i + 1..]);
        rest.iter().all(|b| (a.stack, &a.tcp, &a.ports) != (b.stack, &b.tcp, &b.ports))
    };
    if sources.len() < SYSTEMS || hosts.len() < sources.len() || !(0..hosts.len()).all(apart) {
        return None;
    }
    let whole = Window { from: Time::ZERO, to: run.summary.ended };
    // As long as an expectation counts, if there is one.
    let over = run.scenario.expect.iter().find_map(|e| match e.check {
        Check::Rate { traffic: Some(_), over, .. } => Some(over),
        _ => None,
    });
    let over = over.unwrap_or(whole);
    let seconds = (over.to.min(run.summary.ended).since(over.from).0 as f64 / 1e9).max(1e-9);
    let rate = |id, outcome| verdict::in_window(run, Some(id), outcome, over).map(|n| n as f64 / seconds);
    let mut bars = Vec::new();
    for &id in &sources {
        let (attempted, connected) = (rate(id, Outcome::Attempted)?, rate(id, Outcome::Connected)?);
        let mut parts = vec![(connected, palette::SUCCESS)];
        for &errno in Errno::ALL {
            parts.extend(
                rate(id, Outcome::Error(errno)).filter(|&r| r > 0.0).map(|r| (r, palette::errno(errno))),
            );
        }
        bars.push(Bar {
            name: run.traffic_name(Some(id)).to_owned(),
            parts,
            text: format!("{}/s of {}/s", rounded(connected), rounded(attempted)),
        });
    }
    let connected = || bars.iter().map(|b| b.parts[0].0);
    let (least, most) = (connected().fold(f64::MAX, f64::min), connected().fold(0.0, f64::max));
    if most - least <= most * 0.1 {
        return None;
    }
    // The legend of bars: what their colours mean.
    let mut curves = vec![("connected".to_owned(), palette::SUCCESS)];
    for &errno in Errno::ALL.iter().filter(|&&e| run.tally(None, Outcome::Error(e)).count > 0) {
        let color = palette::errno(errno);
        match curves.iter_mut().find(|(_, known)| *known == color) {
            // Systems have different names for one thing.
            Some((name, _)) => *name = format!("{name} or {}", errno.name()),
            None => curves.push((errno.name().to_owned(), color)),
        }
    }
    let curve = |(name, color)| Curve { name, color, dash: palette::SOLID, points: Vec::new() };
    let mean = if over == whole {
        "the whole run".to_owned()
    } else {
        format!("{} to {}", words::at(over.from), words::at(over.to))
    };
    Some(Panel {
        kind: Kind::Bars,
        curves: curves.into_iter().map(curve).collect(),
        bars,
        weight: 2.0,
        ..Panel::lines(
            format!("Attempts by outcome, per second (mean over {mean})"),
            "per second",
            Measure::Count,
        )
    })
}

/// A rate with a digit after the point where that says something.
fn rounded(rate: f64) -> String {
    if rate >= 1_000.0 { words::count(rate.round() as u64) } else { words::decimal(rate, 1) }
}
