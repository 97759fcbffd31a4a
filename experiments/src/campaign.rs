//! A campaign: one scenario at many points, as a plan of runs that can be computed anywhere and in any order.

use scenarios::Patch;
use sim_core::scenario::{Check, Scenario};

use crate::axis::{Axis, Setting};
use crate::record::RunKey;
use crate::run::Run;

/// One combination of values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// For each axis, which of its values.
    pub choice: Vec<usize>,
}

/// What is asked: a scenario, what of it varies, and what is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Campaign {
    /// The scenario with the changes that all points share.
    pub base: Run,
    /// What varies.
    pub axes: Vec<Axis>,
    /// The combinations that are asked for.
    pub points: Vec<Point>,
    /// What is measured, as written: an expectation, or one without its band.
    pub measures: Vec<String>,
}

/// Every combination of the axes' values, the last axis changing fastest.
pub fn combinations(axes: &[Axis]) -> Vec<Point> {
    let mut points = vec![Point { choice: Vec::new() }];
    for axis in axes {
        let longer = |point: &Point| {
            let choices = 0..axis.values.len();
            choices.map(|i| Point { choice: [&point.choice[..], &[i]].concat() }).collect::<Vec<_>>()
        };
        points = points.iter().flat_map(longer).collect();
    }
    points
}

impl Campaign {
    /// The value of each axis at a point.
    pub fn settings(&self, point: &Point) -> Vec<&Setting> {
        self.axes.iter().zip(&point.choice).map(|(axis, &i)| &axis.values[i]).collect()
    }

    /// The changes that make a point of the scenario.
    pub fn patches(&self, point: &Point) -> Vec<Patch> {
        let values = self.axes.iter().zip(self.settings(point));
        values.map(|(axis, value)| axis.target.patch(&value.text)).collect()
    }

    /// The run of a point with a seed (or the scenario's own), its expectations replaced by what is measured.
    pub fn run(&self, point: &Point, seed: Option<u64>) -> Run {
        let mut run = self.base.clone();
        run.patches.extend(self.patches(point));
        run.patches.push(measuring(&self.measures));
        run.seed = seed.or(run.seed);
        run
    }

    /// The name of a run's result: equal runs that measure equal things have equal keys.
    pub fn key(&self, point: &Point, seed: Option<u64>) -> RunKey {
        RunKey::of(&self.run(point, seed))
    }
}

/// The change that replaces a scenario's expectations by what is measured.
pub fn measuring(measures: &[String]) -> Patch {
    let expectations: Vec<_> = measures.iter().map(|m| expectation(m)).collect();
    Patch::new("expect", format!("[{}]", expectations.join(", "))).of_flag("--measure")
}

/// A measure as a whole expectation: one without a band gets one that every number lies in.
fn expectation(measure: &str) -> String {
    if is_whole(measure) {
        return measure.to_owned();
    }
    match measure.trim().strip_suffix(')') {
        // Only a rate is not content with a bare zero.
        Some(open) if measure.trim_start().starts_with("rate") => format!("{open}, at_least(\"0/s\"))"),
        Some(open) => format!("{open}, at_least(0))"),
        None => measure.to_owned(),
    }
}

/// Whether a measure is an expectation with all its parts, so that it holds or does not.
pub fn is_whole(measure: &str) -> bool {
    const BANDS: [&str; 6] = ["equals(", "between(", "at_least(", "at_most(", "below(", "above("];
    const WITHOUT_BAND: [&str; 3] = ["binds_first", "never", "erlang_b"];
    let head = measure.trim_start();
    WITHOUT_BAND.iter().any(|name| head.starts_with(name)) || BANDS.iter().any(|band| measure.contains(band))
}

/// What the measures of a loaded scenario are, in their order; none if some fell out, as their times do not fit.
pub fn checks<'a>(scenario: &'a Scenario, measures: &[String]) -> Option<Vec<&'a Check>> {
    let found: Vec<_> = scenario.expect.iter().map(|e| &e.check).collect();
    (found.len() == measures.len()).then_some(found)
}

/// A condition between axes, or between an axis and a value, that points have to meet: `traffic.a.rate < traffic.b.rate`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    left: Operand,
    relation: &'static str,
    right: Operand,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Operand {
    Axis(usize),
    Value(Setting),
}

