import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { admitByKey, admitByType, afterStarts, grantForType, type Candidate } from '../src/flow/admission.ts'
import { afterOutcomes } from '../src/flow/breaker.ts'
import { earliestStart, type MeteredLimits, type Meters, type Start } from '../src/flow/meter.ts'

const idle = { running: 0, starts: [], failures: 0, pausedUntilMs: null }

describe('a rate', () => {
  it('is never exceeded in any window, whatever comes when, and no start waits longer than it must', () => {
    const arrivals = fc.array(fc.record({ gap: fc.nat(2_000), weight: fc.integer({ min: 1, max: 6 }) }), {
      minLength: 1,
      maxLength: 40,
    })
    fc.assert(
      fc.property(
        arrivals,
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 3_000 }),
        (jobs, limit, perMs) => {
          const rate = { limit, perMs }
          let nowMs = 0
          let meters: Meters = { starts: [] }
          const begun: Start[] = []
          for (const [index, { gap, weight }] of jobs.entries()) {
            nowMs += gap
            for (;;) {
              const candidates = [{ jobId: String(index), dueMs: nowMs, weight, cost: 1, holdsSlot: false }]
              const decision = admitByType({ rate }, meters, { candidates, nowMs })
              meters = decision.meters
              if (decision.againAtMs === null) break
              expect(decision.againAtMs).toBeGreaterThan(nowMs)
              // One moment earlier it would have been too many.
              expect(earliestStart({ rate }, meters, { ms: decision.againAtMs - 1, weight, cost: 1 })).toBe(
                decision.againAtMs,
              )
              nowMs = decision.againAtMs
            }
            begun.push([nowMs, Math.min(weight, limit)])
          }
          for (const [end] of begun) {
            const within = begun.filter(([at]) => at > end - perMs && at <= end)
            expect(within.reduce((sum, [, weight]) => sum + weight, 0)).toBeLessThanOrEqual(limit)
          }
        },
      ),
    )
  })
})

describe('a key', () => {
  it('admits no more than its slots, the oldest first, and in strict order nobody past one that waits', () => {
    const candidates = fc.uniqueArray(
      fc.record({
        jobId: fc.uuid(),
        dueMs: fc.nat(50),
        weight: fc.constant(1),
        cost: fc.constant(1),
        holdsSlot: fc.constant(false),
      }),
      {
        selector: each => each.jobId,
        maxLength: 20,
      },
    )
    fc.assert(
      fc.property(candidates, fc.integer({ min: 1, max: 4 }), fc.nat(5), fc.boolean(), (list, most, running, fifo) => {
        const concurrency = fifo ? 1 : most
        const decision = admitByKey({ concurrency, fifo }, { ...idle, running }, { candidates: list, nowMs: 100 })
        expect(decision.admitted).toHaveLength(Math.min(list.length, Math.max(0, concurrency - running)))
        expect(decision.admitted.length + decision.parked.length).toBe(list.length)
        const dueOf = (id: string) => list.find(each => each.jobId === id)?.dueMs ?? 0
        for (const id of decision.admitted) {
          for (const { jobId } of decision.parked) expect(dueOf(id)).toBeLessThanOrEqual(dueOf(jobId))
        }
      }),
    )
  })
})

describe('a key with a rate and a budget', () => {
  const entries = fc.array(fc.tuple(fc.integer({ min: 1, max: 1_000 }), fc.integer({ min: 1, max: 3 })), {
    maxLength: 6,
  })
  const asks = fc.array(fc.record({ weight: fc.integer({ min: 1, max: 3 }), cost: fc.integer({ min: 1, max: 3 }) }), {
    minLength: 1,
    maxLength: 12,
  })
  const sum = (amounts: readonly number[]) => amounts.reduce((total, each) => total + each, 0)
  const nowMs = 1_000

  it('admits no more than there is room for, however many ask at once, and holds nobody back without need', () => {
    fc.assert(
      fc.property(
        entries,
        asks,
        fc.integer({ min: 3, max: 9 }),
        fc.integer({ min: 1, max: 1_000 }),
        (past, list, limit, perMs) => {
          const candidates = list.map((each, index) => ({
            jobId: String(index),
            dueMs: index,
            holdsSlot: false,
            ...each,
          }))
          const among = (ids: readonly string[]) => candidates.filter(each => ids.includes(each.jobId))
          const counted = past.filter(([at]) => at > nowMs - perMs)
          const room = limit - sum(counted.map(([, each]) => each))
          for (const [limits, amountOf] of [
            [{ rate: { limit, perMs } }, each => each.weight],
            [{ budget: { amount: limit, perMs } }, each => each.cost],
          ] as [MeteredLimits, (each: Candidate) => number][]) {
            const state = { ...idle, starts: past, spent: past }
            const { admitted, parked } = admitByKey({ fifo: false, ...limits }, state, { candidates, nowMs })
            expect(sum(among(admitted).map(amountOf))).toBeLessThanOrEqual(Math.max(0, room))
            const [first] = parked
            const before = candidates.slice(0, Number(first?.jobId ?? candidates.length))
            // The first that waits would not have fitted beside those before it.
            const needed = first ? sum([...before, ...among([first.jobId])].map(amountOf)) : Number.POSITIVE_INFINITY
            expect(needed).toBeGreaterThan(room)
            for (const { untilMs } of parked) expect(untilMs).toBeGreaterThan(nowMs)
          }
        },
      ),
    )
  })
})

