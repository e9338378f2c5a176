import { lutimes, mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { JobType, silentLogger } from 'belfry'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createApp } from '../../src/app.ts'
import { readConfig } from '../../src/config.ts'
import { dataCleanupJob } from '../../src/job-catalog.ts'
import { createTestApp, type TestApp } from '../support/test-app.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'belfry-retention-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

describe.each(['PGlite', 'PostgreSQL'] as const)('the daily cleanup on %s', engine => {
  let test: TestApp
  const begin = async (settings: Record<string, string> = {}) => {
    test = await createTestApp(engine, { BELFRY_DATA_DIR: folder, ...settings })
    return test
  }
  afterEach(() => test.close())

  const cleanUp = async (payload: object) => {
    const scheduled = await test.app.scheduler?.scheduleJob(JobType.DATA_CLEANUP, { payload })
    await test.app.scheduler?.runDueJobs()
    const job = await test.app.scheduler?.getJob(scheduled?.jobId ?? '')
    expect(job?.status).toBe('completed')
    return job?.result
  }
  const count = async (table: string) =>
    (await test.rows<{ n: number }>(`select count(*)::int as n from ${table}`))[0]?.n
  const talk = async (who: string) => {
    for (const text of ['hello there', 'I play the cello', 'my recital is on Friday']) await test.say(who, text)
  }

  it('removes what was said longer ago than it is kept, and leaves the rest', async () => {
    await begin()
    await talk('Ada')
    await test.pass('29d')
    await test.say('Bo', 'I am new')
    expect(await cleanUp({})).toMatchObject({ conversations: 0 })
    test.clock.advance('2d')
    // Three lines, three answers, the follow-up came later.
    expect(await cleanUp({})).toMatchObject({ conversations: 6 })
    const left = await test.rows<{ user_id: string }>('select distinct user_id from conversation_turns order by 1')
    expect(left.map(each => each.user_id)).toEqual(['web:ada', 'web:bo'])
  })

  it('removes more rows than one statement takes', async () => {
    await begin()
    await test.database.query(
      `insert into conversation_turns (conversation_id, user_id, author, kind, text, sent_at)
       select 'web:ada', 'web:ada', 'user', 'chat', 'line ' || n, '2027-01-01' from generate_series(1, 2500) n`,
    )
    expect(await cleanUp({ type: 'old_conversations' })).toMatchObject({ conversations: 2_500 })
    expect(await count('conversation_turns')).toBe(0)
  })

  it('keeps yes, no and the time of the last follow-up whatever their age, and caps as they were', async () => {
    await begin()
    await talk('Ada')
    await test.pass('50h')
    await test.say('Bo', '!followup_settings off')
    expect(await test.followUps()).toHaveLength(1)
    test.clock.advance('7d')
    await cleanUp({})
    expect(await count("follow_up_history where state = 'sent'")).toBe(1)
    test.clock.advance('360d')
    await cleanUp({})
    expect(await count('follow_up_history')).toBe(0)
    expect(await count('follow_up_decisions')).toBe(0)
    expect(await count('consent_events')).toBe(1)
    expect(await count('user_profiles where last_follow_up_sent is not null')).toBe(1)
    expect((await test.say('Bo', '!followup_settings')).text).toContain('Follow-up Settings: off')
  })

  it('removes failed jobs after their days, with their traces', async () => {
    await begin({ CLEANUP_FAILED_JOBS_DAYS: '3' })
    test.app.scheduler?.registerHandler('custom', () => {
      throw new Error('no')
    })
    await test.app.scheduler?.scheduleJob('custom', { maxRetries: 0 })
    await test.app.scheduler?.runDueJobs()
    test.clock.advance('2d')
    await cleanUp({ type: 'failed_jobs' })
    expect(await count("scheduled_jobs where status = 'failed'")).toBe(1)
    test.clock.advance('2d')
    await cleanUp({ type: 'failed_jobs' })
    expect(await count("scheduled_jobs where status = 'failed'")).toBe(0)
  })

  it("takes the guide's payload, and refuses what it cannot mean", async () => {
    await begin()
    await talk('Ada')
    test.clock.advance('10d')
    expect(await cleanUp({ type: 'old_conversations', days_to_keep: 30 })).toMatchObject({ conversations: 0 })
    expect(await cleanUp({ cleanup_type: 'old_conversations', days_to_keep: 7 })).toMatchObject({ conversations: 6 })
    const refused = [
      { type: 'everything' },
      { type: 'old_conversations', days_to_keep: 0 },
      { type: 'failed_jobs', days_to_keep: 3 },
    ]
    for (const payload of refused)
      await expect(test.app.scheduler?.scheduleJob(JobType.DATA_CLEANUP, { payload })).rejects.toMatchObject({
        code: 'BELFRY_INVALID_PAYLOAD',
      })
  })

  it('is planned for every day once the bot starts, or not at all', async () => {
    await begin()
    await test.app.start()
    expect(await test.app.scheduler?.getSchedules()).toMatchObject([
      { scheduleId: 'daily-cleanup', jobType: dataCleanupJob.type, nextOccurrence: new Date('2027-03-02T03:30:00Z') },
    ])
    await test.app.stop()
    await test.close()
    await begin({ CLEANUP_ENABLED: 'false' })
    await test.app.start()
    expect(await test.app.scheduler?.getSchedules()).toEqual([])
    await test.app.stop()
  })

  it('turned off after it was on, is planned no more', async () => {
    await begin()
    await test.app.start()
    await test.app.stop()
    const off = await restartWith(test, { CLEANUP_ENABLED: 'false' })
    const left = await off.scheduler?.getSchedules()
    await off.stop()
    expect(left).toEqual([])
  })

  it('removes temporary files of the bot that were left behind, never what a link leads to', async () => {
    await begin()
    const temp = join(folder, 'tmp')
    await mkdir(join(temp, 'old-folder'), { recursive: true })
    await writeFile(join(temp, 'old'), '')
    await writeFile(join(temp, 'old-folder', 'inside'), '')
    await writeFile(join(temp, 'new'), '')
    await writeFile(join(folder, 'kept'), '')
    await symlink(folder, join(temp, 'link'))
    const old = new Date(test.clock.now().getTime() - 25 * 3_600_000)
    const recent = new Date(test.clock.now().getTime() - 23 * 3_600_000)
    for (const name of ['old', 'old-folder']) await utimes(join(temp, name), old, old)
    await utimes(join(temp, 'new'), recent, recent)
    await lutimes(join(temp, 'link'), recent, recent)
    expect(await cleanUp({ type: 'temp_files' })).toMatchObject({ tempFiles: 2, conversations: 0 })
    expect((await readdir(temp)).toSorted()).toEqual(['link', 'new'])
    test.clock.advance('2h')
    expect(await cleanUp({ type: 'temp_files' })).toMatchObject({ tempFiles: 2 })
    expect(await readdir(temp)).toEqual([])
    expect(await readdir(folder)).toContain('kept')
  })

  it('has nothing to remove where there is no folder for temporary files', async () => {
    await begin()
    expect(await cleanUp({ type: 'temp_files' })).toMatchObject({ tempFiles: 0 })
  })
})

async function restartWith(test: TestApp, settings: Record<string, string>) {
  const { database, clock } = test
  const app = createApp({ config: readConfig(settings), database, clock, logger: silentLogger })
  await app.prepare()
  await app.start()
  return app
}
