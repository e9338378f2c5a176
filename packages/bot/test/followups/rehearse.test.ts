import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PersonFacts } from '../../src/followups/gates.ts'
import type { FollowUpPolicy } from '../../src/followups/policy.ts'
import { Agenda } from '../../src/followups/rehearse-agenda.ts'
import { rehearse, type RehearsalEvent } from '../../src/followups/rehearse.ts'
import { ADA, DAY, HOUR, POLICY } from '../support/gate-facts.ts'

const BEGIN = Date.parse('2027-03-01T12:00:00Z')
const at = (ms: number) => new Date(BEGIN + ms)
const AWAKE: Partial<FollowUpPolicy> = { quietHours: 'off' }
const people = (...names: string[]) =>
  new Map(names.map((name): [string, PersonFacts] => [name, { ...ADA, userId: name, lastMessageAt: undefined }]))
const talk = (userId: string, ms: number, messages = 3): RehearsalEvent[] =>
  Array.from({ length: messages }, (_, index) => ({
    kind: 'message',
    userId,
    conversationId: userId,
    at: at(ms + index * 60_000),
  }))

interface Stage {
  readonly policy?: Partial<FollowUpPolicy>
  readonly since?: number
  readonly days?: number
  readonly who?: ReadonlyMap<string, PersonFacts>
}

/** What would have become of the events, in hours after the beginning. */
function replay(events: readonly RehearsalEvent[], { policy, since = 0, days = 30, who }: Stage = {}) {
  const outcomes = rehearse({
    since: at(since),
    until: at(days * DAY),
    people: who ?? people('ada', 'bo'),
    events,
    policy: { ...POLICY, ...AWAKE, ...policy },
  })
  return outcomes.map(({ userId, at: when, outcome, reason }) => {
    const hours = Math.round((when.getTime() - BEGIN) / HOUR)
    return `${hours} ${userId} ${outcome}${reason ? ` ${reason}` : ''}`
  })
}

