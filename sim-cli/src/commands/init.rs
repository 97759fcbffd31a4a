//! `timewait init`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use experiments::draft::{self, Outputs, Role, Wishes, draft};
use scenarios::Source;
use sim_core::time::Span;

use crate::exit::{Exit, Failure};
use crate::{host, load, output, questions};

/// `timewait init`.
#[derive(Debug, Args)]
#[command(after_help = "\
What is written can be run and checked at once; comments say what was read, what was estimated, and what could not be \
known. New connections a second come from two samples of the counters; without them from TIME_WAIT, which lasts 60 s. \
Each file may be `-` for standard input. On a terminal and without flags a few questions are asked.

Examples:
  timewait init --out my.ron
  timewait init ports-run-out --out my.ron         begin with a bundled scenario
  timewait init --from-host --apart 30s --out my.ron
  timewait init --role client --rate 500/s --destinations 4 --out my.ron

On the machine in question:
  sysctl -a > sysctl.txt; ss -tan > ss.txt; nstat -az > n1.txt; sleep 10; nstat -az > n2.txt
and then:
  timewait init --sysctl sysctl.txt --ss ss.txt --nstat n1.txt --nstat n2.txt --apart 10s --out my.ron")]
pub(crate) struct InitArgs {
    /// Begin with this bundled scenario, as it is
    #[arg(value_name = "SCENARIO", conflicts_with_all = ["machine", "wish", "from_host", "apart"])]
    scenario: Option<String>,
    /// Write this file, which must not be there yet; without it, standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Read this machine: its settings, sockets and, twice, its counters
    #[arg(long, conflicts_with = "machine")]
    from_host: bool,
    #[command(flatten)]
    saved: Saved,
    /// How far apart the two samples of the counters were taken, or with --from-host shall be taken
    #[arg(long, value_name = "TIME", value_parser = scenarios::span)]
    apart: Option<Span>,
    #[command(flatten)]
    wishes: Wish,
    /// Ask the questions even if standard input is no terminal
    #[arg(long, conflicts_with_all = ["scenario", "machine", "from_host", "wish"])]
    ask: bool,
}

/// Outputs of tools, saved on the machine that is meant.
#[derive(Debug, Args)]
#[group(id = "machine", multiple = true)]
struct Saved {
    /// The output of `sysctl -a`
    #[arg(long, value_name = "FILE")]
    sysctl: Option<PathBuf>,
    /// The output of `ss -tan` (or `netstat -tan`, or /proc/net/tcp)
    #[arg(long, value_name = "FILE")]
    ss: Option<PathBuf>,
    /// The output of `ss -s`
    #[arg(long, value_name = "FILE", conflicts_with = "sockstat")]
    ss_s: Option<PathBuf>,
    /// /proc/net/sockstat
    #[arg(long, value_name = "FILE")]
    sockstat: Option<PathBuf>,
    /// The output of `nstat -az` (or /proc/net/snmp); twice for two samples, with --apart
    #[arg(long, value_name = "FILE")]
    nstat: Vec<PathBuf>,
    /// The output of `conntrack -S` (or /proc/net/stat/nf_conntrack)
    #[arg(long, value_name = "FILE")]
    conntrack: Option<PathBuf>,
}

/// What nobody can see from outside, and what to begin with.
#[derive(Debug, Args)]
#[group(id = "wish", multiple = true)]
struct Wish {
    /// What the machine does in its connections
    #[arg(long, value_name = "ROLE", conflicts_with_all = ["ss", "from_host"])]
    role: Option<Which>,
    /// New connections a second
    #[arg(long, value_name = "RATE", value_parser = rate, conflicts_with_all = ["ss", "nstat", "from_host"])]
    rate: Option<String>,
    /// To so many destinations
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000), conflicts_with_all = ["ss", "from_host"])]
    destinations: Option<u16>,
    /// Who closes first, and keeps TIME_WAIT
    #[arg(long, value_name = "ROLE", conflicts_with_all = ["ss", "from_host"])]
    closes: Option<Which>,
    /// So many connections are kept and used again
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000), conflicts_with_all = ["ss", "from_host"])]
    kept: Option<u32>,
    /// The way there and back
    #[arg(long, value_name = "TIME", value_parser = scenarios::span)]
    rtt: Option<Span>,
    /// The machine tracks connections
    #[arg(long)]
    tracked: bool,
}

/// A side of a connection.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Which {
    Client,
    Server,
}

impl From<Which> for Role {
    fn from(which: Which) -> Role {
        match which {
            Which::Client => Role::Client,
            Which::Server => Role::Server,
        }
    }
}

/// `--rate 500/s`.
pub(crate) fn rate(text: &str) -> Result<String, String> {
    if draft::is_rate(text) {
        Ok(text.to_owned())
    } else {
        Err("a rate is wanted, as in `500/s` or `30/min`".to_owned())
    }
}

