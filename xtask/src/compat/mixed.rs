//! One group of three different clients: whatever they agree on, every record is read, and no
//! partition has two readers.
//!
//! Java, librdkafka and this project's client share the partitions of one topic while a producer
//! writes into it, and come and go one after the other. Each program has a mode for that in which
//! it prints what it is assigned and what it reads, and leaves when its standard input ends.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    fs::File,
    io::{BufRead, BufReader, BufWriter, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdout, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};

use super::{client::Program, execution::Outcome};
use crate::process::wait_at_most;

/// The folders of the clients that are in the group; the last one also writes.
pub(super) const CLIENTS: [&str; 3] = ["java", "librdkafka", "odradek"];

/// How the members share, by the names that all three know.
pub(super) const ASSIGNORS: [&str; 3] = ["range", "roundrobin", "cooperative-sticky"];

const PARTITIONS: usize = 6;

/// For each change of the group, for the rest of the records, and for a member to end.
const PATIENCE: Duration = Duration::from_mins(1);

/// When nothing has moved for so long, nothing is going to: several heartbeats.
const STABLE_AFTER: Duration = Duration::from_secs(2);

/// Two programs that print at the same moment are read one after the other; what lasts longer is
/// no matter of reading.
const OVERLAP_MAX: Duration = Duration::from_secs(1);

