import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { policyOf } from '../../src/followups/policy.ts'
import { readHistory } from '../../src/followups/rehearse-store.ts'
import { rehearse } from '../../src/followups/rehearse.ts'
import { createTestApp, type TestApp } from '../support/test-app.ts'
import { placeInTime } from '../../src/followups/best-time.ts'
import type { PersonFacts } from '../../src/followups/gates.ts'
import { SuppressedPeople } from '../../src/users/suppressed-people-store.ts'

/** Its fourth history once was told wrongly: somebody said "off" again while an admin's follow-up was waiting. */
const SEED = 1_453_110_694
const MINUTE = 60_000

/** One thing that happens, some time after the one before. */
interface Step {
  readonly afterMinutes: number
  readonly who: number
  readonly what: 'talk' | 'elsewhere' | 'off' | 'on' | 'ask'
  readonly hours: number
}

const step: fc.Arbitrary<Step> = fc.record({
  afterMinutes: fc.oneof(fc.integer({ min: 1, max: 120 }), fc.integer({ min: 60, max: 4 * 1_440 })),
  who: fc.integer({ min: 0, max: 1 }),
  what: fc.oneof(
    { weight: 8, arbitrary: fc.constant('talk' as const) },
    { weight: 2, arbitrary: fc.constantFrom('elsewhere' as const, 'ask' as const) },
    { weight: 1, arbitrary: fc.constantFrom('off' as const, 'on' as const) },
  ),
  hours: fc.integer({ min: 1, max: 100 }),
})
const history = fc.array(step, { minLength: 4, maxLength: 30 })

/** Quiet hours with a zone, without one, none at all; a bot that may write often. */
const SETTINGS: Record<string, Record<string, string>> = {
  'nights in UTC': { FOLLOW_UP_MIN_MESSAGES: '2' },
  'no zone': { FOLLOW_UP_TIME_ZONE: '', FOLLOW_UP_MIN_MESSAGES: '1' },
  'an eager bot': {
    FOLLOW_UP_QUIET_HOURS: 'off',
    FOLLOW_UP_DEFAULT_DELAY_HOURS: '3',
    FOLLOW_UP_MAX_PER_USER_PER_WEEK: '5',
    FOLLOW_UP_MIN_MESSAGES: '1',
    FOLLOW_UP_MAX_AGE_DAYS: '1',
  },
}

describe.each(Object.entries(SETTINGS))('a rehearsal with the settings a bot really had: %s', (_name, given) => {
  const settings = { FOLLOW_UP_PER_MINUTE: '10000', ...given }
  let test: TestApp
  beforeAll(async () => {
    test = await createTestApp('PostgreSQL', settings)
  })
  afterAll(() => test.close())

  async function passUntil(instant: number): Promise<void> {
    for (;;) {
      await test.app.scheduler?.runDueJobs()
      const stats = await test.app.scheduler?.getStats()
      const next = stats?.nextDueMs == null ? Number.POSITIVE_INFINITY : test.clock.now().getTime() + stats.nextDueMs
      if (next > instant) break
      test.clock.moveTo(new Date(next))
    }
    test.clock.moveTo(new Date(instant))
    await test.app.scheduler?.runDueJobs()
  }

  async function live(steps: readonly Step[], names: readonly string[]): Promise<void> {
    let messages = 0
    // Somebody the bot has never heard of cannot be told from somebody it forgot, so everybody says hello first.
    const hello = names.map((_, who): Step => ({ afterMinutes: 1, who, what: 'talk', hours: 1 }))
    for (const { afterMinutes, who, what, hours } of [...hello, ...steps]) {
      await passUntil(test.clock.now().getTime() + afterMinutes * MINUTE)
      const userId = names[who] ?? ''
      messages += 1
      if (what === 'ask') {
        await test.app.scheduleFollowUpMessage({ userId, delayHours: hours })
        continue
      }
      const text =
        what === 'off' || what === 'on' ? `!followup_settings ${what}` : `my practice number ${messages} was long`
      await test.app.chat.handle({
        messageId: `${userId}-${messages}`,
        platform: 'web',
        conversationId: what === 'elsewhere' ? `${userId}:elsewhere` : userId,
        userId,
        displayName: userId,
        isAdmin: false,
        text,
      })
    }
    await passUntil(test.clock.now().getTime() + 40 * 1_440 * MINUTE)
  }

  /** What the live engine did, as it stored it. */
  async function happened(names: readonly string[]) {
    const jobs = await test.rows<{
      user_id: string
      result: { outcome: string; reason?: string } | null
      ms: number
      error: string
    }>(
      `select payload->>'userId' as user_id, result, error_message as error,
         (extract(epoch from completed_at) * 1000)::float8 as ms
       from scheduled_jobs where completed_at is not null order by completed_at`,
    )
    return jobs
      .filter(job => names.includes(job.user_id))
      .map(({ user_id: userId, result, ms, error }) => ({
        userId,
        at: new Date(ms),
        outcome: result?.outcome === 'sent' ? 'sent' : 'withheld',
        ...(result?.outcome !== 'sent' && { reason: result?.reason ?? error }),
      }))
  }

  it('tells what the bot really did, to the millisecond', async () => {
    let runs = 0
    let sent = 0
    await fc.assert(
      fc.asyncProperty(history, async steps => {
        runs += 1
        const names = [`web:ada-${runs}`, `web:bo-${runs}`]
        const since = new Date(test.clock.now())
        await live(steps, names)
        const until = new Date(test.clock.now())
        const seeds = new Map(
          (
            await test.rows<{ key: string; job_id: string }>(
              `select user_id || ':' || (extract(epoch from decided_at) * 1000)::int8 as key, job_id
               from follow_up_decisions where stage = 'plan'`,
            )
          ).map(({ key, job_id: jobId }) => [key, jobId]),
        )
        const policy = policyOf(readConfig({ FOLLOW_UP_TIME_ZONE: 'UTC', ...settings }).followUps)
        const place = (person: PersonFacts, earliest: Date) => placeInTime({ person, policy }, earliest)
        const now = until.toISOString()
        const suppressedPeople = new SuppressedPeople([])
        const read = await readHistory(test.database, { from: since, since, until, now, suppressedPeople })
        const replayed = rehearse({
          ...read,
          since,
          until,
          policy,
          place,
          time: (person, at) => ({ policy, dueAt: place(person, new Date(at.getTime() + policy.delayMs)) }),
          seedOf: (userId, plannedAt) => seeds.get(`${userId}:${plannedAt.getTime()}`) ?? '',
        })
        const order = (a: { at: Date; userId: string }, b: { at: Date; userId: string }) =>
          a.at.getTime() - b.at.getTime() || (a.userId < b.userId ? -1 : 1)
        const expected = (await happened(names)).toSorted(order)
        // A text that may not be sent is what a rehearsal cannot foresee.
        fc.pre(expected.every(({ reason }) => reason !== 'unsafe'))
        sent += expected.filter(({ outcome }) => outcome === 'sent').length
        expect(
          replayed
            .filter(each => each.planned)
            .map(({ userId, at, outcome, reason }) => ({ userId, at, outcome, ...(reason && { reason }) })),
        ).toEqual(expected)
        expect(read.sent).toEqual(
          expected.filter(({ outcome }) => outcome === 'sent').map(({ userId, at }) => ({ userId, at })),
        )
      }),
      { numRuns: 6, endOnFailure: true, seed: SEED },
    )
    expect(sent).toBeGreaterThan(3)
  }, 240_000)
})
