import { expect, it } from 'vitest'
import { automaticKey, planAutomatic } from '../../src/followups/plan-follow-up.ts'
import { timeFollowUp } from '../../src/followups/plan-timing.ts'
import { ADA, ago, ahead, HOUR, NOW, POLICY } from '../support/gate-facts.ts'

const factsOf = (lastMessageAt: Date) => ({
  now: NOW,
  profile: undefined,
  person: { ...ADA, lastMessageAt },
  controls: [],
  sentInLastMinute: 0,
})
const EAGER = { salt: 'spring', variants: [{ name: 'eager', delayMs: 24 * HOUR }] }

it('a follow-up is due when the delay has passed since they last spoke, and never in the past', () => {
  expect(timeFollowUp({ policy: POLICY }, factsOf(ago(10 * HOUR)), 'web:ada').dueAt).toEqual(ahead(38 * HOUR))
  expect(timeFollowUp({ policy: POLICY }, factsOf(ago(60 * HOUR)), 'web:ada').dueAt).toEqual(NOW)
})

it("a variant's delay stands for everybody's, for the gates too, and its name goes with the job", () => {
  const parts = { policy: POLICY, experiment: EAGER }
  const plan = planAutomatic(parts, factsOf(ago(10 * HOUR)), { userId: 'web:ada' })
  expect(plan.dueAt).toEqual(ahead(14 * HOUR))
  expect(plan.advice.gates.find(gate => gate.rule === 6)).toMatchObject({ outcome: 'pass' })
  expect(plan.payload).toMatchObject({ userId: 'web:ada', automatic: true, variant: 'eager' })
})

it('the best time is asked for, at or after the earliest', () => {
  const asked: Date[] = []
  const placeInTime = (_facts: unknown, earliest: Date) => {
    asked.push(earliest)
    return ahead(40 * HOUR)
  }
  const { dueAt } = timeFollowUp({ policy: POLICY, placeInTime }, factsOf(ago(10 * HOUR)), 'web:ada')
  expect(asked).toEqual([ahead(38 * HOUR)])
  expect(dueAt).toEqual(ahead(40 * HOUR))
})

it('the key of a very long user id fits, and is still one per person', () => {
  const [one, other] = [automaticKey('a'.repeat(255)), automaticKey(`${'a'.repeat(254)}b`)]
  expect(one.length).toBeLessThanOrEqual(255)
  expect(one).not.toBe(other)
  expect(automaticKey('web:ada')).toBe('automatic:web:ada')
})
