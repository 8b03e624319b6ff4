'use strict'

const assert = require('node:assert')
const { AssignerProtocol, ConfigResourceTypes, ConfigSource } = require('kafkajs')
const { Member, share } = require('./groups')
const { committed } = require('./offsets')
const {
  Cannot,
  START_MS,
  expectContent,
  expectError,
  expectSame,
  records,
  until,
} = require('./run')

// kafkajs sets offsets; it cannot delete them one by one.
async function offsetsAdmin(run) {
  const admin = await run.admin()
  const topic = await run.topic('offsets-admin', 2)
  const group = `${run.prefix}-offsets-admin`
  const describe = async () => (await admin.describeGroups([group])).groups[0]
  const list = async () => (await admin.listGroups()).groups.map(({ groupId }) => groupId)

  const member = await Member.join(run, group, topic)
  await share(2, [2], member)
  const described = await describe()
  assert.strictEqual(described.state, 'Stable')
  assert.strictEqual(described.protocolType, 'consumer')
  assert.strictEqual(described.members.length, 1)
  const { memberAssignment } = described.members[0]
  const { assignment } = AssignerProtocol.MemberAssignment.decode(memberAssignment)
  assert.deepStrictEqual(assignment[topic].sort(), [0, 1])
  await expectError(admin.deleteGroups([group]), 'NON_EMPTY_GROUP')
  await member.leave()

  await until('an empty group', async () => (await describe()).state === 'Empty')
  assert.ok((await list()).includes(group), 'the group is not listed')
  const partitions = [
    { partition: 0, offset: '5' },
    { partition: 1, offset: '6' },
  ]
  await admin.setOffsets({ groupId: group, topic, partitions })
  const offsets = (await committed(run, group, topic)).map(({ offset }) => offset)
  assert.deepStrictEqual(offsets, ['5', '6'])

  await admin.deleteGroups([group])
  assert.ok(!(await list()).includes(group), 'the group is still listed')
}

async function partitionsOf(run, topic) {
  const metadata = await (await run.admin()).fetchTopicMetadata({ topics: [topic] })
  return metadata.topics[0].partitions
}

async function createTopic(run) {
  const topic = await run.topic('created', 3, [{ name: 'retention.ms', value: '1234567' }])
  const partitions = await partitionsOf(run, topic)
  assert.deepStrictEqual(partitions.map(({ partitionId }) => partitionId).sort(), [0, 1, 2])
  for (const partition of partitions) {
    assert.strictEqual(partition.partitionErrorCode, 0)
    assert.strictEqual(partition.isr.length, 1)
  }
  assert.ok((await (await run.admin()).listTopics()).includes(topic), 'the topic is not listed')
  await expectConfig(run, topic, 'retention.ms', '1234567', ConfigSource.TOPIC_CONFIG)
}

async function createPartitions(run) {
  const topic = await run.topic('grown', 2)
  const admin = await run.admin()
  await admin.createPartitions({ topicPartitions: [{ topic, count: 5 }] })
  await run.served(topic, 5)
  assert.strictEqual((await partitionsOf(run, topic)).length, 5)
  const sent = records(5, 0, 50)
  await run.produce(topic, sent)
  expectSame(await run.readAll(topic, 50), sent)
}

async function deleteTopic(run) {
  const topic = await run.topic('deleted', 2)
  await run.produce(topic, records(2, 0, 10))
  const admin = await run.admin()
  await admin.deleteTopics({ topics: [topic] })
  await until('a topic that is gone', async () => !(await admin.listTopics()).includes(topic))
  const again = (await run.impatientAdmin()).deleteTopics({ topics: [topic] })
  await expectError(again, 'UNKNOWN_TOPIC_OR_PARTITION')
}

async function deleteRecords(run) {
  const topic = await run.topic('trimmed', 1)
  const sent = records(1, 0, 10)
  await run.produce(topic, sent)
  const admin = await run.admin()
  const before = offset => {
    return admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset }] })
  }
  await before('5')
  assert.strictEqual((await admin.fetchTopicOffsets(topic))[0].low, '5')
  const got = await run.readAll(topic, 5)
  assert.strictEqual(got[0].offset, '5')
  got.forEach((message, i) => expectContent(message, sent[5 + i]))
  await assert.rejects(before('11'))
}

