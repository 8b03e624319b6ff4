from kafka import OffsetAndMetadata, TopicPartition
from kafka.errors import NoError, OffsetMetadataTooLargeError

from run import START_MS, Record, case, expect_content, expect_same, records, take


def group_consumer(run, group, topic, reset="earliest"):
    consumer = run.consumer(group_id=group, auto_offset_reset=reset, enable_auto_commit=False)
    consumer.subscribe([topic])
    return consumer


def commit_offsets(run, group, offsets):
    """Commits from outside and returns the error, `NoError` if there is none."""
    [error] = set(run.admin.alter_group_offsets(group, offsets).values())
    return error


@case
def commit_and_resume(run):
    topic, group = run.topic("resume", 1), f"{run.prefix}-resume"
    sent = records(1, 0, 30)
    run.produce(topic, sent)
    consumer = group_consumer(run, group, topic)
    expect_same(take(consumer, 30), sent)
    consumer.commit({TopicPartition(topic, 0): OffsetAndMetadata(10, "", -1)})
    consumer.close()

    consumer = group_consumer(run, group, topic)
    assert consumer.committed(TopicPartition(topic, 0)) == 10
    got = take(consumer, 20)
    assert got[0].offset == 10, f"resumed at offset {got[0].offset}"
    for message, record in zip(got, sent[10:]):
        expect_content(message, record)


@case
def commit_metadata(run):
    topic, group = run.topic("metadata", 2), f"{run.prefix}-metadata"
    zero, one = TopicPartition(topic, 0), TopicPartition(topic, 1)
    offsets = {zero: OffsetAndMetadata(7, "seven", -1), one: OffsetAndMetadata(8, "", -1)}
    error = commit_offsets(run, group, offsets)
    assert error is NoError, error
    committed = run.admin.list_group_offsets({group: [zero, one]})[group]
    assert committed == offsets, committed

    # No more than 4096 bytes are allowed unless configured (offset.metadata.max.bytes).
    error = commit_offsets(run, group, {zero: OffsetAndMetadata(9, "x" * 4097, -1)})
    assert error is OffsetMetadataTooLargeError, error


def reset_groups(run, name, topic):
    """With no offset committed, and with one that does not exist any more or not yet."""
    fresh, astray = f"{run.prefix}-{name}", f"{run.prefix}-{name}-astray"
    beyond = {TopicPartition(topic, 0): OffsetAndMetadata(1000, "", -1)}
    error = commit_offsets(run, astray, beyond)
    assert error is NoError, error
    return [fresh, astray]


@case
def reset_earliest(run):
    topic = run.topic("reset-earliest", 1)
    sent = records(1, 0, 30)
    run.produce(topic, sent)
    for group in reset_groups(run, "reset-earliest", topic):
        consumer = group_consumer(run, group, topic, "earliest")
        expect_same(take(consumer, 30), sent)
        consumer.close()


@case
def reset_latest(run):
    topic = run.topic("reset-latest", 1)
    run.produce(topic, records(1, 0, 30))
    for group in reset_groups(run, "reset-latest", topic):
        consumer = group_consumer(run, group, topic, "latest")
        got = []
        # Where the end was when it looked for it, nobody can tell from outside.
        while not got:
            run.produce(topic, [Record(0, b"new", b"", [], START_MS)])
            for messages in consumer.poll(timeout_ms=200).values():
                got.extend(messages)
        assert got[0].key == b"new", f"got {got[0].key} of before"
        consumer.close()
