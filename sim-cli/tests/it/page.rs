//! `run --html`: one page that fetches nothing and is the same every time. What a browser makes of it is told in `browser`.

use std::fs;

use crate::place::{HOSTILE, Place, names, timewait};

fn page(place: &Place, scenario: &str, more: &[&str]) -> String {
    let file = place.name("page.html");
    let ran = timewait(&[&["run", scenario, "--html", &file], more].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(!ran.out.is_empty(), "the answer is printed all the same");
    fs::read_to_string(file).expect("it was written")
}

#[test]
fn a_page_is_whole_the_same_every_time_and_fetches_nothing() {
    let place = Place::new();
    let first = page(&place, "ports-run-out", &[]);
    assert_eq!(first, page(&place, "ports-run-out", &[]));
    assert_eq!(names(&place.path("")), ["page.html"]);
    assert!(first.len() < 2_000_000, "{} bytes", first.len());
    // The name of the SVG namespace is not fetched.
    let addresses = first.replace("http://www.w3.org/2000/svg", "");
    for word in ["http:", "https:", "src=", "@import", "url("] {
        assert!(!addresses.contains(word), "{word}");
    }
    assert!(first.contains("default-src 'none'") && !first.contains("unsafe"));
    for heading in
        ["Expectations", "Over time", "Limits", "Outcomes", "Latency", "One connection", "Scenario"]
    {
        assert!(first.contains(&format!("<h2>{heading}</h2>")), "{heading}");
    }
    assert!(first.contains("connect(): EADDRNOTAVAIL"), "the first failure is drawn");
    assert!(!first.contains("<mark>"));
    let changed = page(&place, "ports-run-out", &["--set", "duration=20s"]);
    assert!(changed.contains("<mark>    duration: &quot;20s&quot;,</mark>"), "what was changed is marked");
}

#[test]
fn what_comes_from_a_scenario_is_text() {
    let place = Place::new();
    let file = place.write("hostile.ron", HOSTILE);
    let page = page(&place, &file, &[]);
    assert_eq!(page.matches("<script").count(), 2, "the data and the script, no other");
    assert!(!page.contains("<b>") && !page.contains("<img"));
    assert!(page.contains("&lt;/script&gt;&lt;script&gt;document.title = &#39;taken&#39;"));
}

#[test]
fn a_page_of_many_is_the_same_every_time_and_shows_what_failed_first() {
    let place = Place::new();
    let (hostile, file) = (place.write("hostile.ron", HOSTILE), place.name("library.html"));
    let write = || {
        let ran = timewait(&["check", "reuse-with-timestamps", &hostile, "--html", &file]);
        assert_eq!(ran.code, 1, "{}", ran.err);
        fs::read_to_string(&file).expect("it was written")
    };
    let page = write();
    assert_eq!(page, write());
    let place_of = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} is missing"));
    assert!(page.contains("<h1>1 of 2 scenarios fail</h1>"));
    assert!(place_of("<h2 class=\"bad\">Failed</h2>") < place_of("<h2>Hold</h2>"));
    assert!(place_of("FAILS") < place_of("<svg"), "a picture of what failed");
    assert!(!page.contains("<script") && !page.contains("<b>") && !page.contains("<img"));
    assert!(page.contains("script-src 'none'") && !page.contains("unsafe"));
}
