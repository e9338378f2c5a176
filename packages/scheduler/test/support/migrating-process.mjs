// A process that migrates. Given a number, it stops for ever before its transactions' statement of that number.
import process from 'node:process'
import { Scheduler } from 'belfry'
import { fromPool } from 'belfry/database'
import pg from 'pg'

const [haltAt = 0] = process.argv.slice(2).map(Number)
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 3 })
const tell = event => process.stdout.write(`${JSON.stringify(event)}\n`)
let sent = 0

function halting(queryable) {
  return {
    query: async (text, values) => {
      sent += 1
      if (sent === haltAt) {
        tell({ event: 'halted' })
        await new Promise(() => {})
      }
      return queryable.query(text, values)
    },
  }
}

const database = fromPool(pool)
const scheduler = new Scheduler({
  database: { ...database, transaction: work => database.transaction(transaction => work(halting(transaction))) },
  schema: 'story',
})
tell({ event: 'migrated', ...(await scheduler.migrate()), sent })
await scheduler.stop()
await pool.end()
