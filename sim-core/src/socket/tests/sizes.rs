//! Millions of these are alive at once, so their sizes are part of the contract.

use super::*;

#[test]
fn a_connection_stays_small() {
    assert!(size_of::<Endpoint>() <= 376, "{}", size_of::<Endpoint>());
    assert!(size_of::<TimeWait>() <= 64, "{}", size_of::<TimeWait>());
    assert!(size_of::<Request>() <= 96, "{}", size_of::<Request>());
}
