// What the cases share.

'use strict'

const assert = require('node:assert')
const { setTimeout: sleep } = require('node:timers/promises')
const { Kafka, Partitioners, logLevel } = require('kafkajs')

// The timestamp of the first record that `records` makes, in ms: young enough to be kept.
const START_MS = Date.now() - 3_600_000

// The client has no means for the case.
class Cannot extends Error {}

// Makes records round the partitions, each one ms and one number after the other.
function records(partitions, from, to) {
  const made = []
  for (let i = from; i < to; i++) {
    made.push({
      partition: i % partitions,
      key: `key-${i}`,
      value: `value-${i} ${'and again '.repeat(10)}`,
      headers: { number: `${i}` },
      timestamp: `${START_MS + i}`,
    })
  }
  return made
}

// One run of one case against one broker. Closes what it opened.
class Run {
  constructor(bootstrap, prefix) {
    this.bootstrap = bootstrap
    this.prefix = prefix
    this.kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING })
    this.open = []
    this.groups = 0
  }

  async close() {
    await Promise.all(this.open.map(client => client.disconnect()))
  }

  async connect(client) {
    this.open.push(client)
    await client.connect()
    return client
  }

  async admin() {
    this.administrator ??= await this.connect(this.kafka.admin())
    return this.administrator
  }

  // One that does not try again what the broker refuses.
  async impatientAdmin() {
    return this.connect(this.kafka.admin({ retry: { retries: 0 } }))
  }

  async createTopic(topic, numPartitions, configEntries = []) {
    const admin = await this.admin()
    const topics = [{ topic, numPartitions, configEntries }]
    // Where it waits it fails on a broker that has created a topic and does not know it yet.
    await admin.createTopics({ topics, waitForLeaders: false })
  }

  // Creates a topic and returns its name.
  async topic(name, partitions, configEntries) {
    const topic = `${this.prefix}-${name}`
    await this.createTopic(topic, partitions, configEntries)
    await this.served(topic, partitions)
    return topic
  }

  // A broker may answer before it can serve what was created.
  async served(topic, partitions) {
    const admin = await this.admin()
    await until(`${partitions} partitions of ${topic}`, () =>
      admin.fetchTopicOffsets(topic).then(
        offsets => offsets.length === partitions,
        () => false
      )
    )
  }

  async producer(options) {
    const createPartitioner = Partitioners.DefaultPartitioner
    return this.connect(this.kafka.producer({ createPartitioner, ...options }))
  }

  // Writes records and waits for them, with all acknowledgements unless told otherwise.
  async produce(topic, messages, { acks = -1, compression, ...options } = {}) {
    const producer = await this.producer(options)
    await producer.send({ topic, messages, acks, compression })
    await producer.disconnect()
  }

  // kafkajs consumes in groups only. This makes a member of a group that puts what it gets into
  // `messages`; `run` starts it.
  async consumer(groupId, topic, { fromBeginning = true, ...options } = {}) {
    const consumer = await this.connect(
      this.kafka.consumer({ groupId, maxWaitTimeInMs: 500, heartbeatInterval: 1000, ...options })
    )
    await consumer.subscribe({ topics: [topic], fromBeginning })
    const messages = []
    const eachMessage = async ({ partition, message }) => {
      messages.push({ partition, ...message })
    }
    return { consumer, messages, run: config => consumer.run({ eachMessage, ...config }) }
  }

  // Reads every partition from its beginning, in a group of its own.
  async readAll(topic, count) {
    const { consumer, messages, run } = await this.consumer(this.ownGroup(), topic)
    await run()
    await until(`${count} records`, () => messages.length >= count)
    await consumer.disconnect()
    return messages
  }

  ownGroup() {
    this.groups += 1
    return `${this.prefix}-reader-${this.groups}`
  }
}

// Compares partition by partition: order, content and offsets from 0.
function expectSame(got, sent) {
  assert.strictEqual(got.length, sent.length, 'count of records')
  for (const partition of new Set(sent.map(record => record.partition))) {
    const ours = sent.filter(record => record.partition === partition)
    const theirs = got.filter(message => message.partition === partition)
    assert.strictEqual(theirs.length, ours.length, `records in partition ${partition}`)
    theirs.forEach((message, offset) => {
      assert.strictEqual(message.offset, `${offset}`)
      expectContent(message, ours[offset])
    })
  }
}

function expectContent(message, record) {
  if (record.key) assert.strictEqual(message.key.toString(), record.key)
  assert.ok(Buffer.from(record.value).equals(message.value), `value of ${record.key}`)
  assert.strictEqual(message.timestamp, record.timestamp)
  const headers = Object.entries(message.headers).map(([key, value]) => [key, `${value}`])
  assert.deepStrictEqual(headers, Object.entries(record.headers ?? {}))
}

// Asks again until the answer is yes. The deadline of the program ends what is in vain.
async function until(what, met) {
  for (let asked = 0; !(await met()); asked++) {
    if (asked === 50) console.log(`waiting for ${what}`)
    await sleep(20)
  }
}

// Expects that a promise is rejected with an error of the protocol, by its name.
async function expectError(promise, type) {
  try {
    await promise
  } catch (error) {
    // Where several things were asked for at once there are several errors.
    const [first] = error.errors ?? error.groups?.map(group => group.error) ?? [error]
    const { type: got } = first.cause ?? first
    assert.strictEqual(got ?? error.message, type)
    return
  }
  assert.fail(`it went well instead of ${type}`)
}

module.exports = { Cannot, Run, START_MS, expectContent, expectError, expectSame, records, until }
