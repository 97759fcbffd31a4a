//! `series.csv`: the time series, a row each sampling interval.

use sim_core::scenario::Metric;

use crate::run::Run;

/// The series with a header of names and units, such as `client.time_wait [sockets]`. Times are exact seconds.
pub fn series_csv(run: Run<'_>) -> String {
    let series = &run.summary.series;
    let mut out = csv::Writer::from_writer(Vec::new());
    let names = series.columns.keys().map(|&m| format!("{} [{}]", run.metric_key(m), unit(m)));
    let time = run.partial().map_or_else(|| "time [s]".to_owned(), |p| format!("time [s] (PARTIAL: {p})"));
    let header: Vec<_> = std::iter::once(time).chain(names).collect();
    write(&mut out, &header);
    for row in 0..series.rows {
        let time = series.time(row).to_string();
        let values = series.columns.values().map(|c| c.get(row).map(u64::to_string).unwrap_or_default());
        let record: Vec<_> = std::iter::once(time.trim_end_matches('s').to_owned()).chain(values).collect();
        write(&mut out, &record);
    }
    let bytes = out.into_inner().expect("a vector takes every write");
    String::from_utf8(bytes).expect("only strings were written")
}

fn write(out: &mut csv::Writer<Vec<u8>>, record: &[String]) {
    out.write_record(record).expect("a vector takes every write, and all rows are equally long");
}

/// What the numbers of a metric count.
fn unit(metric: Metric) -> &'static str {
    match metric {
        Metric::Sockets(..) | Metric::Orphans(_) => "sockets",
        Metric::OpenFiles(_) => "descriptors",
        Metric::Conntrack(_) => "entries",
        Metric::Memory(_) => "B",
        Metric::Latency(..) => "ns",
        Metric::Used(_) => "used",
        Metric::PortProbes(_) | Metric::Outcome(..) => "cumulative",
    }
}
