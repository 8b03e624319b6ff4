//! The standard streams. A pipe that was closed at the other end (`| head`) ends the program as it
//! ends every other: without a word.

use std::{
    io::{self, BufWriter, IsTerminal, Stdout, Write},
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
};

use crate::{progress, table::Table};

/// Standard output in large pieces: a system call for each record would be most of the work.
static STDOUT: LazyLock<Mutex<BufWriter<Stdout>>> =
    LazyLock::new(|| Mutex::new(BufWriter::new(io::stdout())));

fn stdout() -> MutexGuard<'static, BufWriter<Stdout>> {
    // What a panic left in it can still be written.
    STDOUT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes a line to standard output.
pub(crate) fn line(text: &str) {
    bytes(text.as_bytes());
    bytes(b"\n");
}

/// Writes bytes to standard output.
pub(crate) fn bytes(bytes: &[u8]) {
    settle(stdout().write_all(bytes));
}

/// Writes bytes and all before them at once, for a tool that has to tidy up when that fails.
pub(crate) fn write(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = stdout();
    stdout.write_all(bytes)?;
    stdout.flush()
}

/// Writes a table to standard output, its columns aligned where a person reads it.
pub(crate) fn table(table: &Table) {
    for text in table.lines(is_terminal()) {
        line(&text);
    }
}

/// Sends what waits in memory on its way.
pub(crate) fn flush() {
    progress::clear();
    settle(stdout().flush());
}

/// Whether a person reads standard output.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Writes a line to standard error, where nobody can be told that it failed.
pub(crate) fn error(text: &str) {
    progress::clear();
    let _ = writeln!(io::stderr(), "{text}");
}

fn settle(result: io::Result<()>) {
    let Err(failure) = result else {
        return;
    };
    let is_closed = failure.kind() == io::ErrorKind::BrokenPipe;
    if !is_closed {
        error(&format!("write to standard output: {failure}"));
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "nobody reads any more: there is nothing to go on for"
    )]
    std::process::exit(i32::from(!is_closed));
}
