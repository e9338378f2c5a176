import { afterEach, describe, expect, it } from 'vitest'
import { activeControls } from '../../src/followups/controls-store.ts'
import { ScriptedPlatform } from '../support/scripted-platform.ts'
import { createTestApp, type TestApp } from '../support/test-app.ts'

/** A second after a follow-up to somebody who spoke half a minute ago is due. */
const JUST_DUE = '47h 59m 31s'

describe('a follow-up on a platform that is asked over a network', () => {
  let test: TestApp
  let platform: ScriptedPlatform
  afterEach(() => test.close())

  async function begin(options: { nonceWindowMs?: number; settings?: Record<string, string> } = {}): Promise<void> {
    platform = new ScriptedPlatform(options)
    const settings = { FOLLOW_UP_CONSENT: 'opt_out', FOLLOW_UP_QUIET_HOURS: 'off', ...options.settings }
    test = await createTestApp('PostgreSQL', settings, { platforms: [platform] })
    await talk()
  }
  async function talk(who = 'Ada'): Promise<void> {
    for (const text of [`hi, I am ${who}`, 'I play the cello', 'my recital is on Friday']) await test.say(who, text)
  }
  const outbox = () =>
    test.rows<Record<string, unknown>>(
      'select state, reason, failure_code, attempts, deduplicated, platform_message_id from follow_up_history order by id',
    )
  const profile = () => test.rows('select suppressed, unanswered_follow_ups as unanswered from user_profiles')
  const job = () =>
    test.rows<{ status: string }>('select status, result, error_message from scheduled_jobs order by created_at')

  it('is sent once, and kept with the id the platform gave it', async () => {
    await begin()
    await test.pass('10d')
    expect(platform.journal).toMatchObject([{ userId: 'discord:ada', text: expect.stringContaining('recital') }])
    expect(platform.asked[0]).toMatchObject({
      actions: ['stop', 'later', 'why'],
      nonce: expect.stringMatching(/^.{22}$/),
    })
    expect(await outbox()).toMatchObject([
      { state: 'sent', attempts: 1, platform_message_id: 'm-1', deduplicated: false },
    ])
    expect(
      await test.rows("select follow_up_id::int as id, text from conversation_turns where kind = 'follow_up'"),
    ).toEqual([{ id: 1, text: platform.journal[0]?.text }])
    expect(await profile()).toEqual([{ suppressed: null, unanswered: 1 }])
  })

  it('of a talk in public that goes out in private is answered there', async () => {
    await begin()
    platform.goesTo = 'discord:private'
    await test.pass('3d')
    const answer = (conversationId: string) =>
      test.app.chat.handle({
        platform: 'discord',
        conversationId,
        userId: 'discord:ada',
        displayName: 'Ada',
        isAdmin: false,
        messageId: `answer-in-${conversationId}`,
        text: 'it went well',
      })
    const credited = () =>
      test.rows('select conversation_id as place, response_received as answered from follow_up_history')
    await answer('discord:ada')
    expect(await credited()).toEqual([{ place: 'discord:private', answered: false }])
    await answer('discord:private')
    expect(await credited()).toEqual([{ place: 'discord:private', answered: true }])
  })

  it.each(['accept, then cut', 'cut'] as const)('%s: the same words again under the same nonce', async fault => {
    await begin()
    platform.faults.push({ do: fault })
    await test.pass('50h')
    expect(platform.journal).toHaveLength(1)
    expect(new Set(platform.asked.map(each => `${each.nonce} ${each.text}`)).size).toBe(1)
    expect(await outbox()).toMatchObject([{ state: 'sent', attempts: 2, deduplicated: fault !== 'cut' }])
    expect(platform.looked).toEqual([])
  })

  it('an answer that never comes is given up after half a minute, and the message is not sent twice', async () => {
    await begin()
    platform.faults.push({ do: 'accept, then hang' })
    const hold = platform.hold('before')
    const passing = test.pass('50h')
    await hold.reached
    const [row] = await outbox()
    expect(row).toMatchObject({ state: 'sending', attempts: 1 })
    hold.release()
    // The clock stands while the message is under way: the wait for the answer is what moves it.
    while (platform.journal.length === 0) await Promise.resolve()
    test.clock.advance('30s')
    await passing
    expect(platform.journal).toHaveLength(1)
    expect(await outbox()).toMatchObject([{ state: 'sent', attempts: 2, deduplicated: true }])
  })

  it('without nonces, or after their time, the conversation itself is asked', async () => {
    await begin({ nonceWindowMs: 0 })
    platform.faults.push({ do: 'accept, then cut' })
    await test.pass('50h')
    expect(platform.asked).toHaveLength(1)
    expect(platform.looked).toHaveLength(1)
    expect(await outbox()).toMatchObject([{ state: 'sent', attempts: 1, platform_message_id: 'm-1' }])
    expect(await test.followUps()).toHaveLength(1)
  })

  it('what is surely absent is sent after the gates have been asked again', async () => {
    await begin({ nonceWindowMs: 0 })
    platform.faults.push({ do: 'cut' })
    await test.pass('50h')
    expect(platform.journal).toHaveLength(1)
    expect(await outbox()).toMatchObject([{ state: 'sent', attempts: 2 }])
    const stages = await test.rows<{ stage: string }>("select stage from follow_up_decisions where verdict = 'allow'")
    expect(stages.map(each => each.stage)).toEqual(['plan', 'prepare', 'send', 'send'])
  })

  it('a "no" that comes while nobody knows whether it went out wins: it is never sent again', async () => {
    await begin()
    platform.faults.push({ do: 'cut' })
    const hold = platform.hold('before')
    const passing = test.pass(JUST_DUE)
    await hold.reached
    hold.release()
    await passing
    // As an "off" by another process would leave it: the job could not be cancelled.
    await test.database.query('update user_profiles set follow_ups_enabled = false')
    await test.pass('10d')
    expect(platform.asked).toHaveLength(1)
    expect(platform.journal).toEqual([])
    expect(await outbox()).toMatchObject([{ state: 'withheld', reason: 'opted_out' }])
  })

  it('what cannot be looked up is not sent on a guess, counts as sent, and ends so', async () => {
    await begin({ nonceWindowMs: 0 })
    platform.faults.push({ do: 'cut' })
    platform.isReadable = false
    await test.pass('49h')
    expect(await outbox()).toMatchObject([{ state: 'uncertain', attempts: 1 }])
    await test.app.scheduleFollowUpMessage({ userId: 'discord:ada', delayHours: 1 })
    await test.pass('2h')
    expect(platform.asked).toHaveLength(1)
    const refused = await test.rows<{ reason: string }>(
      "select reason from follow_up_decisions where verdict = 'defer'",
    )
    expect(refused.map(each => each.reason)).toContain('cooldown')
    await test.pass('12h')
    expect((await job())[0]).toMatchObject({ status: 'completed', result: { outcome: 'uncertain' } })
    expect(platform.looked.length).toBeLessThan(20)
  })

  it('what may have been sent may be unanswered: whoever is to get one at most gets no second', async () => {
    await begin({ nonceWindowMs: 0, settings: { FOLLOW_UP_MAX_UNANSWERED: '1' } })
    platform.faults.push({ do: 'accept, then cut' })
    platform.isReadable = false
    await test.pass('4d')
    expect(await outbox()).toMatchObject([{ state: 'uncertain' }])
    await test.app.scheduleFollowUpMessage({ userId: 'discord:ada', delayHours: 240 })
    await test.pass('11d')
    expect(await outbox()).toMatchObject([{ state: 'uncertain' }, { state: 'withheld', reason: 'unanswered' }])
    expect(platform.asked).toHaveLength(1)
  })

  it('the platform showing the message is as good as its answer', async () => {
    await begin({ nonceWindowMs: 0 })
    platform.isReadable = false
    platform.faults.push({ do: 'accept, then cut' })
    await test.pass('48h')
    const [accepted] = platform.journal
    const conversationId = 'discord:ada'
    const seen = { nonce: accepted?.nonce ?? '', platformMessageId: 'm-1', conversationId }
    expect(await test.app.witnessSent(seen)).toBe(true)
    expect(await test.app.witnessSent(seen)).toBe(false)
    expect(await test.app.witnessSent({ ...seen, nonce: 'of-something-else' })).toBe(false)
    await test.pass('2d')
    expect(await outbox()).toMatchObject([{ state: 'sent', platform_message_id: 'm-1' }])
    expect(await test.followUps()).toHaveLength(1)
    expect(await profile()).toMatchObject([{ unanswered: 1 }])
    expect((await job())[0]).toMatchObject({ result: { outcome: 'sent' } })
  })

  it('one that turns out only later to have gone out is not unanswered, when they have spoken since', async () => {
    await begin({ nonceWindowMs: 0 })
    platform.faults.push({ do: 'accept, then cut' })
    await test.pass(JUST_DUE)
    await test.say('Ada', 'it went well!')
    await test.pass('10m')
    expect(await outbox()).toMatchObject([{ state: 'sent', attempts: 1 }])
    expect(await profile()).toMatchObject([{ unanswered: 0 }])
  })

  it('"later" is obeyed without spending a retry, as often as it is said', async () => {
    await begin()
    for (let time = 0; time < 6; time += 1) {
      platform.faults.push({ do: 'refuse', failure: 'retry', code: 'rate_limited', retryAfterMs: 60_000 })
    }
    await test.pass('49h')
    expect(platform.journal).toHaveLength(1)
    expect(await outbox()).toMatchObject([{ state: 'sent', attempts: 7 }])
    expect(await test.rows('select retry_count from scheduled_jobs')).toEqual([{ retry_count: 0 }])
  })

  it('a refusal that says nothing of later spends the retries of the job, then ends with its code', async () => {
    await begin()
    for (let time = 0; time < 9; time += 1) platform.faults.push({ do: 'refuse', failure: 'retry', code: 'not_ready' })
    await test.pass('4d')
    expect(platform.asked).toHaveLength(4)
    expect(await outbox()).toMatchObject([{ state: 'failed', failure_code: 'not_ready' }])
    expect(await profile()).toMatchObject([{ unanswered: 0 }])
  })

  it('a closed door: nothing more until they write, then as before', async () => {
    await begin()
    platform.faults.push({ do: 'refuse', failure: 'suppress', code: 'dm_closed' })
    await test.pass('50h')
    expect(await outbox()).toMatchObject([{ state: 'failed', failure_code: 'dm_closed' }])
    expect((await job())[0]).toMatchObject({ status: 'completed', result: { outcome: 'failed', code: 'dm_closed' } })
    await test.app.scheduleFollowUpMessage({ userId: 'discord:ada', delayHours: 1 })
    await test.pass('2d')
    expect(platform.asked).toHaveLength(1)
    expect(await profile()).toMatchObject([{ suppressed: 'dm_closed' }])
    await talk()
    expect(await profile()).toMatchObject([{ suppressed: null }])
    await test.pass('50h')
    expect(platform.journal).toHaveLength(1)
  })

  it('somebody suppressed for another reason stays so when they write', async () => {
    await begin()
    await test.pass('50h')
    await test.database.query("update user_profiles set suppressed = 'operator'")
    await talk()
    expect(await profile()).toMatchObject([{ suppressed: 'operator' }])
  })

  it('a text that a filter refuses is followed by one plain one, and by no other', async () => {
    await begin()
    platform.faults.push({ do: 'refuse', failure: 'plain', code: 'automod' })
    await test.pass('50h')
    expect(platform.asked.map(each => each.text.includes('recital'))).toEqual([true, false])
    expect(new Set(platform.asked.map(each => each.nonce)).size).toBe(2)
    expect(platform.journal).toHaveLength(1)
    expect(await test.followUps()).toMatchObject([{ text: platform.journal[0]?.text }])
    await talk()
    platform.faults.push(
      { do: 'refuse', failure: 'plain', code: 'automod' },
      { do: 'refuse', failure: 'plain', code: 'automod' },
    )
    await test.pass('9d')
    expect(platform.asked).toHaveLength(4)
    expect((await outbox())[1]).toMatchObject({ state: 'failed', failure_code: 'automod' })
  })

  it('a refusal for good is a failed job, and nobody is written to', async () => {
    await begin()
    platform.faults.push({ do: 'refuse', failure: 'refused', code: 'invalid_body' })
    await test.pass('5d')
    expect(platform.asked).toHaveLength(1)
    expect(await outbox()).toMatchObject([{ state: 'failed', failure_code: 'invalid_body' }])
    expect((await job())[0]).toMatchObject({ status: 'failed', error_message: expect.stringContaining('invalid_body') })
  })

  it('a platform that halts the bot is obeyed by everybody, for as long as it says', async () => {
    await begin()
    platform.faults.push({ do: 'refuse', failure: 'halt', code: 'dm_too_fast', retryAfterMs: 3_600_000 })
    await test.pass(JUST_DUE)
    expect(await outbox()).toMatchObject([{ state: 'prepared', attempts: 1 }])
    const now = test.clock.now().toISOString()
    expect(await activeControls(test.database, now)).toMatchObject([{ name: 'platform', reason: 'dm_too_fast' }])
    await test.pass('2h')
    expect(await activeControls(test.database, test.clock.now().toISOString())).toEqual([])
    expect(platform.journal).toHaveLength(1)
  })
})

