//! Readers of records: tables, plots, files.
