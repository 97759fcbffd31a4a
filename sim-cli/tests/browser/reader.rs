//! A reader in front of a page.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use base64ct::{Base64, Encoding};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tests::browser::{Browser, Page, Pointer, Screen};
use tests::model::document::UPDATE;

use crate::place::{HOSTILE, Place, timewait};

/// Set to a directory, this variable has all pages that are looked at left there as pictures, for people to look at.
const PICTURES: &str = "TIMEWAIT_PICTURES";

/// Runs of all kinds.
const PAGES: [&str; 7] = [
    "ports-run-out",
    "conntrack-full",
    "time-wait-one-second",
    "reuse-with-random-isn",
    "msl-by-system",
    "threads-close-wait",
    "proxy-idle-pool",
];

const LOOKS: &str = include_str!("looks.js");
/// Everything that is drawn of the run over time.
const DRAWN: &str = "[...document.querySelectorAll('.chart')].map((chart) => chart.innerHTML)";
/// The moments below each chart: the texts at its bottom.
const MOMENTS: &str = "[...document.querySelectorAll('.chart')].map((chart) => {
    const texts = [...chart.querySelectorAll('text')], at = (text) => Number(text.getAttribute('y'));
    const lowest = Math.max(...texts.map(at));
    return texts.filter((text) => at(text) === lowest).map((text) => text.textContent).join();
})";
const FOCUSED: &str = "document.activeElement.tagName + '#' + (document.activeElement.id || document.activeElement.textContent)";

/// The page of a run, and its files in `out`.
fn page_of(place: &Place, scenario: &str) -> String {
    let file = place.name("page.html");
    let ran = timewait(&["run", scenario, "-q", "--html", &file, "--out", &place.name("out")]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    file
}

/// Nothing was complained of, and nothing but the page was asked for.
fn quiet(page: &Page, file: &str, what: &str) {
    assert_eq!(page.complaints(), Vec::<String>::new(), "{what}");
    assert_eq!(page.requests(), [format!("file://{file}")], "{what}");
}

/// Where a selector's first element is, in pixels of the screen: left, top, width, height. It is brought into sight first.
fn place_of(page: &Page, selector: &str) -> [f64; 4] {
    let found = page.ask(&format!(
        "(() => {{ const node = document.querySelector({selector:?}); node.scrollIntoView({{block: 'center', behavior: 'instant'}});
         const r = node.getBoundingClientRect(); return [r.left, r.top, r.width, r.height]; }})()"
    ));
    serde_json::from_value(found).unwrap_or_else(|e| panic!("{selector}: {e}"))
}

fn middle([left, top, width, height]: [f64; 4]) -> (f64, f64) {
    (left + width / 2.0, top + height / 2.0)
}

fn count(page: &Page, selector: &str) -> u64 {
    page.ask(&format!("document.querySelectorAll({selector:?}).length")).as_u64().expect("a count")
}

