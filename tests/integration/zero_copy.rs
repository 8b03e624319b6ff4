//! Log data goes from the page cache to the socket without a detour through the broker's memory.

use std::fs;

use odradek_protocol::messages::fetch::FetchResponse;
use odradek_tests::broker::Broker;

use crate::{
    client::{create_topic, producer, read, send_all, topic_id, values},
    fetch_raw::{self, asked, batches},
    produce_raw::{batch_of, produce},
    trace::Trace,
    wire::Wire,
};

/// System calls that move a file's bytes into memory.
const READS: &str = "read,readv,pread64,preadv,preadv2,mmap,splice,io_uring_enter";

/// Bytes that a call returned, as strace prints them after the last `=`.
fn returned(line: &str) -> u64 {
    line.rsplit("= ")
        .next()
        .and_then(|end| end.trim().parse().ok())
        .unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hot_consume_reads_no_log_data_into_memory() {
    let broker = Broker::start();
    create_topic(&broker, "hot", 3, &[]).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "hot");
    let batch = batch_of(10, 20_000);
    for number in 0..90 {
        produce(&mut wire, id, number % 3, batch.clone()).unwrap();
    }
    let client = producer(&broker, &[]);
    let small = values("small", 500);
    create_topic(&broker, "small", 1, &[]).await;
    send_all(&client, "small", Some(0), &small).await;
    let Some(trace) = Trace::begin(&broker, &format!("sendfile,{READS}")) else {
        return;
    };
    let mut consumed = 0;
    for partition in 0..3 {
        let mut offset = 0;
        while offset < 300 {
            let request = fetch_raw::request(id, vec![asked(partition, offset)]);
            let response: FetchResponse = wire.call(fetch_raw::VERSION, &request);
            let found = batches(fetch_raw::only_partition(&response));
            offset = found.last().unwrap().header().next_offset();
            consumed += found
                .iter()
                .map(|batch| batch.header().total_len() as u64)
                .sum::<u64>();
        }
    }
    // And through a real client, records that are small.
    assert_eq!(read(&broker, "small", 0, 0, 500).len(), 500);
    let lines = trace.end();

    let of_log = |line: &&String| line.contains(".log>");
    let (sent, read): (Vec<_>, Vec<_>) = lines
        .iter()
        .filter(of_log)
        .partition(|line| line.contains("sendfile("));
    let bytes: u64 = sent.iter().map(|line| returned(line)).sum();
    println!(
        "consumed {consumed} bytes of large records: {} sendfile calls moved {bytes} bytes, {} reads of log files",
        sent.len(),
        read.len()
    );
    assert!(read.is_empty(), "{read:?}");
    assert!(consumed <= bytes, "{consumed} consumed, {bytes} sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_consume_gives_the_same_records() {
    let mut broker = Broker::start();
    let entries = [("segment.bytes", "1048576")];
    create_topic(&broker, "cold", 1, &entries).await;
    let client = producer(&broker, &[("compression.codec", "lz4")]);
    let sent = values(&"x".repeat(1000), 5000);
    send_all(&client, "cold", Some(0), &sent).await;
    let hot = read(&broker, "cold", 0, 0, 5000);
    assert!(broker.stop().success());
    drop_page_cache_of(&broker);
    broker.start_again();
    assert!(read(&broker, "cold", 0, 0, 5000) == hot);
    for from in [1, 777, 4999] {
        let cold = read(&broker, "cold", 0, from, (5000 - from) as usize);
        assert!(cold == hot[from as usize..]);
    }
}

/// Lets the kernel forget the pages of all segments.
fn drop_page_cache_of(broker: &Broker) {
    for entry in fs::read_dir(broker.log_dir().join("cold-0")).unwrap() {
        let file = fs::File::open(entry.unwrap().path()).unwrap();
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    }
}
