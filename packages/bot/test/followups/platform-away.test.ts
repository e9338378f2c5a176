import { afterEach, describe, expect, it } from 'vitest'
import { activeControls } from '../../src/followups/controls-store.ts'
import { ScriptedPlatform, type Fault } from '../support/scripted-platform.ts'
import { createTestApp, type TestApp } from '../support/test-app.ts'

const SETTINGS = {
  ADMIN_USER_IDS: 'discord:owner',
  FOLLOW_UP_CONSENT: 'opt_out',
  FOLLOW_UP_QUIET_HOURS: 'off',
  FOLLOW_UP_PER_MINUTE: '2',
}
const PEOPLE = ['Ada', 'Bo', 'Cy', 'Dee', 'Eve', 'Flo']
const AWAY: Fault = { do: 'refuse', failure: 'retry', code: 'unreachable', retryAfterMs: 1_800_000 }

it('whether a follow-up makes a sound is frozen with its words: a retry under other settings is the same', async () => {
  const platform = new ScriptedPlatform()
  const test = await createTestApp('PostgreSQL', { ...SETTINGS, FOLLOW_UP_SILENT: 'true' }, { platforms: [platform] })
  for (const text of ['hi, I am Ada', 'I play the cello', 'my recital is on Friday']) await test.say('Ada', text)
  platform.faults.push({ do: 'cut' })
  test.clock.advance('47h 59m 31s')
  await test.app.scheduler?.runDueJobs()
  expect(platform.asked.map(each => each.silent)).toEqual([true])
  const other = await test.another({ FOLLOW_UP_SILENT: 'false' })
  test.clock.advance('10s')
  await other.scheduler?.runDueJobs()
  const [first] = platform.asked
  expect(platform.asked.slice(1)).toEqual([first])
  await test.close()
})

it('a platform that is not connected here is waited for, and nothing is stored as if it were sent', async () => {
  const test = await createTestApp('PostgreSQL', { FOLLOW_UP_CONSENT: 'opt_out', FOLLOW_UP_QUIET_HOURS: 'off' })
  for (const text of ['hi', 'I play the cello', 'my recital is on Friday']) {
    await test.app.chat.handle({
      messageId: text,
      platform: 'discord',
      conversationId: 'discord:bo',
      userId: 'discord:bo',
      displayName: 'Bo',
      isAdmin: false,
      text,
    })
  }
  await test.pass('4d')
  expect(await test.followUps()).toEqual([])
  expect(await test.rows('select state, failure_code from follow_up_history')).toEqual([
    { state: 'failed', failure_code: 'platform_not_connected' },
  ])
  await test.close()
})

describe('a platform that is away for long', () => {
  let test: TestApp
  let platform: ScriptedPlatform
  afterEach(() => test.close())

  async function begin(): Promise<void> {
    platform = new ScriptedPlatform()
    test = await createTestApp('PostgreSQL', SETTINGS, { platforms: [platform] })
    for (const who of PEOPLE)
      for (const text of [`hi, I am ${who}`, 'I play the cello', 'my recital is on Friday']) await test.say(who, text)
  }
  const away = () => platform.faults.splice(0, platform.faults.length, ...Array.from({ length: 2_000 }, () => AWAY))
  const ends = () =>
    test.rows<{ state: string; n: number }>(
      'select state, count(*)::int as n from follow_up_history group by state order by state',
    )

  it('and comes back in time: everybody is written to, at the usual pace, and no retry was spent', async () => {
    await begin()
    away()
    await test.pass('52h')
    expect(platform.journal).toEqual([])
    expect(await ends()).toEqual([{ state: 'prepared', n: PEOPLE.length }])
    platform.faults.splice(0)
    const sentAt: number[] = []
    for (let minute = 0; minute < 60; minute += 1) {
      await test.pass('1m')
      sentAt.push(platform.journal.length)
    }
    expect(platform.journal).toHaveLength(PEOPLE.length)
    const perMinute = sentAt.map((count, index) => count - (sentAt[index - 1] ?? 0))
    // Two a minute of the budget's own, which need not begin with these minutes.
    expect(Math.max(...perMinute)).toBeLessThanOrEqual(4)
    expect(
      await test.rows("select from scheduled_jobs where job_type = 'follow_up_message' and retry_count > 0"),
    ).toEqual([])
  })

  it('and comes back too late: nobody gets what was meant for another day', async () => {
    await begin()
    away()
    await test.pass('64h')
    platform.faults.splice(0)
    await test.pass('12h')
    expect(platform.journal).toEqual([])
    expect(await ends()).toEqual([{ state: 'failed', n: PEOPLE.length }])
  })

  it('flags the bot as spam: follow-ups stop for everybody, on the owner’s record, until an owner resumes', async () => {
    await begin()
    platform.faults.push({ do: 'refuse', failure: 'halt', code: 'flagged' })
    await test.pass('49h')
    expect(platform.journal.length).toBeLessThan(PEOPLE.length)
    const sent = platform.journal.length
    const controls = () => activeControls(test.database, test.clock.now().toISOString())
    expect(await controls()).toMatchObject([{ name: 'platform', reason: 'flagged', until: undefined }])
    expect((await test.say('Olga', '!job_status', { admin: true })).text).toContain('flagged')
    await test.app.scheduleFollowUpMessage({ userId: 'discord:flo', delayHours: 1 })
    await test.pass('30d')
    expect(platform.journal).toHaveLength(sent)
    expect(await controls()).toHaveLength(1)
    expect((await test.say('Olga', '!followup_resume', { admin: true })).text).toContain('owner')
    expect(await controls()).toHaveLength(1)
    expect((await test.say('Owner', '!followup_resume', { admin: true })).text).toContain('Follow-ups go on')
    await test.app.scheduleFollowUpMessage({ userId: 'discord:flo', delayHours: 1 })
    await test.pass('2h')
    expect(platform.journal).toHaveLength(sent + 1)
  })
})
