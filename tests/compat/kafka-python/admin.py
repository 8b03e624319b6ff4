from kafka import OffsetAndMetadata, OffsetSpec, TopicPartition
from kafka.admin import AlterConfigOp, ConfigResource
from kafka.errors import NoError, OffsetOutOfRangeError, UnknownTopicOrPartitionError

from groups import Member, share
from offsets import commit_offsets
from run import START_MS, case, expect_content, expect_error, expect_same, records, until


@case
def offsets_admin(run):
    topic, group = run.topic("offsets-admin", 2), f"{run.prefix}-offsets-admin"
    member = Member(run, group, topic)
    share(2, [2], member)
    described = run.admin.describe_groups([group])[group]
    assert described["error"] is None, described
    assert described["group_state"] == "Stable", described
    assert described["protocol_type"] == "consumer", described
    [in_group] = described["members"]
    [assigned] = in_group["member_assignment"]["assigned_partitions"]
    assert assigned["topic"] == topic and sorted(assigned["partitions"]) == [0, 1], assigned
    refused = run.admin.delete_groups([group])[group]
    assert refused == "NonEmptyGroupError", refused
    member.leave()

    def is_empty():
        return run.admin.describe_groups([group])[group]["group_state"] == "Empty"

    until("an empty group", is_empty)
    [listed] = [entry for entry in run.admin.list_groups() if entry["group_id"] == group]
    assert listed["group_state"] == "Empty", listed

    zero, one = TopicPartition(topic, 0), TopicPartition(topic, 1)
    offsets = {zero: OffsetAndMetadata(5, "", -1), one: OffsetAndMetadata(6, "", -1)}
    error = commit_offsets(run, group, offsets)
    assert error is NoError, error
    assert run.admin.list_group_offsets(group)[group] == offsets
    assert run.admin.delete_group_offsets(group, [zero]) == {zero: NoError}
    del offsets[zero]
    assert run.admin.list_group_offsets(group)[group] == offsets

    assert run.admin.delete_groups([group]) == {group: "OK"}
    assert group not in [entry["group_id"] for entry in run.admin.list_groups()]


@case
def create_topic(run):
    topic = run.topic("created", 3, {"retention.ms": "1234567"})
    [described] = run.admin.describe_topics([topic])
    partitions = described["partitions"]
    assert sorted(p["partition_index"] for p in partitions) == [0, 1, 2], described
    for partition in partitions:
        assert not partition["error_code"], partition
        assert len(partition["isr_nodes"]) == 1, partition
    assert topic in run.admin.list_topics()
    expect_config(run, topic, "retention.ms", "1234567", "DYNAMIC_TOPIC_CONFIG")


@case
def create_partitions(run):
    topic = run.topic("grown", 2)
    run.admin.create_partitions({topic: 5})

    def has_grown():
        [described] = run.admin.describe_topics([topic])
        return len(described["partitions"]) == 5

    until("5 partitions", has_grown)
    sent = records(5, 0, 50)
    run.produce(topic, sent)
    expect_same(run.read_all(topic, 5, 50), sent)


@case
def delete_topic(run):
    topic = run.topic("deleted", 2)
    run.produce(topic, records(2, 0, 10))
    run.admin.delete_topics([topic])
    until("a topic that is gone", lambda: topic not in run.admin.list_topics())
    with expect_error(UnknownTopicOrPartitionError):
        run.admin.delete_topics([topic])


@case
def delete_records(run):
    topic = run.topic("trimmed", 1)
    partition = TopicPartition(topic, 0)
    sent = records(1, 0, 10)
    run.produce(topic, sent)
    deleted = run.admin.delete_records({partition: 5})
    assert deleted[partition]["low_watermark"] == 5, deleted

    expect_listed(run, partition, OffsetSpec.EARLIEST, 5)
    got = run.read_all(topic, 1, 5)
    assert got[0].offset == 5, f"the first record has offset {got[0].offset}"
    for message, record in zip(got, sent[5:]):
        expect_content(message, record)
    with expect_error(OffsetOutOfRangeError):
        run.admin.delete_records({partition: 11})


def config_entry(run, kind, name, key):
    described = run.admin.describe_configs(
        [ConfigResource(kind, name)], include_synonyms=True, config_filter="all"
    )
    return described[kind][name][key]


def expect_config(run, topic, key, value, source):
    # What was altered takes a moment to be described.
    def is_described():
        entry = config_entry(run, "topic", topic, key)
        return (entry["value"], entry["config_source"]) == (value, source)

    until(f"{key} is {value} from {source}", is_described)


