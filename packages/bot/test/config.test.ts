import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ConfigError, readConfig, type Config } from '../src/config.ts'
import { variables } from '../src/settings.ts'
import { ANYTHING_GOES, REFUSED } from './support/refused-settings.ts'

/** What an environment leads to: a configuration, or the error. */
function attempt(environment: Record<string, string>): unknown {
  try {
    return readConfig(environment)
  } catch (error) {
    return error
  }
}

/** What a refusal says; fails when there is none. */
function refusalOf(environment: Record<string, string>): string {
  const error = attempt(environment)
  expect(error).toBeInstanceOf(ConfigError)
  expect(error).toMatchObject({ code: 'CONFIG_INVALID' })
  return (error as ConfigError).message
}

describe('a configuration of nothing', () => {
  it('is the documented one', () => {
    expect(readConfig({})).toEqual({
      databaseUrl: undefined,
      dataDir: './data',
      host: '127.0.0.1',
      port: 3000,
      botName: 'Belfry',
      logLevel: 'warn',
      adminUserIds: [],
      commandPrefix: '!',
      llm: undefined,
      distressWords: {},
      scheduler: { enabled: true, checkIntervalSeconds: 30 },
      followUps: {
        enabled: true,
        consent: 'auto',
        defaultDelayHours: 48,
        maxPerUserPerWeek: 2,
        minHoursBetween: 24,
        quietHours: '22:00-08:00',
        timeZone: undefined,
        minMessages: 3,
        maxUnanswered: 2,
        maxAgeDays: 14,
        replyWindowHours: 72,
        maxLateHours: 12,
        perMinute: 10,
        silent: false,
        holdoutPercent: 0,
        variants: [],
        variantsSalt: 'first',
      },
      privacy: { url: undefined, keys: [] },
      cleanup: { enabled: true, oldConversationsDays: 30, failedJobsDays: 7, tempFilesHours: 24 },
    })
  })

  it('is the same as one of empty lines, as in a copied example', () => {
    for (const blank of ['', '  ', '\t']) {
      expect(readConfig(Object.fromEntries(variables.map(({ name }) => [name, blank])))).toEqual(readConfig({}))
    }
  })

  it('is the same as one of its own defaults, and each of them is allowed', () => {
    const defaults = variables.flatMap(({ name, fallback }) => (fallback === undefined ? [] : [[name, fallback]]))
    expect(readConfig(Object.fromEntries(defaults) as Record<string, string>)).toEqual(readConfig({}))
  })

  it('does not mind what belongs to others', () => {
    expect(readConfig({ PATH: '/bin', FOLLOW_UP: 'x', follow_up_enabled: 'x' })).toEqual(readConfig({}))
  })
})

describe('a wrong setting', () => {
  it('is known for every variable', () => {
    expect([...Object.keys(REFUSED), ...ANYTHING_GOES].toSorted()).toEqual(variables.map(({ name }) => name).toSorted())
  })

  it.each(variables.filter(({ name }) => name in REFUSED))(
    'of $name is refused with its value and what is expected',
    variable => {
      for (const value of REFUSED[variable.name] ?? []) {
        const environment = { LLM_BASE_URL: 'http://localhost/v1', LLM_MODEL: 'thinker', [variable.name]: value }
        const shown = variable.secret ? 'something else' : JSON.stringify(value)
        const fault = variable.fault?.(value)
        const why = fault ? `: ${fault}` : ''
        expect(refusalOf(environment)).toBe(`${variable.name}: expected ${variable.expects}, got ${shown}${why}`)
      }
    },
  )

  it('never shows a secret', () => {
    for (const value of REFUSED['DATABASE_URL'] ?? [])
      expect(refusalOf({ DATABASE_URL: value })).not.toContain('s3cret')
    for (const value of REFUSED['DISCORD_TOKEN'] ?? [])
      expect(refusalOf({ DISCORD_TOKEN: value })).not.toContain('s3cret')
    for (const value of REFUSED['PRIVACY_KEY'] ?? []) expect(refusalOf({ PRIVACY_KEY: value })).not.toContain('s3cret')
    expect(refusalOf({ LLM_API_KEY: 'sk-s3cret', LLM_MODEL: 'thinker', PORT: 'x' })).not.toContain('s3cret')
  })

  it('is told together with all the others', () => {
    const told = refusalOf({ PORT: 'x', LOG_LEVEL: 'y', FOLLOW_UP_QUIET_HOURS: 'z', LLM_MODEL: 'thinker' }).split('\n')
    expect(told.map(line => line.split(':')[0])).toEqual(['PORT', 'LOG_LEVEL', 'FOLLOW_UP_QUIET_HOURS', 'LLM_BASE_URL'])
  })

  it('is half a language model', () => {
    expect(refusalOf({ LLM_BASE_URL: 'http://localhost/v1' })).toBe(
      'LLM_MODEL: expected a model name beside LLM_BASE_URL, got nothing',
    )
    expect(refusalOf({ LLM_MODEL: 'thinker' })).toBe(
      'LLM_BASE_URL: expected an http or https URL beside LLM_MODEL, got nothing',
    )
  })

  it('is either refused or what it says, whatever it is', () => {
    const pair = fc.tuple(
      fc.constantFrom(...variables.map(({ name }) => name)),
      fc.string({ unit: 'binary', maxLength: 50 }),
    )
    fc.assert(
      fc.property(pair, ([name, value]) => {
        const outcome = attempt({ [name]: value })
        if (outcome instanceof ConfigError) return true
        const { port, followUps, scheduler } = outcome as Config
        const numbers = [port, scheduler.checkIntervalSeconds, ...Object.values(followUps)]
        return numbers.every(each => typeof each !== 'number' || (Number.isFinite(each) && each >= 0))
      }),
      { numRuns: 1_000 },
    )
  })
})

