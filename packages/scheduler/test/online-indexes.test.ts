import { fromPglite, fromPool, migrate, migrationSql, type Database, type MigrationPlan } from 'belfry/database'
import type { Pool } from 'pg'
import { describe, expect, it, type TestContext } from 'vitest'
import { createTestDatabase } from '../../../test-support/test-database.ts'
import { until } from '../../../test-support/until.ts'
import { createPglite } from '../../../test-support/embedded-database.ts'

const table: MigrationPlan = {
  schema: 'story',
  table: 'notes',
  steps: [{ version: 1, name: 'table', statements: ['create table story.big (id serial, n integer not null)'] }],
}
const withIndex: MigrationPlan = {
  ...table,
  steps: [
    ...table.steps,
    {
      version: 2,
      name: 'index',
      statements: [],
      onlineIndexes: [
        { name: 'big_n', on: 'big', definition: '(n) where n > 0' },
        { name: 'big_id', on: 'big', definition: '(id)', unique: true },
      ],
    },
  ],
}
/** The server shows what happens in all of its databases. */
const HERE = 'datname = current_database()'
const NAMES = ['big_n', 'big_id']

async function begin(context: TestContext, poolSize = 10): Promise<{ pool: Pool; database: Database }> {
  const test = await createTestDatabase(poolSize)
  context.onTestFinished(() => test.drop())
  const database = fromPool(test.pool)
  await migrate(database, table)
  await test.pool.query('insert into story.big (n) select n from generate_series(1, 20000) n')
  return { pool: test.pool, database }
}

const validIndexes = async (database: Pick<Database, 'query'>) => {
  const { rows } = await database.query<{ name: string; valid: boolean }>(
    `select i.relname::text as name, x.indisvalid as valid from pg_index x join pg_class i on i.oid = x.indexrelid
     where x.indrelid = 'story.big'::regclass order by 1 desc`,
  )
  return rows.map(({ name, valid }) => (valid ? name : `${name} invalid`))
}

describe.concurrent('an index on a table that is big and in use', () => {
  it('is built while an open transaction has written to the table and others go on doing so', async context => {
    const { pool, database } = await begin(context)
    const writer = await pool.connect()
    await writer.query('begin')
    await writer.query('insert into story.big (n) values (-1)')
    let over = false
    const migrating = migrate(database, withIndex).finally(() => (over = true))
    // It waits for the open transaction. An ordinary `create index` would keep every writer out from here on.
    await until('the build to wait for the writer', async () => {
      const { rows } = await pool.query(
        `select 1 from pg_stat_progress_create_index where ${HERE} and phase like 'waiting%'`,
      )
      return rows.length > 0
    })
    for (let n = 0; n < 20; n += 1) await pool.query('insert into story.big (n) values ($1)', [n])
    expect(over).toBe(false)
    await writer.query('commit')
    writer.release()
    expect(await migrating).toEqual({ applied: [2], version: 2, indexesBuilt: NAMES, indexesLeft: [] })
    expect(await validIndexes(database)).toEqual(NAMES)
    expect(await migrate(database, withIndex)).toMatchObject({ applied: [], indexesBuilt: [] })
  })

  it('is left to the process that is at it; the others start meanwhile', async context => {
    const { pool, database } = await begin(context)
    const writer = await pool.connect()
    await writer.query('begin')
    await writer.query('insert into story.big (n) values (-1)')
    const first = migrate(database, withIndex)
    await until('the build to begin', async () => {
      const { rows } = await pool.query(`select 1 from pg_stat_progress_create_index where ${HERE}`)
      return rows.length > 0
    })
    expect(await migrate(database, withIndex)).toMatchObject({ applied: [], indexesBuilt: [], indexesLeft: NAMES })
    await writer.query('commit')
    writer.release()
    expect(await first).toMatchObject({ indexesBuilt: NAMES })
  })

  it('that was cut off leaves an invalid rest, which the next start replaces', async context => {
    const { pool, database } = await begin(context)
    const writer = await pool.connect()
    await writer.query('begin')
    await writer.query('insert into story.big (n) values (-1)')
    const cutOff = migrate(database, withIndex)
    cutOff.catch(() => {})
    await until('the build to be killed', async () => {
      const { rows } = await pool.query(
        `select pg_terminate_backend(pid) from pg_stat_progress_create_index where ${HERE} and phase like 'waiting%'`,
      )
      return rows.length > 0
    })
    await expect(cutOff).rejects.toThrow(/terminat|closed|Connection/i)
    await writer.query('commit')
    writer.release()
    await until('the build to be gone', async () => {
      const { rows } = await pool.query(`select 1 from pg_stat_progress_create_index where ${HERE}`)
      return rows.length === 0
    })
    expect(await validIndexes(database)).toEqual(['big_n invalid'])
    expect(await migrate(database, withIndex)).toMatchObject({ applied: [], indexesBuilt: NAMES })
    expect(await validIndexes(database)).toEqual(NAMES)
  })

  it('is built in the ordinary way where there is one connection only', async context => {
    const { database } = await begin(context, 1)
    expect(await migrate(database, withIndex)).toMatchObject({ indexesBuilt: NAMES })
    const pglite = await createPglite()
    const embedded = fromPglite(pglite)
    expect(await migrate(embedded, withIndex)).toMatchObject({ applied: [1, 2], indexesBuilt: NAMES })
    expect(await validIndexes(embedded)).toEqual(NAMES)
    await pglite.close()
  })

  it('comes after the transaction in the printed SQL', () => {
    expect(migrationSql(withIndex)).toMatch(
      /commit;\ncreate index concurrently if not exists "big_n" on "story"\."big" \(n\) where n > 0;\ncreate unique index/,
    )
  })
})
