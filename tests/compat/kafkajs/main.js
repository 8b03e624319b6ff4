// One case of the compatibility suite, done with kafkajs.
//
//     usage: node main.js BOOTSTRAP PREFIX CASE
//
// It exits with 0 when the case passes, with 77 when kafkajs cannot do it (the last line on stdout
// says why), and with 1 otherwise, with the reason on stderr. Every topic and group begins with
// PREFIX. The cases are in produce.js, consume.js, groups.js, offsets.js, admin.js and errors.js;
// what they share is in run.js.

'use strict'

const { Cannot, Run } = require('./run')

const DEADLINE_MS = 60_000

const cases = {
  ...require('./produce'),
  ...require('./consume'),
  ...require('./groups').cases,
  ...require('./offsets').cases,
  ...require('./admin'),
  ...require('./errors'),
}

function fail(reason) {
  console.error(reason)
  process.exit(1)
}

async function main() {
  const [bootstrap, prefix, name] = process.argv.slice(2)
  if (!(name in cases)) fail('usage: node main.js BOOTSTRAP PREFIX CASE')
  setTimeout(() => fail(`not done after ${DEADLINE_MS} ms`), DEADLINE_MS).unref()

  const run = new Run(bootstrap, prefix)
  try {
    await cases[name](run)
  } catch (error) {
    if (error instanceof Cannot) {
      console.log(error.message)
      process.exit(77)
    }
    console.error(error)
    fail(`${error.name}: ${error.message}`.split('\n')[0])
  }
  await run.close()
}

main()
