"""Writes the golden records with librdkafka; see README.md. Arguments: bootstrap server."""
import sys
from confluent_kafka import Producer

for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
    producer = Producer({"bootstrap.servers": sys.argv[1], "compression.type": codec, "linger.ms": 1000})
    for i in range(20):
        headers = ([("trace", f"t{i}")] if i % 2 == 0 else []) + ([("empty", None)] if i % 4 == 0 else [])
        producer.produce(
            f"librdkafka-{codec}", partition=0, timestamp=1_700_000_000_000 + i, headers=headers,
            key=None if i % 5 == 0 else f"key-{i}",
            value=None if i % 7 == 3 else f"value-{i} " + "odradek " * i)
    producer.flush()
