import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** Topics, configuration, groups from outside, and the errors of each. */
final class Administration {
    private Administration() {}

    static void offsets() throws Exception {
        Client.create(1);
        Records.produce(10);
        try (var reader = Client.consumer(Map.of("max.poll.records", 5))) {
            reader.subscribe(List.of(Client.topic));
            Records.read(reader, 5);
            reader.commitSync();
        }
        Client.check(listedGroups().contains(Client.group), "it is not listed");
        var described = Client.admin.describeConsumerGroups(List.of(Client.group));
        Client.equal(GroupState.EMPTY, described.all().get().get(Client.group).groupState());
        Client.equal(5L, committed().offset());
        var changed = Map.of(Client.partition(0), new OffsetAndMetadata(2));
        Client.admin.alterConsumerGroupOffsets(Client.group, changed).all().get();
        Client.equal(2L, committed().offset());
        var partition = Set.of(Client.partition(0));
        Client.admin.deleteConsumerGroupOffsets(Client.group, partition).all().get();
        Client.equal(null, committed());
        Client.admin.deleteConsumerGroups(List.of(Client.group)).all().get();
        Client.check(!listedGroups().contains(Client.group), "it is still listed");
    }

    private static List<String> listedGroups() throws Exception {
        var listed = Client.admin.listGroups(ListGroupsOptions.forConsumerGroups()).all().get();
        return listed.stream().map(group -> group.groupId()).toList();
    }

    private static OffsetAndMetadata committed() throws Exception {
        var listed = Client.admin.listConsumerGroupOffsets(Client.group);
        return listed.partitionsToOffsetAndMetadata().get().get(Client.partition(0));
    }

    static void createTopic() throws Exception {
        Client.create(3, Map.of("retention.ms", "3600000"));
        Client.equal("3600000", topicConfig().get("retention.ms").value());
    }

    static void createPartitions() throws Exception {
        Client.create(2);
        grow(4);
        Client.eventually(4, Client::partitionCount);
        Records.produce(List.of(Records.record(3, "new")), Map.of());
        Client.equal("new", new String(Records.readFrom(3, 0, 1).get(0).value()));
    }

    private static void grow(int partitions) throws Exception {
        var wanted = Map.of(Client.topic, NewPartitions.increaseTo(partitions));
        Client.admin.createPartitions(wanted).all().get();
    }

    static void deleteTopic() throws Exception {
        Client.create(1);
        Records.produce(10);
        Client.admin.deleteTopics(List.of(Client.topic)).all().get();
        Client.eventually(false, () -> Client.admin.listTopics().names().get().contains(Client.topic));
    }

    static void deleteRecords() throws Exception {
        Client.create(1);
        Records.produce(10);
        var below = Map.of(Client.partition(0), RecordsToDelete.beforeOffset(4));
        var deleted = Client.admin.deleteRecords(below).lowWatermarks().get(Client.partition(0));
        Client.equal(4L, deleted.get().lowWatermark());
        Client.equal(4L, offset(OffsetSpec.earliest()));
        Client.equal(10L, offset(OffsetSpec.latest()));
        try (var reader = Client.consumer(Map.of())) {
            reader.subscribe(List.of(Client.topic));
            Client.equal(4L, Records.read(reader, 1).get(0).offset());
        }
    }

    private static Config config(ConfigResource.Type type, String name) throws Exception {
        var resource = new ConfigResource(type, name);
        return Client.admin.describeConfigs(List.of(resource)).all().get().get(resource);
    }

    private static Config topicConfig() throws Exception {
        return config(ConfigResource.Type.TOPIC, Client.topic);
    }

    static void describeConfigs() throws Exception {
        Client.create(1, Map.of("retention.ms", "3600000"));
        Config topic = topicConfig();
        Client.equal(ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, topic.get("retention.ms").source());
        Client.equal("delete", topic.get("cleanup.policy").value());
        Client.equal(ConfigEntry.ConfigSource.DEFAULT_CONFIG, topic.get("cleanup.policy").source());
        String node = Client.admin.describeCluster().nodes().get().iterator().next().idString();
        Config broker = config(ConfigResource.Type.BROKER, node);
        Client.equal("1048588", broker.get("message.max.bytes").value());
        Client.check(broker.get("node.id").isReadOnly(), "node.id can be changed");
    }

