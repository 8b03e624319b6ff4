//! The figures: collected by row, shown as a table, saved with the machine they come from.

use std::{
    collections::BTreeMap,
    fs,
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use serde::Serialize;
use serde_json::json;

use crate::workspace;

const BEGIN: &str = "<!-- Written by `cargo xtask bench --save` from here -->";
const END: &str = "<!-- to here -->";

/// All figures in the order in which they were first added.
#[derive(Debug, Default, Serialize)]
pub(super) struct Figures {
    figures: Vec<Figure>,
}

/// One figure of one row, in every run of every subject.
#[derive(Debug, Serialize)]
struct Figure {
    #[serde(skip)]
    table: Table,
    row: &'static str,
    name: &'static str,
    /// By the subjects' ids.
    #[serde(flatten)]
    values: BTreeMap<&'static str, Vec<f64>>,
}

/// What stands beside each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    /// Odradek and Apache Kafka: brokers, or tools.
    Products,
    /// Clients of one broker.
    Clients,
}

/// The figure that says how much to believe the others: not one to compare.
pub(super) const OTHERS: &str = "other cores busy";

impl Table {
    /// The ids and the names of the subjects.
    fn subjects(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Products => &[("odradek", "Odradek"), ("kafka", "Apache Kafka")],
            Self::Clients => &[
                ("odradek", "Odradek"),
                ("librdkafka", "librdkafka"),
                ("franz-go", "franz-go"),
                ("java", "Java"),
            ],
        }
    }
}

impl Figures {
    pub(super) fn add(
        &mut self,
        table: Table,
        row: &'static str,
        name: &'static str,
        subject: &'static str,
        value: f64,
    ) {
        println!("    {name}: {}", short(value));
        let known = self
            .figures
            .iter()
            .position(|f| (f.table, f.row, f.name) == (table, row, name));
        let place = known.unwrap_or_else(|| {
            self.figures.push(Figure {
                table,
                row,
                name,
                values: BTreeMap::new(),
            });
            self.figures.len() - 1
        });
        if let Some(found) = self.figures.get_mut(place) {
            found.values.entry(subject).or_default().push(value);
        }
    }

    /// Markdown tables: least, median and greatest of the runs, and between the products the ratio
    /// of the medians.
    pub(super) fn tables(&self) -> String {
        let products = self.table(Table::Products);
        let clients = self.table(Table::Clients);
        let tables = [products, clients].into_iter().flatten();
        tables.collect::<Vec<_>>().join("\n")
    }

    fn table(&self, table: Table) -> Option<String> {
        let figures = self.figures.iter().filter(|f| f.table == table);
        let rows: Vec<_> = figures.map(Figure::cells).collect();
        if rows.is_empty() {
            return None;
        }
        let names = table.subjects().iter().map(|(_, name)| *name);
        let mut head = vec!["Row", "Figure"];
        head.extend(names);
        if table == Table::Products {
            head.push("Odradek ÷ Kafka");
        }
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let head: Vec<_> = head.into_iter().map(str::to_owned).collect();
        let rule = format!("|{}\n", "---|".repeat(head.len()));
        let mut text = line(&head) + &rule;
        text.extend(rows.iter().map(|cells| line(cells)));
        Some(text)
    }
}

impl Figure {
    fn cells(&self) -> Vec<String> {
        let subjects = self.table.subjects();
        let values = |id: &str| self.values.get(id).map_or(&[][..], Vec::as_slice);
        let mut cells = vec![self.row.to_owned(), self.name.to_owned()];
        cells.extend(subjects.iter().map(|(id, _)| spread(values(id))));
        if self.table == Table::Products {
            let ratio = match (median(values("odradek")), median(values("kafka"))) {
                (Some(odradek), Some(kafka)) if kafka != 0.0 && self.name != OTHERS => {
                    format!("{:.2}", odradek / kafka)
                }
                _ => String::new(),
            };
            cells.push(ratio);
        }
        cells
    }
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values
}

