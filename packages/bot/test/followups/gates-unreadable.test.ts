import { describe, expect, it } from 'vitest'
import type { Control } from '../../src/followups/controls-store.ts'
import { evaluateGates } from '../../src/followups/gates.ts'
import { ago, DAY, factsOf, type Changes } from '../support/gate-facts.ts'

describe('what nobody can know fails closed', () => {
  const never = new Date('infinity')
  const PAUSE = { name: 'pause', reason: 'a story', setBy: 'terminal:olga', setAt: ago(DAY) } as const
  it.each([
    ['snoozed until a date that is none', { person: { snoozedUntil: never } }],
    ['last written to at a date that is none', { person: { lastSentAt: never } }],
    ['written to this week at a date that is none', { person: { sentThisWeek: [never] } }],
    ['now is no date', { now: never }],
    ['suppressed until a date that is none', { person: { suppressedUntil: never } }],
    ['paused until a date that is none', { controls: [{ ...PAUSE, until: never }] }],
    ['a zone nobody knows', { person: { timeZone: 'Mars/Olympus' } }],
    ['messages that are no number', { person: { messagesInLastTalk: Number.NaN } }],
    ['unanswered that are no number', { person: { unanswered: Number.NaN } }],
    ['a pace that is no number', { sentInLastMinute: Number.NaN }],
    ['a cap that is no number', { policy: { maxPerWeek: Number.NaN } }],
    ['nobody knows whether it is a program', { person: { isBot: undefined as unknown as boolean } }],
    ['nobody knows whether they want it', { person: { followUpsEnabled: null as unknown as boolean } }],
    ['nobody knows what they were sent', { person: { sentThisWeek: undefined as unknown as Date[] } }],
    ['nobody knows what is paused', { controls: 'none' as unknown as Control[] }],
    [
      'an admin asks for somebody who never wrote, in an unknown zone',
      { manual: true, person: { lastMessageAt: undefined, timeZone: undefined } },
    ],
  ] satisfies [string, Changes][])('%s', (_story, changes) => {
    expect(evaluateGates(factsOf(changes))).toMatchObject({ verdict: 'deny', reason: 'gate_error' })
  })
})
