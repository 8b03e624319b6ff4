"""Every case with confluent-kafka, the Python client on librdkafka.

    usage: client.py BOOTSTRAP PREFIX CASE       exit 0: passed, 77: the client cannot do it
"""

import functools
import os
import subprocess
import sys
import time
import traceback

from confluent_kafka import (
    Consumer,
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
)

DEADLINE = time.monotonic() + 60
BOOTSTRAP, PREFIX, CASE = sys.argv[1:4]
TOPIC = PREFIX
GROUP = PREFIX
# Young enough not to be deleted for its age.
FIRST_TIMESTAMP = int(time.time() * 1000) - 60_000


# What all cases use.


@functools.cache
def admin():
    """One for all calls: calls that are under way end with their client."""
    return AdminClient({"bootstrap.servers": BOOTSTRAP})


def result(futures):
    """The one result of an admin call, which has a future for each thing it was given."""
    return next(iter(futures.values())).result(timeout=30)


def create_topic(partitions=1, config=None):
    result(admin().create_topics([NewTopic(TOPIC, partitions, 1, config=config or {})]))
    eventually(partitions, led)


def led():
    """How many partitions have a leader who answers."""
    numbers = range(partition_count())
    asked = {TopicPartition(TOPIC, number): OffsetSpec.latest() for number in numbers}
    try:
        return len([answer.result(timeout=30) for answer in admin().list_offsets(asked).values()])
    except (KafkaException, ValueError):
        return 0


def partition_count():
    return len(admin().list_topics(TOPIC, timeout=30).topics[TOPIC].partitions)


def produce(records, **settings):
    """Sends (partition, value, options), the last optional, and waits for the acknowledgements."""
    failures = []
    producer = Producer({"bootstrap.servers": BOOTSTRAP, "linger.ms": 5, **settings})
    for partition, value, *options in records:
        producer.produce(
            TOPIC,
            value,
            partition=partition,
            on_delivery=lambda error, _: failures.append(error) if error else None,
            **(options[0] if options else {}),
        )
        producer.poll(0)
    assert producer.flush(30) == 0, "records are not acknowledged after 30 s"
    if failures:
        raise KafkaException(failures[0])


def numbers(count, partitions=1):
    return [(i % partitions, b"value-%d" % i) for i in range(count)]


def consumer(**settings):
    return Consumer(
        {
            "bootstrap.servers": BOOTSTRAP,
            "group.id": GROUP,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 500,
            **settings,
        }
    )


def read(reader, count):
    """The next `count` messages of a consumer."""
    messages = []
    while len(messages) < count:
        assert time.monotonic() < DEADLINE, f"{len(messages)} of {count} records came"
        message = reader.poll(0.2)
        if message is None:
            continue
        if message.error():
            raise KafkaException(message.error())
        messages.append(message)
    return messages


def values(messages):
    return [message.value() for message in messages]


def read_from(offset, count, partition=0):
    """Messages of one partition from an offset, without a group."""
    reader = consumer()
    reader.assign([TopicPartition(TOPIC, partition, offset)])
    messages = read(reader, count)
    reader.close()
    return messages


def refused(code, call):
    """The call has to fail with this error."""
    try:
        call()
    except KafkaException as exception:
        told = exception.args[0]
        assert told.code() == code, f"told as {told.name()}: {told.str()}"
    else:
        raise AssertionError("no error")


def equal(found, expected):
    assert found == expected, f"expected {expected}, found {found}"


def eventually(expected, find):
    """Changes are answered when they are decided; the broker that is asked follows."""
    while (found := find()) != expected:
        assert time.monotonic() < DEADLINE, f"expected {expected}, found {found}"
        time.sleep(0.05)


class Member:
    """A group member that remembers how its partitions came and went."""

    def __init__(self, **settings):
        self.consumer = consumer(**settings)
        self.revoked = []
        self.consumer.subscribe([TOPIC], on_revoke=lambda _, lost: self.revoked.extend(lost))

    def partitions(self):
        return sorted(partition.partition for partition in self.consumer.assignment())


