// A process that runs jobs until it dies: before it sends its nth statement, or after it was carried out, counted from
// the moment it is ready; 0: not by itself. Prints one JSON line per event.
import process from 'node:process'
import { defineJob, Scheduler } from 'belfry'
import { fromPool } from 'belfry/database'
import pg from 'pg'

const [dieAt, when] = [Number(process.argv[2]), process.argv[3]]
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 4 })
const tell = event => process.stdout.write(`${JSON.stringify(event)}\n`)
let ready = false
let sent = 0

/** Dies for good: nothing is flushed, nobody is told. */
const die = () => process.kill(process.pid, 'SIGKILL')

function mortal(queryable) {
  return {
    query: async (text, values) => {
      if (ready) sent += 1
      const last = ready && sent === dieAt
      if (last && when === 'before') die()
      const result = await queryable.query(text, values)
      if (last) die()
      return result
    },
  }
}

const database = fromPool(pool)
const scheduler = new Scheduler({
  database: {
    ...database,
    ...mortal(database),
    transaction: work => database.transaction(transaction => work(mortal(transaction))),
  },
  schema: 'story',
  lease: '1s',
  gracePeriod: 0,
  concurrency: 3,
  jobs: ['quick', 'slow', 'second try'].map(type =>
    defineJob({ type, maxLost: 1_000, backoff: { initial: 10, jitter: 0 } }),
  ),
})
const effect = ({ jobId, attempt }) =>
  pool.query('insert into effects (job_id, attempt) values ($1, $2)', [jobId, attempt])

scheduler.registerHandler('quick', (_payload, context) => effect(context))
scheduler.registerHandler('slow', async (_payload, context) => {
  await effect(context)
  await new Promise(resolve => setTimeout(resolve, 30))
})
scheduler.registerHandler('second try', async (_payload, context) => {
  await effect(context)
  if (context.retryCount === 0) throw new Error('not yet')
})
scheduler.on('job:started', ({ jobId, attempt }) => tell({ event: 'began', jobId, attempt }))
scheduler.on('job:settled', ({ jobId, attempt, outcome }) => tell({ event: 'settled', jobId, attempt, outcome }))
scheduler.on('job:lease-lost', ({ jobId, attempt }) => tell({ event: 'lease-lost', jobId, attempt }))
process.once('SIGTERM', () => void scheduler.stop().then(() => pool.end()))
await scheduler.migrate()
ready = true
tell({ event: 'ready' })
await scheduler.start()
