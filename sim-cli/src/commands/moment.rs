//! `timewait ss`, `nstat`, `conntrack` and `sockstat`: one moment of a run.

use clap::Args;
use experiments::trace::moment;
use reports::moment as forms;
use reports::words::at;
use sim_core::record::HostMoment;
use sim_core::scenario::Scenario;
use sim_core::time::Time;

use super::trace::time;
use crate::args::ScenarioArgs;
use crate::exit::{Exit, Failure};
use crate::load;
use crate::output;

/// A moment of a run.
#[derive(Debug, Args)]
pub(crate) struct MomentArgs {
    /// What to run.
    #[command(flatten)]
    scenario: ScenarioArgs,
    /// The moment: what happens at this very time has not happened yet
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Time,
    /// On this host; without it on all, each under its name
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Everything of that moment as JSON (reports/MOMENT.md)
    #[arg(long)]
    json: bool,
}

/// `timewait ss`.
#[derive(Debug, Args)]
#[command(after_help = "\
Prints what `ss -tano` would print on the host: all TCP sockets with their timers.

Examples:
  timewait ss ports-run-out --at 30s --host client | awk '{print $1}' | sort | uniq -c
  timewait ss ports-run-out --at 30s --host client --summary
  timewait ss my.ron --at 5s --host server --listening")]
pub(crate) struct SsArgs {
    #[command(flatten)]
    moment: MomentArgs,
    /// Listening sockets alone, as `ss -lnt`: Recv-Q waits for accept(), Send-Q is the backlog
    #[arg(long, short, conflicts_with = "summary")]
    listening: bool,
    /// Counts alone, as `ss -s`
    #[arg(long, short)]
    summary: bool,
}

/// `timewait nstat`.
#[derive(Debug, Args)]
#[command(after_help = "\
Prints what `nstat -as` would print on the host: the kernel counters that have moved since the beginning.

Example:
  timewait nstat ports-run-out --at 30s --host client | awk '/^TcpActiveOpens/ {print $2}'")]
pub(crate) struct NstatArgs {
    #[command(flatten)]
    moment: MomentArgs,
    /// Counters that are zero too
    #[arg(long, short)]
    zeros: bool,
}

/// `timewait conntrack`.
#[derive(Debug, Args)]
#[command(after_help = "\
Prints what `conntrack -L` would print on the host.

Example:
  timewait conntrack conntrack-full --at 30s --host router | awk '{print $4}' | sort | uniq -c")]
pub(crate) struct ConntrackArgs {
    #[command(flatten)]
    moment: MomentArgs,
}

/// `timewait sockstat`.
#[derive(Debug, Args)]
#[command(after_help = "\
Prints what /proc/net/sockstat would hold on the host. Pages of buffers (mem) are not modelled and always 0.

Example:
  timewait sockstat ports-run-out --at 30s --host client | awk '/^TCP:/ {print $7}'")]
pub(crate) struct SockstatArgs {
    #[command(flatten)]
    moment: MomentArgs,
}

pub(crate) fn ss(args: &SsArgs) -> Result<Exit, Failure> {
    print(&args.moment, |_, host| {
        if args.listening {
            forms::listening(host)
        } else if args.summary {
            forms::summary(host)
        } else {
            forms::sockets(host)
        }
    })
}

pub(crate) fn nstat(args: &NstatArgs) -> Result<Exit, Failure> {
    print(&args.moment, |scenario, host| forms::nstat(scenario, host, args.zeros))
}

pub(crate) fn sockstat(args: &SockstatArgs) -> Result<Exit, Failure> {
    print(&args.moment, |_, host| forms::sockstat(host))
}

pub(crate) fn conntrack(args: &ConntrackArgs) -> Result<Exit, Failure> {
    print(&args.moment, |_, host| forms::conntrack(host))
}

/// Runs to the moment and prints one form of it.
fn print(args: &MomentArgs, form: impl Fn(&Scenario, &HostMoment) -> String) -> Result<Exit, Failure> {
    let scenario = load::load(&args.scenario)?.scenario;
    let only = args.host.as_deref().map(|name| host(&scenario, name)).transpose()?;
    let end = Time::ZERO + scenario.duration;
    if args.at > end {
        return Err(Failure::Usage(format!("--at: the run ends at {} (--set duration=..)", at(end))));
    }
    let moment = moment(&scenario, args.at).map_err(|report| Failure::Scenario(report.to_string()))?;
    if args.json {
        output::out(&forms::json(&scenario, &moment, only))?;
        return Ok(Exit::Ok);
    }
    let mut text = String::new();
    for (i, (spec, here)) in scenario.hosts.iter().zip(&moment.hosts).enumerate() {
        match only {
            Some(only) if only != i => continue,
            Some(_) => {}
            None => text = format!("{text}{}# {}\n", if i > 0 { "\n" } else { "" }, spec.name),
        }
        text.push_str(&form(&scenario, here));
    }
    output::out(&text)?;
    Ok(Exit::Ok)
}

fn host(scenario: &Scenario, name: &str) -> Result<usize, Failure> {
    scenario.hosts.iter().position(|host| host.name == name).ok_or_else(|| {
        let names: Vec<_> = scenario.hosts.iter().map(|host| format!("`{}`", host.name)).collect();
        Failure::Usage(format!("--host: there is no host `{name}`, only {}", names.join(", ")))
    })
}
