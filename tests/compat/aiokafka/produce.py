import os

from run import START_MS, Record, TopicPartition, case, expect_same, records, until


@case
async def produce_none(run):
    await produce_and_read_back(run, "none", 1000, compression_type=None)


@case
async def produce_gzip(run):
    await produce_and_read_back(run, "gzip", 1000, compression_type="gzip")


@case
async def produce_snappy(run):
    await produce_and_read_back(run, "snappy", 1000, compression_type="snappy")


@case
async def produce_lz4(run):
    await produce_and_read_back(run, "lz4", 1000, compression_type="lz4")


@case
async def produce_zstd(run):
    await produce_and_read_back(run, "zstd", 1000, compression_type="zstd")


@case
async def acks_0(run):
    topic = await run.topic("acks-0", 3)
    sent = records(3, 0, 300)
    # Nobody says so if a leader is not ready yet, and the records are gone.
    await run.produce(topic, sent[:3])
    await run.produce(topic, sent[3:], acks=0)
    consumer = await run.reader(topic, 3)

    async def arrived():
        ends = await consumer.end_offsets([TopicPartition(topic, p) for p in range(3)])
        return sum(ends.values()) == len(sent)

    await until("the records", arrived)
    expect_same(await run.read_all(topic, 3, len(sent)), sent)


@case
async def acks_1(run):
    await produce_and_read_back(run, "acks-1", 300, acks=1)


@case
async def idempotent(run):
    await produce_and_read_back(run, "idempotent", 300, enable_idempotence=True)


async def produce_and_read_back(run, name, count, **options):
    topic = await run.topic(name, 3)
    sent = records(3, 0, count)
    await run.produce(topic, sent, linger_ms=50, **options)
    expect_same(await run.read_all(topic, 3, count), sent)


@case
async def large_message(run):
    topic = await run.topic("large-message", 1)
    large = Record(0, None, os.urandom(900 * 1024), (), START_MS)
    await run.produce(topic, [large])
    expect_same(await run.read_all(topic, 1, 1), [large])
