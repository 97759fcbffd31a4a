//! `conformance [--setups FILE] FILE...`: replays recordings of a kernel, and says where the simulator differs.

use std::path::PathBuf;
use std::process::ExitCode;

use tests::conformance::{EXCEPTIONS, Report, Setups, read_json, recordings, replay_file};

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("conformance: {problem}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<bool, String> {
    let mut setups = None;
    let mut files = Vec::new();
    let mut args = std::env::args_os().skip(1);
    while let Some(arg) = args.next() {
        if arg == "--setups" {
            setups = Some(PathBuf::from(args.next().ok_or("--setups wants a file")?));
        } else {
            files.push(PathBuf::from(arg));
        }
    }
    if files.is_empty() {
        return Err("usage: conformance [--setups FILE] FILE...".to_owned());
    }
    let setups = setups.unwrap_or_else(|| recordings().join("setups.json.gz"));
    let setups = Setups(read_json(&setups)?);
    let mut report = Report::new(EXCEPTIONS);
    for file in &files {
        replay_file(file, &setups, &mut report)?;
    }
    let idle = report.idle();
    let lines = report.mismatches.iter().chain(&idle).chain(&report.untold).chain(&report.apart);
    for line in lines.chain(&report.excused) {
        println!("{line}");
    }
    print!("{}", report.summary());
    Ok(report.all_agree())
}
