//! Producing with every codec and every kind of acknowledgement, and reading it back.

use odradek_tests::{broker::Broker, wait};

use crate::client::{by_key, create_topic, producer, read, send_all, values, watermarks};

#[tokio::test(flavor = "multi_thread")]
async fn every_codec_with_every_kind_of_acknowledgement_comes_back_as_it_was_sent() {
    let broker = Broker::start();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        for acks in ["1", "all"] {
            let topic = format!("codec-{codec}-{acks}");
            create_topic(&broker, &topic, 1, &[]).await;
            let producer = producer(
                &broker,
                &[
                    ("compression.codec", codec),
                    ("acks", acks),
                    ("linger.ms", "5"),
                ],
            );
            let sent = values(codec, 500);
            let delivered = send_all(&producer, &topic, Some(0), &sent).await;
            let offsets: Vec<_> = delivered.iter().map(|&(_, offset)| offset).collect();
            assert_eq!(offsets, (0..500).collect::<Vec<_>>(), "{topic}");
            let records = read(&broker, &topic, 0, 0, sent.len());
            for (record, (number, (_, value))) in records.iter().zip(sent.iter().enumerate()) {
                assert_eq!(record.offset, number as i64);
                assert_eq!(record.value, value.as_bytes());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_sent_without_acknowledgement_arrive() {
    let broker = Broker::start();
    create_topic(&broker, "acks-0", 1, &[]).await;
    let producer = producer(&broker, &[("acks", "0")]);
    send_all(&producer, "acks-0", Some(0), &values("fire", 200)).await;
    wait::until("all records are there", || {
        (watermarks(&broker, "acks-0", 0) == (0, 200)).then_some(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_one_key_stay_in_one_partition_in_their_order() {
    let broker = Broker::start();
    create_topic(&broker, "keyed", 4, &[]).await;
    let producer = producer(
        &broker,
        &[
            ("enable.idempotence", "true"),
            ("partitioner", "murmur2_random"),
            ("linger.ms", "2"),
        ],
    );
    let sent: Vec<_> = (0..2000)
        .map(|number| {
            (
                Some(format!("key-{}", number % 37)),
                format!("value-{number}"),
            )
        })
        .collect();
    let delivered = send_all(&producer, "keyed", None, &sent).await;
    let mut all = Vec::new();
    for partition in 0..4 {
        let count = delivered.iter().filter(|&&(at, _)| at == partition).count();
        assert!(0 < count, "partition {partition} got nothing");
        all.extend(read(&broker, "keyed", partition, 0, count));
    }
    for (key, values) in by_key(&all) {
        let expected: Vec<_> = sent
            .iter()
            .filter(|(sent_key, _)| sent_key.as_ref().is_some_and(|k| k.as_bytes() == key))
            .map(|(_, value)| value.clone().into_bytes())
            .collect();
        assert_eq!(values, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_nobody_created_appears_with_the_first_record() {
    let broker = Broker::start_with(&[("num.partitions", "3")]);
    let producer = producer(&broker, &[]);
    let delivered = send_all(&producer, "by-itself", Some(2), &values("hello", 1)).await;
    assert_eq!(delivered, [(2, 0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_nobody_created_stays_unknown_where_that_is_switched_off() {
    let broker = Broker::start_with(&[("auto.create.topics.enable", "false")]);
    let producer = producer(
        &broker,
        &[
            ("message.timeout.ms", "3000"),
            ("topic.metadata.propagation.max.ms", "500"),
        ],
    );
    let record = rdkafka::producer::FutureRecord::<str, str>::to("nowhere").payload("x");
    let refused = producer
        .send(record, std::time::Duration::from_secs(10))
        .await;
    let (error, _) = refused.unwrap_err();
    assert!(error.to_string().contains("Unknown topic"), "{error}");
}
