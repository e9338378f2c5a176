import { BelfryError, Scheduler } from 'belfry'
import {
  fromDrizzle,
  fromKnex,
  fromPglite,
  fromPool,
  fromPostgresJs,
  type Database,
  type Queryable,
} from 'belfry/database'
import { sql as drizzleSql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/postgres-js'
import knex from 'knex'
import postgres from 'postgres'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../test-support/test-database.ts'
import { doors, drizzleOnEmbedded, type Door } from './support/orm-doors.ts'

/** What makes placeholders, escaping and JSON go wrong. */
const NASTY = {
  quotes: `it's "quoted" ''twice'' \`and\` 'more`,
  marks: '? ?? \\? $1 $2::text $$ $a$ :name %s',
  backslashes: '\\ \\\\ \\n \\u0041 C:\\temp\\',
  unicode: 'ünïcödé 日本語 🏰 \u202e \ud83d\ude80',
  lines: 'a\nb\r\nc\td',
  nested: { user_id: 1, keepMe: [null, true, 1.5, 'x,y', '{a,b}', ['{}']], '': {} },
}

let database: TestDatabase
let onPg: Database
beforeAll(async () => {
  database = await createTestDatabase()
  onPg = fromPool(database.pool)
})
afterAll(() => database.drop())

describe.each(Object.entries(doors))('scheduling inside a transaction of %s', (name, openDoor) => {
  const schema = `via ${name}?`
  let door: Door
  let scheduler: Scheduler
  let ran: unknown[]

  beforeAll(async () => {
    door = openDoor(database.url)
    scheduler = new Scheduler({ database: onPg, schema })
    scheduler.registerHandler('note', payload => ran.push(payload))
    await scheduler.migrate()
    await database.pool.query(`create table if not exists orders (name text)`)
  })
  afterAll(() => door.close())
  beforeEach(async () => {
    ran = []
    await scheduler.runDueJobs()
    ran = []
  })

  it('commits job and data together, and the job runs', async () => {
    await door.transaction(async (transaction, run) => {
      await run(`insert into orders values ('kept')`)
      const answer = await scheduler.scheduleJob('note', { payload: NASTY, transaction })
      expect(answer).toEqual({ jobId: expect.any(String), conflict: false })
      expect(await scheduler.getJob(answer)).toBeUndefined()
    })
    expect(await scheduler.runDueJobs()).toBe(1)
    expect(ran).toEqual([NASTY])
  })

  it('leaves no job when the transaction rolls back', async () => {
    const before = await scheduler.getStats()
    await expect(
      door.transaction(async (transaction, run) => {
        await run(`insert into orders values ('lost')`)
        await scheduler.scheduleJob('note', { payload: NASTY, transaction })
        throw new Error('changed my mind')
      }),
    ).rejects.toThrow('changed my mind')
    expect((await scheduler.getStats()).counts).toEqual(before.counts)
    expect((await database.pool.query(`select from orders where name = 'lost'`)).rowCount).toBe(0)
  })

  it('says which unfinished job holds a unique key, also one from another transaction', async () => {
    const uniqueKey = `it's ? $1 \\ {"ü"}`
    const first = await scheduler.scheduleJob('note', { payload: { n: 1 }, uniqueKey, delay: '1h' })
    await door.transaction(async transaction => {
      expect(await scheduler.scheduleJob('note', { payload: { n: 2 }, uniqueKey, transaction })).toEqual({
        jobId: first.jobId,
        conflict: true,
      })
    })
    expect((await scheduler.getJob(first))?.payload).toEqual({ n: 1 })
    await scheduler.cancelJob(first)
  })

  it('replaces a pending job, payload and time', async () => {
    const uniqueKey = 'replaced'
    const first = await scheduler.scheduleJob('note', { payload: { n: 1 }, uniqueKey, delay: '1h' })
    const at = new Date('2100-01-01T00:00:00.125Z')
    await door.transaction(async transaction => {
      const options = { uniqueKey, onConflict: 'replace', scheduledTime: at, transaction } as const
      const answer = await scheduler.scheduleJob('note', { payload: NASTY, ...options })
      expect(answer).toEqual({ jobId: first.jobId, conflict: true })
    })
    expect(await scheduler.getJob(first)).toMatchObject({ payload: NASTY, scheduledTime: at, status: 'pending' })
    const soon = await scheduler.scheduleJob('note', { payload: { n: 1 }, uniqueKey: 'bounded', delay: '10m' })
    await door.transaction(async transaction => {
      await scheduler.scheduleJob('note', {
        payload: { n: 3 },
        uniqueKey: 'bounded',
        onConflict: 'replace',
        delay: '2h',
        maxWait: '30m',
        transaction,
      })
    })
    const bounded = await scheduler.getJob(soon)
    expect(bounded && bounded.scheduledTime.getTime() - bounded.createdAt.getTime()).toBeCloseTo(1_800_000, -1)
    await scheduler.cancelJob(first)
    await scheduler.cancelJob(soon)
  })

  it('appends, keeps to periods, and finds, changes and cancels by the key; a refused call leaves nothing', async () => {
    const options = { uniqueKey: NASTY.marks, onConflict: 'append', delay: '1h' } as const
    const append = { job: 'list', ...options } as const
    const key = { jobType: 'list', uniqueKey: NASTY.marks }
    const first = await scheduler.scheduleJob('list', { ...options, payload: [NASTY] })
    await door.transaction(async transaction => {
      const once = { job: 'once', uniqueKey: NASTY.marks, uniqueFor: '1h', delay: '1h' } as const
      const answers = await scheduler.scheduleJobs(
        [{ ...append, payload: [1, NASTY] }, once, once, { ...append, payload: [2] }],
        { transaction },
      )
      expect(answers.map(each => each.conflict)).toEqual([true, false, true, true])
      const refused = [{ job: 'never' }, { ...append, payload: ['x'.repeat(70_000)] }, { ...append, payload: [3] }]
      await expect(scheduler.scheduleJobs(refused, { transaction })).rejects.toMatchObject({
        code: 'BELFRY_PAYLOAD_TOO_LARGE',
      })
      const long = [{ job: 'never' }, ...[1, 2].map(() => ({ ...append, payload: ['x'.repeat(40_000)] }))]
      await expect(scheduler.scheduleJobs(long, { transaction })).rejects.toMatchObject({
        code: 'BELFRY_PAYLOAD_TOO_LARGE',
      })
      const own = { window: { from: '00:00', to: '24:00', timeZone: 'Asia/Kathmandu' } } as const
      expect(await scheduler.changeJob(key, { priority: 3, ...own }, { transaction })).toBe(true)
      expect(await scheduler.getJob(key, { transaction })).toMatchObject({ jobId: first.jobId, priority: 3 })
    })
    expect(await scheduler.getJob(key)).toMatchObject({ payload: [NASTY, 1, NASTY, 2] })
    expect((await scheduler.admin.listJobs({ jobType: 'never' })).jobs).toEqual([])
    await door.transaction(async transaction => {
      expect(await scheduler.cancelJob(key, { transaction })).toBe('cancelled')
      expect(await scheduler.redriveJob(first, { transaction })).toBe(true)
      expect(await scheduler.cancelJob(first, { transaction })).toBe('cancelled')
    })
    await scheduler.cancelJob({ jobType: 'once', uniqueKey: NASTY.marks })
  })

  it('takes a thousand jobs at once, some of whose keys are taken, and answers in order', async () => {
    const taken = await scheduler.scheduleJob('bulk', { uniqueKey: 'key 500', delay: '1h' })
    await door.transaction(async transaction => {
      const jobs = Array.from({ length: 1_000 }, (_, n) => ({
        job: 'bulk',
        payload: { n, text: NASTY.marks },
        uniqueKey: `key ${n}`,
        delay: '1h' as const,
      }))
      const answers = await scheduler.scheduleJobs(jobs, { transaction })
      expect(answers.map(each => each.conflict)).toEqual(jobs.map((_, n) => n === 500))
      expect(answers[500]?.jobId).toBe(taken.jobId)
    })
    expect(await scheduler.getJobByKey('bulk', 'key 999')).toMatchObject({ payload: { n: 999, text: NASTY.marks } })
    const { counts } = await scheduler.getStats()
    expect(counts.pending).toBeGreaterThanOrEqual(1_000)
    await database.pool.query(`delete from "${schema}".scheduled_jobs_live where job_type = 'bulk'`)
  })

  it('names a job id that is taken, as with a client of pg', async () => {
    const { jobId } = await scheduler.scheduleJob('note', { delay: '1h' })
    await expect(
      door.transaction(async transaction => {
        await scheduler.scheduleJob('note', { jobId, transaction })
      }),
    ).rejects.toMatchObject({ code: 'BELFRY_DUPLICATE_JOB_ID' })
    await scheduler.cancelJob(jobId)
  })

  it('cancels a job if the transaction commits', async () => {
    const { jobId } = await scheduler.scheduleJob('note', { delay: '1h' })
    const rolledBack = door.transaction(async transaction => {
      expect(await scheduler.cancelJob(jobId, { transaction })).toBe('cancelled')
      throw new Error('no')
    })
    await expect(rolledBack).rejects.toThrow('no')
    expect(await scheduler.getJob(jobId)).toMatchObject({ status: 'pending' })
    await door.transaction(async transaction => {
      await scheduler.cancelJob(jobId, { transaction, reason: NASTY.quotes })
    })
    expect(await scheduler.getJob(jobId)).toMatchObject({ status: 'cancelled', errorMessage: NASTY.quotes })
  })

  // Arrays that hold nulls are left out on purpose: postgres.js reads them as the text NULL; no statement answers any.
  it('hands back the same values as pg does', async () => {
    const text = `select 'x?'::text as text, 7::int4 as whole, true as yes, null::text as nothing,
      (extract(epoch from timestamptz '2027-01-01 00:00:00.5+00') * 1000)::float8 as float,
      $2::text::jsonb as json, array[$1::text, '{"a"}', ''] as list, '{}'::text[] as empty, to_jsonb($3::text[]) as given,
      $1::text || $1::text as twice`
    const values = [NASTY.backslashes, JSON.stringify(NASTY), [NASTY.marks, null, '{"a"}', '']]
    const { rows } = await database.pool.query(text, values)
    expect((await door.instance.query(text, values)).rows).toEqual(rows)
    await door.transaction(async transaction => {
      expect((await transaction.query(text, values)).rows).toEqual(rows)
    })
    expect((await door.instance.query('select 1 where false')).rows).toEqual([])
    expect((await door.instance.query('select * from (select 1 as "oneTwo") as one_row')).rows).toEqual([{ oneTwo: 1 }])
    expect((await door.instance.query('SELECT 1 AS ONE_TWO, 2')).rows).toEqual([{ one_two: 1, '?column?': 2 }])
  })
})

describe('Drizzle on PGlite', () => {
  it('schedules in its transaction too', async () => {
    const door = await drizzleOnEmbedded()
    const scheduler = new Scheduler({ database: fromPglite(door.pglite) })
    await scheduler.migrate()
    const uniqueKey = 'one'
    await door.transaction(async transaction => {
      await scheduler.scheduleJob('note', { payload: NASTY, uniqueKey, transaction })
      expect((await scheduler.scheduleJob('note', { uniqueKey, transaction })).conflict).toBe(true)
    })
    expect(await scheduler.getJobByKey('note', uniqueKey)).toMatchObject({ payload: NASTY })
    await expect(
      door.transaction(async transaction => {
        await scheduler.scheduleJob('note', { uniqueKey: 'two', transaction })
        throw new Error('no')
      }),
    ).rejects.toThrow('no')
    expect(await scheduler.getJobByKey('note', 'two')).toBeUndefined()
    await door.close()
  })
})

describe('a library that changes results on their way', () => {
  const refusal = { code: 'BELFRY_INVALID_OPTION' }
  const schedule = async (transaction: Queryable) => {
    const scheduler = new Scheduler({ database: onPg, schema: 'changed' })
    await scheduler.migrate()
    return scheduler.scheduleJobs(
      [1, 2].map(n => ({ job: 'note', payload: { n }, uniqueKey: 'same' })),
      { transaction },
    )
  }

  it('is refused with the setting to change: Knex with a postProcessResponse that renames', async () => {
    const db = knex({
      client: 'pg',
      connection: database.url,
      postProcessResponse: (result: { rows: object[] }) => ({
        rows: result.rows.map(row =>
          Object.fromEntries(Object.entries(row).map(([key, value]) => [key.toUpperCase(), value])),
        ),
      }),
    })
    await expect(db.transaction(trx => schedule(fromKnex(trx)))).rejects.toMatchObject(refusal)
    await db.destroy()
  })

  it.each([
    ['transform', { transform: postgres.camel }],
    ['fetch_types: false', { fetch_types: false }],
  ])('is refused: postgres.js with %s, as instance and as transaction', async (_, options) => {
    const sql = postgres(database.url, { ...options, max: 1 })
    expect(() => fromPostgresJs(sql)).toThrowError(BelfryError)
    await expect(sql.begin(tx => schedule(fromPostgresJs(tx)))).rejects.toMatchObject(refusal)
    const db = drizzle(sql)
    await expect(db.transaction(tx => schedule(fromDrizzle(tx, drizzleSql)))).rejects.toMatchObject(refusal)
    await sql.end()
  })
})
