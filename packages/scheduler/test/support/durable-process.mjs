// A process that runs a job of several durable steps and stops dead between them where the story says so.
// Prints one JSON line per thing it does.
import process from 'node:process'
import { Scheduler } from 'belfry'
import { fromPool } from 'belfry/database'
import pg from 'pg'

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 5 })
const tell = event => process.stdout.write(`${JSON.stringify(event)}\n`)
const scheduler = new Scheduler({ database: fromPool(pool), schema: 'work', lease: '1s', gracePeriod: 0 })
const { DIES_AT: diesAt } = process.env

/** Ends the process as a power cut would: nothing is flushed, nothing is told. */
const here = place => {
  if (place === diesAt) process.kill(process.pid, 'SIGKILL')
}

scheduler.registerHandler('journey', async (_payload, { step, once, sleep, waitForEvent, attempt }) => {
  const note = what => pool.query('insert into effects (what, attempt) values ($1, $2)', [what, attempt])
  await step('first', () => note('first').then(() => 1))
  here('after first')
  const sent = await once('letter', async ({ key, doubtful }) => {
    // The other side knows the key: whoever is in doubt asks it.
    const known = await pool.query('select key from letters where key = $1', [key])
    if (doubtful && known.rows.length > 0) return 'had been sent'
    await pool.query('insert into letters (key) values ($1)', [key])
    here('letter sent, not confirmed')
    return 'sent'
  })
  here('letter confirmed')
  await sleep('a while', '1100ms')
  here('slept')
  tell({ event: 'waiting' })
  const answer = await waitForEvent('answer', { timeout: '1h' })
  here('answered')
  await step('last', () => note('last').then(() => 2))
  return { sent, answer }
})
await scheduler.start()
tell({ event: 'ready' })
