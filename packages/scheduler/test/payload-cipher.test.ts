import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BelfryError } from '../src/index.ts'
import { payloadCipher, type PayloadCipher, type PayloadEnvelope } from '../src/job/payload-cipher.ts'

const october = randomBytes(32)
const november = randomBytes(32)
const old = payloadCipher({ keys: { '2026-10': october }, current: '2026-10' })
const cipher = payloadCipher({ keys: { '2026-10': october, '2026-11': november }, current: '2026-11' })

const envelopeOf = (text: string, jobType = 'mail', by: PayloadCipher = cipher): PayloadEnvelope =>
  JSON.parse(by.encrypt(text, jobType))

function refusal(work: () => unknown): BelfryError {
  try {
    work()
  } catch (error) {
    if (error instanceof BelfryError) return error
    throw error
  }
  throw new Error('was not refused')
}

describe('an encrypted payload', () => {
  it('comes back to the letter, whatever JSON it is', () => {
    fc.assert(
      fc.property(fc.json(), fc.string({ unit: 'grapheme', minLength: 1 }), (text, jobType) => {
        const envelope = envelopeOf(text, jobType)
        expect(cipher.isEncrypted(envelope)).toBe(true)
        expect(cipher.decrypt(envelope, jobType)).toBe(text)
      }),
    )
  })

  it('is plain JSON that shows only the algorithm and the key id', () => {
    const envelope = envelopeOf('{"email":"ada@example.com"}')
    expect(Object.keys(envelope)).toEqual(['$belfry', 'key', 'iv', 'tag', 'data'])
    expect(envelope).toMatchObject({ $belfry: 'aes-256-gcm', key: '2026-11' })
    expect(JSON.stringify(envelope)).not.toContain('ada')
  })

  it('never looks the same twice', () => {
    const ivs = new Set(Array.from({ length: 1_000 }, () => envelopeOf('{}').iv))
    expect(ivs.size).toBe(1_000)
  })

  it('cannot be read after any change to it', () => {
    const envelope = envelopeOf('{"amount":100}')
    fc.assert(
      fc.property(
        fc.constantFrom('iv', 'tag', 'data'),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (part, at, flip) => {
          const bytes = Buffer.from(envelope[part as 'iv'], 'base64')
          const place = at % bytes.length
          bytes[place] = (bytes[place] ?? 0) ^ flip
          const changed = { ...envelope, [part]: bytes.toString('base64') }
          expect(refusal(() => cipher.decrypt(changed, 'mail')).code).toBe('BELFRY_PAYLOAD_UNREADABLE')
        },
      ),
    )
    const shorter = { ...envelope, data: Buffer.from(envelope.data, 'base64').subarray(1).toString('base64') }
    expect(refusal(() => cipher.decrypt(shorter, 'mail')).code).toBe('BELFRY_PAYLOAD_UNREADABLE')
    const swapped = { ...envelope, key: '2026-10' }
    expect(refusal(() => cipher.decrypt(swapped, 'mail')).code).toBe('BELFRY_PAYLOAD_UNREADABLE')
  })

  it('of one job type cannot be read as the payload of another', () => {
    const envelope = envelopeOf('{"to":"ada"}', 'mail')
    expect(refusal(() => cipher.decrypt(envelope, 'delete_account')).code).toBe('BELFRY_PAYLOAD_UNREADABLE')
  })
})

