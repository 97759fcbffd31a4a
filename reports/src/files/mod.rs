//! Files for other programs: `result.json`, `series.csv`, JUnit XML.

mod judged;
mod junit;
mod listed;
mod result;
mod series;

pub use judged::check_json;
pub use junit::{Case, Told, junit};
pub use listed::{Listed, list_json};
pub use result::{FORMAT, result_json};
pub use series::series_csv;