describe('two bots at once', () => {
  it('that have one follow-up in hand send it once', async () => {
    const platform = new ScriptedPlatform()
    const settings = { FOLLOW_UP_CONSENT: 'opt_out', FOLLOW_UP_QUIET_HOURS: 'off' }
    const test = await createTestApp('PostgreSQL', settings, { platforms: [platform] })
    for (const text of ['hi, I am Ada', 'I play the cello', 'my recital is on Friday']) await test.say('Ada', text)
    const hold = platform.hold('before')
    const first = test.pass('48h')
    await hold.reached
    // The first one's lease is taken for lost while its message is under way; the second goes on with the same row.
    const [stored] = await test.rows<{ job_id: string }>('select job_id from scheduled_jobs')
    await test.database.query("update scheduled_jobs set status = 'pending', lease_token = null, runner_id = null")
    await test.app.scheduler?.runDueJobs()
    expect(platform.journal).toHaveLength(1)
    hold.release()
    await first
    expect(platform.journal).toHaveLength(1)
    expect(platform.asked).toHaveLength(2)
    expect(await test.rows('select job_id, state from follow_up_history')).toEqual([
      { job_id: stored?.job_id, state: 'sent' },
    ])
    expect(await test.followUps()).toHaveLength(1)
    expect(await test.rows('select unanswered_follow_ups as n from user_profiles')).toEqual([{ n: 1 }])
    await test.close()
  })
})
