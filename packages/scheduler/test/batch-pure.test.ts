import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { defineBatchJob, defineJob, isolated, NonRetryableError } from '../src/index.ts'
import { planClaim, slotsFor, type TypeFacts } from '../src/execution/claim-plan.ts'
import { answersOf } from '../src/job/batch-answers.ts'

const code = (expected: string) => ({ code: expected })

describe('what a batch handler answers', () => {
  it('every job gets exactly one end, and its own', () => {
    const answer = fc.oneof(fc.constant('done'), fc.constant(new NonRetryableError('no')), fc.constant(undefined))
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ minLength: 1 })), fc.infiniteStream(answer), (ids, stream) => {
        const answers = ids.map(() => stream.next().value as unknown)
        const byOrder = answersOf(answers, ids, 'any')
        const byMap = answersOf(new Map(ids.map((id, index) => [id, answers[index]])), ids, 'any')
        expect(byOrder).toEqual(byMap)
        expect(byOrder).toHaveLength(ids.length)
        for (const [index, end] of byOrder.entries()) {
          const given = answers[index]
          expect(end).toEqual(given instanceof Error ? { threw: given } : { returned: given })
        }
      }),
    )
  })

  it('says what is wrong with an answer', () => {
    expect(answersOf(undefined, ['a'], 'x')).toEqual([{ returned: undefined }])
    expect(answersOf(new Map([['b', 1]]), ['a', 'b'], 'x')).toMatchObject([
      { threw: code('BELFRY_JOB_FORGOTTEN') },
      { returned: 1 },
    ])
    for (const wrong of [[1], [1, 2, 3], { a: 1, b: 2 }, null, true, 'done']) {
      expect(answersOf(wrong, ['a', 'b'], 'x')).toMatchObject([
        { threw: code('BELFRY_INVALID_ANSWER') },
        { threw: code('BELFRY_INVALID_ANSWER') },
      ])
    }
  })
})

describe('a claim plan', () => {
  const facts = fc.record({
    concurrency: fc.integer({ min: 1, max: 50 }),
    running: fc.nat(20),
    waiting: fc.nat(300),
    size: fc.constantFrom(1, 1, 7, 100),
    meanMs: fc.constantFrom(undefined, 0, 5),
    busy: fc.boolean(),
    claimsAhead: fc.boolean(),
  })

  it('never asks for more calls than there are slots of a type whose pace says nothing, and fills batches', () => {
    fc.assert(
      fc.property(
        fc.array(facts, { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 1, max: 100 }),
        (all, concurrency) => {
          const types: TypeFacts[] = all.map((each, n) => ({ ...each, jobType: `t${n}` }))
          const plan = planClaim(types, { concurrency, stalled: false })
          for (const { jobType, most, size } of plan.wanted) {
            const type = types.find(each => each.jobType === jobType)
            if (!type) throw new Error('a type nobody has')
            const taken = type.running + slotsFor(type.waiting, size)
            const lack = slotsFor(type.waiting, size) * size - type.waiting
            if (type.meanMs !== undefined && type.claimsAhead) continue
            expect(slotsFor(most - lack, size)).toBeLessThanOrEqual(Math.max(0, type.concurrency - taken))
            expect(most).toBeGreaterThanOrEqual(Math.min(lack, 1_000))
          }
        },
      ),
    )
  })

  it('an idle type of batches asks for whole batches', () => {
    const idle = { running: 0, waiting: 0, meanMs: undefined, busy: false, claimsAhead: true }
    const types = [
      { ...idle, jobType: 'batches', concurrency: 2, size: 100 },
      { ...idle, jobType: 'singles', concurrency: 5, size: 1 },
    ]
    expect(planClaim(types, { concurrency: 5, stalled: false }).wanted).toEqual([
      { jobType: 'batches', size: 100, most: 200 },
      { jobType: 'singles', size: 1, most: 5 },
    ])
  })
})

describe('options that contradict each other are refused', () => {
  it('where the type is defined', () => {
    const thread = isolated(new URL('file:///nowhere.js'))
    const refused: [() => unknown, RegExp][] = [
      [() => defineBatchJob({ type: 'x', size: 0 }), /size of x/],
      [() => defineBatchJob({ type: 'x', size: 1_001 }), /size of x: expected 1 to 1000/],
      [() => defineBatchJob({ type: 'x', wait: '1m' }), /wait of x: expected at most 10 s/],
      // @ts-expect-error a batch is no transaction
      [() => defineBatchJob({ type: 'x', transactional: true }), /transactional of "x"/],
      // @ts-expect-error threads take one job
      [() => defineBatchJob({ type: 'x', handler: thread }), /a thread is given one payload/],
      // @ts-expect-error transactions do not go to threads
      [() => defineJob({ type: 'x', transactional: true, handler: thread }), /no transaction/],
      // @ts-expect-error options of a batch
      [() => defineJob({ type: 'x', size: 5 }), /defineBatchJob/],
      // @ts-expect-error neither true nor false
      [() => defineJob({ type: 'x', transactional: 'yes' }), /transactional: expected true or false/],
      // @ts-expect-error no function
      [() => defineJob({ type: 'x', revalidate: true }), /revalidate of x/],
    ]
    for (const [define, message] of refused) expect(define).toThrow(message)
  })
})
