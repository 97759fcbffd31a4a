//! Files that are wrong, each with everything that is said about it.

use std::path::Path;

use scenarios::{Extras, Files, NoFiles, Report, Source, load};

/// The files that `files.ron` names.
struct Beside;

impl Files for Beside {
    fn read(&self, name: &str) -> Result<Source, String> {
        let text = match name {
            "bad.sysctl" => {
                "net.ipv4.tcp_sack = 1\nnet.ipv4.tcp_tw_reuse = 7\nnet.ipv4.ip_local_port_range = 60999\t32768\n"
            }
            "descending.csv" => "time\n0.5\n0.25\n",
            "prose.txt" => "Once upon a time\nthere was a SYN.\n",
            _ => return NoFiles.read(name),
        };
        Ok(Source::new(name, text))
    }
}

fn report(name: &str, text: &str) -> Report {
    let extras = Extras { files: &Beside, ..Extras::default() };
    match load(&Source::new(name, text), &extras) {
        Ok(loaded) => panic!("{name} is fine: {:?}", loaded.scenario.title),
        Err(report) => report,
    }
}

#[test]
fn every_malformed_file_is_told_all_that_is_wrong() {
    let directory = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/malformed"));
    let mut names: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".ron")?.to_owned()))
        .collect();
    names.sort();
    assert!(names.len() >= 30, "only {} malformed files", names.len());
    for name in names {
        let text = std::fs::read_to_string(directory.join(format!("{name}.ron"))).unwrap();
        let report = report(&format!("{name}.ron"), &text);
        assert!(report.errors() > 0);
        let said = format!("{report}\nerrors: {}, warnings: {}", report.errors(), report.warnings());
        insta::assert_snapshot!(name, said);
    }
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_do_no_harm() {
    let text = scenarios::bundled("ports-run-out").unwrap().text;
    let plain = load(&Source::new("a", text), &Extras::default()).unwrap().scenario;
    let odd = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    let odd = load(&Source::new("a", odd), &Extras::default()).unwrap().scenario;
    assert_eq!(plain, odd);
}

#[test]
fn positions_count_characters_and_lines_from_one() {
    let report = report("a.ron", "(\n  title: \"é\", duratoin: \"1s\",\n hosts: {}, traffic: {})");
    let unknown = report.diagnostics().iter().find(|d| d.message.contains("duratoin")).unwrap();
    assert_eq!(report.position(unknown), Some(("a.ron", 2, 15)));
}

#[test]
fn bytes_that_are_no_text_are_told_by_their_number() {
    let error = Source::from_bytes("x.ron", vec![b'(', 0xff, b')']).unwrap_err();
    assert_eq!(error, "`x.ron` is not text: byte 2 is not UTF-8");
}
