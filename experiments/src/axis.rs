//! An axis: what of a scenario varies, and over which values.

use scenarios::Patch;
use sim_core::scenario::{Arrivals, Scenario};

use crate::quantity::{Quantity, Range};

/// One value of an axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// As it was given.
    pub text: String,
    /// As a number, if it is one.
    pub quantity: Option<Quantity>,
}

impl Setting {
    /// A value as it was given.
    pub fn new(text: &str) -> Setting {
        Setting { text: text.to_owned(), quantity: Quantity::parse(text) }
    }
}

impl From<Quantity> for Setting {
    fn from(quantity: Quantity) -> Setting {
        Setting { text: quantity.to_string(), quantity: Some(quantity) }
    }
}

/// Where a value goes: a path of the scenario, and the text around the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// As it was given: what the axis is called.
    pub name: String,
    path: String,
    before: String,
    after: String,
    /// The text around braces in which the values stand.
    around: Option<(String, String)>,
}

impl Target {
    /// The place that `name` stands for: any path that `--set` takes, or `traffic.NAME.rate` for the rate within the
    /// arrivals of a source. The error says what is wrong.
    pub fn new(name: &str, scenario: &Scenario) -> Result<Target, String> {
        let name = name.trim();
        let plain = |path: &str, before: &str, after: &str| Target {
            name: name.to_owned(),
            path: path.to_owned(),
            before: before.to_owned(),
            after: after.to_owned(),
            around: None,
        };
        let source = name.strip_prefix("traffic.").and_then(|rest| rest.strip_suffix(".rate"));
        let Some(source) = source else { return Ok(plain(name, "", "")) };
        let Some(traffic) = scenario.traffic.iter().find(|t| t.name == source) else {
            let names: Vec<_> = scenario.traffic.iter().map(|t| format!("`{}`", t.name)).collect();
            return Err(format!("there is no traffic source `{source}`; there are {}", names.join(", ")));
        };
        let kind = match traffic.arrivals {
            Arrivals::Constant(_) => "constant",
            Arrivals::Poisson(_) => "poisson",
            _ => {
                return Err(format!(
                    "the arrivals of `{source}` have no single rate; vary `traffic.{source}.arrivals` as a whole"
                ));
            }
        };
        Ok(plain(&format!("traffic.{source}.arrivals"), &format!("{kind}(\""), "\")"))
    }

    /// The change that puts a value there.
    pub fn patch(&self, value: &str) -> Patch {
        Patch::new(self.path.clone(), format!("{}{value}{}", self.before, self.after))
    }

    /// The whole value, as people would write it.
    pub fn whole(&self, value: &str) -> String {
        self.around
            .as_ref()
            .map_or_else(|| value.to_owned(), |(before, after)| format!("{before}{value}{after}"))
    }

    /// With text around the value.
    fn within(mut self, before: &str, after: &str) -> Target {
        self.around = Some((before.to_owned(), after.to_owned()));
        self.before.push_str(before);
        self.after.insert_str(0, after);
        self
    }
}

/// What of a scenario varies, and over which values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// Where the values go.
    pub target: Target,
    /// The values, in the order in which they were given.
    pub values: Vec<Setting>,
}

impl Axis {
    /// Reads `PATH=V1,V2,V3` or `PATH=LOW..HIGH step S`, `times F`, `points N`. Where the range is a part of the value, it
    /// stands in braces: `hosts.client.sysctl.net.ipv4.ip_local_port_range=32768 {33000..60999 step 1000}`. The error says
    /// what is wrong.
    pub fn parse(text: &str, scenario: &Scenario) -> Result<Axis, String> {
        let (name, value) = split(text)?;
        let target = Target::new(name, scenario)?;
        if let Some((before, inside, after)) = hole(value) {
            return Ok(Axis { target: target.within(before, after), values: values(inside)? });
        }
        Ok(Axis { target, values: values(value)? })
    }

    /// Whether all values are numbers in one unit: then the axis has a scale.
    pub fn is_numeric(&self) -> bool {
        let unit = |s: &Setting| s.quantity.as_ref().map(|q| q.unit().to_owned());
        let first = self.values.first().and_then(unit);
        first.is_some() && self.values.iter().all(|v| unit(v) == first)
    }
}

/// A range within a path's value, for `solve`: `PATH=LOW..HIGH`, the range in braces where it is a part of the value. The
/// error says what is wrong.
pub fn range(text: &str, scenario: &Scenario) -> Result<(Target, Range), String> {
    let (name, value) = split(text)?;
    let target = Target::new(name, scenario)?;
    match hole(value) {
        Some((before, inside, after)) => Ok((target.within(before, after), Range::parse(inside)?)),
        None => Ok((target, Range::parse(value)?)),
    }
}

