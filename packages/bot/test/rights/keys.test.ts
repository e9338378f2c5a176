import { silentLogger } from 'belfry'
import { fromPglite } from 'belfry/database'
import { TestClock } from 'belfry/testing'
import { afterEach, describe, expect, it } from 'vitest'
import { createPglite } from '../../../../test-support/embedded-database.ts'
import { migrateBot } from '../../../../test-support/story-schemas.ts'
import { createApp } from '../../src/app.ts'
import { ConfigError, readConfig } from '../../src/config.ts'
import { hashPerson } from '../../src/users/person-hash.ts'
import { SuppressedPeople } from '../../src/users/suppressed-people-store.ts'
import { createTestApp, type TestApp } from '../support/test-app.ts'

const OLD = 'old-key-0123456789'
const NEW = 'new-key-0123456789'

describe('the hash that keeps a no', () => {
  let test: TestApp
  afterEach(() => test.close())

  const erase = async () => {
    for (const text of ['hello there', '!forget_me', '!forget_me confirm']) await test.say('Ada', text)
  }
  const prepareWith = (keys: string) =>
    createApp({
      config: readConfig({ PRIVACY_KEY: keys }),
      database: test.database,
      clock: new TestClock(),
      logger: silentLogger,
    }).prepare()
  const reason = (keys: string[]) => new SuppressedPeople(keys).reasonFor(test.database, 'web:ada')

  it('is made with the key of the settings, and says nothing to whoever has another', async () => {
    test = await createTestApp('PostgreSQL', { PRIVACY_KEY: OLD })
    await erase()
    const stored = await test.rows('select person_hash, reason from suppressed_people')
    expect(stored).toEqual([{ person_hash: hashPerson(OLD, 'web:ada').hash, reason: 'erased' }])
    expect(await reason([OLD])).toBe('erased')
    expect(await reason([NEW])).toBeUndefined()
  })

  it('without a key in the settings is made with one of the database, which every database has for itself', async () => {
    test = await createTestApp('PostgreSQL')
    await erase()
    const [secret] = await test.rows<{ value: string }>('select value from bot_secrets')
    expect(secret?.value).toMatch(/^[0-9a-f]{64}$/)
    expect(await test.rows('select person_hash from suppressed_people')).toEqual([
      { person_hash: hashPerson(secret?.value ?? '', 'web:ada').hash },
    ])
    const pglite = await createPglite()
    const other = fromPglite(pglite)
    await migrateBot(other)
    expect((await other.query('select value from bot_secrets')).rows).not.toEqual([secret])
    await pglite.close()
  })

  it('is still found after a key has come into the settings, or has been followed by another', async () => {
    test = await createTestApp('PostgreSQL')
    await erase()
    await prepareWith(OLD)
    expect(await reason([OLD])).toBe('erased')
    await test.say('Ada', '!followup_settings on')
    expect(await reason([])).toBeUndefined()
    await test.close()

    test = await createTestApp('PostgreSQL', { PRIVACY_KEY: OLD })
    await erase()
    await prepareWith(`${NEW},${OLD}`)
    expect(await reason([NEW, OLD])).toBe('erased')
  })

  it('whose key is gone keeps the bot from starting: their no would be forgotten', async () => {
    test = await createTestApp('PostgreSQL', { PRIVACY_KEY: OLD })
    await erase()
    await expect(prepareWith(NEW)).rejects.toThrow(ConfigError)
    await expect(prepareWith(NEW)).rejects.toThrow(
      'PRIVACY_KEY: 1 erased person is known by another key, and would be written to again.',
    )
    await expect(prepareWith('')).rejects.toThrow(ConfigError)
  })
})
