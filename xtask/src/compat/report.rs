//! The table: a row for each case, a column for each client, a mark for each broker.

use std::{fs, process::Command};

use anyhow::{Context, bail};

use super::{Findings, Subject, cases::Case, client::Client, execution::Outcome, mixed::ASSIGNORS};
use crate::{peer, workspace};

const BEGIN: &str = "<!-- Written by `cargo xtask compat --save` from here -->";
const END: &str = "<!-- to here -->";

/// All that a run found out.
#[derive(Debug)]
pub(super) struct Results {
    cases: Vec<&'static Case>,
    subjects: Vec<Subject>,
    columns: Vec<Column>,
}

/// What one client found out.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) client: Client,
    /// Why it did not run.
    skipped: Option<String>,
    /// In the order of the cases.
    pub(super) outcomes: Vec<(Subject, Vec<Outcome>)>,
}

impl Column {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            skipped: None,
            outcomes: Vec::new(),
        }
    }

    pub(super) fn skipped(client: Client, reason: String) -> Self {
        Self {
            skipped: Some(reason),
            ..Self::new(client)
        }
    }

    fn outcome(&self, subject: Subject, number: usize) -> Option<&Outcome> {
        let (_, outcomes) = self.outcomes.iter().find(|(s, _)| *s == subject)?;
        outcomes.get(number)
    }
}

