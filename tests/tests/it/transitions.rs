//! The transition table and its picture, as the endpoint has them.

use std::collections::BTreeSet;

use sim_core::tcp::State;
use tests::model::table::{CAUSES, SITUATIONS, cell};
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

/// The table in `sim_core::tcp::State` and the moves in `docs/transitions.md` are the same: what occurs is legal, and
/// what is legal occurs. A listener is not a connection, so the calls that open and close it report no move.
#[test]
fn the_legal_moves_are_those_that_occur() {
    let mut occurred = BTreeSet::from([(State::Closed, State::Listen), (State::Listen, State::Closed)]);
    for situation in &SITUATIONS {
        for cause in &CAUSES {
            let cell = cell(situation, cause).expect("every situation is reached");
            occurred.extend(cell.into_iter().flat_map(|cell| cell.moves));
        }
    }
    let pairs = State::ALL.iter().flat_map(|&from| State::ALL.iter().map(move |&to| (from, to)));
    let legal: BTreeSet<(State, State)> = pairs.filter(|(from, to)| from.may_become(*to)).collect();
    let names = |moves: &BTreeSet<(State, State)>, others: &BTreeSet<(State, State)>| {
        let only = moves.difference(others);
        only.map(|(from, to)| format!("{} -> {}", from.name(), to.name())).collect::<Vec<_>>()
    };
    assert_eq!(names(&occurred, &legal), Vec::<String>::new(), "these occur and are not legal");
    assert_eq!(names(&legal, &occurred), Vec::<String>::new(), "these are legal and never occur");
}
