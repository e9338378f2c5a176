import { readFile } from 'node:fs/promises'
import { PGlite } from '@electric-sql/pglite'
import { Scheduler } from 'belfry'
import { fromPglite } from 'belfry/database'
import { expect, it } from 'vitest'
import { tidyUpTomorrow } from './scheduler-api.ts'

it('the README shows the very example that runs', async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
  const example = await readFile(new URL('scheduler-api.ts', import.meta.url), 'utf8')
  expect(readme).toContain(example.trim())
})

it('the example schedules a job that another process finds', async () => {
  const pglite = await PGlite.create()
  const database = fromPglite(pglite)
  const jobId = await tidyUpTomorrow(database)
  const job = await new Scheduler({ database }).getJob(jobId)
  expect(job).toMatchObject({ jobType: 'data_cleanup', status: 'pending', payload: { days_to_keep: 30 } })
  await pglite.close()
})
