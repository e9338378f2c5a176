// A process whose handler keeps the event loop busy for longer than its lease. Prints one JSON line per event.
import process from 'node:process'
import { Scheduler } from 'belfry'
import { fromPool } from 'belfry/database'
import pg from 'pg'

const [busyForMs] = process.argv.slice(2).map(Number)
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 5 })
const tell = event => process.stdout.write(`${JSON.stringify(event)}\n`)
const scheduler = new Scheduler({ database: fromPool(pool), schema: 'story', lease: '1s', gracePeriod: 0 })

let bystanders = 0
scheduler.registerHandler('bystander', (_payload, { signal }) => {
  bystanders += 1
  return new Promise((_resolve, reject) =>
    signal.addEventListener('abort', () => {
      tell({ event: 'aborted', reason: signal.reason?.code })
      reject(signal.reason)
    }),
  )
})
scheduler.registerHandler('blocking', () => {
  tell({ event: 'blocking', bystanders })
  const end = performance.now() + busyForMs
  while (performance.now() < end);
  return 'too late'
})
scheduler.on('job:started', ({ jobId, attempt }) => tell({ event: 'began', jobId, attempt }))
scheduler.on('job:settled', ({ jobId, attempt, outcome }) => tell({ event: 'settled', jobId, attempt, outcome }))
scheduler.on('job:lease-lost', ({ jobId, attempt }) => tell({ event: 'lease-lost', jobId, attempt }))
scheduler.on('runner:revived', () => tell({ event: 'revived' }))
process.once('SIGTERM', () => void scheduler.stop().then(() => pool.end()))
await scheduler.start()
tell({ event: 'ready' })
