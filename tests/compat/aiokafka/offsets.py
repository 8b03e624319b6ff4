import asyncio

from aiokafka import OffsetAndMetadata
from aiokafka.errors import OffsetMetadataTooLargeError

from run import (
    START_MS,
    Record,
    TopicPartition,
    case,
    expect_content,
    expect_error,
    expect_same,
    records,
    take,
)


async def group_consumer(run, group, topic, reset="earliest"):
    consumer = await run.consumer(
        group_id=group, auto_offset_reset=reset, enable_auto_commit=False
    )
    consumer.subscribe([topic])
    return consumer


async def commit_offsets(run, group, offsets):
    """Commits from outside: with a group id and assigned partitions nobody joins the group."""
    consumer = await run.consumer(group_id=group, enable_auto_commit=False)
    consumer.assign(list(offsets))
    await consumer.commit(offsets)
    await consumer.stop()


@case
async def commit_and_resume(run):
    topic, group = await run.topic("resume", 1), f"{run.prefix}-resume"
    sent = records(1, 0, 30)
    await run.produce(topic, sent)
    consumer = await group_consumer(run, group, topic)
    expect_same(await take(consumer, 30), sent)
    await consumer.commit({TopicPartition(topic, 0): 10})
    await consumer.stop()

    consumer = await group_consumer(run, group, topic)
    assert await consumer.committed(TopicPartition(topic, 0)) == 10
    got = await take(consumer, 20)
    assert got[0].offset == 10, f"resumed at offset {got[0].offset}"
    for message, record in zip(got, sent[10:]):
        expect_content(message, record)


@case
async def commit_metadata(run):
    topic, group = await run.topic("metadata", 2), f"{run.prefix}-metadata"
    zero, one = TopicPartition(topic, 0), TopicPartition(topic, 1)
    offsets = {zero: OffsetAndMetadata(7, "seven"), one: OffsetAndMetadata(8, "")}
    await commit_offsets(run, group, offsets)
    assert await run.admin.list_consumer_group_offsets(group) == offsets

    # No more than 4096 bytes are allowed unless configured (offset.metadata.max.bytes).
    with expect_error(OffsetMetadataTooLargeError):
        await commit_offsets(run, group, {zero: OffsetAndMetadata(9, "x" * 4097)})


async def reset_groups(run, name, topic):
    """With no offset committed, and with one that does not exist any more or not yet."""
    fresh, astray = f"{run.prefix}-{name}", f"{run.prefix}-{name}-astray"
    await commit_offsets(run, astray, {TopicPartition(topic, 0): OffsetAndMetadata(1000, "")})
    return [fresh, astray]


@case
async def reset_earliest(run):
    topic = await run.topic("reset-earliest", 1)
    sent = records(1, 0, 30)
    await run.produce(topic, sent)
    for group in await reset_groups(run, "reset-earliest", topic):
        consumer = await group_consumer(run, group, topic, "earliest")
        expect_same(await take(consumer, 30), sent)
        await consumer.stop()


@case
async def reset_latest(run):
    topic = await run.topic("reset-latest", 1)
    await run.produce(topic, records(1, 0, 30))
    for group in await reset_groups(run, "reset-latest", topic):
        consumer = await group_consumer(run, group, topic, "latest")
        arriving = asyncio.create_task(take(consumer, 1))
        # Where the end was when it looked for it, nobody can tell from outside.
        while not arriving.done():
            await run.produce(topic, [Record(0, b"new", b"", (), START_MS)])
            await asyncio.wait([arriving], timeout=0.2)
        first = arriving.result()[0]
        assert first.key == b"new", f"got {first.key} of before"
        await consumer.stop()
