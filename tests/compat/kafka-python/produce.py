import os

from run import START_MS, Record, case, expect_same, records, until


@case
def produce_none(run):
    produce_and_read_back(run, "none", 1000, compression_type=None)


@case
def produce_gzip(run):
    produce_and_read_back(run, "gzip", 1000, compression_type="gzip")


@case
def produce_snappy(run):
    produce_and_read_back(run, "snappy", 1000, compression_type="snappy")


@case
def produce_lz4(run):
    produce_and_read_back(run, "lz4", 1000, compression_type="lz4")


@case
def produce_zstd(run):
    produce_and_read_back(run, "zstd", 1000, compression_type="zstd")


@case
def acks_0(run):
    topic = run.topic("acks-0", 3)
    sent = records(3, 0, 300)
    run.produce(topic, sent, acks=0, enable_idempotence=False)
    until("the records", lambda: sum(run.end_offsets(topic, 3).values()) == len(sent))
    expect_same(run.read_all(topic, 3, len(sent)), sent)


@case
def acks_1(run):
    produce_and_read_back(run, "acks-1", 300, acks=1, enable_idempotence=False)


@case
def idempotent(run):
    """kafka-python produces idempotently unless told otherwise."""
    produce_and_read_back(run, "idempotent", 300, acks="all", enable_idempotence=True)


def produce_and_read_back(run, name, count, **options):
    topic = run.topic(name, 3)
    sent = records(3, 0, count)
    run.produce(topic, sent, linger_ms=50, **options)
    expect_same(run.read_all(topic, 3, count), sent)


@case
def large_message(run):
    topic = run.topic("large-message", 1)
    large = Record(0, None, os.urandom(900 * 1024), [], START_MS)
    run.produce(topic, [large])
    expect_same(run.read_all(topic, 1, 1), [large])
