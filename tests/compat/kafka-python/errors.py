from kafka.errors import (
    GroupIdNotFoundError,
    InvalidPartitionsError,
    InvalidTopicError,
    MessageSizeTooLargeError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
)

from run import case, expect_error


@case
def error_unknown_topic(run):
    topic = f"{run.prefix}-nowhere"
    [described] = run.admin.describe_topics([topic])
    assert described["error_code"] == UnknownTopicOrPartitionError.errno, described
    with expect_error(UnknownTopicOrPartitionError):
        run.admin.delete_topics([topic])


@case
def error_too_large_record(run):
    topic = run.topic("too-large", 1)
    # An idempotent producer is of no more use after an error.
    producer = run.producer(max_request_size=4 << 20, enable_idempotence=False)
    with expect_error(MessageSizeTooLargeError):
        producer.send(topic, b"x" * (2 << 20)).get(timeout=30)
    # The same client goes on.
    producer.send(topic, b"small").get(timeout=30)
    [message] = run.read_all(topic, 1, 1)
    assert message.value == b"small", "wrong record"


@case
def error_invalid_topic_name(run):
    with expect_error(InvalidTopicError):
        run.create_topic(f"{run.prefix}-no spaces!", 1)


@case
def error_duplicate_topic(run):
    topic = run.topic("twice", 1)
    with expect_error(TopicAlreadyExistsError):
        run.create_topic(topic, 1)


@case
def error_bad_partition_count(run):
    with expect_error(InvalidPartitionsError):
        run.create_topic(f"{run.prefix}-no-partitions", 0)
    topic = run.topic("shrink", 3)
    with expect_error(InvalidPartitionsError):
        run.admin.create_partitions({topic: 2})


@case
def error_unknown_group(run):
    group = f"{run.prefix}-nobody"
    described = run.admin.describe_groups([group])[group]
    assert described["group_state"] == "Dead", described
    assert run.admin.delete_groups([group]) == {group: GroupIdNotFoundError.__name__}
