// Prints what Apache Kafka's own Java client computes, as data for our tests: partitions of keys,
// assignments of groups, and the bytes in which members describe themselves.
//
// It writes partitions.txt, assignments.txt, sticky.txt and protocol.txt into the folder that is its
// argument; README.md says what is in them. Everything is drawn from generators with fixed seeds, so
// that a second run writes the same.

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Assignment;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.GroupSubscription;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Subscription;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.consumer.RoundRobinAssignor;
import org.apache.kafka.clients.consumer.StickyAssignor;
import org.apache.kafka.clients.consumer.internals.ConsumerProtocol;
import org.apache.kafka.common.Cluster;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.utils.Utils;

final class Vectors {
    private static final int[] PARTITION_COUNTS = {1, 2, 3, 6, 7, 12, 50, 100, 1000, 9999};
    private static final Node NODE = new Node(1, "localhost", 9092);

    private Vectors() {
    }

    public static void main(String[] arguments) throws IOException {
        Path directory = Path.of(arguments[0]);
        write(directory.resolve("partitions.txt"), Vectors::partitions);
        write(directory.resolve("assignments.txt"), Vectors::assignments);
        write(directory.resolve("sticky.txt"), Vectors::sticky);
        write(directory.resolve("protocol.txt"), Vectors::protocol);
    }

    private interface Section {
        void print(PrintWriter out);
    }

    private static void write(Path path, Section section) throws IOException {
        try (PrintWriter out = new PrintWriter(Files.newBufferedWriter(path))) {
            section.print(out);
        }
    }

    // ---- keys ----

    private static void partitions(PrintWriter out) {
        out.println("counts " + Arrays.stream(PARTITION_COUNTS).mapToObj(Integer::toString)
            .collect(Collectors.joining(" ")));
        Random random = new Random(1);
        List<byte[]> keys = new ArrayList<>();
        for (int length = 0; length <= 40; length++) {
            for (int repetition = 0; repetition < 5; repetition++) {
                byte[] key = new byte[length];
                random.nextBytes(key);
                keys.add(key);
            }
        }
        for (int length : new int[] {100, 255, 256, 1000, 2049}) {
            byte[] key = new byte[length];
            random.nextBytes(key);
            keys.add(key);
        }
        for (int value : new int[] {0, 0x7f, 0x80, 0xff}) {
            for (int length = 1; length <= 9; length++) {
                byte[] key = new byte[length];
                Arrays.fill(key, (byte) value);
                keys.add(key);
            }
        }
        for (String text : new String[] {"key", "21", "foobar", "a-little-bit-long-string", "größer", "日本語",
            "ключ", "\uD83E\uDDF5", "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8"}) {
            keys.add(text.getBytes(StandardCharsets.UTF_8));
        }
        for (byte[] key : keys) {
            int hash = Utils.murmur2(key);
            String chosen = Arrays.stream(PARTITION_COUNTS)
                .mapToObj(count -> Integer.toString(Utils.toPositive(hash) % count))
                .collect(Collectors.joining(" "));
            out.println("key " + hex(ByteBuffer.wrap(key)) + " " + hash + " " + chosen);
        }
    }

    // ---- groups ----

    /** What a member tells its leader. */
    private record Member(String instanceId, List<String> topics, List<TopicPartition> owned, int generation) {
        Subscription eager() {
            StickyAssignor assignor = new StickyAssignor();
            assignor.onAssignment(new Assignment(owned), metadata(generation));
            ByteBuffer userData = generation < 0 ? null : assignor.subscriptionUserData(Set.copyOf(topics));
            return subscription(userData, List.of(), -1);
        }

        Subscription cooperative() {
            CooperativeStickyAssignor assignor = new CooperativeStickyAssignor();
            assignor.onAssignment(new Assignment(owned), metadata(generation));
            return subscription(assignor.subscriptionUserData(Set.copyOf(topics)), owned, generation);
        }

        Subscription subscription(ByteBuffer userData, List<TopicPartition> owned, int generation) {
            Subscription made = new Subscription(topics, userData, owned, generation, Optional.empty());
            made.setGroupInstanceId(Optional.ofNullable(instanceId));
            return made;
        }
    }

