import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sayCard, type Card } from '../../src/commands/card.ts'
import { embedOf } from '../../src/platforms/discord/embed.ts'
import { newMessage, parse } from '../support/fake-discord/shapes.ts'

const text = (maxLength: number) => fc.string({ unit: 'binary', maxLength })
const card: fc.Arbitrary<Card> = fc.record(
  {
    title: text(400),
    standing: fc.constantFrom('good', 'warning', 'bad'),
    lines: fc.array(text(900), { maxLength: 12 }),
    fields: fc.array(fc.record({ name: text(300), value: text(1_400), short: fc.boolean() }), { maxLength: 40 }),
  },
  { requiredKeys: ['title'] },
)

describe('a card', () => {
  it('of anything is an embed that Discord takes', () => {
    fc.assert(
      fc.property(card, any => {
        expect(() => parse(newMessage, { embeds: [embedOf(any)] })).not.toThrow()
      }),
      { numRuns: 300 },
    )
  })

  it('at its longest is cut where there is no more room, and says so', () => {
    const fields = Array.from({ length: 30 }, (_, n) => ({ name: `${n}`.padEnd(300, 'n'), value: 'v'.repeat(2_000) }))
    const embed = embedOf({ title: '🔔'.repeat(300), lines: ['l'.repeat(5_000)], fields })
    expect(Array.from(embed.title ?? '')).toHaveLength(256)
    expect(embed.title?.endsWith('🔔…')).toBe(true)
    expect(embed.description).toHaveLength(4_096)
    const size = [embed.title, embed.description, ...(embed.fields ?? []).flatMap(each => [each.name, each.value])]
      .map(part => Array.from(part ?? '').length)
      .reduce((sum, each) => sum + each, 0)
    expect(size).toBeLessThanOrEqual(6_000)
    expect(embed.fields).toHaveLength(2)
    expect(() => parse(newMessage, { embeds: [embed] })).not.toThrow()
  })

  it('has no more than 25 fields, and none that is empty', () => {
    const fields = Array.from({ length: 40 }, (_, n) => ({ name: `${n}`, value: n === 3 ? '' : 'x', short: true }))
    const { fields: shown = [] } = embedOf({ title: 'many', fields })
    expect(shown.map(({ name }) => name)).toEqual(Array.from({ length: 26 }, (_, n) => `${n}`).filter(n => n !== '3'))
  })

  it('is said in plain words: neighbours on one line, lists below their name', () => {
    const fields = [
      { name: 'Type', value: 'odd', short: true },
      { name: 'Status', value: 'pending', short: true },
      { name: 'Error', value: '' },
      { name: 'Last', value: '- one\n- two' },
      { name: 'Only', value: '- three' },
    ]
    expect(sayCard({ title: 'A job', lines: ['as it is'], fields })).toBe(
      'A job\nas it is\nType: odd · Status: pending\nLast:\n- one\n- two\nOnly:\n- three',
    )
  })
})
