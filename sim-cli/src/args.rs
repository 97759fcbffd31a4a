//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use reports::plot::View;

const EXIT_CODES: &str = "\
Exit codes:
  0  done; with check, every expectation holds
  1  check: an expectation failed
  2  the command line or a scenario is wrong
  3  a file could not be read or written
  130  Ctrl-C ended it early; what there was by then is printed";

const EXAMPLES: &str = "\
Examples:
  timewait list                                what comes with the program
  timewait run ports-run-out                   run a bundled scenario
  timewait run my.ron --out out/               run your own; JSON, CSV and pictures go to out/
  timewait run my.ron --set 'traffic.web.arrivals=constant(\"470/s\")'
  timewait run my.ron --sysctl client=sysctl.txt   with the settings of a real machine
  timewait check                               do all bundled scenarios do what they say?
";

/// Simulates the lifecycles of TCP connections: what runs out first, when, why, and what really helps.
#[derive(Debug, Parser)]
#[command(name = "timewait", version, max_term_width = 100, after_help = [EXAMPLES, "\n", EXIT_CODES].concat())]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Whether what is printed has colour.
    #[command(flatten)]
    pub(crate) color: colorchoice_clap::Color,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a scenario and say what ran out first, when and why
    Run(RunArgs),
    /// Run scenarios and judge their expectations
    Check(CheckArgs),
    /// Write a scenario to begin with: from a machine, from a bundled one, or from a few answers
    Init(crate::commands::init::InitArgs),
    /// List the bundled scenarios
    List(ListArgs),
    /// Print a scenario with every default visible
    Show(ShowArgs),
    /// Run a scenario at many points: how does the outcome depend on a setting?
    Sweep(SweepArgs),
    /// Find the largest or smallest value at which all expectations hold
    Solve(SolveArgs),
    /// Run variants of a scenario side by side
    Compare(CompareArgs),
    /// Try the changes that people recommend: which takes the scenario how far, and at what price?
    Advise(AdviseArgs),
    /// Follow single connections: ladder, capture, JSON
    Trace(crate::commands::trace::TraceArgs),
    /// The sockets of a moment, as `ss` prints them
    Ss(crate::commands::moment::SsArgs),
    /// The kernel counters of a moment, as `nstat` prints them
    Nstat(crate::commands::moment::NstatArgs),
    /// The tracked flows of a moment, as `conntrack -L` prints them
    Conntrack(crate::commands::moment::ConntrackArgs),
    /// The socket counts of a moment, as /proc/net/sockstat has them
    Sockstat(crate::commands::moment::SockstatArgs),
    /// Print what a shell needs to complete commands
    Completions(CompletionsArgs),
    /// Print the manual page
    Man,
}

/// A scenario and changes to it.
#[derive(Debug, Args)]
pub(crate) struct ScenarioArgs {
    /// A file, the name of a bundled scenario, or `-` for standard input
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenario: String,
    /// Change a value: `duration=30s`, `links[0].loss=1%`, `hosts.client.addresses=["10.0.0.1"]`
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub(crate) set: Vec<String>,
    /// Use another seed; the same seed gives the same run
    #[arg(long, value_name = "N", value_parser = seed, allow_negative_numbers = true)]
    pub(crate) seed: Option<u64>,
    /// Take the settings of a host from the output of `sysctl -a`
    #[arg(long, value_name = "HOST=FILE")]
    pub(crate) sysctl: Vec<String>,
    /// List the settings of `--sysctl` files that the model does not have
    #[arg(long)]
    pub(crate) unmodelled: bool,
}

/// `timewait run`.
#[derive(Debug, Args)]
#[command(after_help = "\
The answer goes to standard output and is the same for the same scenario and seed, on every machine. \
Progress, speed and warnings go to standard error. Expectations are reported, but only `timewait check` \
fails on them.

Examples:
  timewait run ports-run-out
  timewait run ports-run-out --set 'hosts.client.sysctl.\"net.ipv4.tcp_tw_reuse\"=1'
  timewait run my.ron --seed 7 --out out/
  timewait run my.ron --out out/ --plot outcomes,latency --width 900 --dark
  timewait run my.ron --html report.html
  timewait run my.ron --pcap all.pcapng --pcap-at server
  timewait run my.ron --sysctl client=client-sysctl.txt --unmodelled")]
