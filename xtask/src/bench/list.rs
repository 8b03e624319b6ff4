//! How long it takes to list the topics of one broker of ours: our tool beside Apache Kafka's.

use std::{
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::ensure;

use super::{
    Bench,
    report::{Figures, Table},
    rows::{STOP_LIMIT, create_topic, warm},
};
use crate::{
    broker::{Broker, Odradek},
    workspace,
};

const TOPICS: usize = 10;
/// Times that each tool is started in a run; the run's figure is the median.
const STARTS: usize = 21;
const STARTS_OF_KAFKAS: usize = 3;

pub(super) fn run(bench: &Bench, runs: u32, figures: &mut Figures) -> anyhow::Result<()> {
    let tool = workspace::build_release("odradek-cli", "odradek")?;
    let folder = bench.empty_folder("odradek")?;
    let broker = Broker::Odradek(Odradek::new(&bench.odradek, bench.port, &folder, &[]));
    let (running, _) = broker.start(&bench.log(&broker))?;
    for number in 0..TOPICS {
        create_topic(bench, &broker, &format!("topic-{number}"), 3)?;
    }
    let arguments = ["--list", "--bootstrap-server", &broker.address()].map(str::to_owned);
    for run in 0..runs {
        warm()?;
        println!("list run {}", run + 1);
        let mut ours = Command::new(&tool);
        ours.arg("topics").args(&arguments);
        let mut measured = vec![("odradek", median_ms(&mut ours, STARTS)?)];
        if let Some(peer) = &bench.peer {
            let mut kafkas = peer.java(&["-Xmx256M"], "org.apache.kafka.tools.TopicCommand");
            kafkas.args(&arguments);
            measured.push(("kafka", median_ms(&mut kafkas, STARTS_OF_KAFKAS)?));
        }
        for (subject, ms) in measured {
            let row = "kafka-topics --list";
            figures.add(Table::Products, row, "ms, start to end", subject, ms);
        }
    }
    running.terminate(STOP_LIMIT)?;
    Ok(())
}

fn median_ms(command: &mut Command, starts: usize) -> anyhow::Result<f64> {
    let mut all_ms = Vec::new();
    for _ in 0..starts {
        let begin = Instant::now();
        let output = command.stdin(Stdio::null()).output()?;
        all_ms.push(begin.elapsed().as_secs_f64() * 1000.0);
        let listed = String::from_utf8_lossy(&output.stdout).lines().count();
        ensure!(
            output.status.success() && listed == TOPICS,
            "{command:?} lists {listed} topics: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    all_ms.sort_by(f64::total_cmp);
    Ok(all_ms.get(starts / 2).copied().unwrap_or_default())
}
