from run import START_MS, TopicPartition, case, expect_content, expect_same, records, take


@case
async def consume_from_beginning(run):
    topic = await run.topic("beginning", 3)
    sent = records(3, 0, 300)
    await run.produce(topic, sent)
    expect_same(await run.read_all(topic, 3, 300), sent)


@case
async def consume_from_timestamp(run):
    topic = await run.topic("timestamp", 1)
    sent = records(1, 0, 100)
    await run.produce(topic, sent[:50])
    await run.produce(topic, sent[50:])

    consumer = await run.reader(topic, 1)
    partition = TopicPartition(topic, 0)
    found = await consumer.offsets_for_times({partition: START_MS + 40})
    assert found[partition].offset == 40, found
    consumer.seek(partition, found[partition].offset)
    for message, record in zip(await take(consumer, 60), sent[40:]):
        expect_content(message, record)


@case
async def seek(run):
    topic = await run.topic("seek", 1)
    sent = records(1, 0, 100)
    await run.produce(topic, sent)
    consumer = await run.reader(topic, 1)
    expect_same(await take(consumer, 100), sent)
    for offset in (10, 99, 0):
        consumer.seek(TopicPartition(topic, 0), offset)
        message = (await take(consumer, 1))[0]
        assert message.offset == offset, f"offset {message.offset} instead of {offset}"
        expect_content(message, sent[offset])
