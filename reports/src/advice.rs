//! The answer of `timewait advise`: changes by how far they take a scenario, with their price and their dangers.

use experiments::advise::{Advice, Danger, Found, Reach, SEEDS, Trial, dangers};
use experiments::catalogue::Change;
use experiments::hazard::Hazards;
use experiments::load::{Amount, Load, PerMille};
use serde::Serialize;
use sim_core::scenario::{Limit, Scenario};

use crate::run::Run;
use crate::words::{count, counted, decimal};

/// Name and version of the format; the number rises when a field changes its meaning or goes.
pub const FORMAT: &str = "timewait-advice/1";

/// What was asked and found.
#[derive(Clone, Copy, Debug)]
pub struct Advised<'a> {
    /// The command that asks this.
    pub asked: &'a str,
    /// The scenario as it is.
    pub scenario: &'a Scenario,
    /// Its text.
    pub text: &'a str,
    /// Its load.
    pub load: &'a Load,
    /// The catalogue.
    pub catalogue: &'a [Change],
    /// What was found.
    pub advice: &'a Advice,
}

/// What is said of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Judgement {
    Helps,
    Hazardous,
    NoHelp,
    Worse,
    Inert,
    DoesNotApply,
}

impl Advised<'_> {
    fn judge(&self, trial: &Trial) -> Judgement {
        let Ok(found) = &trial.found else { return Judgement::DoesNotApply };
        let base = &self.advice.base;
        if found.inert {
            Judgement::Inert
        } else if !dangers(base, found).is_empty() {
            Judgement::Hazardous
        } else if found.reach.beyond(&base.reach) {
            Judgement::Helps
        } else if base.reach.beyond(&found.reach) {
            Judgement::Worse
        } else {
            Judgement::NoHelp
        }
    }

    fn name(&self, trial: &Trial) -> String {
        trial.changes.iter().map(|&i| self.catalogue[i].name.as_str()).collect::<Vec<_>>().join(" + ")
    }

    /// Trials of a kind, the farthest first, those of equal reach in the order of the catalogue.
    fn of(&self, trials: &'_ [Trial], wanted: Judgement) -> Vec<Trial> {
        let mut chosen: Vec<Trial> = trials.iter().filter(|t| self.judge(t) == wanted).cloned().collect();
        // What still holds at the largest load that was tried is farther than what does not.
        let far =
            |t: &Trial| t.found.as_ref().map_or((false, 0), |f| (f.reach.fails.is_none(), f.reach.load()));
        chosen.sort_by_key(|t| core::cmp::Reverse(far(t)));
        chosen
    }

    fn limit(&self, limit: Option<Limit>) -> String {
        // A run without its record is enough for names.
        limit.map_or_else(|| "failures without a full table".to_owned(), |l| name_of(self.scenario, l))
    }

    fn amount(&self, load: PerMille) -> String {
        match self.load.amount(load) {
            Amount::Rate(rate) => format!("{}/s", significant(rate)),
            Amount::Workers(workers) => counted(workers, "worker", "workers"),
        }
    }

    fn reach(&self, reach: &Reach) -> String {
        match (reach.holds, reach.fails) {
            (Some(holds), None) => format!("{} and more", self.amount(holds)),
            (Some(holds), Some(_)) => self.amount(holds),
            (None, _) => "fails at the smallest load that was tried".to_owned(),
        }
    }

    fn then(&self, reach: &Reach) -> String {
        match reach.fails {
            None => "nothing ran out".to_owned(),
            Some((_, Some(bound))) if reach.holds.is_none() => {
                format!("for {}", name_of(self.scenario, bound))
            }
            Some((_, None)) if reach.holds.is_none() => "with no table full".to_owned(),
            Some((_, bound)) => format!("then {}", self.limit(bound)),
        }
    }
}

fn name_of(scenario: &Scenario, limit: Limit) -> String {
    let summary = sim_core::record::Summary::default();
    Run::new(scenario, &summary).limit_name(limit)
}

/// Three digits, or all of a whole number: `1,069`, `46.9`, `0.333`.
fn significant(rate: f64) -> String {
    if rate >= 100.0 {
        return count(rate.round() as u64);
    }
    decimal(rate, if rate >= 10.0 { 1 } else { 3 })
}

