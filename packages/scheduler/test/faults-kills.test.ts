import { Scheduler } from 'belfry'
import { fromPool } from 'belfry/database'
import { describe, expect, it, type TestContext } from 'vitest'
import { startProgram, type Program } from '../../../test-support/child-process.ts'
import { createTestDatabase } from '../../../test-support/test-database.ts'
import { until } from '../../../test-support/until.ts'
import { Journal } from './support/journal.ts'

const SCHEMA = 'story'
const TYPES = ['quick', 'slow', 'second try'] as const
/** More statements than a process sends until it has a job settled: registering, rescuing, claiming, settling. */
const STATEMENTS = 9
/** Processes at the same time. */
const LANES = 3

async function begin(context: TestContext) {
  const test = await createTestDatabase()
  context.onTestFinished(() => test.drop())
  await test.pool.query('create table effects (job_id text, attempt int)')
  const observer = new Scheduler({ database: fromPool(test.pool), schema: SCHEMA })
  await observer.migrate()
  const journal = new Journal()
  const programs: Program[] = []
  context.onTestFinished(async () => {
    for (const program of programs) program.kill('SIGCONT')
    for (const program of programs) program.kill('SIGKILL')
    await Promise.all(programs.map(program => program.exited))
  })
  return {
    journal,
    observer,
    pool: test.pool,
    start: (...args: string[]) => {
      const program = startProgram('packages/scheduler/test/support/mortal-process.mjs', {
        args,
        cwd: '/',
        env: { DATABASE_URL: test.url },
      })
      programs.push(program)
      return program
    },
    schedule: async (count: number) => {
      for (let n = 0; n < count; n += 1) {
        await journal.schedule(observer, TYPES[n % TYPES.length] ?? 'quick', {})
      }
    },
    /** Everything in which what the processes said, the tables, and the outside world disagree. */
    faults: async () => {
      await journal.whenOver(test.pool, SCHEMA)
      // Those that live end in good order, so that all they have to tell is told; a frozen one thaws for it.
      for (const program of programs) program.kill('SIGCONT')
      for (const program of programs) program.kill('SIGTERM')
      await Promise.all(programs.map(program => program.exited))
      for (const program of programs) journal.read(program.stdout())
      const { rows } = await test.pool.query<{ fault: string }>(
        `select format('%s #%s had its effect %s times', job_id, attempt, count(*)) as fault
           from effects group by job_id, attempt having count(*) > 1
         union all
         select format('%s is completed without an effect', job_id) from ${SCHEMA}.scheduled_jobs job
           where status = 'completed' and not exists (select from effects where effects.job_id = job.job_id)`,
      )
      return [...(await journal.faults(test.pool, SCHEMA)), ...rows.map(row => row.fault)]
    },
  }
}

describe('processes that are killed', () => {
  it('before and after each statement they send: every job is done, each attempt begins once and is settled once', async context => {
    const { start, schedule, faults } = await begin(context)
    await schedule(60)
    const deaths = Array.from({ length: STATEMENTS }, (_, n) => [
      [String(n + 1), 'before'],
      [String(n + 1), 'after'],
    ]).flat()
    const lane = async () => {
      for (let death = deaths.shift(); death; death = deaths.shift()) {
        const program = start(...death)
        expect(await program.exited).toEqual({ code: null, signal: 'SIGKILL' })
      }
    }
    await Promise.all(Array.from({ length: LANES }, lane))
    start('0')
    expect(await faults()).toEqual([])
  })

  it('or frozen for longer than a lease, in the midst of a crowd: no job is lost, none is settled twice', async context => {
    const { start, schedule, faults, observer } = await begin(context)
    await schedule(150)
    const crowd = [start('0'), start('0'), start('0')]
    const completed = async () => (await observer.getStats()).counts.completed
    for (const [index, least] of [5, 20, 35, 50].entries()) {
      await until(`${least} are done`, async () => (await completed()) >= least)
      const [victim] = crowd.splice(index % crowd.length, 1)
      victim?.kill(index === 1 ? 'SIGSTOP' : 'SIGKILL')
      crowd.push(start('0'))
    }
    expect(await faults()).toEqual([])
  })
})