@case
def describe_configs(run):
    topic = run.topic("described", 1)
    expect_config(run, topic, "cleanup.policy", "delete", "DEFAULT_CONFIG")
    expect_config(run, topic, "compression.type", "producer", "DEFAULT_CONFIG")
    [synonym] = config_entry(run, "topic", topic, "max.message.bytes")["synonyms"]
    assert synonym["name"] == "message.max.bytes", synonym

    [broker] = run.admin.describe_cluster()["brokers"]
    limit = config_entry(run, "broker", str(broker["broker_id"]), "message.max.bytes")
    assert limit["value"] == "1048588", limit


def alter(run, topic, configs, incremental):
    """Returns OK, or what is wrong."""
    resource = ConfigResource("topic", topic, configs)
    altered = run.admin.alter_configs(
        [resource], incremental=incremental, raise_on_unknown=False
    )
    return altered["topic"][topic]


@case
def alter_configs(run):
    """AlterConfigs replaces all that was set; kafka-python adds what it would lose otherwise."""
    topic = run.topic("altered", 1, {"retention.ms": "1234567"})
    assert alter(run, topic, {"retention.bytes": "7654321"}, incremental=False) == "OK"
    expect_config(run, topic, "retention.bytes", "7654321", "DYNAMIC_TOPIC_CONFIG")
    expect_config(run, topic, "retention.ms", "1234567", "DYNAMIC_TOPIC_CONFIG")
    resource = ConfigResource("topic", topic, ["retention.ms"])
    assert run.admin.reset_configs([resource], incremental=False)["topic"][topic] == "OK"
    expect_config(run, topic, "retention.bytes", "7654321", "DYNAMIC_TOPIC_CONFIG")
    expect_config(run, topic, "retention.ms", "604800000", "DEFAULT_CONFIG")
    refused = alter(run, topic, {"retention.ms": "soon"}, incremental=False)
    assert "InvalidConfigurationError" in refused, refused


@case
def incremental_alter_configs(run):
    """IncrementalAlterConfigs changes what it names and leaves the rest."""
    topic = run.topic("incremental", 1)

    def change(key, operation, value):
        return alter(run, topic, {key: (operation, value)}, incremental=True)

    assert change("retention.ms", AlterConfigOp.SET, "1234567") == "OK"
    assert change("cleanup.policy", AlterConfigOp.APPEND, "compact") == "OK"
    expect_config(run, topic, "retention.ms", "1234567", "DYNAMIC_TOPIC_CONFIG")
    expect_config(run, topic, "cleanup.policy", "delete,compact", "DYNAMIC_TOPIC_CONFIG")
    assert change("cleanup.policy", AlterConfigOp.SUBTRACT, "delete") == "OK"
    expect_config(run, topic, "cleanup.policy", "compact", "DYNAMIC_TOPIC_CONFIG")
    assert change("retention.ms", AlterConfigOp.DELETE, None) == "OK"
    expect_config(run, topic, "retention.ms", "604800000", "DEFAULT_CONFIG")

    refused = change("retention.ms", AlterConfigOp.SET, "soon")
    assert "InvalidConfigurationError" in refused, refused
    refused = change("no.such.key", AlterConfigOp.SET, "1")
    assert "InvalidConfigurationError" in refused, refused


@case
def list_offsets(run):
    topic = run.topic("listed", 1)
    partition = TopicPartition(topic, 0)
    expect_listed(run, partition, OffsetSpec.LATEST, 0)
    run.produce(topic, records(1, 0, 100))
    expect_listed(run, partition, OffsetSpec.EARLIEST, 0)
    expect_listed(run, partition, OffsetSpec.LATEST, 100)
    expect_listed(run, partition, OffsetSpec.MAX_TIMESTAMP, 99)
    expect_listed(run, partition, START_MS + 40, 40)
    # No record is that young.
    expect_listed(run, partition, START_MS + 100, -1)


def expect_listed(run, partition, spec, offset):
    listed = run.admin.list_partition_offsets({partition: spec})
    assert listed[partition].offset == offset, f"{listed} instead of {offset}"


@case
def describe_cluster(run):
    cluster = run.admin.describe_cluster()
    assert cluster["cluster_id"], "no cluster id"
    [broker] = cluster["brokers"]
    assert cluster["controller_id"] == broker["broker_id"], cluster
    address = f"{broker['host']}:{broker['port']}"
    assert address == run.bootstrap, f"the broker is at {address}"
