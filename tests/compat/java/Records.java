import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeader;

/** Producing and consuming. */
final class Records {
    /** Young enough not to be deleted for its age. */
    static final long FIRST_TIMESTAMP = System.currentTimeMillis() - 60_000;

    private Records() {}

    /** Keys, headers, timestamps and values come back as they were sent. */
    static void roundTrip(Map<String, ?> settings) throws Exception {
        Client.create(3);
        long now = System.currentTimeMillis();
        List<ProducerRecord<byte[], byte[]>> sent = new ArrayList<>();
        for (int i = 0; i < 1000; i++) {
            byte[] key = ("key-" + i).getBytes();
            byte[] value = ("value-" + i).repeat(10).getBytes();
            var record = new ProducerRecord<>(Client.topic, i % 3, now + i, key, value);
            record.headers().add(new RecordHeader("n", ("" + i).getBytes()));
            sent.add(record);
        }
        produce(sent, settings);
        for (int partition = 0; partition < 3; partition++) {
            int number = partition;
            List<String> expected = sent.stream()
                .filter(record -> record.partition() == number)
                .map(record -> text(record.key(), record.value(), record.timestamp(), record.headers()))
                .toList();
            List<String> found = readFrom(number, 0, expected.size()).stream()
                .map(record -> text(record.key(), record.value(), record.timestamp(), record.headers()))
                .toList();
            Client.check(found.equals(expected), "partition " + partition + " differs");
        }
    }

    private static String text(byte[] key, byte[] value, long timestamp, Headers headers) {
        String header = new String(headers.lastHeader("n").value());
        return new String(key) + " " + new String(value) + " " + timestamp + " " + header;
    }

    static void consumeFromBeginning() throws Exception {
        Client.create(1);
        produce(10);
        try (var reader = Client.consumer(Map.of())) {
            reader.subscribe(List.of(Client.topic));
            List<ConsumerRecord<byte[], byte[]>> found = read(reader, 10);
            Client.equal("value-0", new String(found.get(0).value()));
            Client.equal("value-9", new String(found.get(9).value()));
        }
    }

    static void consumeFromTimestamp() throws Exception {
        Client.create(1);
        produceWithTimestamps();
        TopicPartition partition = Client.partition(0);
        try (var reader = Client.consumer(Map.of())) {
            var found = reader.offsetsForTimes(Map.of(partition, FIRST_TIMESTAMP + 4500));
            Client.equal(5L, found.get(partition).offset());
        }
        Client.equal("value-5", new String(readFrom(0, 5, 1).get(0).value()));
    }

    static void seek() throws Exception {
        Client.create(1);
        produce(10);
        try (var reader = Client.consumer(Map.of())) {
            reader.assign(List.of(Client.partition(0)));
            for (long offset : List.of(0L, 7L, 2L, 9L)) {
                reader.seek(Client.partition(0), offset);
                Client.equal(offset, read(reader, 1).get(0).offset());
            }
        }
    }

    static void largeMessage() throws Exception {
        Client.create(1);
        String value = "large".repeat(180_000);
        produce(List.of(record(0, value)), Map.of("max.request.size", 2_000_000));
        String found = new String(readFrom(0, 0, 1).get(0).value());
        Client.check(found.equals(value), "it came back different");
    }

    /** Records `value-0`, `value-1`, … into partition 0. */
    static void produce(int count) throws Exception {
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            records.add(record(0, "value-" + i));
        }
        produce(records, Map.of());
    }

    /** Ten records, a second apart. */
    static void produceWithTimestamps() throws Exception {
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            long timestamp = FIRST_TIMESTAMP + i * 1000;
            byte[] value = ("value-" + i).getBytes();
            records.add(new ProducerRecord<>(Client.topic, 0, timestamp, null, value));
        }
        produce(records, Map.of());
    }

    static ProducerRecord<byte[], byte[]> record(int partition, String value) {
        return new ProducerRecord<>(Client.topic, partition, null, value.getBytes());
    }

    /** Sends the records and waits until all are acknowledged. */
    static void produce(List<ProducerRecord<byte[], byte[]>> records, Map<String, ?> settings)
            throws Exception {
        Map<String, Object> all = new HashMap<>(settings);
        if (settings.containsKey("acks") && !settings.get("acks").equals("all")) {
            all.put("enable.idempotence", false);
        }
        try (KafkaProducer<byte[], byte[]> producer = Client.producer(all)) {
            List<Future<RecordMetadata>> sent = records.stream().map(producer::send).toList();
            for (Future<RecordMetadata> acknowledgement : sent) {
                acknowledgement.get();
            }
        }
    }

    /** The next `count` records of a consumer. */
    static List<ConsumerRecord<byte[], byte[]>> read(KafkaConsumer<byte[], byte[]> reader, int count) {
        List<ConsumerRecord<byte[], byte[]>> found = new ArrayList<>();
        while (found.size() < count) {
            Client.checkDeadline(found.size() + " of " + count + " records came");
            reader.poll(Client.SHORT).forEach(found::add);
        }
        return found.subList(0, count);
    }

    /** Records of one partition from an offset, without a group. */
    static List<ConsumerRecord<byte[], byte[]>> readFrom(int partition, long offset, int count) {
        try (var reader = Client.consumer(Map.of())) {
            reader.assign(List.of(Client.partition(partition)));
            reader.seek(Client.partition(partition), offset);
            return read(reader, count);
        }
    }
}
