use sim_core::time::Span;

use super::*;

fn at(millis: u64) -> Time {
    Time::ZERO + Span::from_millis(millis)
}

fn arrow(id: u32, from: usize, to: usize, arrives: Time, label: &str) -> Arrow {
    Arrow { id, from, to, arrives, label: label.into(), look: Look::Plain, lost: None }
}

/// Three places, a loss, a stray, a drop in the middle, and a long silence.
fn sample() -> Ladder {
    let columns = ["client", "router", "server"].map(String::from).to_vec();
    let mut ladder = Ladder::new("A <title> & more", columns);
    ladder.about = "A sample.".into();
    ladder.mark(at(0), 0, MarkKind::Call, "connect()");
    ladder.mark(at(0), 0, MarkKind::State(State::SynSent), "SYN_SENT");
    ladder.arrow(at(0), Arrow { lost: Some("lost".into()), ..arrow(1, 0, 2, at(0), "SYN 0") });
    ladder.mark(at(1_000), 0, MarkKind::Timer, "RTO fires");
    ladder.arrow(at(1_000), Arrow { look: Look::Again, ..arrow(2, 0, 1, at(1_001), "SYN 0 again") });
    ladder.mark_after(at(1_001), 1, MarkKind::Trouble, "dropped: table full", Some(2));
    ladder.arrow(at(3_000), Arrow { look: Look::Again, ..arrow(3, 0, 2, at(3_002), "SYN 0 again") });
    ladder.mark_after(at(3_002), 2, MarkKind::State(State::SynRecv), "SYN_RECV", Some(3));
    ladder.arrow(at(3_002), Arrow { look: Look::Stray, ..arrow(4, 2, 0, at(3_009), "SYN,ACK 0 ack 1 late") });
    ladder.mark_after(at(3_009), 0, MarkKind::State(State::Established), "ESTABLISHED", Some(4));
    ladder
}

#[test]
fn a_ladder_of_text_looks_like_this() {
    let ladder = sample();
    insta::assert_snapshot!(format!(
        "{}\n{}",
        ladder.text(100, Charset::Unicode),
        ladder.text(72, Charset::Ascii)
    ));
}

#[test]
fn a_ladder_fits_the_width_and_keeps_to_its_characters() {
    for width in [60, 61, 79, 80, 100, 133, 200, 400] {
        for charset in [Charset::Unicode, Charset::Ascii] {
            let text = sample().text(width, charset);
            for line in text.lines().skip(1) {
                assert!(line.chars().count() <= width, "{width}: {line}");
                assert!(!line.contains(" ,"), "no line begins with a comma: {line}");
            }
            assert!(charset == Charset::Unicode || text.is_ascii(), "{text}");
        }
    }
}

#[test]
fn a_long_transfer_is_folded_and_what_matters_is_not() {
    let mut ladder = Ladder::new("", vec!["a".into(), "b".into()]);
    for i in 0..40 {
        let label = format!("ACK {}+100 ack 1", i * 100 + 1);
        ladder.arrow(at(u64::from(i)), arrow(i, 0, 1, at(u64::from(i) + 1), &label));
    }
    ladder.arrow(at(50), arrow(50, 1, 0, at(51), "FIN,ACK 1 ack 4001"));
    let text = ladder.text(80, Charset::Unicode);
    assert!(text.contains("32 segments to the right with 3,200"), "{text}");
    assert!(text.contains("FIN,ACK 1 ack 4001"), "{text}");
    assert!(text.lines().count() < 15, "{text}");
    // Nothing of it is cut where it is narrow.
    let words = |width: usize| {
        let text = ladder.text(width, Charset::Ascii);
        let told = text.lines().skip_while(|line| !line.contains(": ")).take(3).collect::<String>();
        told.split_whitespace()
            .filter(|word| word.starts_with(char::is_alphanumeric))
            .collect::<Vec<_>>()
            .join(" ")
    };
    for width in [60, 80, 140] {
        let said = "32 segments to the right with 3,200 bytes";
        assert!(words(width).contains(said), "{width}: {}", ladder.text(width, Charset::Ascii));
    }
    // A retransmission is worth a line of its own wherever it is.
    if let What::Arrow(arrow) = &mut ladder.rows[20].what {
        arrow.look = Look::Again;
        arrow.label.push_str(" again");
    }
    assert!(ladder.text(80, Charset::Unicode).contains("again"));
}

#[test]
fn an_svg_is_well_formed_and_speaks() {
    let svg = sample().svg("x");
    let mut reader = quick_xml::Reader::from_str(&svg);
    let mut depth = 0_i32;
    let mut names = Vec::new();
    loop {
        match reader.read_event().expect("well-formed XML") {
            quick_xml::events::Event::Start(tag) => {
                depth += 1;
                names.push(String::from_utf8(tag.name().as_ref().to_vec()).expect("text"));
            }
            quick_xml::events::Event::End(_) => depth -= 1,
            quick_xml::events::Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(depth, 0);
    assert_eq!(names[..3], ["svg", "title", "desc"]);
    assert!(svg.contains("<title id=\"x-title\">A &lt;title&gt; &amp; more</title>"));
    assert!(svg.contains("At 0.000 s client to server: SYN 0, lost."), "{svg}");
    assert!(svg.contains("SYN 0 again, there at 3.002 s."), "{svg}");
    assert!(svg.contains(" later</text>"), "a long silence is a break");
}

#[test]
fn times_keep_the_places_that_matter() {
    let cases =
        [(0, "0.000"), (1_500_000, "0.0015"), (2_009_472_179, "2.009472"), (60_000_000_000, "60.000")];
    for (ns, text) in cases {
        assert_eq!(seconds(Time(ns)), text);
    }
}

/// Tries in vain, one after the other, are drawn once at either end.
#[test]
fn what_happens_again_and_again_is_told_once() {
    let mut ladder = Ladder::new("tries", vec!["client".to_owned(), "server".to_owned()]);
    for i in 0..8u64 {
        let at = Time(i * 1_000_000_000);
        ladder.mark(at, 0, MarkKind::Timer, format!("RTO in {i}.5 s"));
        let arrow = Arrow {
            id: i as u32,
            from: 0,
            to: 1,
            arrives: Time(at.0 + 1_000),
            label: "SYN 0 again".to_owned(),
            look: Look::Again,
            lost: None,
        };
        ladder.arrow(at, arrow);
        ladder.mark(Time(at.0 + 1_000), 1, MarkKind::Trouble, "refused");
    }
    let folded = ladder.folded();
    assert_eq!(folded.rows.len(), 7, "{folded:?}");
    assert_eq!(folded.rows[3].what, What::Folded("the same 6 times more, from 1.000 s on".to_owned()));
    assert_eq!(folded.rows[6].at, Time(7_000_001_000));
    // Three times are not often.
    ladder.rows.truncate(9);
    assert_eq!(ladder.folded().rows.len(), 9);
}
