//! A page of many scenarios and their expectations: what failed first, then what holds.

use std::fmt::Write as _;

use super::{STYLE, expectations, head, wider};
use crate::files::Case;
use crate::ladder::{self, escaped};

/// The page. What is in it depends on the scenarios alone, not on how long they took.
pub fn library(cases: &[Case]) -> String {
    let broken: Vec<&Case> = cases.iter().filter(|c| c.outcome.is_err()).collect();
    let judged = || cases.iter().filter(|c| c.outcome.is_ok());
    let (held, failed): (Vec<&Case>, Vec<&Case>) = judged().partition(|c| holds(c));
    let title = match (failed.len() + broken.len(), cases.len()) {
        (0, all) => format!("All {all} scenarios hold"),
        (bad, all) => format!("{bad} of {all} scenarios fail"),
    };
    let mut out = head(&title, &[STYLE, ladder::STYLE], None);
    for (heading, class, cases) in [("Failed", "bad", &failed), ("Not run", "bad", &broken)] {
        if cases.is_empty() {
            continue;
        }
        let _ = writeln!(out, "<h2 class=\"{class}\">{heading}</h2>");
        for case in cases {
            section(case, &mut out);
        }
    }
    if !held.is_empty() {
        out.push_str("<h2>Hold</h2>\n");
        for case in held {
            let title = case.told.as_ref().map_or("", |told| told.title.as_str());
            let (name, title) = (escaped(&case.name), escaped(title));
            let _ = writeln!(out, "<details><summary><strong>{name}</strong> {title}</summary>");
            told(case, false, &mut out);
            expectations(case.outcome.as_deref().unwrap_or_default(), &mut out);
            out.push_str("</details>\n");
        }
    }
    let version = env!("CARGO_PKG_VERSION");
    let _ = writeln!(out, "<p class=\"soft\">timewait {version}.</p>\n</main>\n</body>\n</html>");
    out
}

fn holds(case: &Case) -> bool {
    case.outcome.as_ref().is_ok_and(|verdicts| verdicts.iter().all(|v| v.passed))
}

/// Title if it is wanted, lesson and answer of a scenario that ran.
fn told(case: &Case, title: bool, out: &mut String) {
    let Some(told) = &case.told else { return };
    if title {
        let _ = writeln!(out, "<p>{}</p>", escaped(&told.title));
    }
    if !told.teaches.is_empty() {
        let _ = writeln!(out, "<p class=\"teaches\">{}</p>", escaped(&told.teaches));
    }
    let _ = writeln!(out, "<div class=\"answer\"><p>{}</p></div>", escaped(&told.headline));
}

/// One that failed: all about it, and its picture.
fn section(case: &Case, out: &mut String) {
    let _ = writeln!(out, "<section>\n<h3>{}</h3>", escaped(&case.name));
    told(case, true, out);
    match &case.outcome {
        Ok(verdicts) => {
            let mut sorted = verdicts.clone();
            sorted.sort_by_key(|v| v.passed);
            expectations(&sorted, out);
        }
        Err(why) => {
            let _ = writeln!(out, "<pre>{}</pre>", escaped(why));
        }
    }
    if let Some(picture) = case.told.as_ref().and_then(|told| told.picture.as_ref()) {
        wider(picture, out);
    }
    out.push_str("</section>\n");
}