async function configEntry(run, type, name, key) {
  const admin = await run.admin()
  const asked = { resources: [{ type, name }], includeSynonyms: true }
  const { resources } = await admin.describeConfigs(asked)
  return resources[0].configEntries.find(entry => entry.configName === key)
}

async function expectConfig(run, topic, key, value, source) {
  // What was altered takes a moment to be described.
  await until(`${key} is ${value} from ${source}`, async () => {
    const entry = await configEntry(run, ConfigResourceTypes.TOPIC, topic, key)
    return entry.configValue === value && entry.configSource === source
  })
}

async function describeConfigs(run) {
  const topic = await run.topic('described', 1)
  await expectConfig(run, topic, 'cleanup.policy', 'delete', ConfigSource.DEFAULT_CONFIG)
  await expectConfig(run, topic, 'compression.type', 'producer', ConfigSource.DEFAULT_CONFIG)
  const key = 'max.message.bytes'
  const { configSynonyms } = await configEntry(run, ConfigResourceTypes.TOPIC, topic, key)
  assert.deepStrictEqual(
    configSynonyms.map(({ configName }) => configName),
    ['message.max.bytes']
  )

  const { brokers } = await (await run.admin()).describeCluster()
  const broker = `${brokers[0].nodeId}`
  const limit = await configEntry(run, ConfigResourceTypes.BROKER, broker, 'message.max.bytes')
  assert.strictEqual(limit.configValue, '1048588')
}

// AlterConfigs replaces all that was set.
async function alterConfigs(run) {
  const topic = await run.topic('altered', 1, [{ name: 'retention.ms', value: '1234567' }])
  const admin = await run.admin()
  const alter = (name, value) => {
    const configEntries = [{ name, value }]
    const resource = { type: ConfigResourceTypes.TOPIC, name: topic, configEntries }
    return admin.alterConfigs({ validateOnly: false, resources: [resource] })
  }
  await alter('retention.bytes', '7654321')
  await expectConfig(run, topic, 'retention.bytes', '7654321', ConfigSource.TOPIC_CONFIG)
  await expectConfig(run, topic, 'retention.ms', '604800000', ConfigSource.DEFAULT_CONFIG)
  await expectError(alter('retention.ms', 'soon'), 'INVALID_CONFIG')
}

async function listOffsets(run) {
  const topic = await run.topic('listed', 1)
  const admin = await run.admin()
  const listed = async () => {
    const [{ low, high }] = await admin.fetchTopicOffsets(topic)
    return [low, high]
  }
  assert.deepStrictEqual(await listed(), ['0', '0'])
  await run.produce(topic, records(1, 0, 100))
  assert.deepStrictEqual(await listed(), ['0', '100'])
  const at = async time => (await admin.fetchTopicOffsetsByTimestamp(topic, time))[0].offset
  assert.strictEqual(await at(START_MS + 40), '40')
  // No record is that young: kafkajs answers with the end.
  assert.strictEqual(await at(START_MS + 100), '100')
}

async function describeCluster(run) {
  const { brokers, controller, clusterId } = await (await run.admin()).describeCluster()
  assert.ok(clusterId, 'no cluster id')
  assert.strictEqual(brokers.length, 1)
  assert.strictEqual(controller, brokers[0].nodeId)
  assert.strictEqual(`${brokers[0].host}:${brokers[0].port}`, run.bootstrap)
}

module.exports = {
  'offsets-admin': offsetsAdmin,
  'create-topic': createTopic,
  'create-partitions': createPartitions,
  'delete-topic': deleteTopic,
  'delete-records': deleteRecords,
  'describe-configs': describeConfigs,
  'alter-configs': alterConfigs,
  'incremental-alter-configs': () => {
    throw new Cannot('kafkajs has no IncrementalAlterConfigs')
  },
  'list-offsets': listOffsets,
  'describe-cluster': describeCluster,
}
