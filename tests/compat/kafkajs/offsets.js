'use strict'

const assert = require('node:assert')
const { setTimeout: sleep } = require('node:timers/promises')
const { expectContent, expectError, expectSame, records, until } = require('./run')

// What is committed, by partition: only where there is something.
async function committed(run, groupId, topic) {
  const admin = await run.admin()
  const [{ partitions }] = await admin.fetchOffsets({ groupId, topics: [topic] })
  return partitions
    .filter(({ offset }) => offset !== '-1')
    .map(({ partition, offset, metadata }) => ({ partition, offset, metadata: metadata ?? '' }))
}

async function commitAndResume(run) {
  const topic = await run.topic('resume', 1)
  const group = `${run.prefix}-resume`
  const sent = records(1, 0, 30)
  await run.produce(topic, sent)
  const first = await run.consumer(group, topic)
  await first.run({ autoCommit: false })
  await until('all records', () => first.messages.length === 30)
  await first.consumer.commitOffsets([{ topic, partition: 0, offset: '10' }])
  await first.consumer.disconnect()
  assert.strictEqual((await committed(run, group, topic))[0].offset, '10')

  const second = await run.consumer(group, topic)
  await second.run({ autoCommit: false })
  await until('the rest', () => second.messages.length === 20)
  assert.strictEqual(second.messages[0].offset, '10')
  second.messages.forEach((message, i) => expectContent(message, sent[10 + i]))
}

async function commitMetadata(run) {
  const topic = await run.topic('metadata', 2)
  const group = `${run.prefix}-metadata`
  await run.produce(topic, records(2, 0, 20))
  const { consumer, messages, run: start } = await run.consumer(group, topic)
  await start({ autoCommit: false })
  // Before it consumes it may commit by itself, that it begins at the beginning.
  await until('all records', () => messages.length === 20)
  const offsets = [
    { partition: 0, offset: '7', metadata: 'seven' },
    { partition: 1, offset: '8', metadata: '' },
  ]
  await consumer.commitOffsets(offsets.map(offset => ({ topic, ...offset })))
  assert.deepStrictEqual(await committed(run, group, topic), offsets)

  // No more than 4096 bytes are allowed unless configured (offset.metadata.max.bytes).
  const long = { topic, partition: 0, offset: '9', metadata: 'x'.repeat(4097) }
  await expectError(consumer.commitOffsets([long]), 'OFFSET_METADATA_TOO_LARGE')
}

// With no offset committed, and with one that does not exist any more or not yet.
async function resetGroups(run, name, topic) {
  const fresh = `${run.prefix}-${name}`
  const groupId = `${fresh}-astray`
  const admin = await run.admin()
  await admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: '1000' }] })
  return [fresh, groupId]
}

async function resetEarliest(run) {
  const topic = await run.topic('reset-earliest', 1)
  const sent = records(1, 0, 30)
  await run.produce(topic, sent)
  for (const group of await resetGroups(run, 'reset-earliest', topic)) {
    const { consumer, messages, run: start } = await run.consumer(group, topic)
    await start()
    await until('all records', () => messages.length === 30)
    expectSame(messages, sent)
    await consumer.disconnect()
  }
}

async function resetLatest(run) {
  const topic = await run.topic('reset-latest', 1)
  await run.produce(topic, records(1, 0, 30))
  for (const group of await resetGroups(run, 'reset-latest', topic)) {
    const options = { fromBeginning: false }
    const { consumer, messages, run: start } = await run.consumer(group, topic, options)
    await start()
    // Where the end was when it looked for it, nobody can tell from outside.
    while (messages.length === 0) {
      await run.produce(topic, [{ partition: 0, value: 'new' }])
      await sleep(200)
    }
    assert.strictEqual(messages[0].value.toString(), 'new')
    await consumer.disconnect()
  }
}

const cases = {
  'commit-and-resume': commitAndResume,
  'commit-metadata': commitMetadata,
  'reset-earliest': resetEarliest,
  'reset-latest': resetLatest,
}

module.exports = { cases, committed }