impl Results {
    pub(super) fn new(cases: Vec<&'static Case>, subjects: Vec<Subject>) -> Self {
        Self {
            cases,
            subjects,
            columns: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, column: Column) {
        self.columns.push(column);
    }

    pub(super) fn skipped(&self) -> usize {
        self.columns.iter().filter(|c| c.skipped.is_some()).count()
    }

    /// Cases that failed, on whichever broker: one that Kafka fails shows nothing about us.
    pub(super) fn failures(&self) -> usize {
        let outcomes = self.columns.iter().flat_map(|column| &column.outcomes);
        outcomes
            .flat_map(|(_, outcomes)| outcomes)
            .filter(|outcome| matches!(outcome, Outcome::Failed(_)))
            .count()
    }

    /// The marks of a case and client, one for each broker, ours first.
    fn cell(&self, column: &Column, number: usize, marks: [&'static str; 3]) -> String {
        let [passed, failed, cannot] = marks;
        let outcomes = self.subjects.iter().map(|s| column.outcome(*s, number));
        let marks: Vec<_> = outcomes
            .flatten()
            .map(|outcome| match outcome {
                Outcome::Passed => passed,
                Outcome::Failed(_) => failed,
                Outcome::Cannot(_) => cannot,
            })
            .collect();
        marks.join(" ")
    }

    /// For a terminal.
    pub(super) fn table(&self) -> String {
        let names: Vec<_> = self.subjects.iter().map(|s| s.name()).collect();
        let ids = self.columns.iter().map(|column| column.client.id.clone());
        let mut lines = vec![in_columns(&names.join(" "), ids)];
        for (number, case) in self.cases.iter().enumerate() {
            let marks = ["ok", "FAIL", "-"];
            let cells = self.columns.iter().map(|c| self.cell(c, number, marks));
            lines.push(in_columns(case.name, cells));
        }
        lines.join("\n")
    }

    /// Why clients were skipped, cases could not be done, or failed.
    pub(super) fn remarks(&self) -> Vec<String> {
        self.columns
            .iter()
            .flat_map(|c| self.remarks_of(c))
            .collect()
    }

    fn remarks_of(&self, column: &Column) -> Vec<String> {
        let id = &column.client.id;
        let mut lines = Vec::new();
        if let Some(reason) = &column.skipped {
            lines.push(format!("{id}: skipped: {reason}"));
        }
        // What a client cannot do has nothing to do with the broker: said once, and once a reason.
        let mut cannot: Vec<(&str, Vec<&str>)> = Vec::new();
        let mut failures = Vec::new();
        for (number, case) in self.cases.iter().enumerate() {
            for &subject in &self.subjects {
                match column.outcome(subject, number) {
                    Some(Outcome::Cannot(reason)) => add(&mut cannot, reason, case.name),
                    Some(Outcome::Failed(reason)) => {
                        let subject = subject.name();
                        failures.push(format!("{id}: {} FAILS on {subject}: {reason}", case.name));
                    }
                    _ => {}
                }
            }
        }
        lines.extend(cannot.iter().map(|(reason, cases)| {
            let cases = cases.join(", ");
            format!("{id}: {cases}: {reason}")
        }));
        lines.extend(failures);
        lines
    }

    /// What is written into docs/compatibility.md.
    fn markdown(&self) -> String {
        let clients = self.columns.iter().map(|column| {
            let Client { id, manifest } = &column.client;
            format!(
                "| {} | {} | `tests/compat/{id}` |\n",
                manifest.name, manifest.version
            )
        });
        let mut text = "| Client | Version | Program |\n|---|---|---|\n".to_owned();
        text.extend(clients);
        let names = self.columns.iter().map(|column| column.client.id.clone());
        text.push_str("\n| Case |");
        text.extend(names.map(|name| format!(" {name} |")));
        text.push_str("\n|---|");
        text.push_str(&"---|".repeat(self.columns.len()));
        for (number, case) in self.cases.iter().enumerate() {
            text.extend(["\n| ", case.name, " |"]);
            let marks = ["✓", "✗", "–"];
            let cells = self.columns.iter().map(|c| self.cell(c, number, marks));
            text.extend(cells.map(|cell| format!(" {cell} |")));
        }
        text.push_str("\n\nRemarks of the programs:\n\n");
        text.extend(self.remarks().iter().map(|line| format!("- {line}\n")));
        text.push_str("\n| Case | What passing it shows |\n|---|---|\n");
        let meanings = self.cases.iter();
        text.extend(meanings.map(|case| format!("| {} | {} |\n", case.name, case.meaning)));
        text
    }
}

/// How the group of different clients fared.
#[derive(Debug)]
pub(super) enum MixedResults {
    /// Why it did not run.
    Skipped(String),
    /// For each broker and assignor.
    Played(Vec<(Subject, Vec<Outcome>)>),
}

impl MixedResults {
    fn played(&self) -> &[(Subject, Vec<Outcome>)] {
        match self {
            Self::Skipped(_) => &[],
            Self::Played(outcomes) => outcomes,
        }
    }

    pub(super) fn skipped(&self) -> usize {
        usize::from(matches!(self, Self::Skipped(_)))
    }

    pub(super) fn failures(&self) -> usize {
        let outcomes = self.played().iter().flat_map(|(_, outcomes)| outcomes);
        outcomes.filter(|it| **it != Outcome::Passed).count()
    }

    /// For a terminal.
    pub(super) fn text(&self) -> String {
        let mut lines = Vec::new();
        if let Self::Skipped(reason) = self {
            lines.push(format!("mixed group: skipped: {reason}"));
        }
        for (subject, outcomes) in self.played() {
            for (assignor, outcome) in ASSIGNORS.iter().zip(outcomes) {
                let outcome = match outcome {
                    Outcome::Passed => "ok",
                    Outcome::Failed(reason) | Outcome::Cannot(reason) => reason,
                };
                lines.push(format!(
                    "mixed group, {assignor}, {}: {outcome}",
                    subject.name()
                ));
            }
        }
        lines.join("\n")
    }

    /// For docs/compatibility.md: ours, and then Kafka's.
    fn markdown(&self) -> String {
        let mut text = "| Assignor | Result |\n|---|---|\n".to_owned();
        for (number, assignor) in ASSIGNORS.iter().enumerate() {
            let outcomes = self.played().iter();
            let outcomes = outcomes.filter_map(|(_, outcomes)| outcomes.get(number));
            let marks: Vec<_> = outcomes
                .map(|it| if *it == Outcome::Passed { "✓" } else { "✗" })
                .collect();
            text.extend(["| ", assignor, " | ", &marks.join(" "), " |\n"]);
        }
        text
    }
}

/// Adds a case to those of its reason, once.
fn add<'a>(reasons: &mut Vec<(&'a str, Vec<&'a str>)>, reason: &'a str, case: &'a str) {
    match reasons.iter_mut().find(|(known, _)| *known == reason) {
        Some((_, cases)) if cases.contains(&case) => {}
        Some((_, cases)) => cases.push(case),
        None => reasons.push((reason, vec![case])),
    }
}

fn in_columns(first: &str, rest: impl Iterator<Item = String>) -> String {
    let mut line = format!("{first:<26}");
    line.extend(rest.map(|cell| format!(" {cell:<12}")));
    line.trim_end().to_owned()
}

/// Writes what lies between the marks of docs/compatibility.md.
pub(super) fn save(findings: &Findings) -> anyhow::Result<()> {
    let (Some(clients), Some(mixed), Some(commands)) =
        (&findings.clients, &findings.mixed, &findings.commands)
    else {
        bail!("a part did not run: nothing is saved");
    };
    let mut git = Command::new("git");
    git.args(["describe", "--always", "--dirty"]);
    let commit = workspace::output(git.current_dir(workspace::root()))?;
    let day = workspace::output(Command::new("date").args(["-u", "+%Y-%m-%d"]))?;
    let path = workspace::root().join("docs/compatibility.md");
    let text = fs::read_to_string(&path).context("read docs/compatibility.md")?;
    let (head, rest) = text.split_once(BEGIN).context("find the first mark")?;
    let (_, tail) = rest.split_once(END).context("find the second mark")?;
    let written = format!(
        "{head}{BEGIN}\n\n{}, Odradek at commit {}, Apache Kafka {}.\n\n{}\n\
         ## One group of different clients\n\n{MIXED}\n\n{}\n\
         ## The command line\n\n{}\n{END}{tail}",
        day.trim(),
        commit.trim(),
        peer::version()?,
        clients.markdown(),
        mixed.markdown(),
        commands.markdown()?,
    );
    fs::write(path, written)?;
    println!("wrote docs/compatibility.md");
    Ok(())
}

/// What the second table shows.
const MIXED: &str = "\
Java, librdkafka and this project's client share the six partitions of one topic while a producer
writes. They join and leave one after the other, and one is killed. After each change every
partition has one reader and every member its equal part, never do two members read one partition,
and in the end every record was read.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compat::{cases, client};

