//! `timewait trace`.

use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use experiments::trace::{self, Fate, Nothing, Trace, Wanted, Which};
use reports::ladder::Ladder;
use reports::trace::{Vantage, capture, ladders, lines};
use reports::words;
use sim_core::engine::Record;
use sim_core::host::Attempt;
use sim_core::ids::{HostId, TrafficId};
use sim_core::scenario::Scenario;
use sim_core::time::{Span, Time};

use crate::args::ScenarioArgs;
use crate::exit::{Exit, Failure};
use crate::output::{self, Single};
use crate::{interrupt, load, terminal};

/// `timewait trace`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without a choice the first connection is followed. Numbers count the attempts of a traffic source from 1, in the order in \
which they were made. A ladder shows both ends and every box between them; a capture shows what an interface sees, the \
clients' unless --at says otherwise (Wireshark takes the same packet at two interfaces for a retransmission).

Examples:
  timewait trace reuse-with-random-isn --first reused
  timewait trace ports-run-out --first failed
  timewait trace conntrack-full --first refused --as svg --out refused.svg
  timewait trace my.ron --connection web:17 --at client --as pcapng --out one.pcapng
  timewait trace my.ron --all --to 2s --as json")]
pub(crate) struct TraceArgs {
    /// What to run.
    #[command(flatten)]
    scenario: ScenarioArgs,
    #[command(flatten)]
    which: WhichArgs,
    /// Look from here: a host, or a host's side of a link as in `router-client`; may come several times (pcapng and json)
    #[arg(long, value_name = "PLACE")]
    at: Vec<String>,
    /// From this time of the run on
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Time>,
    /// Until this time of the run
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<Time>,
    /// What comes out; by the name of --out if there is one, else a ladder
    #[arg(long = "as", value_name = "FORM", value_enum)]
    form: Option<Form>,
    /// Write it to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Draw at most so many ladders
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    most: u16,
    /// Draw the ladder in so many columns
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(60..=400))]
    width: Option<u16>,
    /// Draw the ladder with ASCII characters only
    #[arg(long)]
    ascii: bool,
}

/// Which connections.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct WhichArgs {
    /// The N-th attempt of a traffic source; of the first one if none is named
    #[arg(long, value_name = "[SOURCE:]N")]
    connection: Option<String>,
    /// The first one that failed, was reset, was refused something, sent again, reused a tuple; or had the slowest connect()
    #[arg(long, value_name = "FATE", value_parser = fate())]
    first: Option<Fate>,
    /// All that passes between two sockets, whichever connection it belongs to
    #[arg(long, value_name = "ADDR:PORT-ADDR:PORT")]
    tuple: Option<String>,
    /// All of them
    #[arg(long)]
    all: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Ladder,
    Svg,
    Pcapng,
    Json,
}

/// The fates by their names.
fn fate() -> impl TypedValueParser<Value = Fate> {
    let names = PossibleValuesParser::new(Fate::ALL.map(|(name, _)| name));
    names.try_map(|name| {
        Fate::ALL.iter().find(|(known, _)| *known == name).map(|(_, fate)| *fate).ok_or("no such fate")
    })
}

/// A time of the run, as scenarios write it.
pub(crate) fn time(text: &str) -> Result<Time, String> {
    scenarios::span(text).map(|span| Time::ZERO + span)
}

/// More records than these are no longer read by anybody.
const MOST_RECORDS: usize = 2_000_000;

/// Follows connections and shows what happened to them.
pub(crate) fn trace(args: &TraceArgs) -> Result<Exit, Failure> {
    interrupt::listen();
    let scenario = load::load(&args.scenario)?.scenario;
    let form = form(args)?;
    let vantages = places(args, form, &scenario)?;
    let which = which(&args.which, &scenario)?;
    let file = args.out.as_deref().map(Single::new).transpose()?;
    let end = Time::ZERO + scenario.duration + Span(1);
    let wanted = Wanted {
        which,
        from: args.from.unwrap_or(Time::ZERO),
        to: args.to.unwrap_or(end),
        most: MOST_RECORDS,
    };
    if wanted.from >= wanted.to {
        return Err(Failure::Usage("--from is not before --to, so there is nothing between them".to_owned()));
    }
    let traced = match trace::trace(&scenario, &wanted, |_| interrupt::flow()) {
        Ok(traced) => traced,
        Err(Nothing::Stopped) => return Ok(Exit::Interrupted),
        Err(Nothing::NoSuch) => return Ok(nobody(&args.which)),
        Err(Nothing::Overrun) => {
            let why =
                "the run could not go on to its end, and until then there was none (`timewait run` says why)";
            return Err(Failure::Usage(why.to_owned()));
        }
    };
    let any = traced.records.iter().any(|(_, record)| !matches!(record, Record::Logged(..)));
    if !any {
        output::note("nothing happened to such a connection in that time");
    }
    if traced.left_out > 0 {
        let left_out = words::counted(traced.left_out, "record", "records");
        output::note(&format!("{left_out} were left out: take fewer connections, or --from and --to"));
    }
    let bytes = rendered(args, form, &scenario, &traced, vantages)?;
    match file {
        Some(file) => file.publish(&bytes)?,
        None => output::out_bytes(&bytes)?,
    }
    match &traced.summary.overrun {
        Some(overrun) => Err(Failure::Scenario(scenarios::overrun(&scenario, overrun).to_string())),
        None => Ok(Exit::Ok),
    }
}