describe('a right setting', () => {
  it.each(['true', 'TRUE', '1', 'yes', 'on', ' on '])('%j is on', value => {
    expect(readConfig({ FOLLOW_UP_ENABLED: value, JOB_SCHEDULER_ENABLED: value })).toMatchObject({
      followUps: { enabled: true },
      scheduler: { enabled: true },
    })
  })

  it.each(['false', 'False', '0', 'no', 'off'])('%j is off', value => {
    expect(readConfig({ FOLLOW_UP_ENABLED: value, JOB_SCHEDULER_ENABLED: value })).toMatchObject({
      followUps: { enabled: false },
      scheduler: { enabled: false },
    })
  })

  it('reads a language model, with and without a key', () => {
    const llm = { LLM_BASE_URL: 'http://localhost:11434/v1', LLM_MODEL: 'thinker' }
    expect(readConfig(llm).llm).toEqual({
      baseUrl: 'http://localhost:11434/v1',
      model: 'thinker',
      apiKey: undefined,
      timeoutMs: 30_000,
      temperature: undefined,
      dailyTokenBudget: undefined,
    })
    const more = { LLM_TIMEOUT_SECONDS: '7.5', LLM_TEMPERATURE: '0', LLM_DAILY_TOKEN_BUDGET: '50000' }
    expect(readConfig({ ...llm, ...more }).llm).toMatchObject({
      timeoutMs: 7_500,
      temperature: 0,
      dailyTokenBudget: 50_000,
    })
    expect(readConfig({ ...llm, LLM_API_KEY: 'sk-x' }).llm?.apiKey).toBe('sk-x')
  })

  it('reads ids separated by commas, with spaces and gaps', () => {
    expect(readConfig({ ADMIN_USER_IDS: ' web:3f2a , ,terminal:ada,' }).adminUserIds).toEqual([
      'web:3f2a',
      'terminal:ada',
    ])
  })

  it('knows Discord by its token alone, and people there by their bare numbers', () => {
    expect(readConfig({ DISCORD_CHAT_CHANNEL_IDS: '123456789012345678' }).discord).toBeUndefined()
    const given = {
      DISCORD_TOKEN: 'a.made-up.token',
      DISCORD_CHAT_CHANNEL_IDS: '123456789012345678, 223456789012345678',
    }
    expect(readConfig(given).discord).toEqual({
      token: 'a.made-up.token',
      apiBaseUrl: 'https://discord.com/api',
      chatChannelIds: ['123456789012345678', '223456789012345678'],
      shards: 1,
    })
    for (const shards of ['2', '64', 'auto'])
      expect(readConfig({ ...given, DISCORD_SHARDS: shards }).discord?.shards).toBe(Number(shards) || 'auto')
    expect(readConfig({ ADMIN_USER_IDS: '123456789012345678,web:3f2a' }).adminUserIds).toEqual([
      'discord:123456789012345678',
      'web:3f2a',
    ])
  })

  it.each([
    ['PORT', '0'],
    ['PORT', '65535'],
    ['FOLLOW_UP_DEFAULT_DELAY_HOURS', '0.0001'],
    ['FOLLOW_UP_DEFAULT_DELAY_HOURS', '720'],
    ['FOLLOW_UP_HOLDOUT_PERCENT', '50'],
    ['FOLLOW_UP_QUIET_HOURS', 'off'],
    ['FOLLOW_UP_QUIET_HOURS', '00:00-23:59'],
    ['FOLLOW_UP_TIME_ZONE', 'America/Argentina/Buenos_Aires'],
    ['DATABASE_URL', 'postgresql://ada:pass%40word@db.example.test:5432/belfry?sslmode=require'],
    ['HOST', '::1'],
    ['HOST', '[::1]'],
    ['HOST', '0.0.0.0'],
  ])('%s may be %j', (name, value) => {
    expect(() => readConfig({ [name]: value })).not.toThrow()
  })
})

describe('a file of words of distress', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'belfry-config-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))
  const file = (content: string) => {
    const path = join(folder, 'words.json')
    writeFileSync(path, content)
    return path
  }

  it('is read, with a byte-order mark too', () => {
    const words = { en: { add: ['the black dog', 'hopeless*'] }, it: { replace: ['voglio morire'] } }
    const path = file(`\uFEFF${JSON.stringify(words)}`)
    expect(readConfig({ DISTRESS_WORDS_FILE: path }).distressWords).toEqual(words)
  })

  it.each([
    ['{', /expected JSON/],
    ['[]', /the file: /],
    ['{"english":{}}', /english: .*language code/],
    ['{"en":{"words":["the black dog"]}}', /en: .*words/],
    ['{"en":{"add":["x"]}}', /en\.add\.0: expected 3 to 80 letters/],
    ['{"en":{"add":[".*"]}}', /en\.add\.0: expected 3 to 80 letters/],
    ['{"en":{"add":["a*b c"]}}', /en\.add\.0: expected/],
    ['{"en":{"referral":"no"}}', /en\.referral: /],
  ])('of %s is refused with what is wrong and where', (content, expected) => {
    const refusal = refusalOf({ DISTRESS_WORDS_FILE: file(content) })
    expect(refusal).toMatch(/^DISTRESS_WORDS_FILE: .*words\.json: /)
    expect(refusal).toMatch(expected)
  })
})
