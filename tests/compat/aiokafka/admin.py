from aiokafka import OffsetAndMetadata
from aiokafka.admin import NewPartitions, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import (
    InvalidConfigurationError,
    OffsetOutOfRangeError,
    UnknownTopicOrPartitionError,
)

from groups import join, share
from offsets import commit_offsets
from run import (
    START_MS,
    Cannot,
    TopicPartition,
    case,
    error_of,
    expect_content,
    expect_error,
    expect_same,
    records,
    until,
)

# Where a setting comes from, as numbered on the wire.
DYNAMIC_TOPIC, DEFAULT = 1, 5


async def describe_group(run, group):
    [answer] = await run.admin.describe_consumer_groups([group])
    [described] = answer.to_object()["groups"]
    assert not described["error_code"], error_of(described["error_code"])
    return described


@case
async def offsets_admin(run):
    """aiokafka's administrator lists and describes; it deletes neither offsets nor groups."""
    topic, group = await run.topic("offsets-admin", 2), f"{run.prefix}-offsets-admin"
    member = await join(run, group, topic)
    await share(2, [2], member)
    described = await describe_group(run, group)
    assert described["state"] == "Stable", described["state"]
    assert described["protocol_type"] == "consumer", described["protocol_type"]
    [in_group] = described["members"]
    assignment = ConsumerProtocolMemberAssignment.decode(in_group["member_assignment"])
    assert assignment.assignment == [(topic, [0, 1])], assignment.assignment
    await member.leave()

    async def is_empty():
        return (await describe_group(run, group))["state"] == "Empty"

    await until("an empty group", is_empty)
    assert (group, "consumer") in [entry[:2] for entry in await run.admin.list_consumer_groups()]
    offsets = {TopicPartition(topic, 0): OffsetAndMetadata(5, "")}
    await commit_offsets(run, group, offsets)
    asked = list(offsets)
    committed = await run.admin.list_consumer_group_offsets(group, partitions=asked)
    assert committed == offsets, committed


@case
async def create_topic(run):
    topic = await run.topic("created", 3, {"retention.ms": "1234567"})
    [described] = await run.admin.describe_topics([topic])
    assert sorted(p["partition"] for p in described["partitions"]) == [0, 1, 2], described
    for partition in described["partitions"]:
        assert not partition["error_code"], partition
        assert len(partition["isr"]) == 1, partition
    assert topic in await run.admin.list_topics()
    await expect_config(run, topic, "retention.ms", "1234567", DYNAMIC_TOPIC)


@case
async def create_partitions(run):
    topic = await run.topic("grown", 2)
    await run.admin.create_partitions({topic: NewPartitions(5)})
    await until("5 partitions", lambda: run.has_partitions(topic, 5))
    sent = records(5, 0, 50)
    await run.produce(topic, sent)
    expect_same(await run.read_all(topic, 5, 50), sent)


@case
async def delete_topic(run):
    topic = await run.topic("deleted", 2)
    await run.produce(topic, records(2, 0, 10))
    answer = await run.admin.delete_topics([topic])
    assert not answer.topic_error_codes[0][1], answer

    async def is_gone():
        return topic not in await run.admin.list_topics()

    await until("a topic that is gone", is_gone)
    answer = await run.admin.delete_topics([topic])
    error = error_of(answer.topic_error_codes[0][1])
    assert error is UnknownTopicOrPartitionError, error


@case
async def delete_records(run):
    topic = await run.topic("trimmed", 1)
    partition = TopicPartition(topic, 0)
    sent = records(1, 0, 10)
    await run.produce(topic, sent)
    low_watermarks = await run.admin.delete_records({partition: RecordsToDelete(5)})
    assert low_watermarks == {partition: 5}, low_watermarks

    consumer = await run.reader(topic, 1)
    assert await consumer.beginning_offsets([partition]) == {partition: 5}
    got = await run.read_all(topic, 1, 5)
    assert got[0].offset == 5, f"the first record has offset {got[0].offset}"
    for message, record in zip(got, sent[5:]):
        expect_content(message, record)
    with expect_error(OffsetOutOfRangeError):
        await run.admin.delete_records({partition: RecordsToDelete(11)})


async def config_entry(run, kind, name, key):
    resource = ConfigResource(kind, name)
    [answer] = await run.admin.describe_configs([resource], include_synonyms=True)
    [described] = answer.to_object()["resources"]
    assert not described["error_code"], error_of(described["error_code"])
    return next(entry for entry in described["config_entries"] if entry["config_names"] == key)


async def expect_config(run, topic, key, value, source):
    # What was altered takes a moment to be described.
    async def is_described():
        entry = await config_entry(run, ConfigResourceType.TOPIC, topic, key)
        return (entry["config_value"], entry["config_source"]) == (value, source)

    await until(f"{key} is {value} from {source}", is_described)


@case
async def describe_configs(run):
    topic = await run.topic("described", 1)
    await expect_config(run, topic, "cleanup.policy", "delete", DEFAULT)
    await expect_config(run, topic, "compression.type", "producer", DEFAULT)
    limit = await config_entry(run, ConfigResourceType.TOPIC, topic, "max.message.bytes")
    [synonym] = limit["config_synonyms"]
    assert synonym["config_name"] == "message.max.bytes", synonym

    [broker] = (await run.admin.describe_cluster())["brokers"]
    broker_id = str(broker["node_id"])
    limit = await config_entry(run, ConfigResourceType.BROKER, broker_id, "message.max.bytes")
    assert limit["config_value"] == "1048588", limit


@case
async def alter_configs(run):
    """AlterConfigs replaces all that was set."""
    topic = await run.topic("altered", 1, {"retention.ms": "1234567"})

    async def alter(configs):
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs)
        [answer] = await run.admin.alter_configs([resource])
        return error_of(answer.resources[0][0])

    error = await alter({"retention.bytes": "7654321"})
    assert error is None, error
    await expect_config(run, topic, "retention.bytes", "7654321", DYNAMIC_TOPIC)
    await expect_config(run, topic, "retention.ms", "604800000", DEFAULT)
    error = await alter({"retention.ms": "soon"})
    assert error is InvalidConfigurationError, error


@case
async def incremental_alter_configs(run):
    raise Cannot("aiokafka has no IncrementalAlterConfigs")


@case
async def list_offsets(run):
    topic = await run.topic("listed", 1)
    partition = TopicPartition(topic, 0)
    consumer = await run.reader(topic, 1)
    assert await consumer.end_offsets([partition]) == {partition: 0}
    await run.produce(topic, records(1, 0, 100))
    assert await consumer.beginning_offsets([partition]) == {partition: 0}
    assert await consumer.end_offsets([partition]) == {partition: 100}
    found = await consumer.offsets_for_times({partition: START_MS + 40})
    assert (found[partition].offset, found[partition].timestamp) == (40, START_MS + 40), found
    # No record is that young.
    found = await consumer.offsets_for_times({partition: START_MS + 100})
    assert found[partition] is None, found


@case
async def describe_cluster(run):
    cluster = await run.admin.describe_cluster()
    assert cluster["cluster_id"], "no cluster id"
    [broker] = cluster["brokers"]
    assert cluster["controller_id"] == broker["node_id"], cluster
    address = f"{broker['host']}:{broker['port']}"
    assert address == run.bootstrap, f"the broker is at {address}"