def settle(members, reached):
    """Polls all members until their partitions are as wished."""
    while True:
        for member in members:
            member.consumer.poll(0.05)
        found = [member.partitions() for member in members]
        if reached(*found):
            return found
        assert time.monotonic() < DEADLINE, f"the group does not settle: {found}"


def shared(*assignments):
    """All four partitions have one owner each, and everybody has two."""
    return sorted(sum(assignments, [])) == [0, 1, 2, 3] and all(len(a) == 2 for a in assignments)


def has_all(*assignments):
    return assignments[0] == [0, 1, 2, 3]


# Producing and consuming.


def round_trip(count=1000, **settings):
    """Keys, headers, timestamps and values come back as they were sent."""
    create_topic(3)
    now = int(time.time() * 1000)
    sent = [
        (
            i % 3,
            b"value-%d" % i * 20,
            {"key": b"key-%d" % i, "timestamp": now + i, "headers": [("n", b"%d" % i)]},
        )
        for i in range(count)
    ]
    produce(sent, **settings)
    for partition in range(3):
        expected = [
            (value, options["key"], options["timestamp"], options["headers"])
            for sent_to, value, options in sent
            if sent_to == partition
        ]
        found = [
            (m.value(), m.key(), m.timestamp()[1], m.headers())
            for m in read_from(0, len(expected), partition)
        ]
        assert found == expected, f"partition {partition} differs"


def idempotent():
    round_trip(**{"enable.idempotence": True})


def consume_from_beginning():
    create_topic()
    produce(numbers(10))
    reader = consumer()
    reader.subscribe([TOPIC])
    equal(values(read(reader, 10)), [value for _, value in numbers(10)])


def consume_from_timestamp():
    create_topic()
    produce([(0, b"%d" % i, {"timestamp": FIRST_TIMESTAMP + i * 1000}) for i in range(10)])
    reader = consumer()
    at = TopicPartition(TOPIC, 0, FIRST_TIMESTAMP + 4500)
    found = reader.offsets_for_times([at], timeout=30)
    equal(found[0].offset, 5)
    equal(values(read_from(found[0].offset, 1)), [b"5"])


def seek():
    create_topic()
    produce(numbers(10))
    reader = consumer()
    reader.assign([TopicPartition(TOPIC, 0, 0)])
    equal(read(reader, 1)[0].offset(), 0)
    for offset in [7, 2, 9]:
        reader.seek(TopicPartition(TOPIC, 0, offset))
        equal(read(reader, 1)[0].offset(), offset)


def large_message():
    create_topic()
    value = bytes(range(256)) * 3600
    produce([(0, value)])
    assert read_from(0, 1)[0].value() == value, "it came back different"


# Groups.


def group_one_member():
    create_topic(4)
    produce(numbers(100, 4))
    member = Member()
    settle([member], has_all)


def group_join_leave():
    create_topic(4)
    one, two = Member(), Member()
    settle([one, two], shared)
    two.consumer.close()
    settle([one], has_all)


def group_member_death():
    create_topic(4)
    survivor = Member()
    victim = subprocess.Popen([sys.executable, __file__, BOOTSTRAP, PREFIX, "member"])
    try:
        settle([survivor], lambda partitions: len(partitions) == 2)
    finally:
        victim.kill()
    settle([survivor], has_all)


def member():
    """Not a case: the other member of the case above."""
    victim = Member()
    settle([victim], lambda _: False)


def group_cooperative():
    create_topic(4)
    settings = {"partition.assignment.strategy": "cooperative-sticky"}
    one = Member(**settings)
    settle([one], has_all)
    two = Member(**settings)
    settle([one, two], shared)
    equal(len(one.revoked), 2)


def group_static_member():
    create_topic(4)
    one, two = Member(**{"group.instance.id": "one"}), Member(**{"group.instance.id": "two"})
    _, before = settle([one, two], shared)
    one.revoked.clear()
    two.consumer.close()
    two = Member(**{"group.instance.id": "two"})
    _, after = settle([one, two], shared)
    equal(after, before)
    equal(one.revoked, [])


def group_spare_member():
    create_topic(2)
    members = [Member(), Member(), Member()]
    found = settle(members, lambda *all: sorted(map(len, all)) == [0, 1, 1])
    leaving = members.pop(next(i for i, partitions in enumerate(found) if partitions))
    leaving.consumer.close()
    settle(members, lambda *all: [len(a) for a in all] == [1, 1])