/// The whole answer.
pub fn answer(advised: &Advised<'_>) -> String {
    let advice = advised.advice;
    let mut lines = vec![advised.scenario.title.clone(), String::new()];
    lines.extend(as_it_is(advised));
    let helps = advised.of(&advice.alone, Judgement::Helps);
    section(&mut lines, "What helps, the farthest first", &helps, |t| item(advised, t, true));
    let together = advised.of(&advice.together, Judgement::Helps);
    section(&mut lines, "Together", &together, |t| item(advised, t, false));
    let mut hazardous = advised.of(&advice.alone, Judgement::Hazardous);
    hazardous.extend(advised.of(&advice.together, Judgement::Hazardous));
    section(&mut lines, "Hazardous", &hazardous, |t| item(advised, t, true));
    let worse = advised.of(&advice.alone, Judgement::Worse);
    section(&mut lines, "Takes it less far", &worse, |t| item(advised, t, false));
    let no_help = advised.of(&advice.alone, Judgement::NoHelp);
    section(&mut lines, "Changes something, but takes it no further", &no_help, |t| item(advised, t, false));
    let inert = advised.of(&advice.alone, Judgement::Inert);
    section(&mut lines, "Inert here: the run is the same to the last bit", &inert, |t| {
        let note = t.found.as_ref().is_ok_and(|f| !f.warnings.is_empty());
        let note = if note { " (the model does not have it)" } else { "" };
        vec![format!("   {}{note}", advised.name(t))]
    });
    let unfit = advised.of(&advice.alone, Judgement::DoesNotApply);
    section(&mut lines, "Does not apply", &unfit, |t| {
        let why = t.found.as_ref().err().map_or("", String::as_str);
        vec![format!("   {}: {why}", advised.name(t))]
    });
    lines.push(String::new());
    lines.push(advised.asked.to_owned());
    lines.push(format!(
        "seed {}; hazards over {SEEDS} seeds at the scenario's own load with 1% loss, 1% reordered by 50 ms, 0.1% doubled; timewait {}",
        advised.scenario.seed,
        env!("CARGO_PKG_VERSION")
    ));
    lines.join("\n") + "\n"
}

fn as_it_is(advised: &Advised<'_>) -> Vec<String> {
    let base = &advised.advice.base;
    let own = if base.own.holds {
        "holds".to_owned()
    } else {
        let bound =
            base.own.bound.map_or_else(String::new, |l| format!(", first for {}", advised.limit(Some(l))));
        format!("fails: {}% of the attempts{bound}", decimal(base.own.failed * 100.0, 1))
    };
    vec![
        format!(
            "As it is, it {}{}; {}.",
            if base.reach.holds.is_some() { "holds up to " } else { "" },
            advised.reach(&base.reach),
            advised.then(&base.reach)
        ),
        format!("Its own load of {} {own}.", advised.amount(experiments::load::OWN)),
    ]
}

fn section(lines: &mut Vec<String>, heading: &str, trials: &[Trial], item: impl Fn(&Trial) -> Vec<String>) {
    if trials.is_empty() {
        return;
    }
    lines.extend([String::new(), heading.to_owned()]);
    lines.extend(trials.iter().flat_map(item));
}

fn item(advised: &Advised<'_>, trial: &Trial, price: bool) -> Vec<String> {
    let Ok(found) = &trial.found else { return Vec::new() };
    let mut lines = vec![format!(
        "   {}: {}; {}",
        advised.name(trial),
        advised.reach(&found.reach),
        advised.then(&found.reach)
    )];
    let base = &advised.advice.base;
    let measured: Vec<_> = dangers(base, found).iter().map(|d| danger(*d)).collect();
    if !measured.is_empty() {
        lines.push(format!("      measured: {}", measured.join(", ")));
        lines.push(format!("      {}", in_figures(&base.hazards_by_seed, &found.hazards_by_seed)));
    }
    if price {
        for &i in &trial.changes {
            let change = &advised.catalogue[i];
            lines.push(format!("      costs: {}", change.cost));
            lines.push(format!("      can go wrong: {}", change.risk));
            lines.push(format!("      kernels: {}; {}", change.kernels, change.source));
        }
        let set: Vec<_> = trial.set.iter().map(ToString::to_string).collect();
        lines.push(format!("      set: {}", set.join("; ")));
    }
    lines
}

