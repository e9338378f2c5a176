import { afterEach, describe, expect, it } from 'vitest'
import { createTestApp, type TestApp } from '../support/test-app.ts'

describe('!privacy', () => {
  let test: TestApp
  afterEach(() => test.close())
  const ask = async (settings: Record<string, string>) => {
    test = await createTestApp('PostgreSQL', settings)
    return (await test.say('Ada', '!privacy')).text
  }

  it('says what is stored, for how long, that nobody gets it, and how to have it out or gone', async () => {
    const told = await ask({})
    expect(told).toContain('Belfry is a program')
    expect(told).toContain('after 30 days')
    expect(told).toContain('nothing leaves this bot')
    for (const way of ['!my_data', '!forget_me', '!followup_settings off']) expect(told).toContain(way)
    expect(told).not.toContain('http')
  })

  it("names the model's host, without key or path, and the operator's own text", async () => {
    const told = await ask({
      LLM_BASE_URL: 'https://models.example.test:8443/secret-tenant/v1',
      LLM_MODEL: 'thinker',
      LLM_API_KEY: 'sk-very-secret',
      PRIVACY_URL: 'https://example.test/privacy',
      CLEANUP_OLD_CONVERSATIONS_DAYS: '1',
    })
    expect(told).toContain('models.example.test:8443')
    expect(told).not.toMatch(/secret/)
    expect(told).toContain('https://example.test/privacy')
    expect(told).toContain('after 1 day,')
  })

  it('does not promise what does not happen', async () => {
    expect(await ask({ CLEANUP_ENABLED: 'false' })).toContain('Nothing goes by itself')
  })
})