    private record Demand(TreeMap<String, Integer> topics, TreeMap<String, Member> members) {
        Cluster cluster() {
            List<PartitionInfo> all = new ArrayList<>();
            Node[] nodes = {NODE};
            topics.forEach((topic, count) -> IntStream.range(0, count)
                .forEach(number -> all.add(new PartitionInfo(topic, number, NODE, nodes, nodes))));
            return new Cluster("cluster", List.of(NODE), all, Set.of(), Set.of());
        }

        void print(PrintWriter out) {
            out.println("demand " + topics.entrySet().stream().map(topic -> topic.getKey() + "=" + topic.getValue())
                .collect(Collectors.joining(" ")));
            members.forEach((id, member) -> {
                String instance = member.instanceId == null ? "" : " instance=" + member.instanceId;
                String generation = member.generation < 0 ? "" : " generation=" + member.generation;
                String owned = member.owned.isEmpty() ? "" : " owned=" + shown(member.owned);
                out.println("member " + id + " topics=" + String.join(",", member.topics) + instance + generation
                    + owned);
            });
        }
    }

    // Only a consumer makes these from now on; but no consumer is at work here.
    @SuppressWarnings("removal")
    private static ConsumerGroupMetadata metadata(int generation) {
        return new ConsumerGroupMetadata("group", generation, "member", Optional.empty());
    }

    private static Map<String, Assignment> assign(ConsumerPartitionAssignor assignor, Demand demand,
                                                  java.util.function.Function<Member, Subscription> subscribe) {
        Map<String, Subscription> subscriptions = new HashMap<>();
        demand.members.forEach((id, member) -> subscriptions.put(id, subscribe.apply(member)));
        return assignor.assign(demand.cluster(), new GroupSubscription(subscriptions)).groupAssignment();
    }

    private static void print(PrintWriter out, String name, Map<String, Assignment> assignments) {
        new TreeMap<>(assignments).forEach((id, assignment) -> {
            if (!assignment.partitions().isEmpty()) {
                out.println(name + " " + id + " " + shown(assignment.partitions()));
            }
        });
    }

    /** As `a:0,1;b:2`. */
    private static String shown(List<TopicPartition> partitions) {
        TreeMap<String, TreeSet<Integer>> byTopic = new TreeMap<>();
        partitions.forEach(partition ->
            byTopic.computeIfAbsent(partition.topic(), topic -> new TreeSet<>()).add(partition.partition()));
        return byTopic.entrySet().stream()
            .map(topic -> topic.getKey() + ":" + topic.getValue().stream().map(Object::toString)
                .collect(Collectors.joining(",")))
            .collect(Collectors.joining(";"));
    }

    private static void assignments(PrintWriter out) {
        for (int seed = 0; seed < 150; seed++) {
            Demand demand = demand(new Random(seed));
            demand.print(out);
            print(out, "range", assign(new RangeAssignor(), demand, member -> member.subscription(null, List.of(), -1)));
            print(out, "roundrobin",
                assign(new RoundRobinAssignor(), demand, member -> member.subscription(null, List.of(), -1)));
        }
    }

    private static final List<String> TOPICS = List.of("a", "b", "c", "d", "e");

    /** Topics of which some do not exist, members that want the same or not, and some that are static. */
    private static Demand demand(Random random) {
        TreeMap<String, Integer> topics = new TreeMap<>();
        for (String topic : TOPICS.subList(0, 4)) {
            if (random.nextInt(5) != 0) {
                topics.put(topic, random.nextInt(4) == 0 ? 3 : 1 + random.nextInt(12));
            }
        }
        Demand demand = new Demand(topics, new TreeMap<>());
        List<String> common = random.nextInt(3) == 0 ? some(random) : null;
        int count = 1 + random.nextInt(6);
        for (int number = 0; number < count; number++) {
            join(demand, random, common);
        }
        return demand;
    }