pub(crate) struct RunArgs {
    /// What to run.
    #[command(flatten)]
    pub(crate) scenario: ScenarioArgs,
    /// Write answer.txt, result.json, series.csv, scenario.ron and a picture into this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Draw these pictures into --out: overview, outcomes, populations, occupancy, latency, ladder; or all
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = view, requires = "out")]
    pub(crate) plot: Vec<Views>,
    /// Draw them so many pixels wide (a PNG has twice as many)
    #[arg(long, value_name = "N", requires = "out", default_value_t = 1200, value_parser = clap::value_parser!(u32).range(600..=4000))]
    pub(crate) width: u32,
    /// Draw them on a dark ground
    #[arg(long, requires = "out")]
    pub(crate) dark: bool,
    /// Write a page to look at in a browser: answer, curves, limits, latency, one connection; it needs nothing else
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Write every packet that the clients' interfaces see into this capture (pcapng), at most a million
    #[arg(long, value_name = "FILE")]
    pub(crate) pcap: Option<PathBuf>,
    /// Capture here instead: a host, or a host's side of a link as in `router-client`; may come several times
    #[arg(long, value_name = "PLACE", requires = "pcap")]
    pub(crate) pcap_at: Vec<String>,
    /// Print one line: what ran out first, or what came closest
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// Print JSON; reports/JSON.md documents it
    #[arg(long, conflicts_with = "quiet")]
    pub(crate) json: bool,
}

/// What `--plot` names: one picture, or all of them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Views {
    One(View),
    All,
}

/// `--plot NAMES`.
fn view(text: &str) -> Result<Views, String> {
    if text == "all" {
        return Ok(Views::All);
    }
    let names: Vec<_> = View::ALL.iter().map(|v| v.name()).collect();
    View::named(text)
        .map(Views::One)
        .ok_or_else(|| format!("there is no picture `{text}`, only {} and all", names.join(", ")))
}

/// `timewait check`.
#[derive(Debug, Args)]
#[command(after_help = "\
One line for each expectation, in the order of the scenarios, then a summary. A directory stands for all \
`.ron` files below it; without an argument the whole bundled library is checked.

Examples:
  timewait check
  timewait check ports-run-out conntrack-full
  timewait check scenarios/ --junit report.xml
  timewait check my.ron --matrix 'hosts.client.stack=linux(\"4.9\"),linux(\"6.18\")' --seeds 1..5")]
pub(crate) struct CheckArgs {
    /// Files, directories, or names of bundled scenarios
    #[arg(value_name = "SCENARIO|DIR")]
    pub(crate) scenarios: Vec<String>,
    /// Write the verdicts as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Write a page to look at in a browser: what failed first, with its picture
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Run so many scenarios at once
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: u16,
    /// Print only what failed, and the summary
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// Change a value in all of them
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub(crate) set: Vec<String>,
    /// Use another seed in all of them
    #[arg(long, value_name = "N", value_parser = seed, allow_negative_numbers = true)]
    pub(crate) seed: Option<u64>,
    /// Judge each with these seeds: `1..20`, `1,5,9`
    #[arg(long, value_name = "SEEDS", conflicts_with = "seed")]
    pub(crate) seeds: Option<String>,
    /// Judge each at all of these values; several give all combinations
    #[arg(long, value_name = "PATH=VALUES")]
    pub(crate) matrix: Vec<String>,
    /// Only scenarios whose name contains this
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,
    /// Stop at the first scenario that fails
    #[arg(long)]
    pub(crate) fail_fast: bool,
    /// A scenario that expects nothing fails
    #[arg(long)]
    pub(crate) strict: bool,
    /// Say on standard error how long each took, the slowest first
    #[arg(long)]
    pub(crate) durations: bool,
    /// Print JSON; reports/JSON.md documents it
    #[arg(long, conflicts_with = "quiet")]
    pub(crate) json: bool,
}

/// `timewait list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Print JSON; reports/JSON.md documents it
    #[arg(long)]
    pub(crate) json: bool,
}

/// `timewait completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  timewait completions bash > /etc/bash_completion.d/timewait
  timewait completions zsh > ~/.zfunc/_timewait")]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

/// `timewait show`.
#[derive(Debug, Args)]
#[command(after_help = "\
What is printed is a scenario again: it can be saved, changed and run.

Examples:
  timewait show ports-run-out
  timewait show ports-run-out --source > my.ron
  timewait show my.ron --sysctl client=client-sysctl.txt > resolved.ron")]
pub(crate) struct ShowArgs {
    /// What to show.
    #[command(flatten)]
    pub(crate) scenario: ScenarioArgs,
    /// Print the file as it is, with its comments
    #[arg(long, conflicts_with_all = ["set", "seed", "sysctl", "unmodelled"])]
    pub(crate) source: bool,
}

