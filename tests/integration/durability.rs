//! Flushing before the acknowledgement, for those who ask for it, and together where they wait
//! together.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use odradek_protocol::{ErrorCode, Uuid, messages::produce::ProduceResponse};
use odradek_tests::broker::Broker;

use crate::{
    client::{create_topic, topic_id, watermarks},
    produce_raw::{self, batch_of, produce},
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

/// While one sync is under way, whatever comes waits for the next, which serves all of it. So with
/// all requests on their way before the first answer is read, a sync serves many. How many depends
/// on how fast the requests come in; the unit tests of the partition hold the disk still and count
/// exactly one sync for all that wait.
#[tokio::test(flavor = "multi_thread")]
async fn producers_that_wait_together_share_syncs() {
    const PRODUCERS: u32 = 8;
    const EACH: u32 = 100;
    let broker = Broker::start();
    let id = topic(&broker, "together", &[("flush.messages", "1")]).await;
    let request = produce_raw::request(id, 0, batch_of(1, 100));
    let acknowledged = AtomicU32::new(0);
    let syncs = syncs_during(&broker, || {
        thread::scope(|scope| {
            for _ in 0..PRODUCERS {
                scope.spawn(|| {
                    let mut wire = Wire::connect(&broker);
                    for _ in 0..EACH {
                        wire.send(produce_raw::VERSION, &request);
                    }
                    for _ in 0..EACH {
                        let answer: ProduceResponse = wire.receive(produce_raw::VERSION);
                        let code = answer.responses[0].partition_responses[0].error_code;
                        assert_eq!(code, ErrorCode::None);
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
    assert!(syncs <= acknowledged as usize / 2, "{syncs}");
    assert_eq!(
        watermarks(&broker, "together", 0),
        (0, i64::from(acknowledged))
    );
}
