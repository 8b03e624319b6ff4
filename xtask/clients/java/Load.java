// Load on a broker by Java's client, for `cargo xtask bench --rows clients`:
//
//     Load BROKER produce TOPIC WARM_UP_BYTES BYTES BATCH_BYTES
//     Load BROKER consume TOPIC WARM_UP_BYTES BYTES
//
// It prints what the BYTES took, as JSON; those of the warm-up come before the clock starts.

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

final class Load {
    private static final int VALUE_BYTES = 1024;

    private final long begin = System.nanoTime();
    private final double cpu = cpuSeconds();

    public static void main(String[] arguments) throws Exception {
        String broker = arguments[0];
        String topic = arguments[2];
        long warmUp = Long.parseLong(arguments[3]);
        long bytes = Long.parseLong(arguments[4]);
        if (arguments[1].equals("produce")) {
            produce(broker, topic, warmUp, bytes, arguments[5]);
        } else {
            consume(broker, topic, warmUp, bytes);
        }
    }

    private static void produce(String broker, String topic, long warmUp, long bytes, String batchBytes)
        throws Exception {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", broker);
        properties.put("linger.ms", "5");
        properties.put("batch.size", batchBytes);
        properties.put("buffer.memory", Long.toString(256L << 20));
        try (var producer = new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer())) {
            byte[] value = incompressible();
            send(producer, topic, value, warmUp / VALUE_BYTES);
            long records = (bytes + VALUE_BYTES - 1) / VALUE_BYTES;
            Load load = new Load();
            send(producer, topic, value, records);
            load.report(records, records * VALUE_BYTES);
        }
    }

    /** Sends so many records, and waits until all are acknowledged. */
    private static void send(KafkaProducer<byte[], byte[]> producer, String topic, byte[] value, long records)
        throws Exception {
        AtomicReference<Exception> failure = new AtomicReference<>();
        for (long number = 0; number < records; number++) {
            producer.send(new ProducerRecord<>(topic, value), (metadata, error) -> {
                if (error != null) {
                    failure.set(error);
                }
            });
        }
        producer.flush();
        if (failure.get() != null) {
            throw failure.get();
        }
    }

    private static void consume(String broker, String topic, long warmUp, long bytes) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", broker);
        properties.put("enable.auto.commit", "false");
        properties.put("auto.offset.reset", "earliest");
        try (var consumer = new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            List<TopicPartition> partitions = consumer.partitionsFor(topic).stream()
                .map(partition -> new TopicPartition(topic, partition.partition()))
                .collect(Collectors.toList());
            consumer.assign(partitions);
            read(consumer, warmUp);
            Load load = new Load();
            long[] read = read(consumer, bytes);
            load.report(read[0], read[1]);
        }
    }

    /** Reads at least so many bytes of values. Returns how many records and bytes it were. */
    private static long[] read(KafkaConsumer<byte[], byte[]> consumer, long wanted) {
        long records = 0;
        long bytes = 0;
        while (bytes < wanted) {
            ConsumerRecords<byte[], byte[]> polled = consumer.poll(Duration.ofSeconds(30));
            if (polled.isEmpty()) {
                throw new IllegalStateException("the broker sends nothing any more");
            }
            for (ConsumerRecord<byte[], byte[]> record : polled) {
                records++;
                bytes += record.value().length;
            }
        }
        return new long[] {records, bytes};
    }

    private void report(long records, long bytes) {
        double seconds = (System.nanoTime() - begin) / 1e9;
        double cpuNow = cpuSeconds();
        System.out.printf(Locale.ROOT, "{\"records\": %d, \"bytes\": %d, \"seconds\": %f, ", records, bytes, seconds);
        System.out.printf(Locale.ROOT, "\"client_cpu_seconds\": %f, \"process_cpu_seconds\": %f}%n", cpuNow - cpu,
            cpuNow);
    }

    private static double cpuSeconds() {
        return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime() / 1e9;
    }

    /** Bytes without a pattern, the same in every run (an xorshift generator). */
    private static byte[] incompressible() {
        long state = 0x9e3779b97f4a7c15L;
        byte[] value = new byte[VALUE_BYTES];
        for (int index = 0; index < value.length; index++) {
            state ^= state << 13;
            state ^= state >>> 7;
            state ^= state << 17;
            value[index] = (byte) state;
        }
        return value;
    }
}
