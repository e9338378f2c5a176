import { schemaCommand } from 'belfry/cli'
import { Scheduler } from 'belfry'
import { fromPglite, fromPool } from 'belfry/database'
import { expect, it } from 'vitest'
import { startProgram } from '../../../test-support/child-process.ts'
import { createTestDatabase } from '../../../test-support/test-database.ts'
import { createPglite } from '../../../test-support/embedded-database.ts'

it('a database whose schema is made by hand from the printed SQL is up to date', async () => {
  const printed = schemaCommand(['sql', '--schema', 'by hand'])
  expect(printed).toMatchObject({ exitCode: 0, stderr: '' })
  const pglite = await createPglite()
  await pglite.exec(printed.stdout)
  const scheduler = new Scheduler({ database: fromPglite(pglite), schema: 'by hand' })
  expect(await scheduler.migrate()).toMatchObject({ applied: [] })
  await pglite.query(`create role "web app"`)
  await pglite.exec(schemaCommand(['grants', 'web app', '--schema', 'by hand']).stdout)
  scheduler.registerHandler('greet', () => 'hello')
  await scheduler.scheduleJob('greet', { payload: {} })
  await pglite.exec(`set role "web app"`)
  expect(await scheduler.runDueJobs()).toBe(1)
  await pglite.close()
})

it('wrong usage says so', () => {
  for (const args of [[], ['sql', 'x'], ['grants'], ['grants', 'a', 'b'], ['nonsense'], ['sql', '--nonsense']]) {
    expect(schemaCommand(args)).toMatchObject({ exitCode: 2, stdout: '' })
  }
  expect(schemaCommand(['sql', '--schema', '']).stderr).toContain('schema: expected a PostgreSQL name')
  expect(schemaCommand(['--help']).stdout).toContain('belfry schema grants ROLE')
})

it('a schema is checked where there is a database, and the SQL for it is printed where there is none', async context => {
  const printed = schemaCommand(['check', '--schema', 'story'])
  expect(printed).toMatchObject({ exitCode: 0, stderr: '' })
  expect(printed.stdout).toMatch(/^begin;[^]*rollback;\n$/)

  const test = await createTestDatabase()
  context.onTestFinished(() => test.drop())
  await new Scheduler({ database: fromPool(test.pool), schema: 'story' }).migrate()
  // A hand that types it into psql: many statements at once.
  const answers = (await test.pool.query(printed.stdout)) as unknown as { rows: unknown[] }[]
  expect(answers.at(-2)?.rows).toEqual([])

  const check = async () => {
    const args = ['schema', 'check', '--schema', 'story']
    const env = { DATABASE_URL: test.url }
    const program = startProgram('packages/scheduler/dist/cli/main.js', { args, env, cwd: '.' })
    return { ...(await program.exited), stdout: program.stdout() }
  }
  expect(await check()).toMatchObject({ code: 0, stdout: expect.stringMatching(/nothing is missing or changed\n$/) })
  await test.pool.query('drop index story.scheduled_jobs_live_due')
  expect(await check()).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/missing index scheduled_jobs_live_due\n {2}should be: CREATE INDEX/),
  })
})
