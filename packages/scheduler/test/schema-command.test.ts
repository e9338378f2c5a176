import { PGlite } from '@electric-sql/pglite'
import { schemaCommand } from 'belfry/cli'
import { Scheduler } from 'belfry'
import { fromPglite } from 'belfry/database'
import { expect, it } from 'vitest'

it('a database whose schema is made by hand from the printed SQL is up to date', async () => {
  const printed = schemaCommand(['sql', '--schema', 'by hand'])
  expect(printed).toMatchObject({ exitCode: 0, stderr: '' })
  const pglite = await PGlite.create()
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
