"""What the cases share."""

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetSpec, TopicPartition
from kafka.errors import KafkaError

# The timestamp of the first record that `records` makes, in ms: young enough to be kept.
START_MS = int(time.time() - 3600) * 1000

CASES = {}


def case(function):
    """Makes a case of the suite of a function, under its name."""
    CASES[function.__name__.replace("_", "-")] = function
    return function


@dataclass
class Record:
    partition: int
    key: bytes
    value: bytes
    headers: list
    timestamp: int


def records(partitions, first, end):
    """Makes records round the partitions, each one ms and one number after the other."""
    return [
        Record(
            partition=i % partitions,
            key=f"key-{i}".encode(),
            value=f"value-{i} {'and again ' * 10}".encode(),
            headers=[("number", str(i).encode())],
            timestamp=START_MS + i,
        )
        for i in range(first, end)
    ]


class Run:
    """One run of one case against one broker. Closes what it opened."""

    def __init__(self, bootstrap, prefix):
        self.bootstrap = bootstrap
        self.prefix = prefix
        self.stack = ExitStack()
        self.admin = KafkaAdminClient(bootstrap_servers=bootstrap)
        self.stack.callback(self.admin.close)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()

    def topic(self, name, partitions, configs=None):
        """Creates a topic and returns its name."""
        topic = f"{self.prefix}-{name}"
        self.create_topic(topic, partitions, configs)
        # A broker may answer before it can serve what was created.
        self.end_offsets(topic, partitions)
        return topic

    def create_topic(self, topic, partitions, configs=None):
        self.admin.create_topics(
            {
                topic: {
                    "num_partitions": partitions,
                    "replication_factor": 1,
                    "configs": configs or {},
                }
            },
            wait_for_metadata=True,
        )

    def end_offsets(self, topic, partitions):
        asked = {TopicPartition(topic, p): OffsetSpec.LATEST for p in range(partitions)}
        listed = self.admin.list_partition_offsets(asked)
        return {partition.partition: end.offset for partition, end in listed.items()}

    def producer(self, **options):
        producer = KafkaProducer(bootstrap_servers=self.bootstrap, **options)
        self.stack.callback(producer.close)
        return producer

    def produce(self, topic, sent, **options):
        """Writes records and waits for them, with all acknowledgements unless told otherwise."""
        producer = self.producer(**options)
        acknowledged = [
            producer.send(
                topic,
                partition=record.partition,
                key=record.key,
                value=record.value,
                headers=record.headers,
                timestamp_ms=record.timestamp,
            )
            for record in sent
        ]
        for future in acknowledged:
            future.get(timeout=30)
        producer.close()

    def consumer(self, **options):
        consumer = KafkaConsumer(bootstrap_servers=self.bootstrap, **options)
        self.stack.callback(consumer.close)
        return consumer

    def reader(self, topic, partitions):
        """A consumer without a group."""
        consumer = self.consumer(auto_offset_reset="earliest")
        consumer.assign([TopicPartition(topic, p) for p in range(partitions)])
        return consumer

    def read_all(self, topic, partitions, count):
        """Reads every partition from its beginning until so many records are there."""
        return take(self.reader(topic, partitions), count)


def take(consumer, count):
    got = []
    while len(got) < count:
        for messages in consumer.poll(timeout_ms=500).values():
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


def until(what, met):
    """Asks again until the answer is yes. The deadline of the program ends what is in vain."""
    asked = 0
    while not met():
        time.sleep(0.02)
        asked += 1
        if asked == 50:
            print(f"waiting for {what}")


@contextmanager
def expect_error(error):
    """Expects that what is done inside fails in one way."""
    try:
        yield
    except KafkaError as other:
        assert type(other) is error, f"{other!r} instead of {error.__name__}"
    else:
        raise AssertionError(f"it went well instead of {error.__name__}")