def commit_and_resume():
    create_topic()
    produce(numbers(10))
    first = consumer()
    first.subscribe([TOPIC])
    first.commit(message=read(first, 4)[3], asynchronous=False)
    first.close()
    second = consumer()
    second.subscribe([TOPIC])
    equal(read(second, 1)[0].offset(), 4)


def commit_metadata():
    create_topic()
    reader = consumer()
    reader.commit(offsets=[TopicPartition(TOPIC, 0, 3, "a text")], asynchronous=False)
    found = reader.committed([TopicPartition(TOPIC, 0)], timeout=30)[0]
    equal((found.offset, found.metadata), (3, "a text"))


def reset_earliest():
    create_topic()
    produce(numbers(10))
    reader = consumer()
    reader.subscribe([TOPIC])
    equal(read(reader, 1)[0].offset(), 0)


def reset_latest():
    create_topic()
    produce(numbers(10))
    late = Member(**{"auto.offset.reset": "latest"})
    settle([late], lambda partitions: partitions == [0])
    # Where it begins is found out by the first fetch, so wait until it has a position.
    while late.consumer.position([TopicPartition(TOPIC, 0)])[0].offset < 0:
        assert time.monotonic() < DEADLINE, "no position"
        produce([(0, b"late")])
        late.consumer.poll(0.2)
    position = late.consumer.position([TopicPartition(TOPIC, 0)])[0].offset
    assert 10 < position, f"position {position}"


# Administration.


def offsets_admin():
    create_topic()
    produce(numbers(10))
    reader = consumer()
    reader.subscribe([TOPIC])
    reader.commit(message=read(reader, 5)[4], asynchronous=False)
    reader.close()
    client = admin()
    listed = client.list_consumer_groups(request_timeout=30).result().valid
    assert GROUP in [group.group_id for group in listed], "it is not listed"
    equal(result(client.describe_consumer_groups([GROUP])).state, ConsumerGroupState.EMPTY)

    def committed():
        of = [ConsumerGroupTopicPartitions(GROUP, [TopicPartition(TOPIC, 0)])]
        return result(client.list_consumer_group_offsets(of)).topic_partitions[0].offset

    equal(committed(), 5)
    to = [ConsumerGroupTopicPartitions(GROUP, [TopicPartition(TOPIC, 0, 2)])]
    result(client.alter_consumer_group_offsets(to))
    equal(committed(), 2)
    result(client.delete_consumer_groups([GROUP]))
    listed = client.list_consumer_groups(request_timeout=30).result().valid
    assert GROUP not in [group.group_id for group in listed], "it is still listed"


def create_topic_case():
    create_topic(3, {"retention.ms": "3600000"})
    equal(topic_config()["retention.ms"].value, "3600000")


def create_partitions():
    create_topic(2)
    result(admin().create_partitions([NewPartitions(TOPIC, 4)]))
    eventually(4, partition_count)
    produce([(3, b"new")])
    equal(values(read_from(0, 1, partition=3)), [b"new"])


def delete_topic():
    create_topic()
    produce(numbers(10))
    result(admin().delete_topics([TOPIC]))
    eventually(False, lambda: TOPIC in admin().list_topics(timeout=30).topics)


def delete_records():
    create_topic()
    produce(numbers(10))
    equal(result(admin().delete_records([TopicPartition(TOPIC, 0, 4)])).low_watermark, 4)
    equal(consumer().get_watermark_offsets(TopicPartition(TOPIC, 0), timeout=30), (4, 10))
    reader = consumer()
    reader.subscribe([TOPIC])
    equal(read(reader, 1)[0].offset(), 4)


def topic_config():
    return result(admin().describe_configs([ConfigResource("topic", TOPIC)]))


def describe_configs():
    create_topic(1, {"retention.ms": "3600000"})
    entries = topic_config()
    equal(entries["retention.ms"].source, ConfigSource.DYNAMIC_TOPIC_CONFIG.value)
    equal(entries["cleanup.policy"].value, "delete")
    equal(entries["cleanup.policy"].source, ConfigSource.DEFAULT_CONFIG.value)
    node = str(admin().describe_cluster().result(30).nodes[0].id)
    entries = result(admin().describe_configs([ConfigResource("broker", node)]))
    equal(entries["message.max.bytes"].value, "1048588")
    assert entries["node.id"].is_read_only, "node.id can be changed"