    fn results(ours: &Outcome, theirs: &Outcome) -> Results {
        let client = client::find(&["kcat".to_owned()]).expect("kcat is there");
        let cases = cases::named(&["seek".to_owned()]).expect("seek is a case");
        let mut results = Results::new(cases, vec![Subject::Odradek, Subject::Kafka]);
        for client in client {
            let mut column = Column::new(client);
            column.outcomes.push((Subject::Odradek, vec![ours.clone()]));
            column.outcomes.push((Subject::Kafka, vec![theirs.clone()]));
            results.add(column);
        }
        results
    }

    #[test]
    fn a_row_has_our_mark_and_then_kafkas() {
        let failed = Outcome::Failed("no record".to_owned());
        let results = results(&failed, &Outcome::Passed);
        let table = results.table();
        let row = table.lines().last().unwrap_or_default();
        assert_eq!(
            row.split_whitespace().collect::<Vec<_>>(),
            ["seek", "FAIL", "ok"]
        );
        assert!(results.markdown().contains("| seek | ✗ ✓ |"));
        assert_eq!(
            results.remarks(),
            ["kcat: seek FAILS on odradek: no record"]
        );
        assert_eq!(results.failures(), 1);
    }

    #[test]
    fn what_a_client_cannot_do_is_said_once_and_is_no_failure() {
        let cannot = Outcome::Cannot("no such call".to_owned());
        let results = results(&cannot, &cannot);
        assert_eq!(results.remarks(), ["kcat: seek: no such call"]);
        assert_eq!(results.failures(), 0);
    }
}
