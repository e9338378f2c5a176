import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startProgram, type Program } from '../../../../test-support/child-process.ts'
import { until } from '../../../../test-support/until.ts'
import { FakeDiscord } from '../support/fake-discord/fake-discord.ts'

/** A server that speaks Discord's language, a bot's token there, and a token of somebody who shares a server with it. */
interface Peer {
  readonly apiUrl: string
  readonly botToken: string
  readonly userToken: string
}

interface SeenMessage {
  readonly id: string
  readonly content: string
  readonly author: { readonly id: string }
  readonly components?: readonly { readonly components?: readonly { readonly custom_id?: string }[] }[]
}

const WITHIN_MS = 60_000

/** Somebody's own program: what a person would do by hand. */
class Person {
  readonly #peer: Peer

  constructor(peer: Peer) {
    this.#peer = peer
  }

  async ask<T>(method: string, path: string, body?: object): Promise<T> {
    const response = await fetch(`${this.#peer.apiUrl.replace(/\/$/, '')}/v10${path}`, {
      method,
      headers: { authorization: this.#peer.userToken, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    })
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
    return (await response.json()) as T
  }

  /** Says something, and waits for what the bot writes after it. */
  async says(channelId: string, content: string, botId: string): Promise<SeenMessage> {
    const { id } = await this.ask<SeenMessage>('POST', `/channels/${channelId}/messages`, { content })
    return until(`an answer to ${content}`, async () => (await this.after(channelId, id, botId)).at(0), WITHIN_MS)
  }

  /** What the bot has written since a message, oldest first. */
  async after(channelId: string, id: string, botId: string): Promise<SeenMessage[]> {
    const found = await this.ask<SeenMessage[]>('GET', `/channels/${channelId}/messages?after=${id}&limit=50`)
    return found.filter(each => each.author.id === botId).toSorted((a, b) => (BigInt(a.id) < BigInt(b.id) ? -1 : 1))
  }
}

const customIds = ({ components = [] }: SeenMessage) =>
  components.flatMap(row => (row.components ?? []).map(each => each.custom_id ?? ''))

let folder: string
let bot: Program | undefined
let fake: FakeDiscord | undefined

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'belfry-compatible-'))
})
afterEach(async () => {
  bot?.kill('SIGKILL')
  await bot?.exited
  await fake?.stop()
  await rm(folder, { recursive: true, force: true })
})

/** Login, a direct message, its answer, a command, a follow-up with buttons. */
async function story(peer: Peer): Promise<void> {
  bot = startProgram('packages/bot/dist/main.js', {
    cwd: folder,
    env: {
      DISCORD_TOKEN: peer.botToken,
      DISCORD_API_BASE_URL: peer.apiUrl,
      PORT: '0',
      LOG_LEVEL: 'info',
      FOLLOW_UP_DEFAULT_DELAY_HOURS: '0.001',
      FOLLOW_UP_QUIET_HOURS: 'off',
      FOLLOW_UP_CONSENT: 'opt_out',
    },
  })
  const program = bot
  await until('it is connected', async () => program.stderr().includes('"discord_connected"'), WITHIN_MS)
  const person = new Person(peer)
  const botId = Buffer.from(peer.botToken.split('.')[0] ?? '', 'base64').toString('utf8')
  const dm = await person.ask<{ id: string }>('POST', '/users/@me/channels', { recipients: [botId] })
  expect((await person.says(dm.id, 'hi, I am Ada', botId)).content).toContain('Ada')
  expect((await person.says(dm.id, '!help', botId)).content).toContain('followup_settings')
  await person.says(dm.id, 'I play the cello', botId)
  const last = await person.says(dm.id, 'my recital is on Friday', botId)
  const isFollowUp = (each: SeenMessage) => customIds(each).some(id => id.startsWith('fu:'))
  const followUp = await until(
    'a follow-up',
    async () => (await person.after(dm.id, last.id, botId)).find(isFollowUp),
    WITHIN_MS,
  )
  expect(followUp.content).toContain('recital')
  expect(customIds(followUp).map(id => id.split(':')[1])).toEqual(['stop', 'later', 'why'])
  expect((await person.says(dm.id, 'stop', botId)).content).toContain('Follow-ups are off')
  expect((await person.after(dm.id, last.id, botId)).filter(isFollowUp)).toHaveLength(1)
}

describe('the whole story, by programs on both sides', () => {
  it('on the fake Discord', async () => {
    fake = await FakeDiscord.start()
    fake.application.token = `${Buffer.from(fake.world.bot.id).toString('base64url')}.made-up.token`
    const ada = fake.person('ada', fake.guild().guild)
    await story({ apiUrl: fake.apiUrl, botToken: fake.application.token, userToken: fake.userToken(ada) })
  }, 200_000)

  const { BELFRY_DISCORD_COMPAT_URL: url, BELFRY_DISCORD_COMPAT_TOKEN, BELFRY_DISCORD_COMPAT_USER_TOKEN } = process.env
  it.skipIf(!url)(
    'on the server at BELFRY_DISCORD_COMPAT_URL',
    async () => {
      const apiUrl = url ?? ''
      // Its terms forbid programs that act for a person.
      expect(new URL(apiUrl).hostname, 'never Discord itself').not.toMatch(/(^|\.)discord(app)?\.com$/)
      const botToken = BELFRY_DISCORD_COMPAT_TOKEN ?? ''
      const userToken = BELFRY_DISCORD_COMPAT_USER_TOKEN ?? ''
      expect([botToken, userToken], 'BELFRY_DISCORD_COMPAT_TOKEN and _USER_TOKEN').not.toContain('')
      await story({ apiUrl, botToken, userToken })
    },
    400_000,
  )
})