/// Writes a scenario to begin with.
pub(crate) fn init(args: &InitArgs) -> Result<Exit, Failure> {
    if let Some(path) = &args.out {
        free(path)?;
    }
    if let Some(name) = &args.scenario {
        return bundled(name, args.out.as_deref());
    }
    let outputs = outputs(args)?;
    let wishes = if args.ask || asks(args) { questions::ask()? } else { args.wishes.wishes() };
    let draft = draft(&outputs, &wishes).map_err(|wrong| Failure::Usage(wrong.join("\nerror: ")))?;
    let text = draft.finished().map_err(|report| Failure::Scenario(report.to_string()))?;
    for what in &draft.unknown {
        output::note(&format!("not known: {what}"));
    }
    deliver(&text, args.out.as_deref())
}

/// Whether there is somebody to ask, and nothing else to go by.
fn asks(args: &InitArgs) -> bool {
    let Saved { sysctl, ss, ss_s, sockstat, nstat, conntrack } = &args.saved;
    let saved =
        [sysctl, ss, ss_s, sockstat, conntrack].iter().any(|file| file.is_some()) || !nstat.is_empty();
    let told = saved || args.from_host || args.wishes.wishes() != Wishes::default();
    !told && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

impl Wish {
    fn wishes(&self) -> Wishes {
        Wishes {
            role: self.role.map(Role::from),
            rate: self.rate.clone(),
            destinations: self.destinations,
            closes: self.closes.map(Role::from),
            kept: self.kept,
            rtt: self.rtt,
            tracked: self.tracked,
        }
    }
}

/// What was saved, or what this machine says.
fn outputs(args: &InitArgs) -> Result<Outputs, Failure> {
    if args.from_host {
        return host::read(args.apart.unwrap_or(Span::from_secs(5)));
    }
    let saved = &args.saved;
    let read = |path: &Option<PathBuf>| path.as_deref().map(load::text).transpose();
    let (before, after) = match saved.nstat.as_slice() {
        [] => (None, None),
        [one] => (Some(one), None),
        [one, two] => (Some(one), Some(two)),
        _ => return Err(Failure::Usage("--nstat: one sample or two are wanted".to_owned())),
    };
    if after.is_some() && args.apart.is_none_or(|apart| apart.0 == 0) {
        let why = "two samples of the counters tell nothing without the time between them: --apart 10s";
        return Err(Failure::Usage(why.to_owned()));
    }
    if after.is_none() && args.apart.is_some() {
        return Err(Failure::Usage("--apart: it is the time between two samples: --nstat twice".to_owned()));
    }
    Ok(Outputs {
        sysctl: read(&saved.sysctl)?,
        sockets: read(&saved.ss)?,
        totals: read(&saved.ss_s)?.map_or_else(|| read(&saved.sockstat), |totals| Ok(Some(totals)))?,
        before: before.map(|path| load::text(path)).transpose()?,
        after: after.map(|path| load::text(path)).transpose()?,
        apart: args.apart,
        tracking: read(&saved.conntrack)?,
    })
}

/// A bundled scenario as it is, with the files that it names.
fn bundled(name: &str, out: Option<&Path>) -> Result<Exit, Failure> {
    let Some(bundled) = scenarios::bundled(name) else {
        return Err(Failure::Usage(load::unknown(name)));
    };
    let mut run = experiments::Run::bundled(*bundled);
    let files = std::mem::take(&mut run.files.0);
    let beside: Vec<Source> = files
        .into_iter()
        .filter_map(|(name, file)| file.ok().map(|file| Source::new(name, file.text)))
        .collect();
    let Some(path) = out else {
        for file in &beside {
            output::note(&format!("it needs the file `{}` beside it: --out writes both", file.name));
        }
        output::out(bundled.text)?;
        return Ok(Exit::Ok);
    };
    let dir = path.parent().unwrap_or(Path::new(""));
    let places: Vec<_> = beside.iter().map(|file| (dir.join(&file.name), file)).collect();
    places.iter().try_for_each(|(place, _)| free(place))?;
    places.iter().try_for_each(|(place, file)| written(place, &file.text))?;
    deliver(bundled.text, out)
}

/// Writes the text, and says what to do with it.
fn deliver(text: &str, out: Option<&Path>) -> Result<Exit, Failure> {
    let Some(path) = out else {
        output::out(text)?;
        return Ok(Exit::Ok);
    };
    written(path, text)?;
    let name = load::quoted(&path.display().to_string());
    output::note(&format!("written to {name}; next: timewait run {name}"));
    Ok(Exit::Ok)
}

/// Nothing that somebody wrote is written over.
fn free(path: &Path) -> Result<(), Failure> {
    if path.exists() {
        return Err(Failure::Files(format!("`{}` is there already: choose another name", path.display())));
    }
    Ok(())
}

fn written(path: &Path, text: &str) -> Result<(), Failure> {
    free(path)?;
    output::Single::new(path)?.publish(text.as_bytes())
}
