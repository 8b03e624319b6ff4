//! What the operating system knows about this process, under Prometheus' usual `process_` names.
//!
//! Read from `/proc` when a scrape asks. Where a file cannot be read its metrics are left out.

use std::{fmt, fs};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};

/// The collector. It holds nothing.
#[derive(Debug)]
pub(crate) struct Process;

/// What `/proc/self/stat` says, in its own units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    user_ticks: u64,
    system_ticks: u64,
    threads: u64,
    resident_pages: u64,
}

impl Stat {
    /// The command's name in parentheses may hold anything, so fields are counted after it.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<_> = rest.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse().ok();
        Some(Self {
            user_ticks: field(14)?,
            system_ticks: field(15)?,
            threads: field(20)?,
            resident_pages: field(24)?,
        })
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        if let Some(stat) = fs::read_to_string("/proc/self/stat")
            .ok()
            .and_then(|t| Stat::parse(&t))
        {
            encode_stat(&mut encoder, stat)?;
        }
        if let Ok(entries) = fs::read_dir("/proc/self/fd") {
            let help = "Open file descriptors";
            // The listing itself holds one open.
            let open = entries.count().saturating_sub(1) as u64;
            gauge(&mut encoder, "process_open_fds", help, open)?;
        }
        let limits = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        let help = "The most file descriptors this process may open";
        gauge(
            &mut encoder,
            "process_max_fds",
            help,
            limits.current.unwrap_or(u64::MAX),
        )
    }
}

fn encode_stat(encoder: &mut DescriptorEncoder<'_>, stat: Stat) -> fmt::Result {
    let ticks_per_second = rustix::param::clock_ticks_per_second() as f64;
    let seconds = (stat.user_ticks + stat.system_ticks) as f64 / ticks_per_second;
    let cpu = ConstCounter::new(seconds);
    let help = "Processor time, user and system";
    let unit = Some(&Unit::Seconds);
    let metric = encoder.encode_descriptor("process_cpu", help, unit, cpu.metric_type())?;
    cpu.encode(metric)?;

    let resident = stat.resident_pages * rustix::param::page_size() as u64;
    gauge(
        encoder,
        "process_resident_memory_bytes",
        "Memory in use",
        resident,
    )?;
    gauge(encoder, "process_threads", "Threads", stat.threads)
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    let gauge = ConstGauge::new(value);
    let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
    gauge.encode(metric)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use prometheus_client::{encoding::text::encode, registry::Registry};

    use super::*;

    #[test]
    fn a_command_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let text = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 111 222 13 14 15 16 17 18 19 20 333 22";
        let stat = Stat::parse(text).unwrap();
        assert_eq!((stat.user_ticks, stat.system_ticks), (111, 222));
        assert_eq!((stat.threads, stat.resident_pages), (17, 333));
        assert_eq!(Stat::parse("7 (a) S 1"), None);
    }

    #[test]
    fn this_process_has_memory_threads_and_descriptors() {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Process));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for name in [
            "process_cpu_seconds_total ",
            "process_resident_memory_bytes ",
            "process_threads ",
            "process_open_fds ",
            "process_max_fds ",
        ] {
            let line = text.lines().find(|line| line.starts_with(name));
            assert!(
                line.is_some_and(|line| !line.ends_with(" 0") || name.contains("cpu")),
                "{text}"
            );
        }
    }
}
