// A process of a soak: runs jobs until it is told to stop. Prints one JSON line per event.
import process from 'node:process'
import { setTimeout as pause } from 'node:timers/promises'
import { defineJob, Scheduler } from 'belfry'
import { fromPool } from 'belfry/database'
import pg from 'pg'

const [schema, limit] = [process.argv[2], Number(process.argv[3])]
const LEVEL_EVERY_MS = 1_000
const tell = event => process.stdout.write(`${JSON.stringify(event)}\n`)
const resources = () => process.getActiveResourcesInfo()

// It ends with whoever started it, however that one ended.
process.stdin.resume().once('end', () => process.exit(1))
tell({ event: 'born' })
const before = resources().length

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 5, connectionTimeoutMillis: 5_000 })
const backoff = { initial: 50, jitter: 0.5 }
const scheduler = new Scheduler({
  database: fromPool(pool),
  schema,
  lease: '2s',
  gracePeriod: 0,
  jobs: [
    defineJob({ type: 'quick', backoff, handler: quick }),
    defineJob({ type: 'slow', backoff, handler: slow }),
    defineJob({ type: 'failing', backoff, handler: fail }),
    defineJob({ type: 'keyed', backoff, handler: (_payload, { signal }) => work(20, signal) }),
    defineJob({ type: 'governed', backoff, limits: { concurrency: limit }, handler: governed }),
    defineJob({ type: 'tick', backoff, handler: () => {} }),
  ],
  schedules: [{ scheduleId: 'every second', job: 'tick', rule: { every: '1s' } }],
})

const work = (longestMs, signal) => pause(Math.random() * longestMs, undefined, { signal })

/** Some schedule another job from within, which this process may keep for itself. */
async function quick({ more }, { jobId, attempt }) {
  if (!more) return
  const next = { event: 'scheduling', jobId: `${jobId} more ${attempt}` }
  tell(next)
  await scheduler.scheduleJob('quick', { payload: {}, jobId: next.jobId })
  tell({ ...next, event: 'scheduled' })
}

/** Some outlast a freeze: others run them again when the frozen process goes on. */
function slow(_payload, { signal }) {
  return work(Math.random() < 0.05 ? 5_000 : 200, signal)
}

function fail() {
  if (Math.random() < 0.3) throw new Error('not this time')
}

/** By the clock that all processes of a machine share. */
async function governed(_payload, { jobId, attempt, signal }) {
  const note = event => tell({ event, jobId, attempt, atUs: Number(process.hrtime.bigint() / 1_000n) })
  note('handler-began')
  try {
    await work(400, signal)
  } finally {
    note('handler-ended')
  }
}

scheduler.on('job:started', ({ jobId, jobType, attempt, waitMs }) =>
  tell({ event: 'began', jobId, attempt, ...(jobType === 'quick' && attempt === 1 && { waitMs }) }),
)
scheduler.on('job:settled', ({ jobId, attempt, outcome, willRetry }) =>
  tell({ event: 'settled', jobId, attempt, outcome, willRetry }),
)
scheduler.on('job:lease-lost', ({ jobId, attempt }) => tell({ event: 'lease-lost', jobId, attempt }))

const levels = setInterval(
  () => tell({ event: 'level', residentMb: process.memoryUsage.rss() / 2 ** 20, handles: resources().length }),
  LEVEL_EVERY_MS,
)

async function stop() {
  clearInterval(levels)
  await scheduler.stop()
  await pool.end()
  // Sockets that were ended take a moment to be gone.
  for (let look = 0; look < 200 && resources().length > before; look += 1) await pause(20)
  tell({ event: 'stopped', left: resources().length > before ? resources() : [] })
  process.stdin.destroy()
}
process.once('SIGTERM', () => void stop())

for (let started = false; !started; ) {
  started = await scheduler.start().then(
    () => true,
    // The server may be down just now.
    error => process.stderr.write(`start: ${error}\n`) && pause(200).then(() => false),
  )
}
tell({ event: 'ready' })
