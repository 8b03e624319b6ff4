'use strict'

const assert = require('node:assert')
const { START_MS, expectContent, expectSame, records, until } = require('./run')

async function fromBeginning(run) {
  const topic = await run.topic('beginning', 3)
  const sent = records(3, 0, 300)
  await run.produce(topic, sent)
  expectSame(await run.readAll(topic, 300), sent)
}

async function fromTimestamp(run) {
  const topic = await run.topic('timestamp', 1)
  const sent = records(1, 0, 100)
  await run.produce(topic, sent.slice(0, 50))
  await run.produce(topic, sent.slice(50))

  const admin = await run.admin()
  const [{ offset }] = await admin.fetchTopicOffsetsByTimestamp(topic, START_MS + 40)
  assert.strictEqual(offset, '40')
  const { consumer, messages, run: start } = await run.consumer(run.ownGroup(), topic)
  await start()
  // What a consumer got before it moved does not count.
  messages.length = 0
  consumer.seek({ topic, partition: 0, offset })
  await until('the last record', () => messages.at(-1)?.offset === '99')
  const first = messages.findLastIndex(message => message.offset === '40')
  const got = messages.slice(first)
  assert.strictEqual(got.length, 60)
  got.forEach((message, i) => expectContent(message, sent[40 + i]))
}

async function seek(run) {
  const topic = await run.topic('seek', 1)
  const sent = records(1, 0, 100)
  await run.produce(topic, sent)
  const { consumer, messages, run: start } = await run.consumer(run.ownGroup(), topic)
  await start()
  await until('all records', () => messages.length === 100)
  expectSame(messages, sent)
  for (const offset of [10, 99, 0]) {
    messages.length = 0
    consumer.seek({ topic, partition: 0, offset: `${offset}` })
    await until(`records from ${offset}`, () => messages.length === 100 - offset)
    messages.forEach((message, i) => {
      assert.strictEqual(message.offset, `${offset + i}`)
      expectContent(message, sent[offset + i])
    })
  }
}

module.exports = {
  'consume-from-beginning': fromBeginning,
  'consume-from-timestamp': fromTimestamp,
  seek,
}
