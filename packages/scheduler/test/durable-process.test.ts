import { Scheduler } from 'belfry'
import { fromPool } from 'belfry/database'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startProgram, type Program } from '../../../test-support/child-process.ts'
import { createTestDatabase, type TestDatabase } from '../../../test-support/test-database.ts'
import { until } from '../../../test-support/until.ts'

describe('a process that is killed in the middle of a durable job', () => {
  let database: TestDatabase
  let scheduler: Scheduler
  let programs: Program[] = []

  beforeEach(async () => {
    database = await createTestDatabase()
    await database.pool.query('create table effects (what text, attempt int)')
    await database.pool.query('create table letters (key text)')
    scheduler = new Scheduler({ database: fromPool(database.pool), schema: 'work' })
    await scheduler.migrate()
  })
  afterEach(async () => {
    for (const program of programs) program.kill('SIGKILL')
    await Promise.all(programs.map(program => program.exited))
    programs = []
    await scheduler.stop()
    await database.drop()
  })
  const start = (diesAt: string): Program => {
    const program = startProgram('packages/scheduler/test/support/durable-process.mjs', {
      cwd: '/',
      env: { DATABASE_URL: database.url, DIES_AT: diesAt },
    })
    programs.push(program)
    return program
  }

  it.each([
    ['after first', 'sent'],
    ['letter sent, not confirmed', 'had been sent'],
    ['letter confirmed', 'sent'],
    ['slept', 'sent'],
    ['answered', 'sent'],
  ])('%s: the next one goes on from there, and nothing is done twice', async (diesAt, sent) => {
    const { jobId } = await scheduler.scheduleJob('journey', { payload: {} })
    if (diesAt === 'answered') await scheduler.sendEvent('answer', { payload: 'yes' })
    const first = start(diesAt)
    expect(await first.exited).toMatchObject({ signal: 'SIGKILL' })
    const second = start('')
    await second.shows(/"waiting"/)
    if (diesAt !== 'answered') await scheduler.sendEvent('answer', { payload: 'yes' })
    const job = await until('the job has ended', async () => {
      const found = await scheduler.getJob(jobId)
      return found?.status === 'completed' && found
    })
    expect(job).toMatchObject({ result: { sent, answer: 'yes' }, lostCount: 1, retryCount: 0 })
    const { rows } = await database.pool.query(
      'select what, count(*)::int as times from effects group by what order by what',
    )
    expect(rows).toEqual([
      { what: 'first', times: 1 },
      { what: 'last', times: 1 },
    ])
    expect((await database.pool.query('select key from letters')).rows).toHaveLength(1)
  })
})
