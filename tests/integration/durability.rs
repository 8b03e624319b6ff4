//! Flushing before the acknowledgement, for those who ask for it, and together where they wait
//! together.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use odradek_protocol::{ErrorCode, Uuid, messages::produce::ProduceResponse};
use odradek_tests::{broker::Broker, http};

use crate::{
    admin::{metric, status},
    client::{create_topic, read, topic_id, try_create_topic, watermarks},
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

/// Asks for readiness, and expects that the broker lives whatever the answer.
fn readiness(broker: &Broker) -> (u16, String) {
    assert_eq!(http::get(broker.admin_port(), "/livez").unwrap().0, 200);
    http::get(broker.admin_port(), "/readyz").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failed_sync_reads_go_on_and_the_next_start_does_not_trust_the_page_cache() {
    let mut broker = Broker::start();
    let id = topic(&broker, "careful", &[("flush.messages", "1")]).await;
    let mut wire = Wire::connect(&broker);
    produce(&mut wire, id, 0, batch_of(1, 100)).unwrap();
    let Some(failing) = Trace::fail(&broker, "fdatasync") else {
        return;
    };
    let refusal = produce(&mut wire, id, 0, batch_of(1, 100)).unwrap_err();
    failing.end();
    assert_eq!(refusal.error_code, ErrorCode::KafkaStorageError);
    // The disk is well again; nobody believes it.
    let refusal = produce(&mut wire, id, 0, batch_of(1, 100)).unwrap_err();
    assert_eq!(refusal.error_code, ErrorCode::KafkaStorageError);
    let (code, reason) = readiness(&broker);
    assert_eq!(code, 503);
    assert!(
        reason.contains("the log directory has failed: sync"),
        "{reason}"
    );
    let failure = status(&broker)["storage"]["failure"].clone();
    assert!(failure.as_str().unwrap().contains("careful-0"), "{failure}");
    assert_eq!(
        metric(&broker, "kafka_log_logmanager_offlinelogdirectorycount") as u64,
        1
    );
    assert_eq!(read(&broker, "careful", 0, 0, 1).len(), 1);

    assert!(broker.stop().success());
    broker.start_again();
    assert_eq!(readiness(&broker).0, 200);
    assert_eq!(
        status(&broker)["recovery"]["previous_stop"],
        "page-cache-lost"
    );
    let mut wire = Wire::connect(&broker);
    produce(&mut wire, id, 0, batch_of(1, 100)).unwrap();
    assert_eq!(read(&broker, "careful", 0, 0, 1).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_metadata_log_fails_topics_are_served_on_and_the_reason_is_shown() {
    let mut broker = Broker::start();
    let id = topic(&broker, "before", &[]).await;
    let Some(failing) = Trace::fail(&broker, "fdatasync") else {
        return;
    };
    let refused = try_create_topic(&broker, "refused").await;
    failing.end();
    assert!(refused.is_err(), "{refused:?}");
    let (code, reason) = readiness(&broker);
    assert_eq!(code, 503);
    assert!(
        reason.contains("the metadata log has failed: sync"),
        "{reason}"
    );
    assert!(status(&broker)["metadata_log_failure"].is_string());
    assert_eq!(metric(&broker, "odradek_metadata_log_failed") as u64, 1);
    produce(&mut Wire::connect(&broker), id, 0, batch_of(1, 100)).unwrap();
    assert_eq!(read(&broker, "before", 0, 0, 1).len(), 1);

    assert!(broker.stop().success());
    broker.start_again();
    assert_eq!(readiness(&broker).0, 200);
    create_topic(&broker, "after", 1, &[]).await;
}