def alter_configs():
    create_topic(1, {"retention.ms": "3600000"})
    wanted = ConfigResource("topic", TOPIC, set_config={"max.message.bytes": "2000"})
    result(admin().alter_configs([wanted]))
    eventually_config({"max.message.bytes": "2000", "retention.ms": "604800000"})


def incremental_alter_configs():
    create_topic(1, {"retention.ms": "3600000"})

    def change(name, value, operation):
        entry = ConfigEntry(name, value, incremental_operation=operation)
        wanted = ConfigResource("topic", TOPIC, incremental_configs=[entry])
        result(admin().incremental_alter_configs([wanted]))

    change("max.message.bytes", "2000", AlterConfigOpType.SET)
    change("cleanup.policy", "compact", AlterConfigOpType.APPEND)
    eventually_config(
        {"max.message.bytes": "2000", "retention.ms": "3600000", "cleanup.policy": "delete,compact"}
    )
    change("retention.ms", None, AlterConfigOpType.DELETE)
    change("cleanup.policy", "delete", AlterConfigOpType.SUBTRACT)
    eventually_config({"retention.ms": "604800000", "cleanup.policy": "compact"})


def eventually_config(expected):
    def find():
        entries = topic_config()
        return {name: entries[name].value for name in expected}

    eventually(expected, find)


def list_offsets():
    create_topic()
    produce([(0, b"%d" % i, {"timestamp": FIRST_TIMESTAMP + i * 1000}) for i in range(10)])

    def offset(spec):
        return result(admin().list_offsets({TopicPartition(TOPIC, 0): spec})).offset

    equal(offset(OffsetSpec.earliest()), 0)
    equal(offset(OffsetSpec.latest()), 10)
    equal(offset(OffsetSpec.max_timestamp()), 9)
    equal(offset(OffsetSpec.for_timestamp(FIRST_TIMESTAMP + 4500)), 5)


def describe_cluster():
    found = admin().describe_cluster(request_timeout=30).result()
    assert found.cluster_id, "no cluster id"
    equal([f"{node.host}:{node.port}" for node in found.nodes], [BOOTSTRAP])
    equal(found.controller.id, found.nodes[0].id)


# Errors.


def error_unknown_topic():
    reader = consumer(**{"allow.auto.create.topics": False})
    reader.subscribe([TOPIC])
    refused(KafkaError.UNKNOWN_TOPIC_OR_PART, lambda: read(reader, 1))


def error_too_large_record():
    create_topic(1, {"max.message.bytes": "10000"})
    refused(KafkaError.MSG_SIZE_TOO_LARGE, lambda: produce([(0, b"x" * 20000)]))


def error_invalid_topic_name():
    new = NewTopic("not a name", 1, 1)
    refused(KafkaError.TOPIC_EXCEPTION, lambda: result(admin().create_topics([new])))


def error_duplicate_topic():
    create_topic()
    refused(KafkaError.TOPIC_ALREADY_EXISTS, create_topic)


def error_bad_partition_count():
    create_topic(3)
    fewer = [NewPartitions(TOPIC, 2)]
    refused(KafkaError.INVALID_PARTITIONS, lambda: result(admin().create_partitions(fewer)))


def error_unknown_group():
    refused(
        KafkaError.GROUP_ID_NOT_FOUND, lambda: result(admin().delete_consumer_groups([GROUP]))
    )


def main():
    if CASE.startswith("produce-"):
        round_trip(acks="all", **{"compression.type": CASE.removeprefix("produce-")})
    elif CASE.startswith("acks-"):
        round_trip(acks=CASE.removeprefix("acks-"))
    elif CASE == "create-topic":
        create_topic_case()
    else:
        globals()[CASE.replace("-", "_")]()


if __name__ == "__main__":
    try:
        main()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    # Without destructors: a consumer that is not closed leaves its group there, and waits for it.
    os._exit(0)
