// Work for stories about handlers in worker threads.
import { writeFileSync } from 'node:fs'
import process from 'node:process'
import { threadId } from 'node:worker_threads'

// The built package, as in an application: under test, the name alone would mean the sources, which Node cannot load.
const { BelfryError, CancelError, NonRetryableError, RetryAfterError, SnoozeError } = await import(
  new URL('../../dist/index.js', import.meta.url).href
)

export default ({ a, b }) => a + b

export const whereAmI = () => threadId

export function facts(payload, context) {
  const { log: _log, progress: _progress, spend: _spend, signal, ...rest } = context
  return { payload, rest, aborted: signal.aborted, real: signal instanceof AbortSignal }
}

export async function chatty({ lines }, { log, progress }) {
  for (let line = 1; line <= lines; line += 1) log(`line ${line}`)
  await progress({ done: 50 })
  return progress({ done: 100 }).then(
    () => 'stored',
    error => ({ refused: error.message, name: error.name, code: error.code }),
  )
}

// Loops without ever giving the thread back.
export function busyLoop({ marker }) {
  writeFileSync(marker, 'looping')
  for (;;);
}

export async function obedient(_payload, { signal, log }) {
  log('waiting')
  await new Promise(resolve => signal.addEventListener('abort', resolve))
  throw signal.reason
}

export function finishesAnyway(_payload, { signal, log }) {
  log('waiting')
  return new Promise(resolve => signal.addEventListener('abort', () => resolve('finished all the same')))
}

class Rejected extends NonRetryableError {
  status = 422
}

export function throwing({ what }) {
  switch (what) {
    case 'subclass':
      throw new Rejected('no such address', { cause: new TypeError('deep down') })
    case 'cancel':
      throw new CancelError('not wanted any more')
    case 'snooze':
      throw new SnoozeError('90s', 'too early')
    case 'retry after':
      throw new RetryAfterError(new Date('2027-01-02T00:00:00Z'), 'come back tomorrow')
    case 'coded':
      throw new BelfryError('BELFRY_INVALID_PAYLOAD', 'no good')
    case 'own': {
      const error = new RangeError('out of range')
      throw Object.assign(error, { code: 'E_OWN', status: 503, big: { nested: true }, fn: () => {} })
    }
    case 'value':
      throw { just: 'data' }
    case 'function':
      throw () => {}
    case 'hostile':
      throw Object.defineProperty(new Error('never read'), 'message', {
        get() {
          throw new Error('gotcha')
        },
      })
    default:
      throw new Error(`what is ${what}?`)
  }
}

export const returnsFunction = () => () => {}

export const exits = () => process.exit(3)

export function throwsOutside() {
  setImmediate(() => {
    throw new Error('nobody catches this')
  })
  return new Promise(() => {})
}

export function hoards() {
  const kept = []
  for (;;) kept.push(Array.from({ length: 100_000 }).fill(kept.length))
}

let earlierLog
// Keeps the log of its first job and uses it in its second one.
export function mixesUpLogs(_payload, { log }) {
  earlierLog?.('a line of the job before')
  log('a line of this job')
  earlierLog = log
}

export const notAFunction = 42
