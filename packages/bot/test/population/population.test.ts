import { expect, it } from 'vitest'
import { createTestDatabase } from '../../../../test-support/test-database.ts'
import { createPglite } from '../../../../test-support/embedded-database.ts'
import { connectToServer } from './connect.ts'
import { simulatePopulation } from './simulate.ts'

it.each(['pg', 'pglite'])('a first look %s', async (engine) => {
  const test = await createTestDatabase(1)
  const pglite = engine === 'pglite' ? await createPglite(): undefined
  const connection = pglite ?? await connectToServer(test.url)
  const begun = performance.now()
  const report = await simulatePopulation({ connection, seed: 1, people: 60, days: 90, processes: 3, platforms: ['web'] })
  console.log(performance.now() - begun, report.counts, report.outcomes, report.faults, report.violations.slice(0, 3))
  for (const each of report.violations.slice(0, 2)) console.log(report.storyOf(each.userId))
  expect(report.violations).toEqual([])
  await pglite?.close()
  if ('end' in connection) await connection.end()
  await test.drop()
})
