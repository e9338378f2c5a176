import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CommandButtons, LASTS_MS } from '../../src/platforms/discord/command-buttons.ts'

describe('the id of a button', () => {
  const invoker = fc.bigInt({ min: 10n ** 14n, max: 2n ** 63n }).map(String)
  const says = fc.string({ unit: 'binary', minLength: 1, maxLength: 60 })
  const now = new Date('2027-03-01T12:00:00Z')

  it('is read as it was made, by the same token and in the same channel alone', () => {
    fc.assert(
      fc.property(
        invoker,
        invoker,
        says,
        fc.constantFrom('turn' as const, 'decide' as const),
        (person, channelId, words, kind) => {
          const buttons = new CommandButtons('a token')
          const [row] = buttons.make([{ label: 'Go', says: words, kind }], { invoker: person, channelId, now })
          const id = row?.components[0]?.custom_id
          if (id === undefined) return
          expect(id.length).toBeLessThanOrEqual(100)
          const until = new Date(now.getTime() + LASTS_MS[kind])
          expect(buttons.read(id, channelId)).toEqual({ kind, invoker: person, until, says: words })
          expect(buttons.read(id, `${channelId}1`)).toBeUndefined()
          expect(new CommandButtons('another token').read(id, channelId)).toBeUndefined()
        },
      ),
    )
  })

  it('is nobody’s when anything in it is changed', () => {
    const buttons = new CommandButtons('a token')
    const [row] = buttons.make([{ label: 'Go', says: 'job_cancel 0123456789 confirm', kind: 'decide' }], {
      invoker: '100000000000000000',
      channelId: '200000000000000000',
      now,
    })
    const id = row?.components[0]?.custom_id ?? ''
    fc.assert(
      fc.property(fc.nat(id.length - 1), fc.string({ minLength: 1, maxLength: 1 }), (at, letter) => {
        fc.pre(id[at] !== letter)
        expect(buttons.read(id.slice(0, at) + letter + id.slice(at + 1), '200000000000000000')).toBeUndefined()
      }),
    )
    fc.assert(
      fc.property(fc.string({ maxLength: 100 }), text => {
        expect(buttons.read(text, '200000000000000000')).toBeUndefined()
      }),
    )
  })
})