describe('a job that holds its slot already', () => {
  const follower = { jobId: 'follower', dueMs: 0, weight: 1, cost: 1, holdsSlot: false }
  const holder = { jobId: 'holder', dueMs: 50, weight: 1, cost: 1, holdsSlot: true }
  const decide = (limits: object, state: object) =>
    admitByKey(
      { fifo: true, concurrency: 1, ...limits },
      { ...idle, running: 1, ...state },
      { candidates: [follower, holder], nowMs: 100 },
    )

  it('needs none, and goes before those that were due earlier', () => {
    expect(decide({}, {})).toMatchObject({ admitted: ['holder'], parked: [{ jobId: 'follower', untilMs: null }] })
  })

  it('waits for a pause, a rate and a budget of its key all the same, and its start counts', () => {
    expect(decide({}, { pausedUntilMs: 500 }).admitted).toEqual([])
    const rated = { rate: { limit: 1, perMs: 1_000 } }
    expect(decide(rated, { starts: [[0, 1]] })).toMatchObject({
      admitted: [],
      parked: [{ jobId: 'holder', untilMs: 1_000 }, { jobId: 'follower' }],
    })
    expect(afterStarts(rated, idle, { started: [holder], nowMs: 100 }).starts).toEqual([[100, 1]])
    expect(decide({ budget: { amount: 1, perMs: 1_000 } }, { spent: [[0, 1]] }).admitted).toEqual([])
  })
})

describe('a type', () => {
  it('starts nothing while it rests, one job after a breaker’s rest, and never more than its concurrency', () => {
    const limits = { concurrency: 4, breaker: { failures: 2, restMs: 1_000 } }
    expect(grantForType(limits, { ...idle, pausedUntilMs: 500 }, { ms: 0, wanted: 10, cost: 1 })).toEqual({
      most: 0,
      againAtMs: 500,
    })
    expect(
      grantForType(limits, { ...idle, failures: 2, pausedUntilMs: 500 }, { ms: 600, wanted: 10, cost: 1 }).most,
    ).toBe(1)
    const tried = (jobs: number) => ({ ...idle, failures: 2, running: 1, tried: jobs })
    expect(grantForType(limits, tried(1), { ms: 600, wanted: 10, cost: 1 }).most).toBe(0)
    expect(grantForType(limits, tried(0), { ms: 600, wanted: 10, cost: 1 }).most).toBe(1)
    expect(grantForType(limits, { ...idle, running: 3 }, { ms: 0, wanted: 10, cost: 1 }).most).toBe(1)
    expect(grantForType(limits, { ...idle, running: 9 }, { ms: 0, wanted: 10, cost: 1 }).most).toBe(0)
  })

  it('counts failures in a row only, and a completed job closes its breaker', () => {
    const limits = { breaker: { failures: 2, restMs: 1_000 } }
    const failed = { lane: null, outcome: { kind: 'failed', error: new Error('x') } } as const
    const completed = { lane: null, outcome: { kind: 'completed', result: undefined } } as const
    expect(afterOutcomes(limits, idle, { ended: [failed, completed, failed], nowMs: 0 })).toMatchObject({
      failures: 1,
      opened: false,
    })
    expect(afterOutcomes(limits, idle, { ended: [failed, failed], nowMs: 5 })).toMatchObject({
      failures: 2,
      pausedUntilMs: 1_005,
      opened: true,
    })
    expect(afterOutcomes(limits, { ...idle, failures: 2 }, { ended: [completed], nowMs: 0 })).toMatchObject({
      failures: 0,
      closed: true,
    })
    expect(afterOutcomes(limits, idle, { ended: [completed], nowMs: 0 })).toBeUndefined()
  })
})
