import { describe, expect, it } from 'vitest'
import type { Control, ControlName } from '../../src/followups/controls-store.ts'
import { evaluateGates } from '../../src/followups/gates.ts'
import {
  ago,
  ahead,
  ask,
  AUTOMATIC,
  DAY,
  factsOf,
  HOUR,
  inShort,
  MANUAL,
  NOW,
  type Changes,
} from '../support/gate-facts.ts'

const control = (name: ControlName, until?: Date): Control => ({
  name,
  until,
  reason: 'a story',
  setBy: 'terminal:olga',
  setAt: ago(DAY),
})

describe('a follow-up to somebody nothing stands in the way of', () => {
  it('is allowed, with every gate on record', () => {
    const report = ask()
    expect(inShort(report)).toBe('allow')
    expect(report.gates.map(gate => gate.rule)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15])
    expect(report.gates.every(gate => gate.outcome === 'pass' && gate.reason === undefined)).toBe(true)
  })

  it('is allowed when an admin asked for it', () => {
    expect(inShort(ask({ manual: true }))).toBe('allow')
  })
})

describe.each<{ gate: string; cases: [string, Changes, string][] }>([
  {
    gate: '1, switched on',
    cases: [
      ['off', { policy: { enabled: false } }, 'deny kill_switch'],
      ['off, also for admins', { manual: true, policy: { enabled: false } }, 'deny kill_switch'],
      ['paused by a person', { controls: [control('pause')] }, 'deny breaker_open'],
      ['paused, an admin asks', { manual: true, controls: [control('pause')] }, 'deny breaker_open'],
      ['paused for another millisecond', { controls: [control('pause', ahead(1))] }, 'defer breaker_open'],
      ['paused until now', { controls: [control('pause', NOW)] }, 'allow'],
      ['too many said no', { controls: [control('guardrail')] }, 'deny breaker_open'],
      ['too many said no, an admin asks', { manual: true, controls: [control('guardrail')] }, 'allow'],
      ['the platform refuses us', { controls: [control('platform', ahead(HOUR))] }, 'defer breaker_open'],
      [
        'the platform refuses us, an admin asks',
        { manual: true, controls: [control('platform', ahead(HOUR))] },
        'defer breaker_open',
      ],
      ['one ends, one does not', { controls: [control('platform', ahead(1)), control('pause')] }, 'deny breaker_open'],
    ],
  },
  {
    gate: '2, consent',
    cases: [
      ['said off', { person: { followUpsEnabled: false } }, 'deny opted_out'],
      ['said off, an admin asks', { manual: true, person: { followUpsEnabled: false } }, 'deny opted_out'],
      ['revoked though the flag is still on', { person: { consent: 'revoked' } }, 'deny opted_out'],
      ['off though once granted', { person: { consent: 'granted', followUpsEnabled: false } }, 'deny opted_out'],
      [
        'said nothing where silence means yes',
        { policy: { consent: 'opt_out' }, person: { mustOptIn: true } },
        'allow',
      ],
      ['said nothing where silence means no', { policy: { consent: 'opt_in' } }, 'deny not_opted_in'],
      ['said yes where silence means no', { policy: { consent: 'opt_in' }, person: { consent: 'granted' } }, 'allow'],
      ['auto: the platform wants a yes', { person: { mustOptIn: true } }, 'deny not_opted_in'],
      ['auto: the platform has its yes', { person: { mustOptIn: true, consent: 'granted' } }, 'allow'],
      ['no yes, an admin asks', { manual: true, person: { mustOptIn: true } }, 'deny not_opted_in'],
    ],
  },
  {
    gate: '3, suppressed',
    cases: [
      ['suppressed', { person: { suppressed: 'dm_closed' } }, 'deny suppressed'],
      ['suppressed for an empty reason', { person: { suppressed: '' } }, 'deny suppressed'],
      [
        'suppressed for another millisecond',
        { person: { suppressed: 'distress', suppressedUntil: ahead(1) } },
        'deny suppressed',
      ],
      ['suppressed until now', { person: { suppressed: 'distress', suppressedUntil: NOW } }, 'allow'],
      ['an end without a suppression', { person: { suppressedUntil: ahead(DAY) } }, 'allow'],
      ['suppressed, an admin asks', { manual: true, person: { suppressed: 'erased' } }, 'deny suppressed'],
    ],
  },
  {
    gate: '4, snoozed',
    cases: [
      ['one millisecond to go', { person: { snoozedUntil: ahead(1) } }, 'defer snoozed'],
      ['over this millisecond', { person: { snoozedUntil: NOW } }, 'allow'],
      ['long over', { person: { snoozedUntil: ago(DAY) } }, 'allow'],
      ['an admin asks', { manual: true, person: { snoozedUntil: ahead(1) } }, 'defer snoozed'],
    ],
  },
  {
    gate: '5, a person',
    cases: [
      ['a program', { person: { isBot: true } }, 'deny bot_or_self'],
      ['a program, an admin asks', { manual: true, person: { isBot: true } }, 'deny bot_or_self'],
    ],
  },
  {
    gate: '6, silent long enough (automatic)',
    cases: [
      ['a millisecond short', { person: { lastMessageAt: ago(48 * HOUR - 1) } }, 'defer recently_active'],
      ['exactly the delay', { person: { lastMessageAt: ago(48 * HOUR) } }, 'allow'],
      ['never spoke', { person: { lastMessageAt: undefined } }, 'deny gate_error'],
    ],
  },
  {
    gate: '6, silent long enough (manual)',
    cases: [
      ['spoke since', { manual: true, person: { lastMessageAt: ago(24 * HOUR - 1) } }, 'deny recently_active'],
      ['spoke as it was asked for', { manual: true, person: { lastMessageAt: ago(24 * HOUR) } }, 'allow'],
      ['never spoke', { manual: true, person: { lastMessageAt: undefined } }, 'allow'],
      [
        'an hour is enough when an hour was asked for',
        { manual: true, job: { plannedAt: ago(HOUR) }, person: { lastMessageAt: ago(HOUR) } },
        'allow',
      ],
      [
        'looks back 48 hours at most: a millisecond within',
        {
          manual: true,
          job: { plannedAt: ago(HOUR), dueAt: ahead(99 * HOUR) },
          person: { lastMessageAt: ago(48 * HOUR - 1) },
        },
        'deny recently_active',
      ],
      [
        'looks back 48 hours at most: no further',
        {
          manual: true,
          job: { plannedAt: ago(HOUR), dueAt: ahead(99 * HOUR) },
          person: { lastMessageAt: ago(48 * HOUR) },
        },
        'allow',
      ],
    ],
  },
  {
    gate: '7, not too long ago',
    cases: [
      ['14 days', { person: { lastMessageAt: ago(14 * DAY) } }, 'allow'],
      ['a millisecond more', { person: { lastMessageAt: ago(14 * DAY + 1) } }, 'deny too_old'],
      ['a year, an admin asks', { manual: true, person: { lastMessageAt: ago(365 * DAY) } }, 'allow'],
    ],
  },
  {
    gate: '8, talked enough',
    cases: [
      ['two of three messages', { person: { messagesInLastTalk: 2 } }, 'deny too_shallow'],
      ['three', { person: { messagesInLastTalk: 3 } }, 'allow'],
      ['none, an admin asks', { manual: true, person: { messagesInLastTalk: 0 } }, 'allow'],
      ['none needed', { policy: { minMessages: 0 }, person: { messagesInLastTalk: 0 } }, 'allow'],
    ],
  },
])('gate $gate', ({ cases }) => {
  it.each(cases)('%s', (_what, changes, expected) => {
    expect(inShort(ask(changes))).toBe(expected)
  })
})

describe('who could not be read', () => {
  it.each([AUTOMATIC, MANUAL])('is not written to', job => {
    const report = evaluateGates({ ...factsOf({}), person: 'unreadable', job })
    expect(inShort(report)).toBe('deny gate_error')
    expect(report.until).toBeUndefined()
  })
})
