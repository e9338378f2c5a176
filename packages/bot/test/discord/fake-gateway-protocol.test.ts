import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { until } from '../../../../test-support/until.ts'
import { FakeDiscord } from '../support/fake-discord/fake-discord.ts'
import { Intent } from '../support/fake-discord/session.ts'

let fake: FakeDiscord
beforeEach(async () => {
  fake = await FakeDiscord.start()
})
afterEach(() => fake.stop())

describe('a hand-made gateway client', () => {
  const open = (query = 'v=10&encoding=json') => {
    const socket = new WebSocket(`${fake.gateway.url}/?${query}`)
    const received: { op: number; t: string | null; d: unknown }[] = []
    socket.on('message', (data: Buffer) =>
      received.push(JSON.parse(data.toString('utf8')) as (typeof received)[number]),
    )
    const closed = once(socket, 'close').then(([code]) => code as number)
    const send = (op: number, d: unknown) => socket.send(JSON.stringify({ op, d }))
    const hello = () => until('hello', async () => received.find(each => each.op === 10))
    return { socket, received, closed, send, hello }
  }
  const identify = (more: object = {}) => ({
    token: fake.application.token,
    intents: Intent.guilds,
    properties: { os: 'a', browser: 'b', device: 'c' },
    ...more,
  })

  it.each<[string, number, object]>([
    ['a wrong token', 4004, { token: 'wrong' }],
    ['an intent it may not have', 4014, { intents: Intent.guildMembers }],
    ['an intent that does not exist', 4013, { intents: 2 ** 26 }],
    ['a shard that does not exist', 4010, { shard: [2, 2] }],
    ['a shard below none', 4010, { shard: [-1, 2] }],
    ['no properties', 4002, { properties: undefined }],
  ])('with %s is closed with %i', async (_, code, more) => {
    const { hello, send, closed } = open()
    await hello()
    send(2, identify(more))
    expect(await closed).toBe(code)
  })

  it('that speaks before it has logged in, twice, nonsense, or too much is closed', async () => {
    const cases: [(each: ReturnType<typeof open>) => void, number][] = [
      [({ send }) => send(3, {}), 4003],
      [({ send }) => (send(2, identify()), send(2, identify())), 4005],
      [({ socket }) => socket.send('{'), 4002],
      [({ send }) => send(99, {}), 4001],
      [({ send }) => send(1, 'x'.repeat(5_000)), 4002],
      [({ send }) => Array.from({ length: 121 }).forEach(() => send(1, null)), 4008],
    ]
    for (const [act, code] of cases) {
      const each = open()
      await each.hello()
      act(each)
      expect(await each.closed).toBe(code)
    }
    expect(await open('v=9&encoding=json').closed).toBe(4012)
  })

  it('that sends no heartbeat is closed with 4009; one that does gets its ACK', async () => {
    fake.gateway.heartbeatIntervalMs = 20
    const { hello, closed, send, received } = open()
    await hello()
    send(1, null)
    await until('an ACK', async () => received.some(each => each.op === 11))
    expect(await closed).toBe(4009)
  })

  it('that resumes what is not there gets op 9', async () => {
    const { hello, send, received } = open()
    await hello()
    send(6, { token: fake.application.token, session_id: 'gone', seq: 1 })
    expect(await until('op 9', async () => received.find(each => each.op === 9))).toMatchObject({ d: false })
  })
})
