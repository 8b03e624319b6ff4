'use strict'

const assert = require('node:assert')
const { expectError } = require('./run')

async function unknownTopic(run) {
  const topic = `${run.prefix}-nowhere`
  const admin = await run.impatientAdmin()
  const asked = admin.fetchTopicMetadata({ topics: [topic] })
  await expectError(asked, 'UNKNOWN_TOPIC_OR_PARTITION')
  await expectError(admin.deleteTopics({ topics: [topic] }), 'UNKNOWN_TOPIC_OR_PARTITION')
}

async function tooLargeRecord(run) {
  const topic = await run.topic('too-large', 1)
  const producer = await run.producer()
  const large = [{ value: 'x'.repeat(2 << 20) }]
  await expectError(producer.send({ topic, messages: large }), 'MESSAGE_TOO_LARGE')
  // The same client goes on.
  await producer.send({ topic, messages: [{ value: 'small' }] })
  const [message] = await run.readAll(topic, 1)
  assert.strictEqual(message.value.toString(), 'small')
}

async function invalidTopicName(run) {
  const creating = run.createTopic(`${run.prefix}-no spaces!`, 1)
  await expectError(creating, 'INVALID_TOPIC_EXCEPTION')
}

// kafkajs only says whether it was created.
async function duplicateTopic(run) {
  const topic = await run.topic('twice', 1)
  const admin = await run.admin()
  const created = await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] })
  assert.strictEqual(created, false)
}

async function badPartitionCount(run) {
  const creating = run.createTopic(`${run.prefix}-no-partitions`, 0)
  await expectError(creating, 'INVALID_PARTITIONS')
  const topic = await run.topic('shrink', 3)
  const admin = await run.admin()
  const shrinking = admin.createPartitions({ topicPartitions: [{ topic, count: 2 }] })
  await expectError(shrinking, 'INVALID_PARTITIONS')
}

async function unknownGroup(run) {
  const group = `${run.prefix}-nobody`
  const admin = await run.admin()
  const { groups } = await admin.describeGroups([group])
  assert.strictEqual(groups[0].state, 'Dead')
  await expectError(admin.deleteGroups([group]), 'GROUP_ID_NOT_FOUND')
}

module.exports = {
  'error-unknown-topic': unknownTopic,
  'error-too-large-record': tooLargeRecord,
  'error-invalid-topic-name': invalidTopicName,
  'error-duplicate-topic': duplicateTopic,
  'error-bad-partition-count': badPartitionCount,
  'error-unknown-group': unknownGroup,
}