/// Somebody comes or goes.
#[derive(Debug, Clone, Copy)]
enum Change {
    Joins(&'static str),
    Leaves(&'static str),
    /// Without a word: its session has to run out.
    Dies(&'static str),
}

const CHANGES: [Change; 9] = [
    Change::Joins("java"),
    Change::Joins("librdkafka"),
    Change::Joins("odradek"),
    Change::Leaves("java"),
    Change::Leaves("librdkafka"),
    Change::Joins("java"),
    Change::Leaves("odradek"),
    Change::Joins("odradek"),
    Change::Dies("java"),
];

/// Plays all changes with each assignor at the same time.
pub(super) fn run(
    programs: &BTreeMap<&'static str, Program>,
    bootstrap: &str,
    logs: &Path,
) -> Vec<Outcome> {
    thread::scope(|scope| {
        let runs = ASSIGNORS.map(|assignor| {
            scope.spawn(move || Group::new(programs, bootstrap, logs, assignor)?.play())
        });
        let outcomes = runs.into_iter().map(|run| match run.join() {
            Ok(Ok(())) => Outcome::Passed,
            Ok(Err(error)) => Outcome::Failed(format!("{error:#}")),
            Err(_) => Outcome::Failed("it panicked".to_owned()),
        });
        outcomes.collect()
    })
}

/// A partition and an offset.
type Place = (u32, u64);

/// What a program says.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    /// `= 0 1 2`: what it reads from now on.
    Assigned(BTreeSet<u32>),
    /// `2:17`: a record that it has read, or written.
    Record(Place),
}

/// A line of a program's, or the end of its output.
type Event = (&'static str, Option<Line>);

struct Group<'a> {
    programs: &'a BTreeMap<&'static str, Program>,
    bootstrap: &'a str,
    logs: &'a Path,
    assignor: &'static str,
    events: Receiver<Event>,
    sender: Sender<Event>,
    running: BTreeMap<&'static str, Child>,
    /// Everything that was said, by whom, for whoever looks for a lost record.
    log: BufWriter<File>,
    seen: Seen,
}

/// What the programs have said so far.
#[derive(Debug, Default)]
struct Seen {
    assigned: BTreeMap<&'static str, BTreeSet<u32>>,
    /// Since when nobody's partitions have changed.
    unchanged_since: Option<Instant>,
    /// Since when some partition has two readers.
    overlapping_since: Option<Instant>,
    written: BTreeSet<Place>,
    read: BTreeSet<Place>,
}

/// The name of the program that writes, beside those of the members.
const WRITER: &str = "writer";

impl<'a> Group<'a> {
    fn new(
        programs: &'a BTreeMap<&'static str, Program>,
        bootstrap: &'a str,
        logs: &'a Path,
        assignor: &'static str,
    ) -> anyhow::Result<Self> {
        let (sender, events) = mpsc::channel();
        let log = File::create(logs.join(format!("{assignor}.events")))?;
        Ok(Self {
            programs,
            bootstrap,
            logs,
            assignor,
            events,
            sender,
            running: BTreeMap::new(),
            log: BufWriter::new(log),
            seen: Seen::default(),
        })
    }

    fn play(mut self) -> anyhow::Result<()> {
        self.start(WRITER, "odradek", "mixed-writer")?;
        let mode = format!("mixed-{}", self.assignor);
        for change in CHANGES {
            match change {
                Change::Joins(client) => self.start(client, client, &mode)?,
                Change::Leaves(client) => self.leave(client)?,
                Change::Dies(client) => self.kill(client)?,
            }
            self.settle().with_context(|| format!("when {change}"))?;
        }
        self.leave(WRITER)?;
        self.read_everything()?;
        for client in CLIENTS {
            if self.running.contains_key(client) {
                self.leave(client)?;
            }
        }
        Ok(())
    }

    fn start(&mut self, name: &'static str, client: &str, mode: &str) -> anyhow::Result<()> {
        let program = self.programs.get(client);
        let mut command = program.context("it was built")?.command();
        let log = self.logs.join(format!("{}-{name}.err", self.assignor));
        let mut child = command
            .args([self.bootstrap, &format!("mixed-{}", self.assignor), mode])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(log)?)
            .process_group(0)
            .spawn()
            .with_context(|| format!("start {command:?}"))?;
        let output = child.stdout.take().context("it is piped")?;
        let sender = self.sender.clone();
        thread::spawn(move || forward(name, output, &sender));
        self.running.insert(name, child);
        if name != WRITER {
            self.seen.assigned.insert(name, BTreeSet::new());
        }
        self.seen.unchanged_since = Some(Instant::now());
        Ok(())
    }

    /// Ends a program's input and waits until it has ended in good order.
    fn leave(&mut self, name: &'static str) -> anyhow::Result<()> {
        let mut child = self.running.remove(name).context("it runs")?;
        drop(child.stdin.take());
        self.drain(name)?;
        let status = wait_at_most(child, PATIENCE)?;
        ensure!(
            status.is_some_and(|status| status.success()),
            "{name} did not leave in good order: {status:?}"
        );
        self.forget(name);
        Ok(())
    }

    fn kill(&mut self, name: &'static str) -> anyhow::Result<()> {
        let mut child = self.running.remove(name).context("it runs")?;
        child.kill()?;
        child.wait()?;
        self.drain(name)?;
        self.forget(name);
        Ok(())
    }

    fn forget(&mut self, name: &str) {
        self.seen.assigned.remove(name);
        self.seen.unchanged_since = Some(Instant::now());
        self.seen.look_for_overlap(Instant::now());
    }

    /// Takes what is said until that program says nothing more.
    fn drain(&mut self, name: &str) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match self.events.recv_timeout(STABLE_AFTER) {
                Ok((from, None)) if from == name => return Ok(()),
                Ok((from, None)) => bail!("{from} ended early"),
                Ok((from, Some(line))) => self.take(from, line)?,
                Err(_) => {}
            }
        }
        bail!("{name} does not end")
    }

    /// Waits until all partitions are shared, and stay so.
    fn settle(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.listen()?;
            let now = Instant::now();
            if self.seen.is_stable(now) && self.seen.is_shared() {
                return Ok(());
            }
            ensure!(
                now < deadline,
                "the group does not settle: {:?}",
                self.seen.assigned
            );
        }
    }

    fn read_everything(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let missing = self.seen.written.difference(&self.seen.read);
            let (count, first) = (missing.clone().count(), missing.min());
            if count == 0 {
                ensure!(!self.seen.written.is_empty(), "nothing was written");
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "{count} of {} records were not read, the first is {first:?}",
                self.seen.written.len()
            );
            self.listen()?;
        }
    }

    fn take(&mut self, from: &'static str, line: Line) -> anyhow::Result<()> {
        writeln!(self.log, "{from}: {line:?}")?;
        self.seen.take(from, line, Instant::now());
        Ok(())
    }

    /// Takes what is said next, if anything is said soon.
    fn listen(&mut self) -> anyhow::Result<()> {
        match self.events.recv_timeout(Duration::from_millis(100)) {
            Ok((from, None)) => bail!("{from} ended early"),
            Ok((from, Some(line))) => self.take(from, line)?,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        self.seen.check_overlap(Instant::now())
    }
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        for child in self.running.values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Seen {
    fn take(&mut self, from: &'static str, line: Line, now: Instant) {
        match line {
            Line::Record(place) if from == WRITER => {
                self.written.insert(place);
            }
            Line::Record(place) => {
                self.read.insert(place);
            }
            Line::Assigned(partitions) => {
                self.assigned.insert(from, partitions);
                self.unchanged_since = Some(now);
                self.look_for_overlap(now);
            }
        }
    }

    fn look_for_overlap(&mut self, now: Instant) {
        self.overlapping_since = match self.overlapping_since {
            _ if !self.overlaps() => None,
            None => Some(now),
            since => since,
        };
    }

    /// How many partitions are assigned, those twice that have two readers.
    fn assigned_count(&self) -> usize {
        self.assigned.values().map(BTreeSet::len).sum()
    }

    fn overlaps(&self) -> bool {
        let different: BTreeSet<_> = self.assigned.values().flatten().collect();
        different.len() < self.assigned_count()
    }

    fn check_overlap(&self, now: Instant) -> anyhow::Result<()> {
        let lasts = |since| OVERLAP_MAX < now.duration_since(since);
        ensure!(
            !self.overlapping_since.is_some_and(lasts),
            "a partition has two readers: {:?}",
            self.assigned
        );
        Ok(())
    }

    fn is_stable(&self, now: Instant) -> bool {
        let lasts = |since| STABLE_AFTER <= now.duration_since(since);
        self.unchanged_since.is_some_and(lasts)
    }

    /// Every partition has one reader, and every member its part.
    fn is_shared(&self) -> bool {
        let fair = PARTITIONS.checked_div(self.assigned.len());
        !self.overlaps()
            && self.assigned_count() == PARTITIONS
            && self.assigned.values().all(|it| Some(it.len()) == fair)
    }
}

/// Sends a program's lines on until it ends.
fn forward(name: &'static str, output: ChildStdout, sender: &Sender<Event>) {
    let lines = BufReader::new(output).lines().map_while(Result::ok);
    for line in lines.filter_map(|line| parse(&line)) {
        if sender.send((name, Some(line))).is_err() {
            return;
        }
    }
    // Nobody listens any more when the run has failed.
    let _ = sender.send((name, None));
}

/// Whatever else a program prints is of no interest.
fn parse(line: &str) -> Option<Line> {
    if let Some(partitions) = line.strip_prefix('=') {
        let partitions = partitions.split_whitespace().map(str::parse);
        return Some(Line::Assigned(partitions.collect::<Result<_, _>>().ok()?));
    }
    let (partition, offset) = line.split_once(':')?;
    Some(Line::Record((
        partition.parse().ok()?,
        offset.parse().ok()?,
    )))
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Joins(client) => write!(f, "{client} joins"),
            Self::Leaves(client) => write!(f, "{client} leaves"),
            Self::Dies(client) => write!(f, "{client} dies"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assigned(seen: &mut Seen, from: &'static str, line: &str, at: Instant) {
        seen.take(from, parse(line).expect("a line of a program's"), at);
    }

    #[test]
    fn lines_are_assignments_or_records() {
        assert_eq!(parse("= 3 1"), Some(Line::Assigned([1, 3].into())));
        assert_eq!(parse("="), Some(Line::Assigned([].into())));
        assert_eq!(parse("2:17"), Some(Line::Record((2, 17))));
        assert_eq!(parse("WARNING: something"), None);
    }

    #[test]
    fn partitions_are_shared_when_each_has_one_reader_and_everybody_some() {
        let (mut seen, now) = (Seen::default(), Instant::now());
        assigned(&mut seen, "java", "= 0 1 2 3 4 5", now);
        assert!(seen.is_shared());
        assigned(&mut seen, "odradek", "=", now);
        assert!(!seen.is_shared());
        assigned(&mut seen, "odradek", "= 3 4 5", now);
        assert!(!seen.is_shared());
        assigned(&mut seen, "java", "= 0 1 2", now);
        assert!(seen.is_shared() && !seen.is_stable(now));
        assert!(seen.is_stable(now + STABLE_AFTER));
    }

    #[test]
    fn two_readers_are_a_failure_as_soon_as_it_lasts() {
        let (mut seen, now) = (Seen::default(), Instant::now());
        assigned(&mut seen, "java", "= 0 1", now);
        assigned(&mut seen, "odradek", "= 1", now);
        assert!(seen.check_overlap(now).is_ok());
        let later = now + OVERLAP_MAX + Duration::from_millis(1);
        assert!(seen.check_overlap(later).is_err());
        assigned(&mut seen, "java", "= 0", later);
        assert!(seen.check_overlap(later).is_ok());
    }

    #[test]
    fn the_groups_part_evenly_after_every_change() {
        let mut members = 0_usize;
        for change in CHANGES {
            match change {
                Change::Joins(_) => members += 1,
                Change::Leaves(_) | Change::Dies(_) => members -= 1,
            }
            assert_eq!(PARTITIONS % members, 0, "{change}");
        }
    }
}
