//! Files for other programs.

use crate::sample;
use reports::files::{Case, junit, result_json, series_csv};
use reports::verdict::Verdict;

fn verdict(text: &str, passed: bool) -> Verdict {
    Verdict {
        text: text.to_owned(),
        line: 7,
        passed,
        expected: "at most 5 < 6 & \"more\"".to_owned(),
        got: "9".to_owned(),
    }
}

#[test]
fn the_result_is_golden() {
    let s = sample::ports_bound();
    insta::assert_snapshot!(result_json(s.run(), &[verdict("never(\"ECONNREFUSED\")", true)]));
}

#[test]
fn the_series_has_units_and_exact_times() {
    let s = sample::ports_bound();
    let text = series_csv(s.run());
    let mut lines = text.lines();
    insta::assert_snapshot!(lines.next().unwrap());
    assert_eq!(lines.next().unwrap(), "0,0,0,0,0,0,0,0,0,0,0,0");
    assert!(lines.next().unwrap().starts_with("0.5,8,"));
    assert_eq!(text.lines().count(), 302);
}

#[test]
fn junit_escapes_and_counts() {
    let cases = [
        Case {
            name: "ports/exhaustion".to_owned(),
            file: "ports/exhaustion.ron".to_owned(),
            outcome: Ok(vec![verdict("first(\"a<b\")", false), verdict("ok", true)]),
            took: Some(std::time::Duration::from_millis(1250)),
            told: None,
        },
        Case {
            name: "broken".to_owned(),
            file: "broken.ron".to_owned(),
            outcome: Err("line 3".to_owned()),
            took: None,
            told: None,
        },
    ];
    insta::assert_snapshot!(junit(&cases));
}

/// A run that recorded nothing, not even hosts, is still reported.
#[test]
fn an_empty_summary_breaks_nothing() {
    let mut s = sample::ports_bound();
    s.summary = sim_core::record::Summary::default();
    assert!(reports::answer::answer(s.run()).contains("Nothing ran out"));
    assert!(result_json(s.run(), &[]).contains("\"bound_first\": null"));
    assert_eq!(series_csv(s.run()), "time [s] (PARTIAL: stopped at 0 s of 150 s)\n");
    let drawn =
        reports::plot::draw(s.run(), reports::plot::View::Overview, None, reports::plot::Style::default());
    assert!(drawn.expect("a picture all the same").svg().contains("no connection attempts in this run"));
}
