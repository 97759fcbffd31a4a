//! `run --html`: one page that fetches nothing, is the same every time, and draws itself in a browser.

mod place;

use std::fs;
use std::io::Write;
use std::process::Command;

use place::{Place, names, timewait};
use serde_json::{Value, json};

const HOSTILE: &str = r#"(
    title: "</script><script>document.title = 'taken'</script> & <b>",
    teaches: "<img src=x onerror=alert(1)>",
    duration: "5s",
    hosts: {
        "client": (addresses: ["10.0.0.1"], sysctl: {"net.ipv4.ip_local_port_range": "40000 40009"}),
        "server": (addresses: ["10.0.0.2"], listen: [(port: 80)]),
    },
    links: [(path: ["client", "server"], delay: "1ms")],
    traffic: { "web": (from: "client", to: "server:80", arrivals: constant("10/s")) },
    expect: [never("failed")],
)"#;

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

/// What a reader does, and what is seen of it: run inside a copy of the page, after its own script.
const READER: &str = r##"
(() => {
  const figure = document.getElementById("sockets"), svg = figure.querySelector(".chart");
  const readout = () => figure.querySelector(".readout").textContent;
  const drawn = () => [...document.querySelectorAll(".chart")].map((c) => c.innerHTML);
  const send = (type, across, more) => {
    const box = svg.getBoundingClientRect();
    const at = { clientX: box.left + box.width * across, clientY: box.top + box.height / 2, bubbles: true };
    svg.dispatchEvent(new PointerEvent(type, { ...at, ...more }));
  };
  const key = (name) => figure.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true }));
  // The texts at the bottom of a chart are its moments.
  const times = (c) => {
    const texts = [...c.querySelectorAll("text")], lowest = Math.max(...texts.map((t) => Number(t.getAttribute("y"))));
    return texts.filter((t) => Number(t.getAttribute("y")) === lowest).map((t) => t.textContent).join();
  };
  const out = { charts: [...document.querySelectorAll("figure")].map((f) => f.id) };
  out.levels = [...document.querySelectorAll("h1,h2,h3")].map((h) => Number(h.tagName[1]));
  out.outline = [...document.querySelectorAll("h2")].map((h) => h.textContent);
  out.requests = performance.getEntriesByType("resource").map((r) => r.name);
  out.jumps = [...document.querySelectorAll("[tabindex]")].filter((n) => n.tabIndex > 0).length;
  out.wide = document.documentElement.scrollWidth - innerWidth;
  out.clashes = [...document.querySelectorAll(".chart")].flatMap((chart) => {
    const box = (n) => n.getBoundingClientRect(), frame = box(chart), texts = [...chart.querySelectorAll("text")];
    const outside = (r) => r.left < frame.left - 1 || r.right > frame.right + 1 || r.top < frame.top - 2 || r.bottom > frame.bottom + 1;
    const apart = (a, b) => a.right <= b.left + 1 || b.right <= a.left + 1 || a.bottom <= b.top + 3 || b.bottom <= a.top + 3;
    const over = texts.flatMap((a, i) => texts.slice(i + 1).filter((b) => !apart(box(a), box(b))).map((b) => [a, b]));
    return [...texts.filter((t) => outside(box(t))).map((t) => "cut: " + t.textContent),
      ...over.map(([a, b]) => a.textContent + " over " + b.textContent)];
  });
  // A pointer reads.
  out.reads = [0.2, 0.43, 0.9].map((across) => { send("pointermove", across); return readout(); });
  send("pointerleave", 0.5);
  // It zooms all charts by dragging, and shows all again by a double click.
  const whole = drawn();
  send("pointerdown", 0.3);
  send("pointermove", 0.5, { buttons: 1 });
  out.band = svg.querySelectorAll(".zoom").length;
  send("pointerup", 0.5);
  send("pointerleave", 0.5);
  out.zoomed = drawn().every((chart, i) => chart !== whole[i]);
  out.windows = [...new Set([...document.querySelectorAll(".chart")].map(times))].length;
  svg.dispatchEvent(new MouseEvent("dblclick", { bubbles: true }));
  out.back = drawn().join() === whole.join();
  // It switches a curve, and so does the keyboard: the name is a button.
  const button = document.querySelector("#outcomes button"), curves = () => document.querySelectorAll("#outcomes .curve").length;
  out.curves = [curves()];
  button.click();
  out.curves.push(curves());
  out.pressed = button.getAttribute("aria-pressed") + button.tagName;
  button.click();
  out.curves.push(curves());
  // A keyboard reads, zooms, and shows all again.
  figure.focus();
  out.focused = document.activeElement === figure;
  key("ArrowRight");
  const first = readout();
  key("ArrowRight");
  out.moved = first !== "" && readout() !== first;
  const before = drawn().join();
  key("+");
  out.near = drawn().join() !== before;
  key("Escape");
  out.far = drawn().join() === before;
  const said = document.createElement("pre");
  said.id = "said";
  said.textContent = JSON.stringify(out);
  document.body.append(said);
})();
"##;

/// The browser of this machine, if it has one.
fn chromium() -> Option<&'static str> {
    let runs = |name: &&str| Command::new(name).arg("--version").output().is_ok_and(|o| o.status.success());
    let found = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(runs);
    if found.is_none() {
        assert!(std::env::var_os("TIMEWAIT_LEAVE_NOTHING_OUT").is_none(), "chromium is missing");
        let _ = writeln!(
            std::io::stderr(),
            "\n*** LEFT OUT: pages in a browser: there is no chromium here (.ci/run installs it)\n"
        );
    }
    found
}