describe('a rehearsal', () => {
  it('writes to who fell silent, once', () => {
    expect(replay(talk('ada', 0))).toEqual(['48 ada sent'])
    expect(replay([...talk('ada', 0), ...talk('bo', DAY)])).toEqual(['48 ada sent', '72 bo sent'])
  })

  it('moves on with who speaks', () => {
    expect(replay([...talk('ada', 0), ...talk('ada', DAY), ...talk('ada', 2 * DAY)])).toEqual(['96 ada sent'])
  })

  it('with another delay writes at another time', () => {
    expect(replay(talk('ada', 0), { policy: { delayMs: 24 * HOUR } })).toEqual(['24 ada sent'])
  })

  it('tells whom too little was known of, and only if they stayed silent', () => {
    expect(replay(talk('ada', 0, 1))).toEqual(['48 ada withheld too_shallow'])
    expect(replay([...talk('ada', 0, 1), ...talk('ada', HOUR, 2)])).toEqual(['49 ada sent'])
  })

  it('counts what it would have sent itself towards the weekly cap, not what really was sent', () => {
    const four = [0, 3, 6, 9].flatMap(day => talk('ada', day * DAY))
    const eager = { minBetweenMs: 0, maxPerWeek: 1 }
    expect(replay(four, { policy: eager })).toEqual([
      '48 ada sent',
      '120 ada withheld weekly_cap',
      '192 ada withheld weekly_cap',
      '264 ada sent',
    ])
    const really: RehearsalEvent[] = [{ kind: 'sent', userId: 'ada', at: at(2 * DAY) }]
    expect(replay([...four, ...really], { policy: eager })).toEqual(replay(four, { policy: eager }))
  })

  it('knows what really was sent before it began', () => {
    const events: RehearsalEvent[] = [
      ...talk('ada', 0),
      { kind: 'sent', userId: 'ada', at: at(2 * DAY) },
      ...talk('ada', 3 * DAY),
    ]
    const settings = { since: 2.5 * DAY, policy: { maxPerWeek: 1 } }
    expect(replay(events, settings)).toEqual(['120 ada withheld weekly_cap'])
    expect(replay(events, { ...settings, policy: { maxPerWeek: 2 } })).toEqual(['120 ada sent'])
  })

  it('a no cancels at once, a yes later revives nothing, and a talk after it does', () => {
    const events: RehearsalEvent[] = [
      ...talk('ada', 0),
      { kind: 'revoked', userId: 'ada', at: at(DAY) },
      { kind: 'granted', userId: 'ada', at: at(2 * DAY) },
    ]
    expect(replay(events)).toEqual(['24 ada withheld opted_out'])
    expect(replay([...events, ...talk('ada', 3 * DAY)])).toEqual(['24 ada withheld opted_out', '120 ada sent'])
  })

  it("goes by a person's word as it was then, not as it is today", () => {
    const today = new Map([['ada', { ...ADA, userId: 'ada', followUpsEnabled: false, consent: 'revoked' as const }]])
    const events: RehearsalEvent[] = [...talk('ada', 0), { kind: 'revoked', userId: 'ada', at: at(5 * DAY) }]
    expect(replay(events, { who: today })).toEqual(['48 ada sent'])
    expect(replay(talk('ada', 0), { who: today })).toEqual(['48 ada withheld opted_out'])
  })

  it('waits while somebody said later', () => {
    const later: RehearsalEvent = { kind: 'snoozed', userId: 'ada', at: at(DAY), until: at(8 * DAY) }
    expect(replay([...talk('ada', 0), later])).toEqual(['192 ada sent'])
  })

  it('asked-for ones go through the gates too', () => {
    const asked = (ms: number, hours: number): RehearsalEvent => ({
      kind: 'asked',
      userId: 'ada',
      at: at(ms),
      dueAt: at(ms + hours * HOUR),
    })
    expect(replay([...talk('ada', 0, 1), asked(2 * HOUR, 1)])).toEqual(['3 ada sent', '48 ada withheld too_shallow'])
    expect(replay([...talk('ada', 0, 1), asked(2 * HOUR, 9), ...talk('ada', 3 * HOUR, 1)])).toContain(
      '11 ada withheld recently_active',
    )
  })

  it('spreads what falls into one minute', () => {
    const names = ['ada', 'bo', 'cy', 'dee']
    const events = names.flatMap(name => talk(name, 0))
    const told = rehearse({
      since: at(0),
      until: at(30 * DAY),
      people: people(...names),
      events,
      policy: { ...POLICY, ...AWAKE, perMinute: 1 },
    })
    const times = told.map(({ at: when }) => when.getTime())
    expect(told.map(({ outcome }) => outcome)).toEqual(['sent', 'sent', 'sent', 'sent'])
    const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0))
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(60_000)
  })

  it('plans for who is held out, and withholds at the last moment', () => {
    const half = { policy: { holdoutPercent: 50 } }
    const names = ['ada', 'bo', 'cy', 'dee', 'eve', 'flo', 'gus', 'hal']
    const told = replay(
      names.flatMap(name => talk(name, 0)),
      { ...half, who: people(...names) },
    )
    expect(told).toHaveLength(names.length)
    expect(told.filter(each => each.endsWith(' sent')).length).toBeGreaterThan(0)
    expect(told.filter(each => each.endsWith('withheld holdout')).length).toBeGreaterThan(0)
  })

  it('keeps out of the nights', () => {
    const [sent] = rehearse({
      since: at(0),
      until: at(9 * DAY),
      people: people('ada'),
      events: talk('ada', 11 * HOUR),
      policy: POLICY,
    })
    expect(sent?.at.toISOString()).toMatch(/^2027-03-04T08:[0-2]\d/)
  })
})

const event: fc.Arbitrary<RehearsalEvent> = fc
  .record({
    minute: fc.integer({ min: 0, max: 20 * 1_440 }),
    userId: fc.constantFrom('ada', 'bo'),
    kind: fc.constantFrom(
      'message' as const,
      'message' as const,
      'message' as const,
      'granted' as const,
      'revoked' as const,
    ),
  })
  .map(
    ({ minute, userId, kind }): RehearsalEvent => ({ kind, userId, conversationId: userId, at: at(minute * 60_000) }),
  )
