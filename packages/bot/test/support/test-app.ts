import { inject } from 'vitest'
import { silentLogger } from 'belfry'
import { fromPglite, fromPool, type Database } from 'belfry/database'
import { TestClock } from 'belfry/testing'
import { createTestDatabase } from '../../../../test-support/test-database.ts'
import { createApp, type App } from '../../src/app.ts'
import type { Handled } from '../../src/chat/handle-message.ts'
import { readConfig } from '../../src/config.ts'
import type { RemotePlatform } from '../../src/messaging/platform.ts'
import { borrowBotPglite } from '../../../../test-support/embedded-database.ts'

/** The whole bot on a virtual clock, and people who talk to it. */
export interface TestApp {
  readonly app: App
  readonly clock: TestClock
  readonly database: Database
  /** Somebody says something; half a minute passes. */
  say(who: string, text: string, more?: { admin?: boolean; messageId?: string }): Promise<Handled & { text: string }>
  /** What Adam is answered, who administers a server somewhere, owns nothing, and reaches these people alone. */
  byServerAdmin(text: string, reached?: readonly string[]): Promise<string>
  /** Runs what is due now, then what is due at each later point, until `span` has passed. */
  pass(span: string): Promise<void>
  rows<Row>(sql: string): Promise<Row[]>
  followUps(): Promise<{ user_id: string; text: string }[]>
  /** The same bot as another process would be, or with other settings: over the same database and platforms. */
  another(more?: Readonly<Record<string, string>>): Promise<App>
  close(): Promise<void>
}

/** What is due and was left is held back by a limit: it is looked at again after this. */
const HELD_BACK_MS = 1_000

/** Noon on a Monday, UTC. */
const BEGIN = '2027-03-01T12:00:00Z'

export async function createTestApp(
  engine: 'PGlite' | 'PostgreSQL',
  settings: Readonly<Record<string, string>> = {},
  { platforms = [] }: { platforms?: readonly RemotePlatform[] } = {},
): Promise<TestApp> {
  const clock = new TestClock(BEGIN)
  const engineUnderTest = await open(engine)
  const { database } = engineUnderTest
  const config = readConfig({ FOLLOW_UP_TIME_ZONE: 'UTC', ...settings })
  const app = createApp({ config, database, clock, logger: silentLogger, platforms })
  const platform = platforms[0]?.name ?? 'web'
  await app.prepare()
  const rows = async <Row>(sql: string) => (await database.query<Row>(sql)).rows
  let messages = 0
  return {
    app,
    clock,
    database,
    rows,
    close: () => engineUnderTest.close(),
    async another(more = {}) {
      const others = readConfig({ FOLLOW_UP_TIME_ZONE: 'UTC', ...settings, ...more })
      const other = createApp({ config: others, database, clock, logger: silentLogger, platforms })
      await other.prepare()
      return other
    },
    async say(who, text, { admin = false, messageId } = {}) {
      messages += 1
      const id = `${platform}:${who.toLowerCase()}`
      const message = {
        platform,
        conversationId: id,
        userId: id,
        displayName: who,
        isAdmin: admin,
        isPrivate: true,
        text,
      } as const
      const handled = await app.chat.handle({ ...message, messageId: messageId ?? `message-${messages}` })
      clock.advance('30s')
      return { ...handled, text: handled.reply?.text ?? '' }
    },
    async byServerAdmin(text, reached = []) {
      messages += 1
      const { reply } = await app.chat.handle({
        platform: 'discord',
        conversationId: 'discord:1',
        userId: 'discord:adam',
        displayName: 'Adam',
        isAdmin: true,
        reaches: userId => Promise.resolve(reached.includes(userId)),
        messageId: `message-${messages}`,
        text,
      })
      return reply?.text ?? ''
    },
    async pass(span) {
      const end = new Date(clock.now())
      const probe = new TestClock(end)
      probe.advance(span)
      for (;;) {
        await app.scheduler?.runDueJobs()
        const stats = await app.scheduler?.getStats()
        const nextMs = stats?.due ? HELD_BACK_MS : stats?.nextDueMs
        const nextAt = nextMs == null ? undefined : clock.now().getTime() + nextMs
        if (nextAt === undefined || nextAt > probe.now().getTime()) break
        clock.moveTo(new Date(nextAt))
      }
      clock.moveTo(probe.now())
    },
    followUps: () => rows("select user_id, text from conversation_turns where kind = 'follow_up' order by turn_id"),
  }
}

async function open(engine: 'PGlite' | 'PostgreSQL'): Promise<{ database: Database; close(): Promise<void> }> {
  if (engine === 'PGlite') {
    const { pglite, giveBack } = await borrowBotPglite()
    return { database: fromPglite(pglite), close: giveBack }
  }
  const test = await createTestDatabase(10, inject('botDatabase'))
  return { database: fromPool(test.pool), close: () => test.drop() }
}