    private static void join(Demand demand, Random random, List<String> common) {
        String instance = random.nextInt(3) == 0 ? "i" + random.nextInt(1000) : null;
        // Above U+FFFF, Java's order of strings is not that of their bytes.
        String[] prefixes = {"m", "M", "consumer-", "\uFF4D", "\uD83E\uDDF5"};
        String id = prefixes[random.nextInt(8) % prefixes.length] + random.nextInt(1000);
        List<String> topics = common == null ? some(random) : common;
        demand.members.put(id, new Member(instance, topics, List.of(), -1));
    }

    private static List<String> some(Random random) {
        List<String> chosen = TOPICS.stream().filter(topic -> random.nextInt(3) != 0).collect(Collectors.toList());
        Collections.shuffle(chosen, random);
        return chosen;
    }

    // ---- sticky ----

    private static void sticky(PrintWriter out) {
        for (int seed = 1000; seed < 1050; seed++) {
            Random random = new Random(seed);
            Demand demand = demand(random);
            for (int generation = 1; generation <= 4; generation++) {
                demand.print(out);
                Map<String, Assignment> eager = assign(new StickyAssignor(), demand, Member::eager);
                print(out, "sticky", eager);
                print(out, "cooperative-sticky",
                    assign(new CooperativeStickyAssignor(), demand, Member::cooperative));
                demand = next(demand, eager, generation, random);
            }
        }
    }

    /** The members remember what they got; then one goes, one comes, or a topic grows, appears or goes. */
    private static Demand next(Demand demand, Map<String, Assignment> got, int generation, Random random) {
        Demand next = new Demand(new TreeMap<>(demand.topics), new TreeMap<>());
        demand.members.forEach((id, member) -> next.members.put(id,
            new Member(member.instanceId, member.topics, got.get(id).partitions(), generation)));
        List<String> ids = List.copyOf(next.members.keySet());
        String topic = TOPICS.get(random.nextInt(TOPICS.size()));
        switch (random.nextInt(5)) {
            case 0 -> {
                if (1 < ids.size()) {
                    next.members.remove(ids.get(random.nextInt(ids.size())));
                }
            }
            case 1 -> next.topics.merge(topic, 1 + random.nextInt(4), Integer::sum);
            case 2 -> next.topics.remove(topic);
            default -> join(next, random, random.nextBoolean() ? demand.members.firstEntry().getValue().topics : null);
        }
        return next;
    }

    // ---- bytes ----

    private static void protocol(PrintWriter out) {
        Random random = new Random(5000);
        for (int number = 0; number < 30; number++) {
            List<String> topics = some(random).stream().sorted().collect(Collectors.toList());
            List<TopicPartition> owned = topics.stream()
                .flatMap(topic -> IntStream.range(0, random.nextInt(4)).mapToObj(it -> new TopicPartition(topic, it)))
                .collect(Collectors.toList());
            int generation = number % 4 == 0 ? -1 : random.nextInt(1000);
            Member member = new Member(null, topics, owned, generation);
            out.println("member x topics=" + String.join(",", topics)
                + (generation < 0 ? "" : " generation=" + generation)
                + (owned.isEmpty() ? "" : " owned=" + shown(owned)));
            StickyAssignor eager = new StickyAssignor();
            eager.onAssignment(new Assignment(owned), metadata(generation));
            out.println("sticky-user-data " + hex(eager.subscriptionUserData(Set.copyOf(topics))));
            Subscription cooperative = member.cooperative();
            ByteBuffer userData = cooperative.userData();
            out.println("cooperative-user-data " + (userData == null ? "none" : hex(userData)));
            Subscription plain = member.subscription(null, owned, generation);
            out.println("subscription " + hex(ConsumerProtocol.serializeSubscription(plain)));
            for (short version = 0; version <= 2; version++) {
                out.println("subscription-v" + version + " "
                    + hex(ConsumerProtocol.serializeSubscription(plain, version)));
            }
            out.println("assignment " + hex(ConsumerProtocol.serializeAssignment(new Assignment(owned))));
        }
    }

    private static String hex(ByteBuffer bytes) {
        byte[] copy = new byte[bytes.remaining()];
        bytes.duplicate().get(copy);
        return copy.length == 0 ? "." : HexFormat.of().formatHex(copy);
    }
}
