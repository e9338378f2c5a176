import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { experimentOf, variantOf } from '../../src/followups/variants.ts'
import { parseVariants, type Variant } from '../../src/variant-list.ts'

const HOUR = 3_600_000

describe('a list of variants', () => {
  it('is read as it is written', () => {
    expect(parseVariants(' quick:delay=24h,opener=question; slow: delay = 1.5d , writer=template ;plain; ')).toEqual([
      { name: 'quick', delayMs: 24 * HOUR, opener: 'question' },
      { name: 'slow', delayMs: 36 * HOUR, writer: 'template' },
      { name: 'plain' },
    ])
    expect(parseVariants('')).toEqual([])
  })

  it.each([
    ['Quick', '"Quick" is no name'],
    ['a:delay=48', 'a: "delay=48" is neither delay=24h'],
    ['a:colour=red', 'a: "colour=red" is neither'],
    ['a:opener=question,opener=statement', 'a: opener comes twice'],
    ['a;b;a', 'the name "a" comes twice'],
    ['a;b;c;d;e;f;g;h;i;j;k', '11 variants, at most 10'],
  ])('%j is refused with what is wrong', (text, fault) => {
    expect(parseVariants(text)).toContain(fault)
  })

  it('is read or refused, whatever it is, and never holds anything else', () => {
    const word = fc.oneof(
      fc.string({ maxLength: 12 }),
      fc.constantFrom(
        'a',
        'b:',
        'delay=1h',
        'writer=model',
        ',',
        ';',
        '=',
        'opener=statement',
        '__proto__',
        'constructor',
      ),
    )
    fc.assert(
      fc.property(fc.array(word, { maxLength: 8 }), words => {
        const read = parseVariants(words.join(''))
        if (typeof read === 'string') return read.length > 0
        return read.every(
          ({ name, delayMs = 1 }) =>
            /^[a-z]/.test(name) && Number.isFinite(delayMs) && delayMs > 0 && delayMs <= 720 * HOUR,
        )
      }),
      { numRuns: 2_000 },
    )
  })
})

const variantsOf = (count: number): Variant[] => Array.from({ length: count }, (_, index) => ({ name: `v${index}` }))
const dealt = (people: number, experiment: { salt: string; variants: Variant[] }) => {
  const counts = new Map<string, number>(experiment.variants.map(({ name }) => [name, 0]))
  for (let person = 0; person < people; person += 1) {
    const name = variantOf(`web:${person}`, experiment)?.name ?? ''
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return [...counts.values()]
}

describe("a person's variant", () => {
  it('is always the same', () => {
    const experiment = { salt: 'first', variants: variantsOf(3) }
    fc.assert(
      fc.property(fc.string(), userId => variantOf(userId, experiment) === variantOf(userId, { ...experiment })),
    )
    // In every process and release: these are what the hash has always said.
    expect(['web:ada', 'web:bo', 'web:olga'].map(userId => variantOf(userId, experiment)?.name)).toMatchInlineSnapshot(`
      [
        "v2",
        "v1",
        "v1",
      ]
    `)
  })

  it('is dealt evenly, whatever the salt', () => {
    const people = 3_000
    fc.assert(
      fc.property(fc.string({ maxLength: 10 }), fc.integer({ min: 1, max: 5 }), (salt, count) => {
        const fair = people / count
        // Five standard deviations: one false alarm in a few million arms.
        const tolerance = 5 * Math.sqrt(fair * (1 - 1 / count)) + 1
        return dealt(people, { salt, variants: variantsOf(count) }).every(each => Math.abs(each - fair) <= tolerance)
      }),
      { numRuns: 30 },
    )
  })

  it('is dealt anew with another salt', () => {
    const moved = Array.from({ length: 1_000 }, (_, person) => `web:${person}`).filter(
      userId =>
        variantOf(userId, { salt: 'first', variants: variantsOf(2) })?.name !==
        variantOf(userId, { salt: 'second', variants: variantsOf(2) })?.name,
    )
    expect(moved.length).toBeGreaterThan(400)
    expect(moved.length).toBeLessThan(600)
  })

  it('is none when nothing is tried', () => {
    expect(experimentOf({ variants: [], variantsSalt: 'first' })).toBeUndefined()
    expect(variantOf('web:ada', { salt: 'first', variants: [] })).toBeUndefined()
  })
})
