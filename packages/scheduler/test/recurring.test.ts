import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { parseRule, previewOccurrences, Scheduler, type BelfryError, type DstPolicy, type RuleInput } from 'belfry'
import { TestClock } from 'belfry/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { describeOnBothEngines } from './support/engines.ts'

const iso = (dates: readonly Date[]) => dates.map(date => date.toISOString())
const next = (rule: string, zone: string, from: string, count = 3) =>
  iso(previewOccurrences(parseRule(rule, zone), new Date(from), count))

describe('when a rule fires', () => {
  const table: [string, string, string, string, string[]][] = [
    [
      'daily in the gap fires once, when it ends',
      '30 2 * * *',
      'America/New_York',
      '2026-03-07T12:00Z',
      ['2026-03-08T07:00:00.000Z', '2026-03-09T06:30:00.000Z', '2026-03-10T06:30:00.000Z'],
    ],
    [
      'daily in the repeated hour fires once, at the first',
      '30 1 * * *',
      'America/New_York',
      '2026-10-31T12:00Z',
      ['2026-11-01T05:30:00.000Z', '2026-11-02T06:30:00.000Z', '2026-11-03T06:30:00.000Z'],
    ],
    [
      'asked from inside the second pass it does not fire again',
      '30 1 * * *',
      'America/New_York',
      '2026-11-01T06:10Z',
      ['2026-11-02T06:30:00.000Z', '2026-11-03T06:30:00.000Z', '2026-11-04T06:30:00.000Z'],
    ],
    [
      'every half hour goes through both passes',
      '*/30 * * * *',
      'Europe/Berlin',
      '2026-10-25T00:15Z',
      ['2026-10-25T00:30:00.000Z', '2026-10-25T01:00:00.000Z', '2026-10-25T01:30:00.000Z'],
    ],
    [
      'hourly loses nothing over the gap',
      '0 * * * *',
      'Europe/Berlin',
      '2026-03-29T00:30Z',
      ['2026-03-29T01:00:00.000Z', '2026-03-29T02:00:00.000Z', '2026-03-29T03:00:00.000Z'],
    ],
    [
      'a list of hours is fixed times: once each on the long day',
      '0 1,2,3 * * *',
      'Europe/Berlin',
      '2026-10-24T22:30Z',
      ['2026-10-24T23:00:00.000Z', '2026-10-25T00:00:00.000Z', '2026-10-25T02:00:00.000Z'],
    ],
    [
      'a half-hour gap',
      '15 2 * * *',
      'Australia/Lord_Howe',
      '2026-10-03T00:00Z',
      ['2026-10-03T15:30:00.000Z', '2026-10-04T15:15:00.000Z', '2026-10-05T15:15:00.000Z'],
    ],
    [
      'a half-hour overlap',
      '45 1 * * *',
      'Australia/Lord_Howe',
      '2026-04-04T00:00Z',
      ['2026-04-04T14:45:00.000Z', '2026-04-05T15:15:00.000Z', '2026-04-06T15:15:00.000Z'],
    ],
    [
      'a gap at midnight',
      '0 0 * * *',
      'Africa/Cairo',
      '2026-04-22T12:00Z',
      ['2026-04-22T22:00:00.000Z', '2026-04-23T22:00:00.000Z', '2026-04-24T21:00:00.000Z'],
    ],
    [
      'a gap at midnight, long ago',
      '0 0 * * *',
      'America/Sao_Paulo',
      '2018-11-03T12:00Z',
      ['2018-11-04T03:00:00.000Z', '2018-11-05T02:00:00.000Z', '2018-11-06T02:00:00.000Z'],
    ],
    [
      '29 February',
      '0 9 29 2 *',
      'UTC',
      '2026-01-01T00:00Z',
      ['2028-02-29T09:00:00.000Z', '2032-02-29T09:00:00.000Z', '2036-02-29T09:00:00.000Z'],
    ],
    [
      'six fields: every ten seconds',
      '*/10 * * * * *',
      'UTC',
      '2026-01-01T00:00:05Z',
      ['2026-01-01T00:00:10.000Z', '2026-01-01T00:00:20.000Z', '2026-01-01T00:00:30.000Z'],
    ],
    [
      'a nickname',
      '@daily',
      'Asia/Kathmandu',
      '2026-01-01T00:00Z',
      ['2026-01-01T18:15:00.000Z', '2026-01-02T18:15:00.000Z', '2026-01-03T18:15:00.000Z'],
    ],
  ]
  it.each(table)('%s', (...[, rule, zone, from, expected]) => {
    expect(next(rule, zone, from)).toEqual(expected)
  })

  it('an interval counts from 1970, whenever it is asked', () => {
    const rule = parseRule({ every: '7m' })
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_000_000_000_000 }), ms => {
        const after = rule.next(new Date(ms))?.getTime() ?? 0
        expect(after % 420_000).toBe(0)
        expect(after).toBeGreaterThan(ms)
        expect(after - ms).toBeLessThanOrEqual(420_000)
        expect(rule.lastUntil(new Date(after))?.getTime()).toBe(after)
      }),
    )
    expect(parseRule(rule.text).next(new Date(0))).toEqual(rule.next(new Date(0)))
  })

  it('asking step by step gives what asking at once gives, from any instant around a change of the clocks', () => {
    const zones = ['America/New_York', 'Europe/Berlin', 'Australia/Lord_Howe', 'Africa/Cairo', 'UTC']
    const rules = ['30 2 * * *', '0 * * * *', '*/15 * * * *', '0 0 * * *', '45 1 * * 0', '0 1-3 * * *']
    const around = fc.integer({ min: Date.UTC(2026, 2, 1), max: Date.UTC(2026, 10, 30) })
    fc.assert(
      fc.property(fc.constantFrom(...zones), fc.constantFrom(...rules), around, (zone, text, from) => {
        const rule = parseRule(text, zone)
        const seen = previewOccurrences(rule, new Date(from), 6)
        for (const [index, occurrence] of seen.entries()) {
          expect(occurrence.getTime()).toBeGreaterThan(seen[index - 1]?.getTime() ?? from)
          expect(rule.next(new Date(occurrence.getTime() - 1))).toEqual(occurrence)
          expect(rule.lastUntil(occurrence)).toEqual(occurrence)
        }
      }),
      { numRuns: 150 },
    )
  })

  it("does not depend on the process's own zone", async () => {
    const script = `import('belfry').then(({ parseRule, previewOccurrences }) => console.log(JSON.stringify(
      previewOccurrences(parseRule('30 2 * * *', 'America/New_York'), new Date('2026-03-07T12:00Z'), 2))))`
    const answers = await Promise.all(
      ['UTC', 'Pacific/Apia', 'America/New_York'].map(async TZ => {
        const { stdout } = await promisify(execFile)(process.execPath, ['-e', script], {
          env: { PATH: process.env.PATH, TZ },
        })
        return stdout
      }),
    )
    expect(new Set(answers)).toEqual(new Set(['["2026-03-08T07:00:00.000Z","2026-03-09T06:30:00.000Z"]\n']))
  })

  it.each([
    ['nothing', {}, 'BELFRY_INVALID_RULE'],
    ['a list', [], 'BELFRY_INVALID_RULE'],
    ['no value', null, 'BELFRY_INVALID_RULE'],
    ['two rules at once', { cron: '@daily', every: '1d' }, 'BELFRY_INVALID_RULE'],
    ['an option nobody knows', { cron: '@daily', until: '2027-01-01T00:00:00Z' }, 'BELFRY_INVALID_RULE'],
    ['a start in no zone', { cron: '@daily', start: '2027-01-01T00:00' }, 'BELFRY_INVALID_TIME'],
    ['a start that is no date', { every: '1h', start: new Date(Number.NaN) }, 'BELFRY_INVALID_TIME'],
    [
      'an end before its start',
      { cron: '@daily', start: new Date(86_400_000), end: new Date(0) },
      'BELFRY_INVALID_RULE',
    ],
    ['a count of nothing', { cron: '@daily', start: new Date(0), count: 0 }, 'BELFRY_INVALID_OPTION'],
    ['a count from nowhere', { cron: '@daily', count: 3 }, 'BELFRY_INVALID_RULE'],
    ['a count that takes for ever', { every: '1s', start: new Date(0), count: 10_001 }, 'BELFRY_INVALID_RULE'],
    ['an interval of nothing', { every: null }, 'BELFRY_INVALID_DURATION'],
  ])('refuses %s as an object', (_story, rule, code) => {
    expect(() => parseRule(rule as RuleInput)).toThrow(expect.objectContaining({ code }))
  })

  it('refuses a policy for the change of the clocks that there is none of', () => {
    expect(() => parseRule('@daily', 'UTC', 'twice' as DstPolicy)).toThrow(
      /dst: expected once, skip, wall, got "twice"/,
    )
  })

  it.each([
    ['31 February', '0 0 31 2 *', 'UTC', 'BELFRY_INVALID_RULE'],
    ['nothing', '', 'UTC', 'BELFRY_INVALID_RULE'],
    ['too many fields', '0 0 0 1 1 1 2030', 'UTC', 'BELFRY_INVALID_RULE'],
    ['words', 'tomorrow at noon', 'UTC', 'BELFRY_INVALID_RULE'],
    ['a very long rule', `${'1,'.repeat(200)}1 * * * *`, 'UTC', 'BELFRY_INVALID_RULE'],
    ['a zone that does not exist', '@daily', 'Mars/Olympus', 'BELFRY_INVALID_TIME_ZONE'],
    ['an empty zone', '@daily', '', 'BELFRY_INVALID_TIME_ZONE'],
  ])('refuses %s', (_story, rule, zone, code) => {
    expect(() => parseRule(rule, zone)).toThrow(expect.objectContaining({ code }))
    expect(() => parseRule({ every: '10ms' })).toThrow(expect.objectContaining({ code: 'BELFRY_INVALID_RULE' }))
  })
})

