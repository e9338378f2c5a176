import fc from 'fast-check'
import knex from 'knex'
import { describe, expect, it } from 'vitest'
import { knexStatement } from '../src/database/adapters/knex.ts'
import { splitPlaceholders, valuesInOrder } from '../src/database/adapters/placeholders.ts'

/** A piece of a statement: text that holds no parameter however it looks, or a parameter. */
type Piece = { text: string } | { parameter: number }

// What looks like a parameter, a quote or an end of something, in places where it is none.
const tricky = fc
  .array(
    fc.constantFrom('$1', '$2', '?', '??', '$$', '$a$', ':x', '--', '/*', '*/', '"', "'", 'E', ' ', 'ü', '\n', 'a'),
    {
      maxLength: 8,
    },
  )
  .map(parts => parts.join(''))
const without = (text: string, ...taken: string[]) => taken.reduce((left, part) => left.replaceAll(part, ''), text)

const inert = fc.oneof(
  tricky.map(text => `'${text.replaceAll("'", "''")}'`),
  tricky.map(text => `E'${text.replaceAll("'", "\\'")}\\\\'`),
  tricky.map(text => `e'${text.replaceAll("'", "''")}\\''`),
  tricky.map(text => `"${text.replaceAll('"', '""')}"`),
  tricky.map(text => `$$${without(text, '$')}$$`),
  tricky.map(text => `$größe$${without(text, '$größe$')} $$ $1 $größe$`),
  tricky.map(text => `--${without(text, '\n')}\n`),
  tricky.map(text => `/*${without(text, '/', '*')}/* $1 ' */ " $2*/`),
  fc.constantFrom(
    'select',
    'name$1',
    '_$2',
    'ü$1',
    '::text',
    '::int[]',
    '(',
    ')',
    ',',
    ' - ',
    ' ? ',
    ' ?| ',
    ' @> ',
    '1',
  ),
)
const statement: fc.Arbitrary<Piece[]> = fc
  .array(
    fc.oneof(
      inert.map(text => ({ text })),
      fc.integer({ min: 1, max: 12 }).map(parameter => ({ parameter })),
    ),
    { maxLength: 12 },
  )
  // A blank between pieces, or two strings would become one.
  .map(pieces => pieces.flatMap((piece, index) => (index === 0 ? [piece] : [{ text: ' ' }, piece])))

const textOf = (pieces: readonly Piece[]) =>
  pieces.map(piece => ('text' in piece ? piece.text : `$${piece.parameter}`)).join('')
const parametersOf = (pieces: readonly Piece[]) =>
  pieces.flatMap(piece => ('parameter' in piece ? [piece.parameter] : []))

describe('a statement is taken apart at its parameters', () => {
  it('and at nothing that only looks like one', () => {
    fc.assert(
      fc.property(statement, pieces => {
        const { fragments, order } = splitPlaceholders(textOf(pieces))
        expect(order).toEqual(parametersOf(pieces))
        expect(fragments).toHaveLength(order.length + 1)
        const again = fragments.map((fragment, index) => fragment + (index < order.length ? `$${order[index]}` : ''))
        expect(again.join('')).toBe(textOf(pieces))
      }),
      { numRuns: 2_000 },
    )
  })

  it('whatever the text is, no character is lost and nothing hangs', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), text => {
        const { fragments, order } = splitPlaceholders(text)
        const length = fragments.join('').length + order.reduce((sum, number) => sum + `$${number}`.length, 0)
        expect(length).toBeLessThanOrEqual(text.length)
        expect(fragments).toHaveLength(order.length + 1)
      }),
    )
    const large = `'${"it''s ".repeat(200_000)}' $1 "${'""'.repeat(200_000)}" $2`
    expect(splitPlaceholders(large).order).toEqual([1, 2])
    expect(splitPlaceholders("'".repeat(100_001)).order).toEqual([])
    expect(splitPlaceholders('/*'.repeat(50_000)).order).toEqual([])
  })

  it.each([
    ['out of order and twice', 'select $2::int, $1::text, $2::int', [2, 1, 2]],
    ['two digits', 'select $10, $1', [10, 1]],
    ['right after a cast', 'select $1::text::jsonb - $2', [1, 2]],
    ['inside a string', "select '$1', $1", [1]],
    ['after a doubled quote', "select 'it''s $2', $1", [1]],
    ['after a backslash, which ends no string', "select '\\', $1, '\\'", [1]],
    ['after an escaped quote', "select E'\\' $2', $1", [1]],
    ['a string after a name that ends in e', "select name 'a\\', $1", [1]],
    ['in a quoted name', 'select "$1""$2", $3', [3]],
    ['as part of a name', 'select a$1, $1', [1]],
    ['in a function body', 'do $f$ begin perform $1; end $f$', []],
    ['in a comment in a comment', '/* $1 /* $2 */ $3 */ select $4', [4]],
    ['after a comment that does not end', 'select $1 /* $2', [1]],
  ])('%s', (_, text, order) => {
    expect(splitPlaceholders(text).order).toEqual(order)
  })
})

describe('a statement in the notation of Knex', () => {
  const real = knex({ client: 'pg' })
  const sent = (text: string, values: readonly unknown[]) => {
    const { sql, bindings } = knexStatement(text, values)
    return real
      .raw(sql, bindings as never[])
      .toSQL()
      .toNative()
  }

  it('is turned by Knex into the statement it was, every parameter with its value', () => {
    const values = Array.from({ length: 12 }, (_, index) => (index === 3 ? ['a', null] : `value ${index + 1} ? $1`))
    fc.assert(
      fc.property(statement, pieces => {
        fc.pre(!textOf(pieces).includes('\\?'))
        const { sql, bindings } = sent(textOf(pieces), values)
        let count = 0
        const expected = pieces.map(piece => {
          if ('text' in piece) return piece.text
          count += 1
          return ` $${count}`
        })
        expect(sql).toBe(expected.join(''))
        expect(bindings).toEqual(valuesInOrder(parametersOf(pieces), values))
      }),
      { numRuns: 1_000 },
    )
  })

  it('keeps question marks beside parameters apart from them', () => {
    expect(sent('select a ?$1, a ?? $2, $1?', ['x', 'y'])).toEqual({
      sql: 'select a ? $1, a ??  $2,  $3?',
      bindings: ['x', 'y', 'x'],
    })
  })

  it('sends null where there is no value', () => {
    expect(sent('select $1, $2', [undefined]).bindings).toEqual([null, null])
  })

  it('refuses a question mark after a backslash, which Knex would change', () => {
    expect(() => sent("select 'a\\?'", [])).toThrowError(/question mark right after a backslash/)
  })
})