fn split(text: &str) -> Result<(&str, &str), String> {
    let parts = text.split_once('=').map(|(name, value)| (name.trim(), value.trim()));
    parts.filter(|(name, value)| !name.is_empty() && !value.is_empty()).ok_or_else(|| {
        format!("`{text}` is not PATH=VALUES, as in `links[0].loss=0%,1%` or `traffic.web.rate=100/s..2000/s step 100`")
    })
}

/// The text before, in and after `{LOW..HIGH ..}`. Braces that hold no range belong to the value.
fn hole(value: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = value.split_once('{')?;
    let (inside, after) = rest.split_once('}')?;
    (inside.contains("..") && !inside.contains('"')).then_some((before, inside, after))
}

fn values(text: &str) -> Result<Vec<Setting>, String> {
    if text.contains("..") && !text.contains(['"', ',']) {
        return ranged(text);
    }
    let values: Vec<Setting> = listed(text).into_iter().map(Setting::new).collect();
    if values.iter().any(|v| v.text.is_empty()) {
        return Err(format!("a value is missing between the commas of `{text}`"));
    }
    match values.iter().enumerate().find(|(i, v)| values[..*i].iter().any(|other| other.text == v.text)) {
        Some((_, twice)) => Err(format!("`{}` comes twice", twice.text)),
        None => Ok(values),
    }
}

fn ranged(text: &str) -> Result<Vec<Setting>, String> {
    let (ends, how) = text.trim().split_once(char::is_whitespace).unwrap_or((text, ""));
    let range = Range::parse(ends)?;
    let values = match how.trim().split_once(char::is_whitespace) {
        Some(("step", step)) => range.by_step(step.trim())?,
        Some(("times", factor)) => range.by_factor(factor.trim())?,
        Some(("points", points)) => range.by_points(points.trim())?,
        _ => {
            return Err(format!(
                "`{}` does not say which values: add `step 100`, `times 2` or `points 10`",
                text.trim()
            ));
        }
    };
    Ok(values.into_iter().map(Setting::from).collect())
}

/// The parts between commas that stand in no quotes, parentheses, brackets or braces.
fn listed(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut quoted, mut begin) = (0_i32, false, 0);
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' | ']' | '}' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                parts.push(text[begin..at].trim());
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[begin..].trim());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Run;

    fn scenario() -> Scenario {
        let bundled = *scenarios::bundled("ports-run-out").expect("it is bundled");
        Run::bundled(bundled).load().expect("it loads").scenario
    }

    fn patches(text: &str) -> Vec<String> {
        let axis = Axis::parse(text, &scenario()).expect(text);
        axis.values.iter().map(|v| axis.target.patch(&v.text).to_string()).collect()
    }

    #[test]
    fn lists_are_split_where_no_bracket_is_open() {
        assert_eq!(patches("duration=30s, 60s"), ["duration=30s", "duration=60s"]);
        assert_eq!(
            patches(r#"hosts.client.stack=linux("4.9"),linux("6.18")"#),
            [r#"hosts.client.stack=linux("4.9")"#, r#"hosts.client.stack=linux("6.18")"#]
        );
        assert_eq!(patches(r#"a=["x","y"],["z"]"#), [r#"a=["x","y"]"#, r#"a=["z"]"#]);
        assert_eq!(patches(r#"a="1,2","3""#), [r#"a="1,2""#, r#"a="3""#]);
    }

    #[test]
    fn a_rate_goes_into_the_arrivals() {
        let rates = patches("traffic.web.rate=100/s..300/s step 100");
        assert_eq!(rates[0], r#"traffic.web.arrivals=constant("100/s")"#);
        assert_eq!(rates.len(), 3);
        let unknown = Axis::parse("traffic.wob.rate=1/s,2/s", &scenario()).expect_err("no such source");
        assert!(unknown.contains("there are `web`"), "{unknown}");
    }

    #[test]
    fn a_range_can_be_a_part_of_a_value() {
        assert_eq!(
            patches("p=32768 {40000..60000 step 10000}"),
            ["p=32768 40000", "p=32768 50000", "p=32768 60000"]
        );
        assert_eq!(patches("w=workers({1..4 times 2})"), ["w=workers(1)", "w=workers(2)", "w=workers(4)"]);
        assert_eq!(patches(r#"s={"net.ipv4.tcp_rfc1337": "1"}"#), [r#"s={"net.ipv4.tcp_rfc1337": "1"}"#]);
    }

    #[test]
    fn slips_are_said() {
        for (text, said) in [
            ("duration", "is not PATH=VALUES"),
            ("a=1..9", "add `step 100`"),
            ("a=1,,2", "missing between the commas"),
            ("a=1,2,1", "`1` comes twice"),
        ] {
            let error = Axis::parse(text, &scenario()).expect_err(text);
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
