//! The figures: collected by row, shown as a table, saved with the machine they come from.

use std::{
    fmt::Write,
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

/// One figure of one row, in every run of every broker.
#[derive(Debug, Serialize)]
struct Figure {
    row: &'static str,
    name: &'static str,
    odradek: Vec<f64>,
    kafka: Vec<f64>,
}

impl Figures {
    pub(super) fn add(&mut self, row: &'static str, name: &'static str, broker: &str, value: f64) {
        println!("    {name}: {}", short(value));
        let known = self
            .figures
            .iter()
            .position(|f| (f.row, f.name) == (row, name));
        let place = known.unwrap_or_else(|| {
            let (odradek, kafka) = (Vec::new(), Vec::new());
            self.figures.push(Figure {
                row,
                name,
                odradek,
                kafka,
            });
            self.figures.len() - 1
        });
        if let Some(found) = self.figures.get_mut(place) {
            let values = if broker == "kafka" {
                &mut found.kafka
            } else {
                &mut found.odradek
            };
            values.push(value);
        }
    }

    /// A Markdown table: least, median and greatest of the runs, and the ratio of the medians.
    pub(super) fn table(&self) -> String {
        let mut table = "| Row | Figure | Odradek | Apache Kafka | Odradek ÷ Kafka |\n\
                         |---|---|---|---|---|\n"
            .to_owned();
        for f in &self.figures {
            let ratio = match (median(&f.odradek), median(&f.kafka)) {
                (Some(odradek), Some(kafka)) if kafka != 0.0 && f.name != "other cores busy" => {
                    format!("{:.2}", odradek / kafka)
                }
                _ => String::new(),
            };
            let (odradek, kafka) = (spread(&f.odradek), spread(&f.kafka));
            writeln!(
                table,
                "| {} | {} | {odradek} | {kafka} | {ratio} |",
                f.row, f.name
            )
            .expect("writing to a string does not fail");
        }
        table
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
    let table = figures.table();
    let written = format!(
        "{head}{BEGIN}\n\nCommit {commit} on {machine}, by `{command}`. Each cell is the least, the \
         median and the\ngreatest of the runs.\n\n{table}\n{END}{tail}"
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
            figures.add("produce", "MB/s", "odradek", value * 100.0);
        }
        figures.add("produce", "MB/s", "kafka", 400.0);
        let table = figures.table();
        let row = table.lines().last().unwrap_or_default();
        assert_eq!(row, "| produce | MB/s | 100 / 200 / 300 | 400 | 0.50 |");
    }
}
