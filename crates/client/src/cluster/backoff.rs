//! How long to wait before the next attempt.

use std::time::Duration;

/// Pauses that double from attempt to attempt, up to a limit, each a fifth longer or shorter by
/// chance, so that clients that failed together do not come back together (KIP-580).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    pub(crate) first: Duration,
    pub(crate) max: Duration,
}

const SPREAD: f64 = 0.2;

impl Backoff {
    /// The pause after so many failures, at least one. `chance` is drawn from 0 to 1.
    pub(crate) fn after(self, failures: u32, chance: f64) -> Duration {
        // The limit is reached long before the power overflows.
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1).min(31));
        let pause = self.first.saturating_mul(doubled).min(self.max);
        pause.mul_f64(1.0 - SPREAD + 2.0 * SPREAD * chance.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_limit_and_spread_around_it() {
        let backoff = Backoff {
            first: Duration::from_millis(100),
            max: Duration::from_secs(1),
        };
        let ms = |failures, chance| backoff.after(failures, chance).as_millis();
        assert_eq!([ms(1, 0.5), ms(2, 0.5), ms(4, 0.5)], [100, 200, 800]);
        assert_eq!([ms(5, 0.5), ms(u32::MAX, 0.5)], [1000, 1000]);
        assert_eq!([ms(1, 0.0), ms(1, 1.0)], [80, 120]);
    }
}
