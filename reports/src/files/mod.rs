//! Files for other programs: `result.json`, `series.csv`, JUnit XML.

mod junit;
mod result;
mod series;

pub use junit::{Case, junit};
pub use result::{FORMAT, result_json};
pub use series::series_csv;
