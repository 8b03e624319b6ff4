import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;

/** Consumer groups. */
final class Groups {
    private static final List<Integer> ALL = List.of(0, 1, 2, 3);

    private Groups() {}

    /** A member that remembers which partitions it had to give back. */
    private static final class Member implements ConsumerRebalanceListener {
        final KafkaConsumer<byte[], byte[]> consumer;
        final List<TopicPartition> revoked = new ArrayList<>();

        Member(Map<String, ?> settings) {
            consumer = Client.consumer(settings);
            consumer.subscribe(List.of(Client.topic), this);
        }

        List<Integer> partitions() {
            return consumer.assignment().stream().map(TopicPartition::partition).sorted().toList();
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {}

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            revoked.addAll(partitions);
        }
    }

    /** Polls all members until their partitions are as wished. */
    private static List<List<Integer>> settle(
            List<Member> members, Predicate<List<List<Integer>>> reached) {
        while (true) {
            members.forEach(member -> member.consumer.poll(Client.SHORT));
            List<List<Integer>> found = members.stream().map(Member::partitions).toList();
            if (reached.test(found)) {
                return found;
            }
            Client.checkDeadline("the group does not settle: " + found);
        }
    }

    /** Each partition has one owner, and both members have two. */
    private static boolean shared(List<List<Integer>> found) {
        return found.stream().allMatch(owned -> owned.size() == 2)
            && found.stream().flatMap(List::stream).sorted().toList().equals(ALL);
    }

    private static boolean hasAll(List<List<Integer>> found) {
        return found.get(0).equals(ALL);
    }

    static void oneMember() throws Exception {
        Client.create(4);
        settle(List.of(new Member(Map.of())), Groups::hasAll);
    }

    static void joinLeave() throws Exception {
        Client.create(4);
        Member one = new Member(Map.of());
        settle(List.of(one), Groups::hasAll);
        Member two = new Member(Map.of());
        settle(List.of(one, two), Groups::shared);
        two.consumer.close();
        settle(List.of(one), Groups::hasAll);
    }

    static void memberDeath() throws Exception {
        Client.create(4);
        Member survivor = new Member(Map.of());
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        String classes = System.getProperty("java.class.path");
        Process victim = new ProcessBuilder(
                java, "-Xmx256M", "-cp", classes, "Client", Client.bootstrap, Client.topic, "member")
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .start();
        try {
            settle(List.of(survivor), found -> found.get(0).size() == 2);
        } finally {
            victim.destroyForcibly();
        }
        settle(List.of(survivor), Groups::hasAll);
    }

    /** The victim of the case above. */
    static void member() {
        settle(List.of(new Member(Map.of())), found -> false);
    }

    /**
     * A member among other clients: prints what it is assigned and what it reads, and leaves when
     * its standard input ends.
     */
    static void mixed(String assignor) throws Exception {
        var isOver = new AtomicBoolean();
        var watcher = new Thread(() -> {
            try {
                System.in.transferTo(OutputStream.nullOutputStream());
            } catch (IOException closed) {
                // It has ended all the same.
            }
            isOver.set(true);
        });
        watcher.setDaemon(true);
        watcher.start();
        Member member = new Member(Map.of(
            "partition.assignment.strategy", "org.apache.kafka.clients.consumer." + assignor,
            "enable.auto.commit", true));
        List<Integer> told = null;
        while (!isOver.get()) {
            for (var record : member.consumer.poll(Client.SHORT)) {
                System.out.println(record.partition() + ":" + record.offset());
            }
            List<Integer> found = member.partitions();
            if (!found.equals(told)) {
                String numbers = found.stream().map(String::valueOf).collect(Collectors.joining(" "));
                System.out.println("= " + numbers);
                told = found;
            }
        }
        // It reads nothing any more; the others may have its partitions as soon as it has left.
        System.out.println("=");
        member.consumer.close();
    }

    static void cooperative() throws Exception {
        Client.create(4);
        Map<String, ?> settings = Map.of(
            "partition.assignment.strategy",
            "org.apache.kafka.clients.consumer.CooperativeStickyAssignor");
        Member one = new Member(settings);
        settle(List.of(one), Groups::hasAll);
        settle(List.of(one, new Member(settings)), Groups::shared);
        Client.equal(2, one.revoked.size());
    }

    static void staticMember() throws Exception {
        Client.create(4);
        Member one = new Member(Map.of("group.instance.id", "one"));
        Member two = new Member(Map.of("group.instance.id", "two"));
        var before = settle(List.of(one, two), Groups::shared);
        one.revoked.clear();
        two.consumer.close();
        two = new Member(Map.of("group.instance.id", "two"));
        var after = settle(List.of(one, two), Groups::shared);
        Client.equal(before, after);
        Client.equal(List.of(), one.revoked);
    }

    static void spareMember() throws Exception {
        Client.create(2);
        var members = new ArrayList<>(
            List.of(new Member(Map.of()), new Member(Map.of()), new Member(Map.of())));
        var found = settle(members, all -> counts(all).equals(List.of(0, 1, 1)));
        int owner = found.get(0).isEmpty() ? 1 : 0;
        members.remove(owner).consumer.close();
        settle(members, all -> counts(all).equals(List.of(1, 1)));
    }

    private static List<Integer> counts(List<List<Integer>> found) {
        return found.stream().map(List::size).sorted().toList();
    }

    static void commitAndResume() throws Exception {
        Client.create(1);
        Records.produce(10);
        try (var first = Client.consumer(Map.of("max.poll.records", 4))) {
            first.subscribe(List.of(Client.topic));
            Records.read(first, 4);
            first.commitSync();
        }
        try (var second = Client.consumer(Map.of())) {
            second.subscribe(List.of(Client.topic));
            Client.equal(4L, Records.read(second, 1).get(0).offset());
        }
    }

    static void commitMetadata() throws Exception {
        Client.create(1);
        var committed = new OffsetAndMetadata(3, "a text");
        try (var reader = Client.consumer(Map.of())) {
            reader.commitSync(Map.of(Client.partition(0), committed));
        }
        try (var reader = Client.consumer(Map.of())) {
            var partition = Set.of(Client.partition(0));
            Client.equal(committed, reader.committed(partition).get(Client.partition(0)));
        }
    }

    static void resetEarliest() throws Exception {
        Client.create(1);
        Records.produce(10);
        try (var reader = Client.consumer(Map.of())) {
            reader.subscribe(List.of(Client.topic));
            Client.equal(0L, Records.read(reader, 1).get(0).offset());
        }
    }

    static void resetLatest() throws Exception {
        Client.create(1);
        Records.produce(10);
        Member late = new Member(Map.of("auto.offset.reset", "latest"));
        settle(List.of(late), found -> found.get(0).equals(List.of(0)));
        Client.equal(10L, late.consumer.position(Client.partition(0)));
        Records.produce(1);
        Client.equal(10L, Records.read(late.consumer, 1).get(0).offset());
    }
}
