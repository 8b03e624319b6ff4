from aiokafka.admin import NewPartitions
from aiokafka.errors import (
    InvalidPartitionsError,
    InvalidTopicError,
    MessageSizeTooLargeError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
)

from run import case, error_of, expect_error


@case
async def error_unknown_topic(run):
    # Asking for its metadata would create it.
    topic = f"{run.prefix}-nowhere"
    with expect_error(UnknownTopicOrPartitionError):
        await run.admin.create_partitions({topic: NewPartitions(5)})
    answer = await run.admin.delete_topics([topic])
    error = error_of(answer.topic_error_codes[0][1])
    assert error is UnknownTopicOrPartitionError, error


@case
async def error_too_large_record(run):
    topic = await run.topic("too-large", 1)
    producer = await run.producer(max_request_size=4 << 20)
    with expect_error(MessageSizeTooLargeError):
        await producer.send_and_wait(topic, b"x" * (2 << 20))
    # The same client goes on.
    await producer.send_and_wait(topic, b"small")
    [message] = await run.read_all(topic, 1, 1)
    assert message.value == b"small", "wrong record"


@case
async def error_invalid_topic_name(run):
    error = await run.create_topic(f"{run.prefix}-no spaces!", 1)
    assert error is InvalidTopicError, error


@case
async def error_duplicate_topic(run):
    topic = await run.topic("twice", 1)
    error = await run.create_topic(topic, 1)
    assert error is TopicAlreadyExistsError, error


@case
async def error_bad_partition_count(run):
    error = await run.create_topic(f"{run.prefix}-no-partitions", 0)
    assert error is InvalidPartitionsError, error
    topic = await run.topic("shrink", 3)
    with expect_error(InvalidPartitionsError):
        await run.admin.create_partitions({topic: NewPartitions(2)})


@case
async def error_unknown_group(run):
    """aiokafka cannot delete groups; it can describe them."""
    [answer] = await run.admin.describe_consumer_groups([f"{run.prefix}-nobody"])
    [described] = answer.to_object()["groups"]
    assert described["state"] == "Dead", described
    assert not described["members"], described