/// What a browser makes of a page so many pixels wide, and what it has to say about it.
fn browsed(chromium: &str, place: &Place, file: &str, width: u32) -> (String, String) {
    let profile = format!("--user-data-dir={}", place.name("profile"));
    let out = Command::new(chromium)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"])
        .args(["--disable-background-networking", "--disable-component-update"])
        .args(["--enable-logging=stderr", "--dump-dom"])
        .args([&profile, &format!("--window-size={width},900"), &format!("file://{file}")])
        .output()
        .expect("it starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&out.stdout), text(&out.stderr))
}

#[test]
fn a_browser_draws_it_without_a_complaint() {
    let Some(chromium) = chromium() else { return };
    let place = Place::new();
    let file = place.write("hostile.ron", HOSTILE);
    for scenario in ["ports-run-out", "conntrack-full", "reuse-with-random-isn", file.as_str()] {
        page(&place, scenario, &[]);
        let (dom, log) = browsed(chromium, &place, &place.name("page.html"), 1_280);
        assert!(
            dom.contains("data-drawn=\"") && !dom.contains("data-drawn=\"0\""),
            "{scenario}: {dom}\n{log}"
        );
        assert!(dom.matches("class=\"curve\"").count() >= 3, "{scenario}");
        assert!(!dom.contains("<title>taken"), "a title is text");
        // What the policy refuses, and errors of the script, come here.
        assert!(!log.contains("CONSOLE"), "{scenario}: {log}");
    }
}

#[test]
fn pointer_and_keyboard_change_what_is_drawn_and_nothing_overlaps() {
    let Some(chromium) = chromium() else { return };
    let place = Place::new();
    for (scenario, width) in [
        ("ports-run-out", 1_280),
        ("ports-run-out", 400),
        ("conntrack-full", 400),
        ("time-wait-one-second", 500),
    ] {
        let text = page(&place, scenario, &["--out", &place.name("out")]);
        // The reader is no part of the page, so the page's policy would not let it in.
        let (before, rest) =
            text.split_once("<meta http-equiv=\"Content-Security-Policy\"").expect("a policy");
        let rest = rest.split_once('>').expect("its end").1;
        let copy =
            format!("{before}{}", rest.replace("</body>", &format!("<script>{READER}</script>\n</body>")));
        let (dom, log) = browsed(chromium, &place, &place.write("copy.html", &copy), width);
        let said = dom.split_once("<pre id=\"said\">").unwrap_or_else(|| panic!("{scenario}: {log}")).1;
        let said = said.split_once("</pre>").expect("its end").0.replace("&lt;", "<").replace("&gt;", ">");
        let said: Value = serde_json::from_str(&said.replace("&amp;", "&")).expect("JSON");
        let what = format!("{scenario} at {width}: {said:#}");
        assert_eq!(said["requests"], json!([]), "{what}");
        assert_eq!(said["clashes"], json!([]), "{what}");
        assert!(said["wide"].as_i64().is_some_and(|wide| wide <= 0), "{what}");
        for yes in ["zoomed", "back", "focused", "moved", "near", "far"] {
            assert_eq!(said[yes], json!(true), "{yes}: {what}");
        }
        assert_eq!(
            (&said["band"], &said["windows"], &said["jumps"]),
            (&json!(1), &json!(1), &json!(0)),
            "{what}"
        );
        let curves: Vec<i64> = serde_json::from_value(said["curves"].clone()).expect("numbers");
        assert!(curves[1] == curves[0] - 1 && curves[2] == curves[0], "{what}");
        assert_eq!(said["pressed"], json!("falseBUTTON"), "{what}");
        let levels: Vec<i64> = serde_json::from_value(said["levels"].clone()).expect("numbers");
        assert!(levels[0] == 1 && levels[1..].iter().all(|&l| l > 1), "one title: {what}");
        assert!(levels.windows(2).all(|w| w[1] <= w[0] + 1), "no level is left out: {what}");
        let outline = said["outline"].as_array().expect("headings");
        let order = ["Expectations", "Over time", "Limits", "Outcomes", "Latency", "One connection"];
        assert!(order.iter().zip(outline).all(|(a, b)| b == a), "{what}");
        if scenario == "ports-run-out" {
            held_against_the_series(&place, &said);
        }
    }
}

/// The values under the pointer are those of series.csv.
fn held_against_the_series(place: &Place, said: &Value) {
    let csv = fs::read_to_string(place.path("out/series.csv")).expect("it was written");
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let head = lines.next().expect("a head");
    let column = head.iter().position(|name| name.starts_with("client.time_wait ")).expect("a column");
    let rows: Vec<Vec<&str>> = lines.collect();
    for read in said["reads"].as_array().expect("readings").iter().filter_map(Value::as_str) {
        let (second, rest) = read.split_once(" s: ").unwrap_or_else(|| panic!("{read}"));
        let row = rows.iter().find(|row| row[0] == second).unwrap_or_else(|| panic!("no row {second}"));
        let value = rest.strip_prefix("client TIME_WAIT, peak 28,232: ").unwrap_or_else(|| panic!("{read}"));
        assert_eq!(value.replace(',', ""), row[column], "{read}");
    }
}