const policy: fc.Arbitrary<FollowUpPolicy> = fc
  .record({
    delayMs: fc.integer({ min: 1, max: 100 }).map(hours => hours * HOUR),
    maxPerWeek: fc.integer({ min: 0, max: 4 }),
    minBetweenMs: fc.integer({ min: 0, max: 100 }).map(hours => hours * HOUR),
    minMessages: fc.integer({ min: 0, max: 3 }),
    maxUnanswered: fc.integer({ min: 1, max: 3 }),
    holdoutPercent: fc.constantFrom(0, 50),
  })
  .map(some => ({ ...POLICY, ...some }))

describe('whatever happened and whatever the settings', () => {
  const stage = { since: at(0), until: at(40 * DAY), people: people('ada', 'bo') }

  it('a rehearsal is always the same, in whatever order the events come', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(event, { selector: each => each.at.getTime(), maxLength: 40 }),
        policy,
        (events, rules) => {
          const once = rehearse({ ...stage, events, policy: rules })
          expect(rehearse({ ...stage, events: events.toReversed(), policy: rules })).toEqual(once)
        },
      ),
      { numRuns: 60 },
    )
  })

  it('nobody is written to over the cap, sooner than the delay after they spoke, or after a no', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), policy, (events, rules) => {
        for (const { userId, at: when } of rehearse({ ...stage, events, policy: rules }).filter(
          each => each.outcome === 'sent',
        )) {
          const before = events.filter(each => each.userId === userId && each.at < when)
          const spoke = Math.max(...before.filter(({ kind }) => kind === 'message').map(each => each.at.getTime()))
          expect(when.getTime() - spoke).toBeGreaterThanOrEqual(rules.delayMs)
          const word = before
            .filter(({ kind }) => kind === 'granted' || kind === 'revoked')
            .toSorted((a, b) => a.at.getTime() - b.at.getTime())
            .at(-1)
          expect(word?.kind).not.toBe('revoked')
        }
        for (const userId of ['ada', 'bo']) {
          const sent = rehearse({ ...stage, events, policy: rules })
            .filter(each => each.userId === userId && each.outcome === 'sent')
            .map(each => each.at.getTime())
          for (const first of sent)
            expect(sent.filter(each => each >= first && each < first + 7 * DAY).length).toBeLessThanOrEqual(
              rules.maxPerWeek,
            )
        }
      }),
      { numRuns: 60 },
    )
  })

  it('people do not disturb each other, while pacing does not bite', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 30 }), policy, (events, rules) => {
        const both = rehearse({ ...stage, events, policy: rules })
        const alone = rehearse({ ...stage, people: people('ada'), events, policy: rules })
        expect(both.filter(({ userId }) => userId === 'ada')).toEqual(alone)
      }),
      { numRuns: 60 },
    )
  })
})

describe('an agenda', () => {
  it('gives things in order of time, then of adding, while more come', () => {
    const times = fc.array(fc.tuple(fc.integer({ min: 0, max: 20 }), fc.boolean()), { maxLength: 60 })
    fc.assert(
      fc.property(times, steps => {
        const agenda = new Agenda<number>()
        let waiting: { time: number; item: number }[] = []
        for (const [index, [time, take]] of steps.entries()) {
          agenda.add(new Date(time), index)
          waiting.push({ time, item: index })
          waiting = waiting.toSorted((a, b) => a.time - b.time || a.item - b.item)
          const taken = take ? agenda.takeUntil(new Date(10)) : undefined
          const first = take && waiting[0] && waiting[0].time <= 10 ? waiting.shift() : undefined
          expect(taken && { time: taken.at.getTime(), item: taken.item }).toEqual(first)
        }
        for (const expected of waiting) expect(agenda.takeUntil(new Date(99))?.item).toBe(expected.item)
        expect(agenda.takeUntil(new Date(99))).toBeUndefined()
      }),
    )
  })
})
