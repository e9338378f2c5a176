import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { callFake, type FakeCall } from '../support/fake-discord/call.ts'
import { FakeDiscord } from '../support/fake-discord/fake-discord.ts'
import type { FakeChannel, FakeUser } from '../support/fake-discord/world.ts'

let fake: FakeDiscord
let channel: FakeChannel
let ada: FakeUser

beforeEach(async () => {
  fake = await FakeDiscord.start()
  const made = fake.guild()
  channel = made.channel
  ada = fake.person('ada', made.guild)
})
afterEach(() => fake.stop())

const call = (method: string, path: string, more: FakeCall = {}) => callFake(fake, { method, path, ...more })
const send = (body: unknown) => call('POST', `/channels/${channel.id}/messages`, { body })

describe('commands that Discord would not register', () => {
  const register = (...commands: object[]) =>
    call('PUT', `/applications/${fake.world.applicationId}/commands`, { body: commands })
  const command = (more: object = {}) => ({ name: 'job_status', description: 'Status', ...more })
  const text = { type: 3, name: 'a', description: 'a' }
  const choice = (name: string) => ({ name, value: name })
  const sub = (more: object = {}) => ({ type: 1, name: 'list', description: 'List', ...more })

  it.each<[string, object[]]>([
    ['a name in capitals', [command({ name: 'Job' })]],
    ['a name with a blank', [command({ name: 'job status' })]],
    ['a name of 33 characters', [command({ name: 'x'.repeat(33) })]],
    ['no description', [command({ description: '' })]],
    ['a description of 101 characters', [command({ description: 'x'.repeat(101) })]],
    ['two of one name', [command(), command()]],
    [
      'a required option after one that is not',
      [
        command({
          options: [
            { type: 3, name: 'a', description: 'a' },
            { type: 3, name: 'b', description: 'b', required: true },
          ],
        }),
      ],
    ],
    ['choices for a person', [command({ options: [{ type: 6, name: 'a', description: 'a', choices: [] }] })]],
    [
      'choices and completion at once',
      [command({ options: [{ type: 3, name: 'a', description: 'a', choices: [], autocomplete: true }] })],
    ],
    [
      '26 choices',
      [command({ options: [{ ...text, choices: Array.from({ length: 26 }, (_, n) => choice(`${n}`)) }] })],
    ],
    ['26 options', [command({ options: Array.from({ length: 26 }, (_, n) => ({ ...text, name: `o${n}` })) })]],
    ['two options of one name', [command({ options: [text, text] })]],
    ['a subcommand beside an option', [command({ options: [sub(), text] })]],
    ['two subcommands of one name', [command({ options: [sub(), sub()] })]],
    ['26 subcommands', [command({ options: Array.from({ length: 26 }, (_, n) => sub({ name: `s${n}` })) })]],
    ['a subcommand in capitals', [command({ options: [sub({ name: 'List' })] })]],
    ['a subcommand without a description', [command({ options: [sub({ description: '' })] })]],
    ['a subcommand that is required', [command({ options: [sub({ required: true })] })]],
    ['a subcommand within a subcommand', [command({ options: [sub({ options: [sub()] })] })]],
    ['a group within a subcommand', [command({ options: [sub({ options: [sub({ type: 2 })] })] })]],
    ['a group that holds an option', [command({ options: [sub({ type: 2, options: [text] })] })]],
    ['options of an option', [command({ options: [{ ...text, options: [text] }] })]],
    [
      'a required option after one that is not, in a subcommand',
      [command({ options: [sub({ options: [text, { ...text, name: 'b', required: true }] })] })],
    ],
    ['a least value of a text', [command({ options: [{ ...text, min_value: 1 }] })]],
    ['a longest text of a number', [command({ options: [{ ...text, type: 4, max_length: 10 }] })]],
    [
      'more than 8,000 characters in all',
      [
        command({
          options: Array.from({ length: 4 }, (_, n) => ({
            ...text,
            name: `o${n}`,
            choices: Array.from({ length: 25 }, (__, c) => choice(`${c}`.padEnd(50, 'x'))),
          })),
        }),
      ],
    ],
    ['permissions that are a number', [command({ default_member_permissions: 32 })]],
    ['a field nobody knows', [command({ adminOnly: true })]],
  ])('%s', async (_, commands) => {
    expect((await register(...commands)).body.code).toBe(50_035)
    expect(fake.interactions.commandsOf(undefined)).toEqual([])
  })

  it('but subcommands with options of their own, and groups of those, it takes, and gives them back', async () => {
    const options = [
      sub({
        options: [
          { ...text, required: true, autocomplete: true },
          { ...text, name: 'b', type: 4, max_value: 9 },
        ],
      }),
      sub({ type: 2, name: 'group', options: [sub()] }),
    ]
    const { status, body } = await register(command({ options }))
    expect(status).toBe(200)
    expect(body).toMatchObject([{ name: 'job_status', options }])
  })

  it('another application is none of its business', async () => {
    expect((await call('GET', '/applications/100000000000000000/commands')).body.code).toBe(50_001)
  })
})

