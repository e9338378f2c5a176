// A process that runs jobs, for stories about several of them. Prints one JSON line per event.
import process from 'node:process'
import { Scheduler } from 'belfry'
import { fromPool } from 'belfry/database'
import pg from 'pg'

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 5 })
const tell = event => process.stdout.write(`${JSON.stringify(event)}\n`)
const scheduler = new Scheduler({ database: fromPool(pool), schema: 'work', lease: '3s', gracePeriod: 0 })

// Listened for from the start: the story may send it before the handler gets to wait for it.
const thawed = new Promise(resolve => process.once('SIGUSR2', resolve))

const note = (kind, context) =>
  pool.query('insert into effects (job_id, attempt, kind, pid) values ($1, $2, $3, $4)', [
    context.jobId,
    context.attempt,
    kind,
    process.pid,
  ])

scheduler.registerHandler('quick', (_payload, context) => note('quick', context))
scheduler.registerHandler('patient', async (_payload, context) => {
  await note('begun', context)
  tell({ event: 'begun', attempt: context.attempt })
  // The first attempt waits for whatever the story does to its process; a later one goes through.
  if (context.attempt > 1) return 'done'
  await new Promise((_resolve, reject) => context.signal.addEventListener('abort', () => reject(context.signal.reason)))
})
scheduler.registerHandler('frozen', async (_payload, context) => {
  await note('begun', context)
  tell({ event: 'begun', attempt: context.attempt })
  if (context.attempt === 1) {
    // Frozen from outside in the middle of this; it goes on later as if nothing had happened.
    await thawed
  }
  return `attempt ${context.attempt}`
})
scheduler.registerHandler('poison', () => process.kill(process.pid, 'SIGKILL'))
scheduler.on('job:lease-lost', ({ attempt }) => tell({ event: 'lease-lost', attempt }))
scheduler.on('job:settled', ({ outcome, attempt }) => tell({ event: 'settled', outcome, attempt }))

async function stop() {
  await scheduler.stop()
  await pool.end()
  tell({ event: 'stopped' })
}
process.once('SIGTERM', () => void stop())
await scheduler.start()
tell({ event: 'ready' })