/// `timewait sweep`.
#[derive(Debug, Args)]
#[command(after_help = "\
PATH is any path that --set takes, or `traffic.NAME.rate` for the rate within the arrivals. VALUES are a list \
(`1%,2%,5%`) or a range: `LOW..HIGH step S`, `LOW..HIGH times F`, `LOW..HIGH points N`; a range that is a part of \
the value stands in braces (`32768 {33000..60999 step 1000}`). Several --vary give all combinations.

METRIC is an expectation of the scenario language, which holds or does not, or one without its band, which is a \
number: `share(\"failed\")`, `peak(\"client.time_wait\")`, `rate(\"web.connected\", over(\"60s\", \"120s\"))`, \
`latency(\"connect\", quantile(\"99%\"))`, `counter(\"server\", \"TcpOutRsts\")`, `at(\"client.memory\", \"30s\")`.

With --out each run is kept as it finishes, and the same command goes on where it was stopped. Many machines can do \
a part each (--part 1/8 --out part1), and one takes in what they kept (--take part1/runs.jsonl ..). The table goes to \
standard output and is the same at any number of jobs.

Examples:
  timewait sweep ports-run-out --vary 'traffic.web.rate=100/s..2000/s step 100'
  timewait sweep poisson-470 --vary 'traffic.web.rate=440/s..500/s step 10' --seeds 1..10 --out sweep/
  timewait sweep my.ron --vary 'hosts.client.stack=linux(\"4.9\"),linux(\"6.18\")' \\
      --vary 'links[0].loss=0%,1%,5%' --measure 'rate(\"connected\")'")]
pub(crate) struct SweepArgs {
    /// What to run.
    #[command(flatten)]
    pub(crate) scenario: ScenarioArgs,
    /// What varies, and over which values
    #[arg(long, value_name = "PATH=VALUES", required_unless_present = "design")]
    pub(crate) vary: Vec<String>,
    /// Only points that meet a condition between axes and values: `A <= B`
    #[arg(long = "where", value_name = "CONDITION")]
    pub(crate) only: Vec<String>,
    /// Take the points from a CSV file: its first line names the paths, every other is a point
    #[arg(long, value_name = "FILE", conflicts_with = "vary")]
    pub(crate) design: Option<PathBuf>,
    /// Run each point with these seeds: `1..20`, `1,5,9`, or as many as it takes: `until 2%`
    #[arg(long, value_name = "SEEDS", conflicts_with = "seed")]
    pub(crate) seeds: Option<String>,
    /// What to measure; may come several times
    #[arg(long, value_name = "METRIC")]
    pub(crate) measure: Vec<String>,
    /// Run so many points at once
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: u16,
    /// Keep finished runs in this directory, and write points.csv, sweep.json and the picture into it
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Do only the K-th of N parts of the runs and keep them in --out, as one of many machines
    #[arg(long, value_name = "K/N", value_parser = part, requires = "out")]
    pub(crate) part: Option<(usize, usize)>,
    /// Take in the runs that a part elsewhere kept (its runs.jsonl); may come several times
    #[arg(long, value_name = "FILE", requires = "out")]
    pub(crate) take: Vec<PathBuf>,
    /// Print every run as a line of JSON, without running any
    #[arg(long)]
    pub(crate) plan: bool,
    /// Print JSON; reports/JSON.md documents it
    #[arg(long, conflicts_with = "plan")]
    pub(crate) json: bool,
}

/// `timewait solve`.
#[derive(Debug, Args)]
#[command(after_help = "\
PATH is any path that --set takes, or `traffic.NAME.rate` for the rate within the arrivals; a range that is a part \
of the value stands in braces (`32768 {33000..60999}`). The answer is as fine as the range is written: \
`100/s..2000/s` is searched in whole connections a second, `100.0/s..2000/s` in tenths.

With several seeds each is searched by itself, and the answer says how far they lie apart. If fewer is better \
(it fails at LOW and holds at HIGH), the smallest value is found.

Examples:
  timewait solve ports-run-out --vary 'traffic.web.rate=100/s..2000/s' --until 'never(\"web.failed\")'
  timewait solve poisson-470 --vary 'traffic.web.rate=400/s..600/s' --seeds 1..5 \\
      --until 'share(\"failed\", at_most(\"1%\"), over(\"120s\", \"1200s\"))'
  timewait solve conntrack-full --vary 'hosts.router.conntrack.max=1000..300000' \\
      --until 'counter(\"router\", \"CtDrop\", equals(0))'")]
