import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readRetryAfter } from '../src/webhooks/delivery.ts'
import { failureWebhooks, type FailureWebhookOptions } from '../src/webhooks/failure-webhooks.ts'
import { signWebhook, verifyWebhookSignature } from '../src/webhooks/signature.ts'

const secret = 'a secret that is long enough'

describe('options of webhooks', () => {
  it('are refused with the way out, and never shown when they are secret', () => {
    const refusal = (options: Partial<FailureWebhookOptions>): string => {
      try {
        failureWebhooks({ url: 'https://hooks.example.com', secret, ...options })
        return 'taken'
      } catch (error) {
        return (error as Error).message
      }
    }
    expect(refusal({})).toBe('taken')
    for (const url of [
      'http://localhost:3000',
      'http://app.localhost',
      'http://127.8.8.8',
      'http://[::1]:1',
      'http://2130706433',
    ]) {
      expect(refusal({ url })).toBe('taken')
    }
    for (const url of [
      'http://example.com',
      'http://127.0.0.1.example.com',
      'http://localhost.example.com',
      'http://10.0.0.1',
    ]) {
      expect(refusal({ url })).toMatch(/url: expected https, got http to/)
      expect(refusal({ url, allowHttp: true })).toBe('taken')
    }
    for (const url of ['', 'hooks.example.com', 'ftp://example.com', 'file:///etc/passwd', undefined]) {
      expect(refusal({ url })).toMatch(/url: expected an address/)
    }
    expect(refusal({ url: 'https://ada:hunter2@example.com' })).toMatch(/^(?!.*hunter2).*no user or password/)
    expect(refusal({ secret: 'short' })).toMatch(/^(?!.*short).*secret: expected 16 characters or more/)
    expect(refusal({ events: [] })).toMatch(/events: expected some of job\.failed, job\.lost/)
    expect(refusal({ timeout: 'soon' })).toMatch(/timeout: expected milliseconds/)
  })
})

describe('a signature', () => {
  const now = new Date('2027-01-01T12:00:00Z')
  const body = '{"id":"1"}'
  const header = signWebhook(secret, body, now)

  it('fits its body, its secret and its time, and nothing else', () => {
    const check = (parts: object) => verifyWebhookSignature({ secret, header, body, now, ...parts })
    expect(header).toMatch(/^t=\d+,v1=[0-9a-f]{64}$/)
    expect(check({})).toBe(true)
    expect(check({ body: Buffer.from(body) })).toBe(true)
    expect(check({ body: `${body} ` })).toBe(false)
    expect(check({ secret: 'another secret, also long enough' })).toBe(false)
    expect(check({ secret: '', header: signWebhook('', body, now) })).toBe(false)
    expect(check({ header: header.replace(/t=\d+/, t => `t=${Number(t.slice(2)) + 1}`) })).toBe(false)
    const later = (seconds: number) => new Date(now.getTime() + seconds * 1_000)
    expect([300, -300].map(seconds => check({ now: later(seconds) }))).toEqual([true, true])
    expect([301, -301].map(seconds => check({ now: later(seconds) }))).toEqual([false, false])
    expect(check({ now: later(301), toleranceSeconds: 600 })).toBe(true)
  })

  it('is found among several, as when secrets change', () => {
    const [, mine] = header.split(',')
    const others = `v1=${'0'.repeat(64)}`
    const check = (text: unknown) => verifyWebhookSignature({ secret, header: text, body, now })
    const [time] = header.split(',')
    expect(check(`${time},${others},${mine}`)).toBe(true)
    expect(check(`${time}, ${mine}, v0=abc`)).toBe(true)
    expect(check(`${time},${others}`)).toBe(false)
    expect(check(`t=1,${time},${mine}`)).toBe(false)
    expect(check(`${time},${mine?.toUpperCase()}`)).toBe(false)
  })

  it('is refused without a throw, whatever a stranger sends', () => {
    fc.assert(
      fc.property(fc.anything(), anything => {
        expect(verifyWebhookSignature({ secret, header: anything, body, now })).toBe(false)
      }),
    )
    for (const stranger of [undefined, '', 't=', 't=1,v1=', [header], 't=NaN,v1=00', header + ','.repeat(1_000)]) {
      expect(verifyWebhookSignature({ secret, header: stranger, body, now })).toBe(false)
    }
  })
})

describe('Retry-After', () => {
  it('is a bounded number of milliseconds or nothing, whatever it says', () => {
    const now = new Date('2027-01-01T12:00:00Z')
    expect(readRetryAfter('30', now)).toBe(30_000)
    expect(readRetryAfter('Fri, 01 Jan 2027 12:00:10 GMT', now)).toBe(10_000)
    expect(readRetryAfter('0', now)).toBe(1_000)
    expect(readRetryAfter('9'.repeat(400), now)).toBe(86_400_000)
    expect(readRetryAfter('soon', now)).toBeUndefined()
    expect(readRetryAfter(null, now)).toBeUndefined()
    fc.assert(
      fc.property(fc.string(), text => {
        const ms = readRetryAfter(text, now)
        expect(ms === undefined || (ms >= 1_000 && ms <= 86_400_000)).toBe(true)
      }),
    )
  })
})