describe('keys', () => {
  it('are rotated: the old one still reads, the new one writes', () => {
    const before = envelopeOf('{"n":1}', 'mail', old)
    expect(cipher.decrypt(before, 'mail')).toBe('{"n":1}')
    expect(cipher.needsRotation(before)).toBe(true)
    const rotated: unknown = JSON.parse(cipher.encrypt(cipher.decrypt(before, 'mail'), 'mail'))
    expect(cipher.needsRotation(rotated)).toBe(false)
    expect(cipher.needsRotation({ plain: 'payload' })).toBe(true)
  })

  it('that are not there are named', () => {
    const error = refusal(() => old.decrypt(envelopeOf('{}'), 'mail'))
    expect(error.code).toBe('BELFRY_UNKNOWN_PAYLOAD_KEY')
    expect(error.message).toMatch(/encrypted with the key "2026-11", which payloadCipher was not given/)
  })

  it('with the id of another key do not open what that one closed', () => {
    const impostor = payloadCipher({ keys: { '2026-11': randomBytes(32) }, current: '2026-11' })
    expect(refusal(() => impostor.decrypt(envelopeOf('{}'), 'mail')).code).toBe('BELFRY_PAYLOAD_UNREADABLE')
  })

  it('mean the same as Buffer, hex, base64 and base64url', () => {
    const envelope = envelopeOf('{"n":1}')
    for (const spelling of [
      new Uint8Array(november),
      november.toString('hex'),
      november.toString('hex').toUpperCase(),
      november.toString('base64'),
      november.toString('base64url'),
    ]) {
      const same = payloadCipher({ keys: { '2026-11': spelling }, current: '2026-11' })
      expect(same.decrypt(envelope, 'mail')).toBe('{"n":1}')
    }
  })

  it('are copied: wiping the Buffer they came in changes nothing', () => {
    const key = randomBytes(32)
    const wiped = payloadCipher({ keys: { k: key }, current: 'k' })
    const envelope = envelopeOf('{}', 'mail', wiped)
    key.fill(0)
    expect(wiped.decrypt(envelope, 'mail')).toBe('{}')
  })

  it('of another length or form, and a current one that is missing, are refused without being shown', () => {
    const secret = 'hunter2hunter2hunter2'
    const bad = [secret, `${secret}!`, randomBytes(31), randomBytes(48).toString('base64'), '', 42, undefined]
    for (const key of bad) {
      const error = refusal(() => payloadCipher({ keys: { k: key as string }, current: 'k' }))
      expect(error.code).toBe('BELFRY_INVALID_OPTION')
      expect(error.message).toMatch(/keys\["k"\]: expected 32 bytes/)
      expect(error.message).not.toContain('hunter2')
    }
    expect(refusal(() => payloadCipher({ keys: { k: october }, current: 'j' })).message).toMatch(
      /current: expected the id of one of the keys \(k\), got "j"/,
    )
    for (const current of ['toString', '__proto__', undefined]) {
      expect(refusal(() => payloadCipher({ keys: { k: october }, current: current as string })).code).toBe(
        'BELFRY_INVALID_OPTION',
      )
    }
    expect(refusal(() => payloadCipher({ keys: { 'a\nb': october }, current: 'a\nb' })).message).toMatch(
      /keys: expected ids/,
    )
  })
})

describe('nothing secret', () => {
  it('shows in an error, nor in the cipher itself', () => {
    const envelope = envelopeOf('{"diagnosis":"none of your business"}')
    const broken = { ...envelope, tag: randomBytes(16).toString('base64') }
    const error = refusal(() => cipher.decrypt(broken, 'mail'))
    const seen = `${inspect(error, { depth: 9 })} ${inspect(cipher, { depth: 9, showHidden: true })} ${JSON.stringify(cipher)}`
    for (const secret of [november.toString('hex'), november.toString('base64'), 'diagnosis', envelope.data]) {
      expect(seen).not.toContain(secret)
    }
  })
})

describe('a payload of the user', () => {
  const lookalike = JSON.stringify(envelopeOf('{"real":false}'))

  it('that looks like an envelope is encrypted like any other, and comes back as it was', () => {
    const envelope = envelopeOf(lookalike)
    expect(cipher.decrypt(envelope, 'mail')).toBe(lookalike)
  })

  it('that only resembles one is not taken for one', () => {
    const envelope = envelopeOf('{}')
    for (const value of [
      { ...envelope, extra: 1 },
      { ...envelope, $belfry: 'aes-128-gcm' },
      { ...envelope, iv: 'AAAA' },
      { ...envelope, tag: undefined },
      { ...envelope, data: 'not base64!' },
      { ...envelope, data: `${envelope.data} ` },
      { $belfry: 'aes-256-gcm' },
      [envelope],
      'aes-256-gcm',
      null,
      undefined,
    ]) {
      expect(cipher.isEncrypted(value)).toBe(false)
      expect(refusal(() => cipher.decrypt(value, 'mail')).code).toBe('BELFRY_PAYLOAD_UNREADABLE')
    }
  })

  it('is never mistaken for an envelope, and nothing handed in breaks more than the one refusal', () => {
    fc.assert(
      fc.property(fc.anything(), value => {
        expect(cipher.isEncrypted(value)).toBe(false)
        expect(refusal(() => cipher.decrypt(value, 'mail')).code).toBe('BELFRY_PAYLOAD_UNREADABLE')
      }),
    )
  })
})