#[test]
fn pages_look_well_on_every_screen_and_complain_of_nothing() {
    let Some(browser) = Browser::find("pages in a browser") else { return };
    let place = Place::new();
    let hostile = place.write("hostile.ron", HOSTILE);
    let mut wrong = Vec::new();
    for scenario in PAGES {
        wrong.extend(looks(&browser, &page_of(&place, scenario), scenario));
    }
    wrong.extend(looks(&browser, &page_of(&place, &hostile), "hostile"));
    let file = place.name("library.html");
    // One failure with curves, and one with a ladder.
    let curves = place.write("curves.ron", &HOSTILE.replace("10/s", "100/s"));
    let ran =
        timewait(&["check", "ports-run-out", "reuse-with-random-isn", &hostile, &curves, "--html", &file]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    wrong.extend(looks(&browser, &file, "library"));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Looks at a page on every screen, and says what is wrong with it.
fn looks(browser: &Browser, file: &str, name: &str) -> Vec<String> {
    let screens = [
        ("desk", Screen::DESK),
        ("desk-dark", Screen::DESK.dark()),
        ("phone", Screen::PHONE),
        ("phone-dark", Screen::PHONE.dark()),
        ("paper", Screen::PAPER.dark()),
    ];
    let mut wrong = Vec::new();
    let page = browser.open(Path::new(file), Screen::DESK);
    for (kind, screen) in screens {
        page.look_with(screen);
        let what = format!("{name} on {kind}");
        let complaints = page.ask(LOOKS);
        wrong.extend(complaints.as_array().expect("a list").iter().map(|c| format!("{what}: {c}")));
        assert_ne!(page.text("document.title"), "taken", "{what}: a title is text");
        assert_eq!(count(&page, "img, b, iframe"), 0, "{what}");
        assert_eq!(count(&page, "figure:not(:has(.curve))"), 0, "{what}: a chart without a curve");
        quiet(&page, file, &what);
        if let Some(dir) = std::env::var_os(PICTURES) {
            page.look_with(Screen { height: page.height(), ..screen });
            fs::write(Path::new(&dir).join(format!("{name}-{kind}.png")), page.picture()).expect("a picture");
        }
    }
    wrong
}

#[test]
fn a_pointer_reads_zooms_and_switches() {
    let Some(browser) = Browser::find("a pointer on pages") else { return };
    let place = Place::new();
    for (scenario, screen) in [
        ("ports-run-out", Screen::DESK),
        ("ports-run-out", Screen::PHONE),
        ("time-wait-one-second", Screen::DESK),
    ] {
        let file = page_of(&place, scenario);
        let page = browser.open(Path::new(&file), screen);
        let what = format!("{scenario} at {}", screen.width);
        assert!(reads(&page, &place, &what) > 10, "{what}");
        let whole = page.ask(DRAWN);
        let chart @ [left, .., width, _] = place_of(&page, "figure .chart");
        let y = middle(chart).1;
        page.pointer(Pointer::Move, left + width * 0.4, y);
        page.pointer(Pointer::Press, left + width * 0.4, y);
        page.pointer(Pointer::Drag, left + width * 0.6, y);
        assert_eq!(count(&page, ".chart .zoom"), 1, "{what}: a band is seen while the pointer is dragged");
        page.pointer(Pointer::Release, left + width * 0.6, y);
        let near = page.ask(DRAWN);
        let all = |value: &Value| value.as_array().expect("a list").clone();
        assert!(all(&whole).iter().zip(all(&near)).all(|(a, b)| *a != b), "{what}: every chart is zoomed");
        let moments = all(&page.ask(MOMENTS));
        assert!(moments.iter().all(|one| *one == moments[0]), "{what}: all share one window: {moments:?}");
        reads(&page, &place, &what);
        page.click(2, left + width * 0.5, y);
        page.pointer(Pointer::Move, 1.0, 1.0);
        assert_eq!(page.ask(DRAWN), whole, "{what}: a double click shows all again");
        // A name below a chart switches its curve.
        let curves = count(&page, "#outcomes .curve");
        let (x, y) = middle(place_of(&page, "#outcomes button"));
        let pressed = "document.querySelector('#outcomes button').getAttribute('aria-pressed')";
        page.click(1, x, y);
        assert_eq!(
            (count(&page, "#outcomes .curve"), page.text(pressed).as_str()),
            (curves - 1, "false"),
            "{what}"
        );
        page.click(1, x, y);
        assert_eq!(
            (count(&page, "#outcomes .curve"), page.text(pressed).as_str()),
            (curves, "true"),
            "{what}"
        );
        // What is folded opens.
        let (x, y) = middle(place_of(&page, "summary"));
        page.click(1, x, y);
        assert_eq!(count(&page, "details[open]"), 1, "{what}");
        quiet(&page, &file, &what);
    }
}

#[test]
fn a_finger_reads() {
    let Some(browser) = Browser::find("a finger on pages") else { return };
    let place = Place::new();
    let file = page_of(&place, "ports-run-out");
    let page = browser.open(Path::new(&file), Screen::PHONE);
    let (x, y) = middle(place_of(&page, "#sockets .chart"));
    page.tap(x, y);
    let said = page.text("document.querySelector('#sockets .readout').textContent");
    assert!(said.contains(" s: client TIME_WAIT"), "what it pointed at stays: {said}");
    // It drags to zoom, and two taps show all again.
    let whole = page.ask(MOMENTS);
    page.swipe((x - 60.0, y), (x + 60.0, y));
    assert_ne!(page.ask(MOMENTS), whole, "zoomed");
    page.tap(x, y);
    page.tap(x, y);
    assert_eq!(page.ask(MOMENTS), whole, "all again");
    quiet(&page, &file, "a finger");
}

#[test]
fn a_keyboard_alone_reaches_and_does_everything() {
    let Some(browser) = Browser::find("a keyboard on pages") else { return };
    let place = Place::new();
    let file = page_of(&place, "ports-run-out");
    let page = browser.open(Path::new(&file), Screen::DESK);
    // Tab goes through charts and the names of their curves in the order in which they are read.
    page.key("Tab");
    assert_eq!(page.text(FOCUSED), "FIGURE#outcomes");
    let readout = "document.querySelector('#outcomes .readout').textContent";
    assert_eq!(page.text(readout), "");
    page.key("ArrowRight");
    let first = page.text(readout);
    page.key("ArrowRight");
    let second = page.text(readout);
    assert!(first.contains(" s: attempted: ") && second != first, "{first}, {second}");
    page.key("Home");
    assert!(page.text(readout).starts_with("0 s: "), "{}", page.text(readout));
    page.key("End");
    assert!(page.text(readout).starts_with("150 s: "), "{}", page.text(readout));
    let far = page.ask(DRAWN);
    page.key("+");
    let near = page.ask(DRAWN);
    assert_ne!(near, far);
    page.key("+");
    assert_ne!(page.ask(DRAWN), near);
    page.key("-");
    page.key("Escape");
    assert_eq!(page.ask(DRAWN), far, "Escape shows all");
    page.key("Tab");
    assert_eq!(page.text(FOCUSED), "BUTTON#attempted");
    let curves = count(&page, "#outcomes .curve");
    page.key(" ");
    assert_eq!(count(&page, "#outcomes .curve"), curves - 1);
    page.key("Enter");
    assert_eq!(count(&page, "#outcomes .curve"), curves);
    // To the last, and nothing is left out on the way.
    let wanted = page.ask("[...document.querySelectorAll('figure, button, summary')].length").as_u64();
    let mut stops = 2;
    while page.text(FOCUSED) != "SUMMARY#Every default visible" {
        page.key("Tab");
        stops += 1;
        assert!(stops < 100, "{}", page.text(FOCUSED));
    }
    // What scrolls can be reached, too, so that a keyboard scrolls it.
    assert!(Some(stops) >= wanted, "{stops} of {wanted:?}");
    page.key("Enter");
    assert_eq!(count(&page, "details[open]"), 1);
    quiet(&page, &file, "a keyboard");
}

#[test]
fn a_screen_reader_reads_it_in_order() {
    let Some(browser) = Browser::find("pages read aloud") else { return };
    let place = Place::new();
    let file = page_of(&place, "ports-run-out");
    let page = browser.open(Path::new(&file), Screen::DESK);
    let read = page.read_aloud();
    let of = |role: &str| -> Vec<(&str, Option<u64>)> {
        let those = read.iter().filter(|(r, ..)| r == role);
        those.map(|(_, name, level)| (name.as_str(), *level)).collect()
    };
    let headings = of("heading");
    assert_eq!(headings[0], ("Client ports run out at 1,000 connections/s to one destination", Some(1)));
    let order = [
        "Expectations",
        "Over time",
        "Limits",
        "Outcomes",
        "Latency",
        "One connection",
        "Kernel counters",
        "Scenario",
    ];
    assert_eq!(headings[1..], order.map(|name| (name, Some(2))), "{headings:?}");
    let charts = of("group");
    let titles: Vec<Value> = page
        .ask("[...document.querySelectorAll('figcaption')].map((c) => c.textContent)")
        .as_array()
        .expect("titles")
        .clone();
    for title in titles {
        let title = title.as_str().expect("text");
        assert!(charts.iter().any(|(name, _)| name.starts_with(title)), "{title} in {charts:?}");
    }
    let pictures = of("image");
    assert!(
        pictures.iter().any(|(name, _)| name.contains("connect(): EADDRNOTAVAIL") || name.contains("web #")),
        "{pictures:?}"
    );
}

/// `docs/report.png` is how a page looks. It keeps a hash of the page of which it is, for two browsers do not draw the same pixels.
#[test]
fn the_picture_in_docs_is_of_the_page_as_it_is() {
    let Some(browser) = Browser::find("the picture of a page in docs") else { return };
    let place = Place::new();
    let file = page_of(&place, "ports-run-out");
    let text = fs::read_to_string(&file).expect("it was written");
    // The digest of the run stands for what is not looked at.
    let digest = text.split_once(", digest ").and_then(|(_, rest)| rest.split_once('.')).expect("a digest").0;
    let hash = Base64::encode_string(&Sha256::digest(text.replace(digest, "")));
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/report.png");
    if std::env::var_os(UPDATE).is_some() {
        // As much of it as has the shape of the ladder beside it in the README.
        let page = browser.open(Path::new(&file), Screen { width: 900, ..Screen::DESK });
        let end =
            page.ask("Math.ceil(document.getElementById('outcomes').getBoundingClientRect().bottom) + 16");
        let height = u32::try_from(end.as_u64().expect("pixels")).expect("not that many");
        page.look_with(Screen { width: 900, height, ..Screen::DESK });
        fs::write(&docs, with_text(&page.picture(), &hash)).expect("a picture");
    }
    let committed = fs::read(&docs).expect("a picture");
    let info = png::Decoder::new(Cursor::new(&committed)).read_info().expect("a PNG");
    let known = &info.info().uncompressed_latin1_text;
    assert!(
        known.iter().any(|chunk| chunk.keyword == PAGE && chunk.text == hash),
        "docs/report.png is out of date: {UPDATE}=1 cargo test -p sim-cli --features browser --test browser"
    );
}

/// The keyword under which a picture keeps the hash of its page.
const PAGE: &str = "Page";

/// The same picture, smaller, with a text in it.
fn with_text(picture: &[u8], text: &str) -> Vec<u8> {
    let mut reader = png::Decoder::new(Cursor::new(picture)).read_info().expect("a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("it fits")];
    let frame = reader.next_frame(&mut pixels).expect("an image");
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, frame.width, frame.height);
    encoder.set_color(frame.color_type);
    encoder.set_depth(frame.bit_depth);
    encoder.set_compression(png::Compression::High);
    encoder.add_text_chunk(PAGE.to_owned(), text.to_owned()).expect("a keyword");
    let mut writer = encoder.write_header().expect("a head");
    writer.write_image_data(&pixels[..frame.buffer_size()]).expect("pixels");
    writer.finish().expect("an end");
    out
}

/// Moves the pointer over every chart, and holds what is said against `series.csv`; says how many values that were.
fn reads(page: &Page, place: &Place, what: &str) -> usize {
    let csv = fs::read_to_string(place.path("out/series.csv")).expect("it was written");
    let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    let column = |name: &str| {
        rows[0].iter().position(|head| head.split_once(" [").is_some_and(|(key, _)| key == name))
    };
    let charts = page.ask("JSON.parse(document.getElementById('run').textContent).charts");
    let mut checked = 0;
    for chart in charts.as_array().expect("charts") {
        let id = chart["id"].as_str().expect("an id");
        let [left, top, width, height] = place_of(page, &format!("#{id} .chart"));
        for across in [0.25, 0.43, 0.7, 0.95] {
            page.pointer(Pointer::Move, left + width * across, top + height / 2.0);
            let said = page.text(&format!("document.querySelector('#{id} .readout').textContent"));
            let (second, mut rest) =
                said.split_once(" s: ").unwrap_or_else(|| panic!("{what}, {id}: {said}"));
            let row = rows
                .iter()
                .position(|row| row[0] == second.replace(',', ""))
                .unwrap_or_else(|| panic!("{what}: no row {second}"));
            for curve in chart["curves"].as_array().expect("curves") {
                let name = curve["name"].as_str().expect("a name");
                let value = rest
                    .strip_prefix(name)
                    .and_then(|r| r.strip_prefix(": "))
                    .unwrap_or_else(|| panic!("{what}: {said}"));
                let value = value.split_once("; ").map_or(value, |(value, more)| {
                    rest = more;
                    value
                });
                let Some(column) = column(curve["column"].as_str().expect("a column")) else { continue };
                let at = |row: usize| rows[row][column].parse::<f64>().expect("a number");
                let expected = if curve["per_second"] == true {
                    let apart = rows[2][0].parse::<f64>().expect("a time");
                    if row == 1 { 0.0 } else { (at(row) - at(row - 1)) / apart }
                } else if let Some(of) = curve["of"].as_f64() {
                    at(row) * 100.0 / of
                } else if curve["ns"] == true {
                    at(row) / if value.ends_with(" s") { 1e9 } else { 1e6 }
                } else {
                    at(row)
                };
                let number: String = value.chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
                let got = if value == "-" {
                    0.0
                } else {
                    number.parse().unwrap_or_else(|_| panic!("{what}: {said}"))
                };
                assert!(
                    (expected - got).abs() <= 0.000_501,
                    "{what}, {id} at {second} s: {name} {value}, {expected} in series.csv"
                );
                checked += 1;
            }
        }
    }
    page.pointer(Pointer::Move, 1.0, 1.0);
    checked
}
