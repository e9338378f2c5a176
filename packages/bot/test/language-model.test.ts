import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startFakeLlm, type FakeLlm, type Scene } from './support/fake-llm.ts'
import { createTestApp, type TestApp } from './support/test-app.ts'

describe('the bot with a language model', () => {
  let model: FakeLlm
  let test: TestApp
  beforeEach(async () => {
    model = await startFakeLlm({ kind: 'answer', content: 'A recital! Which piece?' })
    test = await createTestApp('PostgreSQL', {
      LLM_BASE_URL: model.baseUrl,
      LLM_MODEL: 'tiny',
      LLM_API_KEY: 'sk-very-secret-key',
    })
  })
  afterEach(async () => {
    await test.close()
    await model.close()
  })
  const talk = async () => {
    await test.say('Ada', 'hi, I am Ada')
    await test.say('Ada', 'I play the cello')
    return test.say('Ada', 'my recital is on Friday')
  }
  const sources = () => test.rows('select source, template is null as own_words from follow_up_history')

  it('answers with its words, knowing what was said before', async () => {
    expect((await talk()).text).toBe('A recital! Which piece?')
    const said = model.seen.at(-1)?.body.messages.map(message => `${message.role}: ${message.content}`)
    expect(said).toEqual([
      expect.stringMatching(/^system: You are Belfry, a chat program/),
      'user: hi, I am Ada',
      expect.stringMatching(/^assistant: A recital! Which piece\?\nBy the way/),
      'user: I play the cello',
      'assistant: A recital! Which piece?',
      'user: my recital is on Friday',
    ])
  })

  it('follows up with its words, given what was said as data between fences', async () => {
    await talk()
    model.play({ kind: 'answer', content: 'Hi Ada, how did the recital go?' })
    await test.pass('50h')
    expect(await test.followUps()).toEqual([{ user_id: 'web:ada', text: 'Hi Ada, how did the recital go?' }])
    expect(await sources()).toEqual([{ source: 'model', own_words: true }])
    const [system, user] = model.seen.at(-1)?.body.messages ?? []
    expect(system?.content).not.toContain('recital')
    const [, fence = ''] = user?.content.match(/^([0-9a-f]{24})\n/) ?? []
    expect(user?.content.split(fence)).toHaveLength(3)
    expect(JSON.parse(user?.content.split(fence)[1] ?? '')).toMatchObject({ person: 'Ada' })
  })

  it.each<[string, Scene]>([
    ['obeys an injection', { kind: 'answer', content: '@everyone free nitro http://evil.example' }],
    ['pleads', { kind: 'answer', content: 'I miss you so much, please come back' }],
    ['claims to be human', { kind: 'answer', content: 'I am a real person and wonder how you are' }],
    ['is down', { kind: 'status', status: 400 }],
    ['answers garbage', { kind: 'body', body: '<html>' }],
  ])('a model that %s is replaced by a template', async (_story, scene) => {
    await talk()
    model.play(scene)
    await test.pass('50h')
    expect(await test.followUps()).toEqual([{ user_id: 'web:ada', text: expect.stringMatching(/^Hi Ada, .*recital/) }])
    expect(await sources()).toEqual([{ source: 'template', own_words: false }])
  })

  it('is read along with while it writes, by those who look; what is stored is the whole', async () => {
    const drafts: (string | undefined)[] = []
    const end = test.app.drafts.subscribe('web:ada', () => drafts.push(test.app.drafts.draftOf('web:ada')))
    model.play({ kind: 'stream', pieces: ['A recital', '! Which', ' piece?'] })
    expect((await test.say('Ada', 'my recital is on Friday')).text).toMatch(/^A recital! Which piece\?/)
    expect(drafts).toEqual(['A recital', 'A recital! Which', 'A recital! Which piece?', undefined])
    expect(test.app.drafts.draftOf('web:ada')).toBeUndefined()
    end()
    await test.say('Ada', 'it is the Brahms')
    expect(model.seen.map(({ body }) => body.stream)).toEqual([true, undefined])
  })

  it('that breaks off is whole sentences, or the built-in writer', async () => {
    const end = test.app.drafts.subscribe('web:ada', () => {})
    model.play({ kind: 'stream', pieces: ['A recital! Which pie'], end: 'cut' })
    expect((await test.say('Ada', 'my recital is on Friday')).text).toMatch(/^A recital!\n/)
    model.play({ kind: 'stream', pieces: ['A reci'], end: 'error' })
    expect((await test.say('Ada', 'I play the cello')).text).toContain('cello')
    expect(test.app.drafts.draftOf('web:ada')).toBeUndefined()
    end()
  })

  it('is not asked about distress: help is named at once, no follow-up is planned, none is sent', async () => {
    await talk()
    const asked = model.seen.length
    expect((await test.say('Ada', 'Ich will nicht mehr leben')).text).toMatch(
      /^Das klingt sehr ernst, und ich bin nur ein Programm/,
    )
    expect((await test.say('Ada', 'I want to kill myself')).text).toMatch(/crisis line/)
    expect(model.seen).toHaveLength(asked)
    await test.pass('60h')
    expect(await test.followUps()).toEqual([])
    expect(await test.rows('select suppressed from user_profiles')).toEqual([{ suppressed: 'distress' }])
    expect(await test.rows('select count(*)::int as count from follow_up_history')).toEqual([{ count: 0 }])
  })

  it('counts what it uses', async () => {
    await talk()
    expect(
      await test.rows(
        'select requests, prompt_tokens::int as prompt, completion_tokens::int as completion from llm_usage',
      ),
    ).toEqual([{ requests: 3, prompt: 33, completion: 21 }])
  })

  it('stops with the bot: an answer that hangs is the built-in writer’s three seconds later', async () => {
    model.play({ kind: 'hang' })
    const reply = test.say('Ada', 'my recital is on Friday')
    await model.arrived(1)
    const stopped = test.app.stop()
    test.clock.advance('3s')
    await stopped
    expect((await reply).text).toContain('recital')
  })

  it('a chat whose model fails goes on with the built-in writer', async () => {
    model.play({ kind: 'status', status: 401 })
    expect((await test.say('Ada', 'my recital is on Friday')).text).toContain('recital')
  })
})
