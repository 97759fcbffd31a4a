//! Readers of a sweep: the table, `points.csv` and `sweep.json`. Its pictures are in [`crate::plot`].

mod files;
mod table;

use experiments::campaign::Campaign;
use experiments::record::Reading;
use experiments::sweep::{Seeds, Swept};

use crate::verdict::Unit;

pub use files::{FORMAT, plan_line, points_csv, sweep_json};
pub(crate) use table::aligned;
pub use table::{answer, answer_within};

/// A campaign together with what it came to.
#[derive(Clone, Copy, Debug)]
pub struct Sweep<'a> {
    /// The name of the scenario, as it was given.
    pub name: &'a str,
    /// The command that asks this, so that it can be asked again.
    pub asked: &'a str,
    /// Its title.
    pub title: &'a str,
    /// What was asked.
    pub campaign: &'a Campaign,
    /// With which seeds.
    pub seeds: &'a Seeds,
    /// The unit of each measure.
    pub units: &'a [Unit],
    /// What came of it.
    pub swept: &'a Swept,
}

impl Sweep<'_> {
    /// Points that have a result, with their number.
    pub fn finished(&self) -> impl Iterator<Item = usize> {
        (0..self.campaign.points.len()).filter(|&p| !self.swept.readings[p].is_empty())
    }

    /// The limit that refused first at a point in most of its runs, none if mostly nothing ran out; and in how many.
    pub fn bound_first(&self, point: usize) -> (Option<&str>, usize) {
        let readings = &self.swept.readings[point];
        let of = |r: &Reading| readings.iter().filter(|o| o.bound_first == r.bound_first).count();
        // The first of those that are equally frequent, so that the answer is one.
        let most = readings.iter().enumerate().max_by_key(|&(i, r)| (of(r), core::cmp::Reverse(i)));
        most.map_or((None, 0), |(_, r)| (r.bound_first.as_deref(), of(r)))
    }
}

/// With which seeds, in words.
fn seeds_text(seeds: &Seeds) -> String {
    match seeds {
        Seeds::Own => "the scenario's own".to_owned(),
        Seeds::Listed(listed) => match listed.as_slice() {
            [first, .., last] if last - first == listed.len() as u64 - 1 => format!("{first}..{last}"),
            listed => listed.iter().map(u64::to_string).collect::<Vec<_>>().join(","),
        },
        Seeds::Until(width) => format!("until ±{}%", crate::words::decimal(width * 100.0, 4)),
    }
}