fn danger(danger: Danger) -> String {
    match danger {
        Danger::Unprotected(share) => format!("{}% of closes without TIME_WAIT", decimal(share * 100.0, 1)),
        Danger::OldSegments(n) => {
            format!(
                "{} taken by a newer one",
                counted(n, "segment of an old connection", "segments of old connections")
            )
        }
        Danger::BytesLost(n) => format!("{} lost", counted(n, "byte", "bytes")),
    }
}

/// What was seen with each seed, from the least to the most.
fn in_figures(base: &[Hazards], with: &[Hazards]) -> String {
    let spread = |runs: &[Hazards], field: fn(&Hazards) -> u64| {
        let (least, most) = (runs.iter().map(field).min(), runs.iter().map(field).max());
        match (least.unwrap_or(0), most.unwrap_or(0)) {
            (least, most) if least == most => count(most),
            (least, most) => format!("{} to {}", count(least), count(most)),
        }
    };
    let both = |field: fn(&Hazards) -> u64| (spread(with, field), spread(base, field));
    let ((resets, resets_as_is), (old, old_as_is)) = (both(|h| h.resets), both(|h| h.old_segments));
    let ((lost, lost_as_is), (refused, refused_as_is)) = (both(|h| h.bytes_lost), both(|h| h.refused));
    format!(
        "by seed: RSTs sent {resets} (as it is {resets_as_is}), old segments taken {old} ({old_as_is}), \
         bytes lost {lost} ({lost_as_is}), no tuple free {refused} ({refused_as_is})"
    )
}

#[derive(Serialize)]
struct Whole<'a> {
    format: &'static str,
    timewait: &'static str,
    asked: &'a str,
    scenario: &'a str,
    title: &'a str,
    seed: u64,
    complete: bool,
    base: FoundJson,
    changes: Vec<TrialJson<'a>>,
}

#[derive(Serialize)]
struct TrialJson<'a> {
    name: String,
    judgement: Judgement,
    set: Vec<String>,
    members: Vec<&'a Change>,
    found: Option<FoundJson>,
    why_not: Option<&'a str>,
}

#[derive(Serialize)]
struct FoundJson {
    holds_per_mille: Option<u64>,
    holds: Option<String>,
    fails_per_mille: Option<u64>,
    runs_out: Option<String>,
    failed_at_own_load: f64,
    digest: String,
    hazards: Hazards,
    hazards_by_seed: Vec<Hazards>,
}

fn found_json(advised: &Advised<'_>, found: &Found) -> FoundJson {
    FoundJson {
        holds_per_mille: found.reach.holds,
        holds: found.reach.holds.map(|load| advised.amount(load)),
        fails_per_mille: found.reach.fails.map(|(load, _)| load),
        runs_out: found.reach.fails.and_then(|(_, bound)| bound).map(|l| advised.limit(Some(l))),
        failed_at_own_load: found.own.failed,
        digest: found.own.digest.clone(),
        hazards: found.hazards,
        hazards_by_seed: found.hazards_by_seed.clone(),
    }
}

/// The advice as JSON text: every change in the order of the catalogue, then those that were made together.
pub fn advice_json(advised: &Advised<'_>) -> String {
    let trials = advised.advice.alone.iter().chain(&advised.advice.together);
    let whole = Whole {
        format: FORMAT,
        timewait: env!("CARGO_PKG_VERSION"),
        asked: advised.asked,
        scenario: advised.text,
        title: &advised.scenario.title,
        seed: advised.scenario.seed,
        complete: advised.advice.complete,
        base: found_json(advised, &advised.advice.base),
        changes: trials
            .map(|t| TrialJson {
                name: advised.name(t),
                judgement: advised.judge(t),
                set: t.set.iter().map(ToString::to_string).collect(),
                members: t.changes.iter().map(|&i| &advised.catalogue[i]).collect(),
                found: t.found.as_ref().ok().map(|f| found_json(advised, f)),
                why_not: t.found.as_ref().err().map(String::as_str),
            })
            .collect(),
    };
    let mut text = serde_json::to_string_pretty(&whole).expect("plain data always serialises");
    text.push('\n');
    text
}
