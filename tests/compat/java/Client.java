import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Every case with Apache Kafka's own Java client.
 *
 * <p>usage: Client BOOTSTRAP PREFIX CASE; exit 0: passed, 77: the client cannot do it.
 */
final class Client {
    static final long DEADLINE = System.nanoTime() + Duration.ofSeconds(60).toNanos();
    static final Duration SHORT = Duration.ofMillis(50);

    static String bootstrap;
    static String topic;
    static String group;
    static Admin admin;

    private Client() {}

    /** What a case may throw: anything, which is then why it failed. */
    interface Case {
        void run() throws Exception;
    }

    /** The client has no means for the case. */
    static final class CannotException extends Exception {
        private static final long serialVersionUID = 1;

        CannotException(String reason) {
            super(reason);
        }
    }

    public static void main(String[] arguments) {
        bootstrap = arguments[0];
        topic = arguments[1];
        group = arguments[1];
        admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
        int code = 0;
        try {
            find(arguments[2]).run();
        } catch (CannotException cannot) {
            System.out.println(cannot.getMessage());
            code = 77;
        } catch (Throwable failure) {
            failure.printStackTrace();
            // The last line is what the table shows.
            System.err.println(failure);
            code = 1;
        }
        // Members that a case leaves behind are not waited for.
        Runtime.getRuntime().halt(code);
    }

    private static Case find(String name) {
        return switch (name) {
            case "produce-none" -> () -> Records.roundTrip(Map.of("acks", "all"));
            case "produce-gzip" -> () -> Records.roundTrip(Map.of("compression.type", "gzip"));
            case "produce-snappy" -> () -> Records.roundTrip(Map.of("compression.type", "snappy"));
            case "produce-lz4" -> () -> Records.roundTrip(Map.of("compression.type", "lz4"));
            case "produce-zstd" -> () -> Records.roundTrip(Map.of("compression.type", "zstd"));
            case "acks-0" -> () -> Records.roundTrip(Map.of("acks", "0"));
            case "acks-1" -> () -> Records.roundTrip(Map.of("acks", "1"));
            case "idempotent" -> () -> Records.roundTrip(Map.of("enable.idempotence", true));
            case "consume-from-beginning" -> Records::consumeFromBeginning;
            case "consume-from-timestamp" -> Records::consumeFromTimestamp;
            case "seek" -> Records::seek;
            case "large-message" -> Records::largeMessage;
            case "group-one-member" -> Groups::oneMember;
            case "group-join-leave" -> Groups::joinLeave;
            case "group-member-death" -> Groups::memberDeath;
            case "group-cooperative" -> Groups::cooperative;
            case "group-static-member" -> Groups::staticMember;
            case "group-spare-member" -> Groups::spareMember;
            case "commit-and-resume" -> Groups::commitAndResume;
            case "commit-metadata" -> Groups::commitMetadata;
            case "reset-earliest" -> Groups::resetEarliest;
            case "reset-latest" -> Groups::resetLatest;
            case "offsets-admin" -> Administration::offsets;
            case "create-topic" -> Administration::createTopic;
            case "create-partitions" -> Administration::createPartitions;
            case "delete-topic" -> Administration::deleteTopic;
            case "delete-records" -> Administration::deleteRecords;
            case "describe-configs" -> Administration::describeConfigs;
            case "alter-configs" -> () -> {
                throw new CannotException("Admin.alterConfigs is gone since version 4.0");
            };
            case "incremental-alter-configs" -> Administration::incrementalAlterConfigs;
            case "list-offsets" -> Administration::listOffsets;
            case "describe-cluster" -> Administration::describeCluster;
            case "error-unknown-topic" -> Administration::unknownTopic;
            case "error-too-large-record" -> Administration::tooLargeRecord;
            case "error-invalid-topic-name" -> Administration::invalidTopicName;
            case "error-duplicate-topic" -> Administration::duplicateTopic;
            case "error-bad-partition-count" -> Administration::badPartitionCount;
            case "error-unknown-group" -> Administration::unknownGroup;
            // Not a case: the other member of group-member-death.
            case "member" -> Groups::member;
            // Nor these: members of the group of different clients.
            case "mixed-range" -> () -> Groups.mixed("RangeAssignor");
            case "mixed-roundrobin" -> () -> Groups.mixed("RoundRobinAssignor");
            case "mixed-cooperative-sticky" -> () -> Groups.mixed("CooperativeStickyAssignor");
            default -> throw new IllegalArgumentException(name + " is no case");
        };
    }

    /** Creates the topic of the case and waits until each partition has a leader who answers. */
    static void create(int partitions, Map<String, String> settings) throws Exception {
        NewTopic wanted = new NewTopic(topic, partitions, (short) 1).configs(settings);
        admin.createTopics(List.of(wanted)).all().get();
        eventually(true, () -> areLed(partitions));
    }

    private static boolean areLed(int partitions) throws Exception {
        Map<TopicPartition, OffsetSpec> asked = new HashMap<>();
        for (int number = 0; number < partitions; number++) {
            asked.put(partition(number), OffsetSpec.latest());
        }
        try {
            admin.listOffsets(asked).all().get();
            return true;
        } catch (ExecutionException unknown) {
            return false;
        }
    }

    static void create(int partitions) throws Exception {
        create(partitions, Map.of());
    }

    static int partitionCount() throws Exception {
        var described = admin.describeTopics(List.of(topic)).allTopicNames().get();
        return described.get(topic).partitions().size();
    }

    static TopicPartition partition(int number) {
        return new TopicPartition(topic, number);
    }

    static KafkaProducer<byte[], byte[]> producer(Map<String, ?> settings) {
        Map<String, Object> all = new HashMap<>(settings);
        all.put("bootstrap.servers", bootstrap);
        all.put("linger.ms", 5);
        all.put("request.timeout.ms", 10_000);
        all.put("delivery.timeout.ms", 30_000);
        return new KafkaProducer<>(all, new ByteArraySerializer(), new ByteArraySerializer());
    }

    static KafkaConsumer<byte[], byte[]> consumer(Map<String, ?> settings) {
        Map<String, Object> all = new HashMap<>();
        all.put("bootstrap.servers", bootstrap);
        all.put("group.id", group);
        all.put("enable.auto.commit", false);
        all.put("auto.offset.reset", "earliest");
        all.put("session.timeout.ms", 6000);
        all.put("heartbeat.interval.ms", 500);
        all.putAll(settings);
        return new KafkaConsumer<>(all, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    static void check(boolean holds, String otherwise) {
        if (!holds) {
            throw new AssertionError(otherwise);
        }
    }

    static void equal(Object expected, Object found) {
        check(Objects.equals(expected, found), "expected " + expected + ", found " + found);
    }

    static void checkDeadline(String what) {
        check(System.nanoTime() < DEADLINE, what);
    }

    /** Changes are answered when they are decided; the broker that is asked follows. */
    static <T> void eventually(T expected, Callable<T> find) throws Exception {
        for (T found = find.call(); !found.equals(expected); found = find.call()) {
            checkDeadline("expected " + expected + ", found " + found);
            Thread.sleep(50);
        }
    }

    /** The call has to fail with this error. */
    static void refused(Class<? extends Exception> expected, Case call) {
        try {
            call.run();
        } catch (Exception thrown) {
            Throwable told = thrown instanceof ExecutionException ? thrown.getCause() : thrown;
            check(expected.isInstance(told), "told as " + told);
            return;
        }
        throw new AssertionError("no error");
    }
}
