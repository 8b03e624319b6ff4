"""What the cases share."""

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code

# The timestamp of the first record that `records` makes, in ms: young enough to be kept.
START_MS = int(time.time() - 3600) * 1000

CASES = {}


def case(function):
    """Makes a case of the suite of a function, under its name."""
    CASES[function.__name__.replace("_", "-")] = function
    return function


class Cannot(Exception):
    """The client has no means for the case."""


@dataclass
class Record:
    partition: int
    key: bytes
    value: bytes
    headers: tuple
    timestamp: int


def records(partitions, first, end):
    """Makes records round the partitions, each one ms and one number after the other."""
    return [
        Record(
            partition=i % partitions,
            key=f"key-{i}".encode(),
            value=f"value-{i} {'and again ' * 10}".encode(),
            headers=(("number", str(i).encode()),),
            timestamp=START_MS + i,
        )
        for i in range(first, end)
    ]


class Run:
    """One run of one case against one broker. Closes what it opened."""

    def __init__(self, bootstrap, prefix):
        self.bootstrap = bootstrap
        self.prefix = prefix
        self.stack = AsyncExitStack()
        self.admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)

    async def __aenter__(self):
        await self.admin.start()
        self.stack.push_async_callback(self.admin.close)
        return self

    async def __aexit__(self, *_):
        await self.stack.aclose()

    async def create_topic(self, name, partitions, configs=None):
        """Returns what the broker answers: None or an error."""
        topic = NewTopic(name, partitions, 1, topic_configs=configs)
        answer = await self.admin.create_topics([topic])
        return error_of(answer.topic_errors[0][1])

    async def topic(self, name, partitions, configs=None):
        """Creates a topic and returns its name."""
        topic = f"{self.prefix}-{name}"
        error = await self.create_topic(topic, partitions, configs)
        assert error is None, f"creating {topic}: {error}"
        # A broker may answer before it can serve what was created.
        await until(topic, lambda: self.has_partitions(topic, partitions))
        return topic

    async def has_partitions(self, topic, count):
        [described] = await self.admin.describe_topics([topic])
        return not described["error_code"] and len(described["partitions"]) == count

    async def producer(self, **options):
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, **options)
        self.stack.push_async_callback(producer.stop)
        await producer.start()
        return producer

    async def produce(self, topic, sent, **options):
        """Writes records and waits for them, with all acknowledgements unless told otherwise."""
        producer = await self.producer(**{"acks": "all", **options})
        acknowledged = [
            await producer.send(
                topic,
                partition=record.partition,
                key=record.key,
                value=record.value,
                headers=list(record.headers),
                timestamp_ms=record.timestamp,
            )
            for record in sent
        ]
        await asyncio.gather(*acknowledged)
        await producer.stop()

    async def consumer(self, **options):
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, **options)
        self.stack.push_async_callback(consumer.stop)
        await consumer.start()
        return consumer

    async def reader(self, topic, partitions):
        """A consumer without a group."""
        consumer = await self.consumer(enable_auto_commit=False, auto_offset_reset="earliest")
        consumer.assign([TopicPartition(topic, p) for p in range(partitions)])
        return consumer

    async def read_all(self, topic, partitions, count):
        """Reads every partition from its beginning until so many records are there."""
        return await take(await self.reader(topic, partitions), count)


async def take(consumer, count):
    got = []
    while len(got) < count:
        for messages in (await consumer.getmany(timeout_ms=500)).values():
            got.extend(messages)
    return got


def expect_same(got, sent):
    """Compares partition by partition: order, content and offsets from 0."""
    assert len(got) == len(sent), f"{len(got)} records instead of {len(sent)}"
    for partition in {record.partition for record in sent}:
        ours = [record for record in sent if record.partition == partition]
        theirs = [message for message in got if message.partition == partition]
        assert len(theirs) == len(ours), f"{len(theirs)} records in partition {partition}"
        for offset, (message, record) in enumerate(zip(theirs, ours)):
            assert message.offset == offset, f"offset {message.offset} where {offset} belongs"
            expect_content(message, record)


def expect_content(message, record):
    for field in ("key", "value", "headers", "timestamp"):
        there, expected = getattr(message, field), getattr(record, field)
        assert there == expected, f"{field} of {record.key}: {there!r} is not {expected!r}"


async def until(what, met):
    """Asks again until the answer is yes."""
    try:
        while not await met():
            await asyncio.sleep(0.02)
    except asyncio.CancelledError:
        raise TimeoutError(f"in vain: {what}") from None


def error_of(code):
    return for_code(code) if code else None


class expect_error:
    """Expects that what is done inside fails in one way."""

    def __init__(self, error):
        self.error = error

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        assert kind is self.error, f"{error!r} instead of {self.error.__name__}"
        return True
