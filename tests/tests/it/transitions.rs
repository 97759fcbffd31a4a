//! The transition table and its picture, as the endpoint has them.

use tests::model::{diagram, document, transitions};

#[test]
fn the_table_is_up_to_date() {
    let text = transitions::document().expect("every situation is reached");
    document::check("docs/transitions.md", &text).unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn the_picture_is_up_to_date() {
    let picture = diagram::draw().expect("a line for each move, and a move for each line");
    document::check("docs/states.svg", &picture).unwrap_or_else(|e| panic!("{e}"));
}
