//! Flushing before the acknowledgement, for those who ask for it, and together where they wait
//! together.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use odradek_protocol::Uuid;
use odradek_tests::broker::Broker;

use crate::{
    client::{create_topic, topic_id, watermarks},
    produce_raw::{batch_of, produce},
    trace::Trace,
    wire::Wire,
};

/// `fdatasync` calls on `.log` files while `work` runs; `None` where nobody may be traced.
fn syncs_during(broker: &Broker, work: impl FnOnce()) -> Option<usize> {
    let trace = Trace::begin(broker, "fdatasync,fsync")?;
    work();
    let lines = trace.end();
    Some(
        lines
            .iter()
            .filter(|line| line.contains("sync(") && line.contains(".log>"))
            .count(),
    )
}

async fn topic(broker: &Broker, name: &str, entries: &[(&str, &str)]) -> Uuid {
    create_topic(broker, name, 1, entries).await;
    topic_id(&mut Wire::connect(broker), name)
}

#[tokio::test(flavor = "multi_thread")]
async fn flush_messages_syncs_before_each_acknowledgement_and_the_default_never() {
    let broker = Broker::start();
    let default = topic(&broker, "default", &[]).await;
    let careful = topic(&broker, "careful", &[("flush.messages", "1")]).await;
    let third = topic(&broker, "third", &[("flush.messages", "3")]).await;
    let mut wire = Wire::connect(&broker);
    let mut send = |id| {
        for _ in 0..30 {
            produce(&mut wire, id, 0, batch_of(1, 100)).unwrap();
        }
    };
    let Some(syncs) = syncs_during(&broker, || send(default)) else {
        return;
    };
    assert_eq!(syncs, 0);
    assert_eq!(syncs_during(&broker, || send(careful)), Some(30));
    assert_eq!(syncs_during(&broker, || send(third)), Some(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn producers_that_wait_together_share_one_sync() {
    const PRODUCERS: u32 = 16;
    const EACH: u32 = 20;
    let broker = Broker::start();
    let id = topic(&broker, "together", &[("flush.messages", "1")]).await;
    let acknowledged = AtomicU32::new(0);
    let syncs = syncs_during(&broker, || {
        thread::scope(|scope| {
            for _ in 0..PRODUCERS {
                scope.spawn(|| {
                    let mut wire = Wire::connect(&broker);
                    for _ in 0..EACH {
                        produce(&mut wire, id, 0, batch_of(1, 100)).unwrap();
                        acknowledged.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
    });
    let Some(syncs) = syncs else {
        return;
    };
    let acknowledged = acknowledged.into_inner();
    println!(
        "{acknowledged} batches of {PRODUCERS} producers were acknowledged after {syncs} syncs"
    );
    assert_eq!(acknowledged, PRODUCERS * EACH);
    assert!(syncs < acknowledged as usize, "{syncs}");
    assert_eq!(
        watermarks(&broker, "together", 0),
        (0, i64::from(acknowledged))
    );
}