pub(crate) struct SolveArgs {
    /// What to run.
    #[command(flatten)]
    pub(crate) scenario: ScenarioArgs,
    /// What varies, and between which values
    #[arg(long, value_name = "PATH=LOW..HIGH")]
    pub(crate) vary: String,
    /// What shall hold, instead of the scenario's own expectations; may come several times
    #[arg(long, value_name = "EXPECTATION")]
    pub(crate) until: Vec<String>,
    /// Search with each of these seeds: `1..20`, `1,5,9`
    #[arg(long, value_name = "SEEDS", conflicts_with = "seed")]
    pub(crate) seeds: Option<String>,
    /// Run so much at once
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: u16,
    /// Write answer.txt and solve.json into this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Print JSON; reports/JSON.md documents it
    #[arg(long)]
    pub(crate) json: bool,
}

/// `timewait compare`.
#[derive(Debug, Args)]
#[command(after_help = "\
One table: the first scenario as it is, with each --with, and the other scenarios. In parentheses stands how far a \
variant is from the first (`pt`: points of per cent). Equal seeds give all variants the same luck, so differences are \
taken by pairs; with several seeds they have 95% intervals. --set and --seed apply to all.

Examples:
  timewait compare ports-run-out --with 'wide: hosts.client.sysctl.\"net.ipv4.ip_local_port_range\"=\"1024 65535\"' \\
      --with 'reuse: hosts.client.sysctl.\"net.ipv4.tcp_tw_reuse\"=1'
  timewait compare before.ron after.ron --seeds 1..10 --out compared/")]
pub(crate) struct CompareArgs {
    /// Files, names of bundled scenarios, or `-` for standard input
    #[arg(value_name = "SCENARIO", required = true)]
    pub(crate) scenarios: Vec<String>,
    /// Changes to the first scenario, and what to call them
    #[arg(long, value_name = "NAME: PATH=VALUE; ..")]
    pub(crate) with: Vec<String>,
    /// Change a value in all of them
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub(crate) set: Vec<String>,
    /// Use another seed in all of them
    #[arg(long, value_name = "N", value_parser = seed, allow_negative_numbers = true)]
    pub(crate) seed: Option<u64>,
    /// Run each with these seeds: `1..20`, `1,5,9`
    #[arg(long, value_name = "SEEDS", conflicts_with = "seed")]
    pub(crate) seeds: Option<String>,
    /// Run so many at once
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: u16,
    /// Write answer.txt, compare.json and a picture of all on one scale into this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Print JSON; reports/JSON.md documents it
    #[arg(long)]
    pub(crate) json: bool,
}

/// `timewait advise`.
#[derive(Debug, Args)]
#[command(after_help = "\
Each change of the catalogue is made alone, and the largest load is searched at which nothing fails; then the \
promising ones are made together. The load is the rates of all sources (or, where there are none, their workers), all \
grown alike. Hazards are measured at the scenario's own load with loss and reordering on every link: closes without \
TIME_WAIT, segments of old connections that new ones take, bytes lost, RSTs, tuples refused. A change that leaves the \
run the same to the last bit is inert.

A catalogue is a RON file like experiments/catalogue.ron, which comes with the program and says what its fields mean.

Examples:
  timewait advise ports-run-out
  timewait advise my.ron --set duration=150s --catalogue house.ron")]
pub(crate) struct AdviseArgs {
    /// What to run.
    #[command(flatten)]
    pub(crate) scenario: ScenarioArgs,
    /// Try the changes of this file, too; may come several times
    #[arg(long, value_name = "FILE")]
    pub(crate) catalogue: Vec<PathBuf>,
    /// Make no run that is likely to take more than so many million events
    #[arg(long, value_name = "N", default_value_t = AdviseArgs::EVENTS, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) events: u32,
    /// Try so many changes at once
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: u16,
    /// Print JSON; reports/JSON.md documents it
    #[arg(long)]
    pub(crate) json: bool,
}

impl AdviseArgs {
    /// Millions of events that a run may take.
    pub(crate) const EVENTS: u32 = 8;
}

/// `--seed N`.
fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("a seed is a whole number from 0 to {}", u64::MAX))
}

/// `--part K/N`.
fn part(text: &str) -> Result<(usize, usize), String> {
    let parts = text.split_once('/').and_then(|(part, of)| Some((part.parse().ok()?, of.parse().ok()?)));
    parts.filter(|(part, of)| (1..=*of).contains(part)).ok_or_else(|| "a part is K/N, as in `1/8`".to_owned())
}
