import { afterEach, describe, expect, it } from 'vitest'
import { hourOfWeek } from '../src/users/activity-hours.ts'
import { findProfile } from '../src/users/profile-store.ts'
import { createTestApp, type TestApp } from './support/test-app.ts'

describe('settings of one’s own', () => {
  let test: TestApp
  afterEach(() => test.close())
  const ask = async (text: string, who = 'Ada') => (await test.say(who, `!followup_settings ${text}`)).text

  it('are all shown, and every change is told and kept', async () => {
    test = await createTestApp('PostgreSQL', { FOLLOW_UP_TIME_ZONE: '' })
    await test.say('Ada', 'I play the cello')
    expect(await ask('')).toMatch(
      /^Follow-up Settings: on\n[\s\S]*Time zone: not known[\s\S]*Quiet hours: 22:00-08:00 \(the operator's\)[\s\S]*Frequency: at most once in 2 days[\s\S]*Snoozed: no[\s\S]*Unanswered: 0 of 2[\s\S]*Next: none planned\.\nUsage/,
    )
    expect(await ask('quiet 23:00-07:00')).toMatch(/are 23:00-07:00\. They need your time zone/)
    expect(await ask('timezone new york')).toMatch(/is America\/New_York, where it is 07:0\d now/)
    expect(await ask('frequency weekly')).toBe('I write to you at most once in 7 days.')
    expect(await ask('frequency 2h')).toBe("I write to you at most once in 1 day (the operator's least).")
    expect(await ask('snooze 5d')).toMatch(/^I will not write by myself until in 5 days \(2027-03-06/)
    const status = await ask('status')
    for (const part of ['America/New_York (yours)', 'Quiet hours: 23:00-07:00.', 'Snoozed: until in '])
      expect(status).toContain(part)
    expect(await ask('on')).toMatch(/What was cancelled before stays cancelled\. You asked for a pause until/)
    expect(await ask('snooze off')).toBe('The pause is over.')
    expect(await ask('quiet off')).toContain('no quiet hours')
    expect(await ask('quiet 08:00-08:00')).toContain('the same time twice means none')
    expect(await ask('quiet default')).toContain("operator's quiet hours apply")
    expect(await ask('timezone default')).toContain('forgotten')
    expect(await ask('frequency default')).toContain('default again')
    const history = await ask('history')
    expect(history).toMatch(
      /newest first:\n- .*yes \(command, wording 2\)\n- .*not now, until .*\(command, wording 2\)\nFollow-ups you were sent: none\./,
    )
    expect(await ask('history', 'Bo')).toBe(
      'What you said about follow-ups: nothing yet.\nFollow-ups you were sent: none.',
    )
  })

  it('are unchanged by what is not understood, and the nearest that would do is named', async () => {
    test = await createTestApp('PostgreSQL')
    await test.say('Ada', 'I play the cello')
    const before = await findProfile(test.database, 'web:ada')
    expect(await ask('timezone berlni')).toMatch(
      /Expected a time zone such as `Europe\/Berlin`.*got `berlni`\. The nearest: `Europe\/Berlin`/,
    )
    expect(await ask('timezone')).toMatch(/got nothing/)
    expect(await ask('quiet 25:00-08:00')).toMatch(/got `25:00-08:00`\. The nearest: `23:00-08:00`/)
    expect(await ask('frequency often')).toMatch(/Expected a span from `1h` to `365d`.*The nearest: `3d`, `weekly`/)
    expect(await ask('snooze 2')).toMatch(/got `2`\. The nearest: `2d`, `2h`/)
    expect(await ask('hours yes')).toMatch(/Expected `hours`, `hours on`, `hours off` or `hours forget`; got `yes`/)
    expect(await ask('constructor')).toContain('I know no setting `constructor`')
    expect(await findProfile(test.database, 'web:ada')).toEqual(before)
    expect(await test.rows('select from consent_events')).toEqual([])
  })
})

describe.each(['PGlite', 'PostgreSQL'] as const)('habits and settings that are obeyed, on %s', engine => {
  let test: TestApp
  const begin = async (settings: Record<string, string> = {}) => {
    test = await createTestApp(engine, settings)
  }
  afterEach(() => test.close())
  const ada = async () => findProfile(test.database, 'web:ada')

  it('counts the hours at which somebody writes, newer ones more, until they say no', async () => {
    await begin()
    await test.say('Ada', 'hi, I am Ada')
    expect((await ada())?.activityHours).toBeUndefined()
    const at = hourOfWeek(test.clock.now())
    await test.say('Ada', 'I play the cello')
    test.clock.moveTo('2027-03-29T12:10:00Z')
    await test.say('Ada', 'the recital was fine')
    await test.say('Ada', 'everybody came')
    const hours = (await ada())?.activityHours
    expect(hours).toMatchObject({ messages: 3, days: 2 })
    // 28 days are 28/30 of a half-life.
    expect(hours?.weights[at]).toBeCloseTo(1 + 2 * 2 ** (28 / 30), 2)
    expect(hours?.weights.filter(weight => weight > 0)).toHaveLength(1)
    expect((await test.say('Ada', '!followup_settings hours')).text).toMatch(
      /Counted over 3 messages on 2 days.*\nYour busiest hours, UTC: 12:00 \(100 %\)\./,
    )
    await test.say('Ada', '!followup_settings hours forget')
    expect((await ada())?.activityHours).toBeUndefined()
    await test.say('Ada', 'counted again')
    expect((await ada())?.activityHours?.messages).toBe(1)
    await test.say('Ada', '!followup_settings hours off')
    await test.say('Ada', 'not counted')
    expect(await ada()).toMatchObject({ activityHours: undefined, activityHoursOff: true })
    await test.say('Ada', '!followup_settings hours on')
    await test.say('Ada', 'counted')
    expect((await ada())?.activityHours?.messages).toBe(1)
    await test.say('Ada', 'stop')
    await test.say('Ada', 'and I talk on')
    expect((await ada())?.activityHours).toBeUndefined()
  })

  it('counts nobody’s hours before their yes, where only a yes counts', async () => {
    await begin({ FOLLOW_UP_CONSENT: 'opt_in' })
    for (const n of [1, 2, 3]) await test.say('Ada', `piece number ${n} is long`)
    expect((await ada())?.activityHours).toBeUndefined()
    await test.say('Ada', '!followup_settings on')
    await test.say('Ada', 'counted')
    expect((await ada())?.activityHours?.messages).toBe(1)
  })

  it('the own zone and quiet hours of a person decide, and nothing of the clock is stored', async () => {
    await begin({ FOLLOW_UP_TIME_ZONE: '' })
    test.clock.moveTo('2027-03-26T20:30:00Z')
    await test.say('Ada', '!followup_settings timezone berlin')
    await test.say('Ada', '!followup_settings quiet 22-9')
    for (const text of ['hi, I am Ada', 'I play the cello', 'my recital is on Friday']) await test.say('Ada', text)
    // Two days later it is 20:31 UTC again, and Berlin's clocks have gone forward: 22:31 there.
    await test.pass('3d')
    const [sent] = await test.rows<{ at: string }>(
      "select to_char(sent_at at time zone 'Europe/Berlin', 'DD HH24:MI') as at from follow_up_history",
    )
    expect(sent?.at).toMatch(/^29 09:[0-3]\d$/)
  })
})