fn median(values: &[f64]) -> Option<f64> {
    let values = sorted(values);
    values.get(values.len() / 2).copied()
}

/// `least / median / greatest`.
fn spread(values: &[f64]) -> String {
    match sorted(values)[..] {
        [] => String::new(),
        [only] => short(only),
        [least, .., greatest] => {
            let middle = median(values).unwrap_or_default();
            format!("{} / {} / {}", short(least), short(middle), short(greatest))
        }
    }
}

/// Three digits that mean something.
fn short(value: f64) -> String {
    match value.abs() {
        v if 100.0 <= v => format!("{value:.0}"),
        v if 10.0 <= v => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Writes docs/benchmarks.json and the table between the marks of docs/benchmarks.md.
pub(super) fn save(figures: &Figures) -> anyhow::Result<()> {
    let docs = workspace::root().join("docs");
    let machine = machine()?;
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let command = format!("cargo xtask {}", arguments.join(" "));
    let commit = Command::new("git")
        .current_dir(workspace::root())
        .args(["describe", "--always", "--dirty"])
        .output();
    let commit = commit.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    );
    let day = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let document = json!({
        "command": command,
        "commit": commit,
        "epoch_seconds": day,
        "machine": machine,
        "figures": figures.figures,
    });
    fs::write(
        docs.join("benchmarks.json"),
        serde_json::to_string_pretty(&document)? + "\n",
    )?;

    let path = docs.join("benchmarks.md");
    let text = fs::read_to_string(&path).context("read docs/benchmarks.md")?;
    let (head, rest) = text.split_once(BEGIN).context("find the first mark")?;
    let (_, tail) = rest.split_once(END).context("find the second mark")?;
    let tables = figures.tables();
    let written = format!(
        "{head}{BEGIN}\n\nCommit {commit} on {machine}, by `{command}`. Each cell is the least, the \
         median and the\ngreatest of the runs.\n\n{tables}\n{END}{tail}"
    );
    fs::write(path, written)?;
    println!("wrote docs/benchmarks.md and docs/benchmarks.json");
    Ok(())
}

/// Processor, memory and kernel in one line.
fn machine() -> anyhow::Result<String> {
    let processors = fs::read_to_string("/proc/cpuinfo")?;
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism()?;
    let memory = fs::read_to_string("/proc/meminfo")?;
    let kib = memory
        .lines()
        .next()
        .and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    let gib: f64 = kib.unwrap_or(0.0) / f64::from(1 << 20);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let model = model.map_or("an unknown processor", |(_, model)| model.trim());
    Ok(format!(
        "{cores} cores of {model}, {gib:.0} GiB, Linux {}",
        kernel.trim()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_shows_the_spread_and_the_ratio_of_the_medians() {
        let mut figures = Figures::default();
        for value in [3.0, 1.0, 2.0] {
            figures.add(Table::Products, "produce", "MB/s", "odradek", value * 100.0);
        }
        figures.add(Table::Products, "produce", "MB/s", "kafka", 400.0);
        let tables = figures.tables();
        let row = tables.lines().last().unwrap_or_default();
        assert_eq!(row, "| produce | MB/s | 100 / 200 / 300 | 400 | 0.50 |");
    }

    #[test]
    fn clients_have_a_table_of_their_own() {
        let mut figures = Figures::default();
        figures.add(Table::Products, "produce", "MB/s", "odradek", 1.0);
        figures.add(Table::Clients, "produce", "MB/s", "odradek", 2.0);
        figures.add(Table::Clients, "produce", "MB/s", "franz-go", 3.0);
        let tables = figures.tables();
        let lines: Vec<_> = tables.lines().collect();
        assert_eq!(lines[2], "| produce | MB/s | 1.00 |  |  |");
        assert_eq!(
            lines[4],
            "| Row | Figure | Odradek | librdkafka | franz-go | Java |"
        );
        assert_eq!(lines[6], "| produce | MB/s | 2.00 |  | 3.00 |  |");
    }
}
