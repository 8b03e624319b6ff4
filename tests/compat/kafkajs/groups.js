'use strict'

const assert = require('node:assert')
const { spawn } = require('node:child_process')
const { once } = require('node:events')
const { Cannot, records, until } = require('./run')

const SESSION_TIMEOUT_MS = 6000

// A member of a group that consumes and remembers what happened to it.
class Member {
  static async join(run, group, topic, { sessionTimeout = 45_000 } = {}) {
    const member = new Member()
    const { consumer, messages, run: start } = await run.consumer(group, topic, { sessionTimeout })
    member.consumer = consumer
    member.messages = messages
    member.owned = []
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      member.owned = payload.memberAssignment[topic] ?? []
    })
    consumer.on(consumer.events.REBALANCING, () => {
      member.owned = []
    })
    await start()
    return member
  }

  async leave() {
    await this.consumer.disconnect()
  }
}

// Waits until the members own so many partitions each, and all of them together.
async function share(total, counts, ...members) {
  await until(`${counts} partitions`, () => {
    const sizes = members.map(member => member.owned.length).sort()
    const owned = new Set(members.flatMap(member => member.owned))
    return `${sizes}` === `${counts}` && owned.size === total
  })
}

// Waits until every record came to one of the members.
async function receive(sent, ...members) {
  await until('every record at a member', () => {
    const where = new Map()
    for (const { messages } of members) {
      for (const { key, partition } of messages) where.set(key.toString(), partition)
    }
    return sent.every(record => where.get(record.key) === record.partition)
  })
}

async function oneMember(run) {
  const topic = await run.topic('one-member', 3)
  const sent = records(3, 0, 300)
  await run.produce(topic, sent)
  const member = await Member.join(run, `${run.prefix}-one-member`, topic)
  await share(3, [3], member)
  await receive(sent, member)
}

async function joinLeave(run) {
  const topic = await run.topic('join-leave', 4)
  const group = `${run.prefix}-join-leave`
  const first = await Member.join(run, group, topic)
  await share(4, [4], first)
  const second = await Member.join(run, group, topic)
  await share(4, [2, 2], first, second)
  const sent = records(4, 0, 80)
  await run.produce(topic, sent.slice(0, 40))
  await receive(sent.slice(0, 40), first, second)

  await second.leave()
  const left = Date.now()
  await share(4, [4], first)
  // Far less than the session timeout.
  assert.ok(Date.now() - left < 20_000, 'it took over late')
  await run.produce(topic, sent.slice(40))
  await receive(sent.slice(40), first)
}

// The member that dies is a process of its own: this program once more.
async function memberProcess(run) {
  const member = await joinMortal(run)
  await share(2, [2], member)
  console.log('I have partitions')
  await new Promise(() => {})
}

function joinMortal(run) {
  const name = `${run.prefix}-member-death`
  return Member.join(run, name, name, { sessionTimeout: SESSION_TIMEOUT_MS })
}

async function memberDeath(run) {
  const topic = await run.topic('member-death', 4)
  const survivor = await joinMortal(run)
  await share(4, [4], survivor)

  const program = [process.argv[1], run.bootstrap, run.prefix, 'member-process']
  const victim = spawn(process.execPath, program, { stdio: ['ignore', 'pipe', 'inherit'] })
  const died = once(victim, 'exit')
  let said = ''
  victim.stdout.on('data', data => (said += data))
  try {
    await until("the victim's partitions", () => said.includes('I have partitions'))
    await share(2, [2], survivor)
  } finally {
    victim.kill('SIGKILL')
  }
  await died
  const since = Date.now()
  await share(4, [4], survivor)
  // Its last heartbeat was up to 1 s before its death, and somewhat more: it beats between fetches.
  const after = Date.now() - since
  assert.ok(after > SESSION_TIMEOUT_MS - 3000, `declared dead after ${after} ms already`)
  const sent = records(4, 0, 40)
  await run.produce(topic, sent)
  await receive(sent, survivor)
}

async function spareMember(run) {
  const topic = await run.topic('spare', 2)
  const group = `${run.prefix}-spare`
  const join = () => Member.join(run, group, topic)
  const members = await Promise.all([join(), join(), join()])
  await share(2, [0, 1, 1], ...members)

  const busy = members.find(member => member.owned.length === 1)
  await busy.leave()
  const others = members.filter(member => member !== busy)
  await share(2, [1, 1], ...others)
  const sent = records(2, 0, 20)
  await run.produce(topic, sent)
  await receive(sent, ...others)
}

const cases = {
  'group-one-member': oneMember,
  'group-join-leave': joinLeave,
  'group-member-death': memberDeath,
  'member-process': memberProcess,
  'group-cooperative': () => {
    throw new Cannot('kafkajs has only eager assigners')
  },
  'group-static-member': () => {
    throw new Cannot('kafkajs has no group.instance.id')
  },
  'group-spare-member': spareMember,
}

module.exports = { Member, cases, share }