impl Constraint {
    /// Reads `A < B` with `<`, `<=`, `>`, `>=`, `=` or `!=`, each side an axis or a value. The error says what is wrong.
    pub fn parse(text: &str, axes: &[Axis]) -> Result<Constraint, String> {
        const RELATIONS: [&str; 6] = ["<=", ">=", "!=", "<", ">", "="];
        let found = RELATIONS.iter().find_map(|r| text.split_once(r).map(|(a, b)| (a.trim(), *r, b.trim())));
        let Some((left, relation, right)) = found.filter(|(a, _, b)| !a.is_empty() && !b.is_empty()) else {
            return Err(format!("`{text}` is not a comparison, as in `A <= B`"));
        };
        let operand = |name: &str| match axes.iter().position(|a| a.target.name == name) {
            Some(axis) => Operand::Axis(axis),
            None => Operand::Value(Setting::new(name)),
        };
        let (left, right) = (operand(left), operand(right));
        if !matches!((&left, &right), (Operand::Axis(_), _) | (_, Operand::Axis(_))) {
            let names: Vec<_> = axes.iter().map(|a| format!("`{}`", a.target.name)).collect();
            return Err(format!("neither side of `{text}` is an axis; the axes are {}", names.join(", ")));
        }
        let constraint = Constraint { left, relation, right };
        for point in combinations(axes) {
            constraint.holds(axes, &point).map_err(|why| format!("`{text}`: {why}"))?;
        }
        Ok(constraint)
    }

    /// Whether a point meets it. The error says what cannot be compared.
    pub fn holds(&self, axes: &[Axis], point: &Point) -> Result<bool, String> {
        let value = |operand: &Operand| match operand {
            Operand::Axis(axis) => axes[*axis].values[point.choice[*axis]].clone(),
            Operand::Value(setting) => setting.clone(),
        };
        let (left, right) = (value(&self.left), value(&self.right));
        let numbers =
            left.quantity.as_ref().zip(right.quantity.as_ref()).filter(|(l, r)| l.unit() == r.unit());
        match (self.relation, numbers) {
            ("=", None) => Ok(left.text == right.text),
            ("!=", None) => Ok(left.text != right.text),
            (_, None) => Err(format!("`{}` and `{}` are not numbers in one unit", left.text, right.text)),
            (relation, Some((l, r))) => {
                let order = l.number().total_cmp(&r.number());
                Ok(match relation {
                    "<" => order.is_lt(),
                    "<=" => order.is_le(),
                    ">" => order.is_gt(),
                    ">=" => order.is_ge(),
                    "=" => order.is_eq(),
                    _ => order.is_ne(),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn campaign(measures: &[&str], vary: &[&str]) -> Campaign {
        let base = Run::bundled(*scenarios::bundled("ports-run-out").expect("it is bundled"));
        let scenario = base.load().expect("it loads").scenario;
        let axes: Vec<_> = vary.iter().map(|v| Axis::parse(v, &scenario).expect(v)).collect();
        let measures = measures.iter().map(|&m| m.to_owned()).collect();
        Campaign { base, points: combinations(&axes), axes, measures }
    }

    #[test]
    fn every_combination_comes_once_and_the_last_axis_changes_fastest() {
        let campaign = campaign(&[], &["a=1,2", "b=x,y,z"]);
        let choices: Vec<_> = campaign.points.iter().map(|p| (p.choice[0], p.choice[1])).collect();
        assert_eq!(choices, [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]);
    }

    #[test]
    fn constraints_leave_the_points_that_meet_them() {
        let axes = campaign(&[], &["a=1,2,3", "b=2,3", "word=x,y"]).axes;
        let left = |text: &str| {
            let constraint = Constraint::parse(text, &axes).expect(text);
            combinations(&axes).iter().filter(|p| constraint.holds(&axes, p) == Ok(true)).count()
        };
        assert_eq!(
            [left("a < b"), left("a<=b"), left("a != 2"), left("word = y"), left("2 >= a")],
            [6, 10, 8, 6, 8]
        );
        for (text, said) in [
            ("a b", "not a comparison"),
            ("1 < 2", "the axes are `a`"),
            ("word < a", "not numbers in one unit"),
        ] {
            let error = Constraint::parse(text, &axes).expect_err(text);
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn measures_are_expectations_with_or_without_their_band() {
        let measures = [
            r#"share("failed")"#,
            r#"peak("client.time_wait")"#,
            r#"rate("web.connected", over("0s", "60s"))"#,
            r#"at("client.memory", "30s")"#,
            r#"first("EADDRNOTAVAIL")"#,
            r#"counter("server", "TcpOutRsts")"#,
            r#"latency("connect", quantile("99%"))"#,
            r#"peak(used(accept_queue("server:80")))"#,
            r#"never("web.failed")"#,
            r#"peak("client.time_wait", at_most(28232))"#,
            "binds_first(nothing)",
        ];
        let campaign = campaign(&measures, &["traffic.web.rate=100/s,1000/s"]);
        for point in &campaign.points {
            let loaded = campaign.run(point, Some(3)).load().unwrap_or_else(|report| panic!("{report}"));
            assert_eq!(loaded.scenario.seed, 3);
            assert_eq!(
                checks(&loaded.scenario, &campaign.measures).expect("all of them").len(),
                measures.len()
            );
        }
        assert_eq!(measures.map(is_whole).iter().filter(|whole| **whole).count(), 3);
    }
}