describeOnBothEngines('recurring schedules', engine => {
  const make = async () => {
    const clock = new TestClock('2027-01-01T00:00:30Z')
    const schema = engine.freshSchema()
    const scheduler = new Scheduler({ database: engine.database, schema, clock })
    const ran: string[] = []
    scheduler.registerHandler('tick', (_payload, context) => {
      ran.push(context.occurrence?.toISOString() ?? 'none')
    })
    await scheduler.migrate()
    return { clock, scheduler, ran, schema }
  }
  const hourly = { scheduleId: 'hourly', job: 'tick', rule: '0 * * * *' }

  it('fire at their occurrences, each once, and tell the handler which one it is', async () => {
    const { clock, scheduler, ran } = await make()
    expect(await scheduler.applySchedule({ ...hourly, payload: { a: 1, b: 2 } })).toBe('added')
    expect(await scheduler.applySchedule({ ...hourly, payload: { b: 2, a: 1 } })).toBe('unchanged')
    for (let minute = 0; minute < 150; minute += 10) {
      await scheduler.runDueJobs()
      clock.advance('10m')
    }
    expect(ran).toEqual(['2027-01-01T01:00:00.000Z', '2027-01-01T02:00:00.000Z'])
    expect(await scheduler.getSchedules()).toMatchObject([
      { firedCount: 2, nextOccurrence: new Date('2027-01-01T03:00Z') },
    ])
  })

  it('after downtime fire the last missed occurrence, or none', async () => {
    const { clock, scheduler, ran } = await make()
    await scheduler.applySchedule(hourly)
    await scheduler.applySchedule({ ...hourly, scheduleId: 'strict', catchUp: 'skip' })
    clock.advance('5h')
    clock.advance('20m')
    await scheduler.runDueJobs()
    expect(ran).toEqual(['2027-01-01T05:00:00.000Z'])
    const [relaxed, strict] = await scheduler.getSchedules()
    expect(relaxed).toMatchObject({
      scheduleId: 'hourly',
      firedCount: 1,
      skippedCount: 4,
      nextOccurrence: new Date('2027-01-01T06:00Z'),
    })
    expect(strict).toMatchObject({ scheduleId: 'strict', firedCount: 0, skippedCount: 5 })
  })

  it('skip an occurrence while the last job is unfinished, if asked to', async () => {
    const { clock, scheduler } = await make()
    await scheduler.applySchedule({ ...hourly, job: 'nobody runs this', overlap: 'skip' })
    for (let hour = 0; hour < 3; hour += 1) {
      clock.advance('1h')
      await scheduler.runDueJobs()
    }
    expect((await scheduler.getStats()).counts.pending).toBe(1)
    expect(await scheduler.getSchedules()).toMatchObject([{ firedCount: 1, skippedCount: 2 }])
  })

  it('pause, resume and go', async () => {
    const { clock, scheduler, ran } = await make()
    await scheduler.applySchedule(hourly)
    expect(await scheduler.pauseSchedule('hourly')).toBe(true)
    clock.advance('3h')
    await scheduler.runDueJobs()
    expect(ran).toEqual([])
    expect(await scheduler.resumeSchedule('hourly')).toBe(true)
    clock.advance('1h')
    await scheduler.runDueJobs()
    expect(ran).toEqual(['2027-01-01T04:00:00.000Z'])
    expect(await scheduler.removeSchedule('hourly')).toBe(true)
    expect(await scheduler.removeSchedule('hourly')).toBe(false)
    expect(await scheduler.pauseSchedule('hourly')).toBe(false)
  })

  it('one spoiled by hand is paused and told, and the others go on', async () => {
    const { clock, scheduler, ran, schema } = await make()
    await scheduler.applySchedule(hourly)
    await scheduler.applySchedule({ ...hourly, scheduleId: 'a spoiled one' })
    await engine.database.query(
      `update ${schema}.belfry_schedules set rule = 'whenever' where schedule_id = 'a spoiled one'`,
    )
    const faults: string[] = []
    scheduler.on('database:error', ({ during, error }) => faults.push(`${during}: ${(error as BelfryError).code}`))
    clock.advance('1h')
    await scheduler.runDueJobs()
    expect(ran).toEqual(['2027-01-01T01:00:00.000Z'])
    expect(faults).toEqual(['schedule a spoiled one, now paused: BELFRY_INVALID_RULE'])
    expect(await scheduler.getSchedules()).toMatchObject([
      { paused: true, errorMessage: expect.stringMatching(/^schedule rule: expected cron .* got "whenever"/) },
      { paused: false, errorMessage: null },
    ])
  })
})
