// Writes the golden records with the Java client; see README.md. Arguments: bootstrap server.
import java.nio.charset.StandardCharsets;
import java.util.*;
import org.apache.kafka.clients.producer.*;

public class Make {
    public static void main(String[] args) {
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd", "zstd22")) {
            try (var producer = producer(args[0], codec, null)) {
                for (int i = 0; i < 20; i++) {
                    var record = new ProducerRecord<byte[], byte[]>(
                            "java-" + codec, 0, 1_700_000_000_000L + i, key(i), value(i));
                    if (i % 2 == 0) record.headers().add("trace", bytes("t" + i));
                    if (i % 4 == 0) record.headers().add("empty", null);
                    producer.send(record);
                }
            }
        }
        try (var producer = producer(args[0], "none", "golden")) {
            producer.initTransactions();
            for (int i = 0; i < 2; i++) {
                producer.beginTransaction();
                producer.send(new ProducerRecord<>(
                        "java-transactions", 0, 1_700_000_000_000L + i, key(i + 1), value(i)));
                if (i == 0) producer.commitTransaction(); else {
                    producer.flush();
                    producer.abortTransaction();
                }
            }
        }
    }

    static KafkaProducer<byte[], byte[]> producer(String server, String codec, String transaction) {
        var config = new HashMap<String, Object>();
        config.put("bootstrap.servers", server);
        config.put("compression.type", codec.replace("22", ""));
        if (codec.equals("zstd22")) config.put("compression.zstd.level", 22);
        config.put("linger.ms", 1000);
        config.put("key.serializer", "org.apache.kafka.common.serialization.ByteArraySerializer");
        config.put("value.serializer", "org.apache.kafka.common.serialization.ByteArraySerializer");
        if (transaction != null) config.put("transactional.id", transaction);
        return new KafkaProducer<>(config);
    }

    static byte[] key(int i) { return i % 5 == 0 ? null : bytes("key-" + i); }
    static byte[] value(int i) {
        return i % 7 == 3 ? null : bytes("value-" + i + " " + "odradek ".repeat(i));
    }
    static byte[] bytes(String text) { return text.getBytes(StandardCharsets.UTF_8); }
}