    static void incrementalAlterConfigs() throws Exception {
        Client.create(1, Map.of("retention.ms", "3600000"));
        change("max.message.bytes", "2000", AlterConfigOp.OpType.SET);
        change("cleanup.policy", "compact", AlterConfigOp.OpType.APPEND);
        eventuallyConfig(Map.of(
            "max.message.bytes", "2000",
            "retention.ms", "3600000",
            "cleanup.policy", "delete,compact"));
        change("retention.ms", null, AlterConfigOp.OpType.DELETE);
        change("cleanup.policy", "delete", AlterConfigOp.OpType.SUBTRACT);
        eventuallyConfig(Map.of("retention.ms", "604800000", "cleanup.policy", "compact"));
    }

    private static void change(String name, String value, AlterConfigOp.OpType operation)
            throws Exception {
        var resource = new ConfigResource(ConfigResource.Type.TOPIC, Client.topic);
        Collection<AlterConfigOp> change =
            List.of(new AlterConfigOp(new ConfigEntry(name, value), operation));
        Client.admin.incrementalAlterConfigs(Map.of(resource, change)).all().get();
    }

    private static void eventuallyConfig(Map<String, String> expected) throws Exception {
        Client.eventually(expected, () -> {
            Config found = topicConfig();
            return expected.keySet().stream()
                .collect(Collectors.toMap(name -> name, name -> found.get(name).value()));
        });
    }

    static void listOffsets() throws Exception {
        Client.create(1);
        Records.produceWithTimestamps();
        Client.equal(0L, offset(OffsetSpec.earliest()));
        Client.equal(10L, offset(OffsetSpec.latest()));
        Client.equal(9L, offset(OffsetSpec.maxTimestamp()));
        Client.equal(5L, offset(OffsetSpec.forTimestamp(Records.FIRST_TIMESTAMP + 4500)));
    }

    private static long offset(OffsetSpec spec) throws Exception {
        var listed = Client.admin.listOffsets(Map.of(Client.partition(0), spec));
        return listed.partitionResult(Client.partition(0)).get().offset();
    }

    static void describeCluster() throws Exception {
        var cluster = Client.admin.describeCluster();
        Client.check(!cluster.clusterId().get().isEmpty(), "no cluster id");
        List<Node> nodes = List.copyOf(cluster.nodes().get());
        Client.equal(1, nodes.size());
        Client.equal(Client.bootstrap, nodes.get(0).host() + ":" + nodes.get(0).port());
        Client.equal(nodes.get(0), cluster.controller().get());
    }

    static void unknownTopic() {
        Client.refused(
            UnknownTopicOrPartitionException.class,
            () -> Client.admin.describeTopics(List.of(Client.topic)).allTopicNames().get());
    }

    static void tooLargeRecord() throws Exception {
        Client.create(1, Map.of("max.message.bytes", "10000"));
        var record = Records.record(0, "x".repeat(20_000));
        Client.refused(RecordTooLargeException.class, () -> Records.produce(List.of(record), Map.of()));
    }

    static void invalidTopicName() {
        var wanted = List.of(new NewTopic("not a name", 1, (short) 1));
        Client.refused(
            InvalidTopicException.class, () -> Client.admin.createTopics(wanted).all().get());
    }

    static void duplicateTopic() throws Exception {
        Client.create(1);
        Client.refused(TopicExistsException.class, () -> Client.create(1));
    }

    static void badPartitionCount() throws Exception {
        Client.create(3);
        Client.refused(InvalidPartitionsException.class, () -> grow(2));
    }

    static void unknownGroup() {
        Client.refused(
            GroupIdNotFoundException.class,
            () -> Client.admin.deleteConsumerGroups(List.of(Client.group)).all().get());
    }
}
