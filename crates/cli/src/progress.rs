//! How far long work has come: a line on standard error for a person who waits, drawn over itself.
//!
//! **Invariant:** where standard error is no terminal, nothing is written: scripts see what they
//! always saw.

use std::{
    io::{self, IsTerminal, Write},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tokio::time::Instant;

/// Between two drawings: often enough to look alive, too seldom to cost anything.
const PAUSE: Duration = Duration::from_millis(200);

/// Cells of the bar.
const WIDTH: u64 = 30;

/// Returns to the first column and clears the line.
const CLEAR: &str = "\r\x1b[K";

/// Whether the line is there now. Standard error is one for the whole program, and so is this.
static IS_DRAWN: AtomicBool = AtomicBool::new(false);

/// The line. It vanishes when this is dropped, and before standard output is written to.
#[derive(Debug)]
pub(crate) struct ProgressBar {
    total: u64,
    began: Instant,
    drawn: Option<Instant>,
    is_watched: bool,
}

impl ProgressBar {
    /// Work that consists of so many pieces, and begins.
    pub(crate) fn begin(total: u64) -> Self {
        Self {
            total,
            began: Instant::now(),
            drawn: None,
            is_watched: io::stderr().is_terminal(),
        }
    }

    /// So many are done.
    pub(crate) fn show(&mut self, done: u64) {
        if !self.is_watched {
            return;
        }
        let now = Instant::now();
        if self.drawn.is_some_and(|drawn| now - drawn < PAUSE) {
            return;
        }
        self.drawn = Some(now);
        IS_DRAWN.store(true, Ordering::Relaxed);
        let line = bar(done, self.total, now - self.began);
        write(&format!("{CLEAR}{line}"));
    }
}

impl Drop for ProgressBar {
    fn drop(&mut self) {
        clear();
    }
}

/// Makes room for a line of output; the next time it is shown, the line stands below.
pub(crate) fn clear() {
    if IS_DRAWN.swap(false, Ordering::Relaxed) {
        write(CLEAR);
    }
}

/// Nobody can be told that standard error failed.
fn write(text: &str) {
    let mut stderr = io::stderr();
    let _ = stderr.write_all(text.as_bytes());
    let _ = stderr.flush();
}

/// `[=====>     ] 42 % of 1000, 7 s left`
fn bar(done: u64, total: u64, after: Duration) -> String {
    let total = total.max(1);
    let done = done.min(total);
    let filled = (u128::from(WIDTH) * u128::from(done) / u128::from(total)) as usize;
    let percent = u128::from(done) * 100 / u128::from(total);
    let bar: String = (0..WIDTH as usize)
        .map(|cell| match cell.cmp(&filled) {
            std::cmp::Ordering::Less => '=',
            std::cmp::Ordering::Equal => '>',
            std::cmp::Ordering::Greater => ' ',
        })
        .collect();
    let left = if done == 0 {
        String::new()
    } else {
        let left = after.as_secs_f64() * ((total - done) as f64 / done as f64);
        format!(", {left:.0} s left")
    };
    format!("[{bar}] {percent} % of {total}{left}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_how_much_is_done_and_how_long_it_will_take() {
        let line = |done| bar(done, 1000, Duration::from_secs(10));
        assert_eq!(line(0), format!("[>{}] 0 % of 1000", " ".repeat(29)));
        let half = format!(
            "[{}>{}] 50 % of 1000, 10 s left",
            "=".repeat(15),
            " ".repeat(14)
        );
        assert_eq!(line(500), half);
        let all = format!("[{}] 100 % of 1000, 0 s left", "=".repeat(30));
        assert_eq!(line(1000), all);
        assert_eq!(line(2000), all);
    }
}
