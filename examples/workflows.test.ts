import { fromPglite } from 'belfry/database'
import { expect, it } from 'vitest'
import { letters, type Newsroom } from './workflows.ts'
import { createPglite } from '../test-support/embedded-database.ts'

it('workflows: a letter goes out without traffic, and a batch is counted', async () => {
  const pglite = await createPglite()
  const said: string[] = []
  const newsroom: Newsroom = {
    weather: town => Promise.resolve({ degrees: town.length }),
    traffic: () => Promise.reject(new Error('the roads do not answer')),
    publish: text => Promise.resolve(void said.push(text)),
    tell: text => Promise.resolve(void said.push(text)),
  }
  const { scheduler, writeLetter, warmUp } = letters(fromPglite(pglite), newsroom)
  await scheduler.migrate()
  const flow = await writeLetter('Sampleton')
  await scheduler.runDueJobs()
  expect(said).toEqual(['Sampleton: 9 degrees, traffic unknown'])
  expect(await scheduler.waitFor(flow.letter)).toMatchObject({ status: 'completed' })
  await warmUp(['Sampleton', 'Exampleville'])
  await scheduler.runDueJobs()
  expect(said.slice(1)).toEqual(['2 of 2 towns, 0 failed'])
  await scheduler.stop()
  await pglite.close()
})
