// A host program that starts a scheduler, stops it, and looks whether anything of it is left. It never calls exit.
import process from 'node:process'
import { PGlite } from '@electric-sql/pglite'
import { Scheduler } from 'belfry'
import { fromPglite, fromPool } from 'belfry/database'
import pg from 'pg'

const tell = event => process.stdout.write(`${JSON.stringify(event)}\n`)
const PROCESS_EVENTS = [
  'SIGTERM',
  'SIGINT',
  'SIGHUP',
  'SIGUSR2',
  'exit',
  'beforeExit',
  'message',
  'warning',
  'uncaughtException',
  'unhandledRejection',
  'rejectionHandled',
  'uncaughtExceptionMonitor',
]
const listeners = () => Object.fromEntries(PROCESS_EVENTS.map(name => [name, process.listenerCount(name)]))
const resources = () => process.getActiveResourcesInfo().toSorted()

/** Starts, runs and stops a scheduler; `stay` leaves it running. */
async function live(database, stay) {
  const scheduler = new Scheduler({
    database,
    schema: 'tidy',
    lease: '1s',
    gracePeriod: 50,
    schedules: [{ scheduleId: 'tick', job: 'quick', rule: { every: '1s' } }],
  })
  let quick = 0
  scheduler.registerHandler('quick', () => {
    quick += 1
  })
  scheduler.registerHandler('deaf', () => new Promise(() => {}))
  await scheduler.start()
  await scheduler.scheduleJob('quick', { payload: {} })
  await scheduler.scheduleJob('quick', { payload: {}, delay: '1h' })
  await scheduler.scheduleJob('deaf', { payload: {} })
  while (quick === 0) await new Promise(resolve => setTimeout(resolve, 10))
  if (stay) return
  await scheduler.stop()
}

const [mode] = process.argv.slice(2)
const before = { listeners: listeners(), resources: resources() }
if (mode === 'pglite') {
  const pglite = await PGlite.create()
  await live(fromPglite(pglite), false)
  tell({ event: 'pool', checkedOut: 0 })
  await pglite.close()
} else {
  const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 4 })
  const listening = pool.listenerCount('error')
  await live(fromPool(pool), mode === 'stay')
  if (mode === 'stay') tell({ event: 'running', listeners: listeners() })
  else {
    const { total, idle } = { total: pool.totalCount, idle: pool.idleCount }
    await live(fromPool(pool), false)
    tell({ event: 'pool', checkedOut: total - idle, errorListeners: pool.listenerCount('error') - listening })
    await pool.end()
  }
}
if (mode !== 'stay') {
  // Sockets that were ended take a moment to be gone, on a busy machine a long one; what is leaked stays for ever. Counting
  // would not do: what was there before may be gone by now (a file that was being read), and hide one.
  const isNew = each => !before.resources.includes(each)
  for (let look = 0; look < 1_000 && resources().some(isNew); look += 1) {
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  tell({ event: 'over', before, after: { listeners: listeners(), resources: resources() } })
}
