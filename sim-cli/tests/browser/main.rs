//! Pages in a real browser: what a reader does to them with pointer, finger and keyboard, and what becomes of it. Only with the
//! feature `browser`, which takes the driver in: `cargo test -p sim-cli --features browser --test browser`.

#[cfg(not(feature = "browser"))]
#[test]
fn pages_in_a_browser() {
    tests::equipment::say_left_out("pages in a browser", "built without `--features sim-cli/browser`");
}

#[cfg(feature = "browser")]
#[path = "../it/place.rs"]
mod place;
#[cfg(feature = "browser")]
mod reader;
