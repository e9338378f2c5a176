import { afterEach, describe, expect, it } from 'vitest'
import { until } from '../../../test-support/until.ts'
import { findProfile, lockPerson } from '../src/users/profile-store.ts'
import { createTestApp, type TestApp } from './support/test-app.ts'

describe.each(['PGlite', 'PostgreSQL'] as const)('the story of a follow-up on %s', engine => {
  let test: TestApp
  const begin = async (settings: Record<string, string> = {}) => {
    test = await createTestApp(engine, settings)
    return test
  }
  afterEach(() => test.close())

  const talk = async (who = 'Ada') => {
    await test.say(who, `hi, I am ${who}`)
    await test.say(who, 'I play the cello')
    return test.say(who, 'my recital is on Friday')
  }
  const reasons = () =>
    test.rows<{ stage: string; verdict: string; reason: string | null }>(
      'select stage, verdict, reason from follow_up_decisions order by decision_id',
    )

  it('somebody who goes quiet is written to once, about their last topic, and their answer is credited', async () => {
    await begin()
    await talk()
    await test.pass('47h')
    expect(await test.followUps()).toEqual([])
    await test.pass('2h')
    expect(await test.followUps()).toEqual([{ user_id: 'web:ada', text: expect.stringContaining('recital') }])
    await test.pass('30d')
    expect(await test.followUps()).toHaveLength(1)
  })

  it('their answer is credited with its time, once', async () => {
    await begin()
    await talk()
    await test.pass('50h')
    await test.say('Ada', 'it went well!')
    await test.say('Ada', 'really well')
    const credited = await test.rows(
      'select response_received, extract(epoch from response_time - sent_at)::int as seconds from follow_up_history',
    )
    expect(credited).toEqual([{ response_received: true, seconds: 7_230 }])
    expect(await test.rows('select unanswered_follow_ups as n from user_profiles')).toEqual([{ n: 0 }])
  })

  it('an answer after the window is no answer', async () => {
    await begin({ FOLLOW_UP_REPLY_WINDOW_HOURS: '24' })
    await talk()
    await test.pass('4d')
    await test.say('Ada', 'hello again')
    expect(await test.rows('select response_received from follow_up_history')).toEqual([{ response_received: false }])
  })

  it('every message moves it on, without a row per message', async () => {
    await begin()
    await talk()
    for (let day = 0; day < 5; day += 1) {
      await test.pass('24h')
      for (const part of ['morning', 'noon', 'evening'])
        await test.say('Ada', `my practice on day ${day} in the ${part} was long`)
    }
    expect(await test.rows('select count(*)::int as n from scheduled_jobs')).toEqual([{ n: 1 }])
    expect(await test.followUps()).toEqual([])
    await test.pass('49h')
    expect(await test.followUps()).toHaveLength(1)
    expect((await reasons()).map(each => each.reason)).toContain('recently_active')
  })

  it('somebody who said off is left alone, and what was planned is cancelled', async () => {
    await begin()
    await talk()
    expect((await test.say('Ada', '!followup_settings off')).text).toContain('I cancelled the one that was planned')
    await test.say('Ada', 'I still talk to you')
    await test.pass('10d')
    expect(await test.followUps()).toEqual([])
    expect(await test.rows('select status, error_message from scheduled_jobs')).toEqual([
      { status: 'cancelled', error_message: 'opted_out' },
    ])
    expect(await test.rows('select kind, source from consent_events')).toEqual([{ kind: 'revoked', source: 'command' }])
    expect((await test.say('Ada', '!followup_settings on')).text).toContain('Follow-ups are on for you')
    await talk()
    await test.pass('50h')
    expect(await test.followUps()).toHaveLength(1)
  })

  it('just "stop" is enough, and an off that comes while it waits out quiet hours wins', async () => {
    await begin()
    await talk()
    await test.say('Ada', '!followup_settings quiet 10:00-16:00')
    await test.pass('49h')
    expect((await reasons()).at(-1)).toMatchObject({ verdict: 'defer', reason: 'quiet_hours' })
    expect((await test.say('Ada', 'Stop.')).text).toContain('Follow-ups are off')
    await test.pass('3d')
    expect(await test.followUps()).toEqual([])
  })

  it('what would be due at night is due in the morning', async () => {
    await begin()
    test.clock.moveTo('2027-03-01T22:40:00Z')
    await talk()
    await test.pass('3d')
    const [sent] = await test.rows<{ at: string }>(
      "select to_char(sent_at at time zone 'UTC', 'DD HH24:MI') as at from follow_up_history",
    )
    expect(sent?.at).toMatch(/^04 08:4\d$/)
  })

  it('an owner who insists lifts cooldown and quiet hours, on record, and never a no or the cap', async () => {
    await begin({ FOLLOW_UP_MAX_PER_USER_PER_WEEK: '2' })
    await talk()
    test.clock.moveTo('2027-03-02T00:30:00Z')
    const insist = () => test.say('Olga', '!schedule_followup @Ada 0.01 --force', { admin: true })
    for (let time = 0; time < 3; time += 1) {
      expect((await insist()).text).toContain('Follow-up message scheduled for Ada')
      await test.pass('10m')
    }
    expect(await test.followUps()).toHaveLength(2)
    expect((await reasons()).at(-1)).toMatchObject({ verdict: 'deny', reason: 'weekly_cap' })
    expect(await test.rows('select actor, act from bot_audit')).toEqual(
      Array.from({ length: 3 }, () => ({ actor: 'web:olga', act: 'follow_up_forced' })),
    )
    await test.say('Ada', '!followup_settings off')
    await insist()
    await test.pass('1d')
    expect(await test.followUps()).toHaveLength(2)
  })

  it('a greeting alone is no conversation', async () => {
    await begin()
    await test.say('Bo', 'hello')
    await test.say('Bo', 'hi, I am Bo')
    await test.pass('10d')
    expect(await test.followUps()).toEqual([])
    expect(await test.rows('select from scheduled_jobs')).toEqual([])
  })

  it('the weekly cap and the cooldown hold, whoever asks', async () => {
    await begin({ FOLLOW_UP_MAX_UNANSWERED: '9', FOLLOW_UP_QUIET_HOURS: 'off' })
    await talk()
    for (let n = 0; n < 4; n += 1) await test.say('Olga', '!schedule_followup @Ada 1', { admin: true })
    await test.pass('30d')
    const sent = await test.rows<{ hours: number }>(
      "select (extract(epoch from sent_at - min(sent_at) over ()) / 3600)::int as hours from follow_up_history where state = 'sent' order by sent_at",
    )
    expect(sent.map(each => each.hours)).toEqual([0, 96])
    expect((await reasons()).map(each => each.reason)).toContain('cooldown')
    expect((await reasons()).map(each => each.reason)).toContain('weekly_cap')
  })

  it('somebody who may be in danger is pointed to help, and not written to by a timer', async () => {
    await begin()
    await talk()
    expect((await test.say('Ada', 'I do not want to live any more')).text).toMatch(/talk to somebody/)
    await test.pass('5d')
    expect(await test.followUps()).toEqual([])
    expect(await test.rows('select result from scheduled_jobs')).toEqual([
      { result: { outcome: 'skipped', reason: 'suppressed' } },
    ])
  })

  it('two people with the same follow-up time do not disturb each other', async () => {
    await begin()
    await talk('Ada')
    await talk('Bo')
    await test.pass('50h')
    expect((await test.followUps()).map(each => each.user_id)).toEqual(['web:ada', 'web:bo'])
  })

  it("the guide's own call and its old payloads work", async () => {
    await begin()
    await talk()
    const planned = await test.app.scheduleFollowUpMessage({
      userId: 'web:ada',
      delayHours: 1,
      messageContext: { last_topic: 'Python programming' },
    })
    await test.pass('2h')
    expect(await test.followUps()).toEqual([
      { user_id: 'web:ada', text: expect.stringContaining('Python programming') },
    ])
    expect(await test.app.scheduler?.getJob(planned.jobId)).toMatchObject({
      status: 'completed',
      result: { outcome: 'sent' },
    })
    await test.say('Ada', 'I am back')
    await test.database.query(`insert into scheduled_jobs (job_id, job_type, scheduled_time, payload)
      values ('abc-123-def', 'follow_up_message', '2027-03-20', '{"user_id": "web:ada", "context": {"last_topic": "chess"}}')`)
    await test.pass('30d')
    expect(await test.app.scheduler?.getJob('abc-123-def')).toMatchObject({ status: 'completed' })
  })

  it("a follow-up scheduled with the guide's own payload is taken, goes through the gates, and is cancelled by an off", async () => {
    await begin()
    await talk()
    const schedule = (hours: number) =>
      test.app.scheduler?.scheduleJob('follow_up_message', {
        delay: `${hours}h`,
        payload: { user_id: 'web:ada', context: { last_topic: 'chess' } },
      })
    await schedule(49)
    await test.pass('50h')
    expect((await test.followUps()).map(each => each.user_id)).toEqual(['web:ada'])
    const second = await schedule(200)
    await test.say('Ada', '!followup_settings off')
    expect(await test.app.scheduler?.getJob(second ?? '')).toMatchObject({ status: 'cancelled' })
    await expect(test.app.scheduler?.scheduleJob('follow_up_message', { payload: { user_id: 7 } })).rejects.toThrow(
      /userId/,
    )
  })

  it('a command handed in twice acts once', async () => {
    await begin()
    await talk()
    for (let time = 0; time < 2; time += 1)
      await test.say('Ada', '!schedule_followup me 30', { admin: true, messageId: 'again' })
    expect(
      await test.rows("select count(*)::int as n from scheduled_jobs where payload->>'automatic' = 'false'"),
    ).toEqual([{ n: 1 }])
  })

  it('a message handed in twice is recorded and answered once', async () => {
    await begin()
    const first = await test.say('Ada', 'I play the cello', { messageId: 'the-same' })
    const second = await test.say('Ada', 'I play the cello', { messageId: 'the-same' })
    expect(first.text).not.toBe('')
    expect(second.reply).toBeUndefined()
    expect(await test.rows('select count(*)::int as n from conversation_turns')).toEqual([{ n: 2 }])
  })
})

it('an off that comes while a follow-up is being sent waits for it, and one that came first wins', async () => {
  const test = await createTestApp('PostgreSQL')
  await test.say('Ada', 'I play the cello')
  let off: Promise<unknown> = Promise.resolve()
  // As sending does: the person's lock is held while it decides and writes.
  const decidedOn = await test.database.transaction(async transaction => {
    await lockPerson(transaction, 'web:ada')
    off = test.say('Ada', '!followup_settings off')
    await until('the off waits', async () => {
      const waiting = await transaction.query("select 1 from pg_locks where locktype = 'advisory' and not granted")
      return waiting.rows.length > 0
    })
    return findProfile(transaction, 'web:ada')
  })
  await off
  expect(decidedOn?.followUpsEnabled).toBe(true)
  expect((await findProfile(test.database, 'web:ada'))?.followUpsEnabled).toBe(false)
  await test.close()
})