/// No connection had the fate that was looked for.
fn nobody(args: &WhichArgs) -> Exit {
    let fate = args.first.map_or("", Fate::name);
    output::note(&match fate {
        "slow" => "no connect() took any time".to_owned(),
        _ => format!("no connection of this run was {fate}").replace("was failed", "failed"),
    });
    Exit::Ok
}

fn form(args: &TraceArgs) -> Result<Form, Failure> {
    let by_name =
        args.out.as_deref().and_then(Path::extension).and_then(|e| e.to_str()).and_then(|e| match e {
            "svg" => Some(Form::Svg),
            "pcapng" | "pcap" => Some(Form::Pcapng),
            "json" | "jsonl" => Some(Form::Json),
            _ => None,
        });
    let form = args.form.or(by_name).unwrap_or(Form::Ladder);
    if form == Form::Pcapng && args.out.is_none() && terminal::visible() {
        return Err(Failure::Usage(
            "a capture is no text for a terminal: --out FILE, or pipe it into `tshark -r -`".to_owned(),
        ));
    }
    if !args.at.is_empty() && matches!(form, Form::Ladder | Form::Svg) {
        return Err(Failure::Usage(
            "--at is for pcapng and json: a ladder shows every place at once".to_owned(),
        ));
    }
    if (args.width.is_some() || args.ascii) && form != Form::Ladder {
        return Err(Failure::Usage("--width and --ascii are for a ladder of text".to_owned()));
    }
    Ok(form)
}

/// The vantage points of a capture.
fn places(args: &TraceArgs, form: Form, scenario: &Scenario) -> Result<Vec<Vantage>, Failure> {
    if args.at.is_empty() {
        return Ok(if form == Form::Json { Vec::new() } else { Vantage::of_clients(scenario) });
    }
    vantages(scenario, &args.at).map_err(|why| Failure::Usage(format!("--at: {why}")))
}

/// The vantage points with these names, each once.
pub(crate) fn vantages(scenario: &Scenario, names: &[String]) -> Result<Vec<Vantage>, String> {
    let mut all = Vec::new();
    for name in names {
        for vantage in Vantage::named(scenario, name)? {
            if !all.contains(&vantage) {
                all.push(vantage);
            }
        }
    }
    Ok(all)
}

fn which(args: &WhichArgs, scenario: &Scenario) -> Result<Which, Failure> {
    if let Some(text) = &args.connection {
        return connection(text, scenario).map_err(|why| Failure::Usage(format!("--connection: {why}")));
    }
    if let Some(first) = args.first {
        return Ok(Which::First(first));
    }
    if let Some(text) = &args.tuple {
        let why =
            || format!("--tuple: `{text}` is not ADDR:PORT-ADDR:PORT, as in `10.0.0.1:32768-10.0.0.2:80`");
        return Which::tuple(text).ok_or_else(|| Failure::Usage(why()));
    }
    if args.all {
        return Ok(Which::All);
    }
    Ok(Which::Attempt(Attempt { traffic: TrafficId(0), number: 0 }))
}

fn connection(text: &str, scenario: &Scenario) -> Result<Which, String> {
    let (name, number) = text.rsplit_once(':').map_or((None, text), |(name, number)| (Some(name), number));
    let number: u32 =
        number.parse().ok().filter(|&n| n > 0).ok_or_else(|| {
            format!("`{text}` is not [SOURCE:]N, as in `web:17`; attempts are counted from 1")
        })?;
    let sources = &scenario.traffic;
    let place = match name {
        None => 0,
        Some(name) => sources.iter().position(|t| t.name == name).ok_or_else(|| {
            let names: Vec<_> = sources.iter().map(|t| format!("`{}`", t.name)).collect();
            format!("there is no traffic source `{name}`, only {}", names.join(", "))
        })?,
    };
    Ok(Which::Attempt(Attempt { traffic: TrafficId(place as u16), number: number - 1 }))
}

fn rendered(
    args: &TraceArgs,
    form: Form,
    scenario: &Scenario,
    traced: &Trace,
    vantages: Vec<Vantage>,
) -> Result<Vec<u8>, Failure> {
    match form {
        Form::Json => {
            let hosts: Vec<HostId> = vantages.iter().map(|v| v.host).collect();
            Ok(lines(scenario, traced, &hosts).into_bytes())
        }
        Form::Pcapng => {
            let mut bytes = Vec::new();
            capture(&mut bytes, scenario, vantages, &traced.records)
                .map_err(|e| Failure::Files(format!("cannot make the capture: {e}")))?;
            Ok(bytes)
        }
        Form::Ladder => {
            let (width, charset) =
                (args.width.map_or_else(terminal::width, usize::from), terminal::charset(args.ascii));
            let drawn: Vec<String> =
                drawings(args, scenario, traced).iter().map(|l| l.text(width, charset)).collect();
            Ok(drawn.join("\n").into_bytes())
        }
        Form::Svg => {
            let drawn = drawings(args, scenario, traced);
            if drawn.len() > 1 {
                let found = words::count(drawn.len() as u64);
                output::note(&format!("{found} connections: the first is drawn; --connection takes another"));
            }
            Ok(drawn.first().map(|ladder| ladder.svg("ladder")).unwrap_or_default().into_bytes())
        }
    }
}

fn drawings(args: &TraceArgs, scenario: &Scenario, traced: &Trace) -> Vec<Ladder> {
    let most = usize::from(args.most);
    let mut drawn = ladders(scenario, traced, most + 1);
    if drawn.len() > most {
        output::note(&format!("only the first {most} ladders are drawn (--most)"));
        drawn.truncate(most);
    }
    drawn
}
