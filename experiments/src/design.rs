//! A table of points: the first line names the paths, every other is a point.

use sim_core::scenario::Scenario;

use crate::axis::{Axis, Setting, Target};
use crate::campaign::Point;

/// Reads the points of a design, each once, and what varies in it. Says what is wrong with it otherwise.
pub fn design(text: &str, scenario: &Scenario) -> Result<(Vec<Axis>, Vec<Point>), String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|e| e.to_string())?.clone();
    let target = |name| Target::new(name, scenario).map(|target| Axis { target, values: Vec::new() });
    let mut axes = header.iter().map(target).collect::<Result<Vec<_>, _>>()?;
    let mut points: Vec<Point> = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| e.to_string())?;
        let choice = axes.iter_mut().zip(&record).map(|(axis, text)| {
            axis.values.iter().position(|v| v.text == text).unwrap_or_else(|| {
                axis.values.push(Setting::new(text));
                axis.values.len() - 1
            })
        });
        let point = Point { choice: choice.collect() };
        if !points.contains(&point) {
            points.push(point);
        }
    }
    Ok((axes, points))
}
