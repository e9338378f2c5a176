import { readFile } from 'node:fs/promises'
import { Scheduler } from 'belfry'
import { fromPool } from 'belfry/database'
import { expect, it } from 'vitest'
import { tidyUp } from './scheduler-api.ts'
import { createTestDatabase } from '../test-support/test-database.ts'

it('the README shows the very example that runs, in about ten lines', async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
  const example = await readFile(new URL('scheduler-api.ts', import.meta.url), 'utf8')
  const [, shown = ''] = example.split(/^ {2}\/\/ The README shows.*\n/m)
  const lines = shown.replaceAll(/^ {2}/gm, '')
  const imports = example.match(/^import \{.*\n/gm)?.join('')
  expect(readme).toContain(`\`\`\`ts\n${imports}\n${lines}\`\`\``)
  expect(lines.trim().split('\n').length).toBeLessThanOrEqual(11)
})

it('the example schedules a job, and another process runs it when its time has come', async () => {
  const database = await createTestDatabase()
  const job = await tidyUp(database.pool, new Date(Date.now() + 86_400_000))
  expect(job).toMatchObject({ jobType: 'data_cleanup', status: 'pending', payload: { days_to_keep: 30 } })
  const later = new Scheduler({ database: fromPool(database.pool) })
  later.registerHandler('data_cleanup', payload => payload)
  await later.changeJob(job ?? '', { delay: 0 })
  expect(await later.runDueJobs()).toBe(1)
  expect(await later.getJob(job ?? '')).toMatchObject({ status: 'completed', result: { type: 'old_conversations' } })
  await database.drop()
})
