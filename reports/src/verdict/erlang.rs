//! Erlang's loss formula.

/// The share of calls lost when `load` erlangs are offered to so many servers and nobody waits.
///
/// The recursion on the inverse, 1/B(n) = 1 + n/load · 1/B(n-1), multiplies and adds positive numbers only, so it
/// neither overflows into nonsense (an infinite inverse is a loss of zero) nor cancels, for any number of servers.
pub fn erlang_b(load: f64, servers: u64) -> f64 {
    if load <= 0.0 {
        return if servers == 0 { 1.0 } else { 0.0 };
    }
    let mut inverse = 1.0_f64;
    for n in 1..=servers {
        inverse = 1.0 + inverse * n as f64 / load;
    }
    1.0 / inverse
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_tables() {
        // Values of the standard tables of the formula.
        for (load, servers, loss) in
            [(1.0, 1, 0.5), (2.0, 2, 0.4), (5.0, 10, 0.018_385), (100.0, 100, 0.075_70)]
        {
            assert!((erlang_b(load, servers) - loss).abs() < 1e-5, "{load} on {servers}");
        }
    }

    #[test]
    fn stays_finite_at_the_size_of_a_port_range() {
        let loss = erlang_b(60_000.0, 28_232);
        assert!((loss - (1.0 - 28_232.0 / 60_000.0)).abs() < 1e-4, "{loss}");
        assert!(erlang_b(10.0, 28_232) < 1e-300);
        assert!((erlang_b(0.0, 0) - 1.0).abs() < f64::EPSILON);
        assert!(erlang_b(0.0, 5) < f64::EPSILON);
    }
}
