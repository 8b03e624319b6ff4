from kafka import TopicPartition

from run import START_MS, case, expect_content, expect_same, records, take


@case
def consume_from_beginning(run):
    topic = run.topic("beginning", 3)
    sent = records(3, 0, 300)
    run.produce(topic, sent)
    expect_same(run.read_all(topic, 3, 300), sent)


@case
def consume_from_timestamp(run):
    topic = run.topic("timestamp", 1)
    sent = records(1, 0, 100)
    run.produce(topic, sent[:50])
    run.produce(topic, sent[50:])

    consumer = run.reader(topic, 1)
    partition = TopicPartition(topic, 0)
    found = consumer.offsets_for_times({partition: START_MS + 40})
    assert found[partition].offset == 40, found
    consumer.seek(partition, found[partition].offset)
    for message, record in zip(take(consumer, 60), sent[40:]):
        expect_content(message, record)


@case
def seek(run):
    topic = run.topic("seek", 1)
    sent = records(1, 0, 100)
    run.produce(topic, sent)
    consumer = run.reader(topic, 1)
    expect_same(take(consumer, 100), sent)
    for offset in (10, 99, 0):
        consumer.seek(TopicPartition(topic, 0), offset)
        message = take(consumer, 1)[0]
        assert message.offset == offset, f"offset {message.offset} instead of {offset}"
        expect_content(message, sent[offset])
