'use strict'

const { randomBytes } = require('node:crypto')
const zstd = require('@bokuweb/zstd-wasm')
const { CompressionCodecs, CompressionTypes } = require('kafkajs')
const snappy = require('kafkajs-snappy')
const lz4 = require('lz4-napi')
const { START_MS, expectSame, records, until } = require('./run')

// kafkajs itself knows gzip only; the other codecs are for the program to bring.
CompressionCodecs[CompressionTypes.Snappy] = snappy
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async encoder => lz4.compressFrame(encoder.buffer),
  decompress: async buffer => lz4.decompressFrame(buffer),
})
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async encoder => Buffer.from(zstd.compress(encoder.buffer)),
  decompress: async buffer => Buffer.from(zstd.decompress(buffer)),
})

async function produceAndReadBack(run, name, count, options) {
  const topic = await run.topic(name, 3)
  const sent = records(3, 0, count)
  await run.produce(topic, sent, options)
  expectSame(await run.readAll(topic, count), sent)
}

async function acksNone(run) {
  const topic = await run.topic('acks-0', 3)
  const sent = records(3, 0, 300)
  await run.produce(topic, sent, { acks: 0 })
  const admin = await run.admin()
  await until('the records', async () => {
    const ends = (await admin.fetchTopicOffsets(topic)).map(({ high }) => Number(high))
    return ends.reduce((sum, end) => sum + end) === sent.length
  })
  expectSame(await run.readAll(topic, sent.length), sent)
}

async function largeMessage(run) {
  const topic = await run.topic('large-message', 1)
  const large = { partition: 0, value: randomBytes(900 * 1024), timestamp: `${START_MS}` }
  await run.produce(topic, [large])
  expectSame(await run.readAll(topic, 1), [large])
}

function compressed(name, compression) {
  return run => produceAndReadBack(run, name, 1000, { compression })
}

module.exports = {
  'produce-none': compressed('none', CompressionTypes.None),
  'produce-gzip': compressed('gzip', CompressionTypes.GZIP),
  'produce-snappy': compressed('snappy', CompressionTypes.Snappy),
  'produce-lz4': compressed('lz4', CompressionTypes.LZ4),
  'produce-zstd': async run => {
    await zstd.init()
    await compressed('zstd', CompressionTypes.ZSTD)(run)
  },
  'acks-0': acksNone,
  'acks-1': run => produceAndReadBack(run, 'acks-1', 300, { acks: 1 }),
  idempotent: run => produceAndReadBack(run, 'idempotent', 300, { idempotent: true }),
  'large-message': largeMessage,
}