describe('answers to interactions that Discord would refuse', () => {
  const said = { content: 'hello' }
  const answer = (live: { id: string; token: string }, body: object) =>
    call('POST', `/interactions/${live.id}/${live.token}/callback`, { body })
  const edit = (live: { token: string }, body: object) =>
    call('PATCH', `/webhooks/${fake.world.applicationId}/${live.token}/messages/@original`, { body })

  async function useHelp() {
    await call('PUT', `/applications/${fake.world.applicationId}/commands`, {
      body: [{ name: 'help', description: 'Help' }],
    })
    return fake.interactions.use({ userId: ada.id, channelId: channel.id, name: 'help' })
  }
  async function pressOne() {
    const components = [{ type: 1, components: [{ type: 2, style: 2, label: 'Go', custom_id: 'go' }] }]
    const { body } = await send({ content: 'press', components })
    return fake.interactions.press({ userId: ada.id, messageId: body.id, customId: 'go' })
  }

  it.each([6, 7, 8])('type %i is none to a command, nor any with a field of another', async type => {
    const live = await useHelp()
    const data = type === 7 ? said : type === 8 ? { choices: [] } : undefined
    expect(await answer(live, { type, ...(data && { data }) })).toMatchObject({ status: 400, body: { code: 50_035 } })
    expect((await answer(live, { type: 5, data: { flags: 64, content: 'x' } })).status).toBe(400)
    expect((await answer(live, { type: 4, data: { content: 'x', flags: 1 << 7 } })).status).toBe(400)
    expect(live.acknowledged).toBeUndefined()
  })

  it('a second one is 40060, one after three seconds or of nobody 10062, an edit after 15 minutes 50027', async () => {
    const live = await useHelp()
    expect((await edit(live, said)).body.code).toBe(10_015)
    expect((await answer(live, { type: 5, data: { flags: 64 } })).status).toBe(204)
    expect((await answer(live, { type: 4, data: said })).body.code).toBe(40_060)
    expect((await edit(live, said)).status).toBe(200)
    fake.world.advance(15 * 60_000 + 1)
    expect((await edit(live, said)).body.code).toBe(50_027)
    const late = await useHelp()
    fake.world.advance(3_001)
    expect((await answer(late, { type: 4, data: said })).body.code).toBe(10_062)
    expect((await answer({ id: late.id, token: 'nobody' }, { type: 4, data: said })).body.code).toBe(10_062)
  })

  it('the message of a pressed button is changed in place, and nothing may be left of nothing', async () => {
    const live = await pressOne()
    expect((await answer(live, { type: 6 })).status).toBe(204)
    expect((await edit(live, { content: '', components: [], embeds: [] })).body.code).toBe(50_006)
    expect((await edit(live, { content: '', components: [], embeds: [{ title: 'x'.repeat(257) }] })).body.code).toBe(
      50_035,
    )
    expect((await edit(live, { content: '', components: [], embeds: [{ title: 'done' }] })).status).toBe(200)
    const message = fake.world.messages.get(live.messageId ?? '')
    expect(message).toMatchObject({ content: '', components: [], embeds: [{ title: 'done' }] })
    const other = await pressOne()
    expect((await answer(other, { type: 7, data: { content: 'changed', components: [] } })).status).toBe(204)
    expect(fake.world.messages.get(other.messageId ?? '')).toMatchObject({ content: 'changed', components: [] })
  })

  it('one that is for the asker alone stays so, whatever an edit says', async () => {
    const live = await useHelp()
    await answer(live, { type: 5, data: { flags: 64 } })
    await edit(live, said)
    expect(live.answers).toMatchObject([{ kind: 'edit', ephemeral: true }])
    const follow = await call('POST', `/webhooks/${fake.world.applicationId}/${live.token}`, { body: said })
    expect(follow.status).toBe(200)
    expect(live.answers[1]).toMatchObject({ kind: 'follow-up', ephemeral: false })
  })
})

describe('a client that would not let somebody', () => {
  it('leave out a subcommand, choose one there is not, or type more than an option takes', async () => {
    const options = [
      {
        type: 1,
        name: 'list',
        description: 'List',
        options: [
          { type: 3, name: 'what', description: 'What', max_length: 5 },
          { type: 4, name: 'page', description: 'Page', min_value: 1, max_value: 9 },
        ],
      },
    ]
    await call('PUT', `/applications/${fake.world.applicationId}/commands`, {
      body: [{ name: 'job', description: 'Jobs', options }],
    })
    const use = (more: object) => () =>
      fake.interactions.use({ userId: ada.id, channelId: channel.id, name: 'job', ...more })
    expect(use({})).toThrow('one of its subcommands')
    expect(use({ subcommand: 'cancel' })).toThrow('one of its subcommands')
    for (const given of [{ what: 'longer' }, { page: 0 }, { page: 10 }, { page: 1.5 }, { other: 'x' }])
      expect(use({ subcommand: 'list', options: given })).toThrow(/does not take|has no option/)
    expect(use({ subcommand: 'list', options: { what: 'short', page: 9 } })).not.toThrow()
  })
})
