import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../test-support/test-database.ts'
import { silentLogger } from 'belfry'
import { fromPool } from 'belfry/database'
import { TestClock } from 'belfry/testing'
import { createApp, type App } from '../src/app.ts'
import { readConfig } from '../src/config.ts'
import { openEmbedded } from '../src/database/connect.ts'
import { rehearsable } from '../src/followups/rehearse-settings.ts'
import { runFollowUps } from '../src/followups-cli.ts'
import { variables } from '../src/settings.ts'

const SETTINGS = { FOLLOW_UP_TIME_ZONE: 'UTC', FOLLOW_UP_QUIET_HOURS: 'off' }

describe('belfry followups', () => {
  let server: TestDatabase
  let clock: TestClock
  let app: App
  let folder: string

  beforeEach(async () => {
    server = await createTestDatabase()
    folder = await mkdtemp(join(tmpdir(), 'belfry-followups-'))
    clock = new TestClock('2027-03-01T12:00:00Z')
    const config = readConfig(SETTINGS)
    app = createApp({ config, database: fromPool(server.pool), clock, logger: silentLogger })
  })
  afterEach(async () => {
    await server.drop()
    await rm(folder, { recursive: true, force: true })
  })

  async function run(args: string[], environment: Record<string, string> = {}): Promise<string> {
    let text = ''
    const output = { write: (more: string) => (text += more) }
    await runFollowUps(args, { environment: { ...SETTINGS, DATABASE_URL: server.url, ...environment }, clock, output })
    return text
  }

  let messages = 0
  async function talk(who: string): Promise<void> {
    for (const text of ['hello there', 'I play the cello', 'my recital is on Friday']) {
      messages += 1
      const id = `web:${who}`
      await app.chat.handle({
        platform: 'web',
        conversationId: id,
        userId: id,
        displayName: 'Ada Invented',
        isAdmin: false,
        messageId: `m-${messages}`,
        text: `${text} (${messages})`,
      })
      clock.advance('1m')
    }
  }
  /** Runs what comes due, each at its own instant. */
  async function passDays(days: number): Promise<void> {
    const end = clock.now().getTime() + days * 86_400_000
    for (;;) {
      await app.scheduler?.runDueJobs()
      const { nextDueMs } = (await app.scheduler?.getStats()) ?? { nextDueMs: null }
      if (nextDueMs === null || clock.now().getTime() + nextDueMs > end) break
      clock.moveTo(new Date(clock.now().getTime() + nextDueMs))
    }
    clock.moveTo(new Date(end))
  }
  /** Ada comes back every third day and is written to each time; Bo talks once. */
  async function twoWeeks(): Promise<void> {
    await app.prepare()
    await talk('bo')
    for (let round = 0; round < 3; round += 1) {
      await talk('ada')
      await passDays(4)
    }
  }
  async function everything(): Promise<string> {
    const { rows } = await server.pool.query<{ name: string }>(
      "select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema') order by 1",
    )
    const sums: string[] = []
    for (const { name } of rows) {
      const { rows: sum } = await server.pool.query(
        `select md5(string_agg(r::text, '' order by r::text)) as sum from ${name} r`,
      )
      sums.push(`${name} ${JSON.stringify(sum)}`)
    }
    return sums.join('\n')
  }

  it('simulate tells what other settings would have done, beside what was and what the present ones would do; nothing is written', async () => {
    await twoWeeks()
    const before = await everything()
    const told = await run(['simulate', '--since', '14d', '--set', 'weekly=1', '--set', 'delay=24h'])
    expect(told).toContain('Changed: FOLLOW_UP_MAX_PER_USER_PER_WEEK 2 → 1, FOLLOW_UP_DEFAULT_DELAY_HOURS 48 → 24')
    expect(told).toMatch(/really happened {3}sent (\d) to 2 people\npresent settings {2}sent \1 to 2 people/)
    expect(told).toMatch(/rehearsed {9}sent 3 to 2 people; withheld: weekly_cap 1/)
    expect(told).toMatch(/2027-03-02 12:0\d UTC {2}web:ada {2}sent {2}\(not so by the present settings\)/)
    expect(told).toContain('What this cannot know:\n- what people would have answered')
    expect(told).not.toMatch(/Invented|cello/)
    expect(await run(['simulate', '--since', '14d', '--set', 'weekly=1', '--set', 'delay=24h'])).toBe(told)
    expect(await everything()).toBe(before)
  })

  it('simulate without other settings tells what really happened', async () => {
    await twoWeeks()
    const told = JSON.parse(await run(['simulate', '--since', '2027-03-01T12:00Z', '--json'])) as {
      really: { userId: string; at: string }[]
      present: { userId: string; at: string; outcome: string }[]
      rehearsed: unknown
      changes: unknown
    }
    expect(told.really.length).toBeGreaterThan(2)
    const sent = told.present.filter(({ outcome }) => outcome === 'sent')
    expect(sent.map(({ userId, at }) => ({ userId, at }))).toEqual(told.really)
    expect(told.rehearsed).toEqual(told.present)
    expect(told.changes).toEqual([])
  })

  it('report tells what the chat command tells, as text and JSON', async () => {
    await twoWeeks()
    const before = await everything()
    expect(await run(['report', '--since', '30d'])).toMatch(
      /^Follow-ups from 2027-02-11 .*\nPlanned \d · sent \d · held out 0/,
    )
    expect(JSON.parse(await run(['report', '--json']))).toMatchObject({
      total: { replyRate: { share: 'not enough data' } },
      lift: { difference: 'not enough data' },
    })
    expect(await everything()).toBe(before)
  })

  it.each([
    [['simulate', '--set', 'weekyl=1'], /no "weekyl"\. Did you mean weekly\? Known: .*delay/],
    [['simulate', '--set', 'weekly=99'], /--set weekly: expected a whole number from 0 to 50, got "99"/],
    [['simulate', '--set', 'weekly'], /--set weekly: expected weekly=VALUE/],
    [['simulate', '--set', 'delay=31d'], /--set delay: expected a number of hours from 0\.0001 to 720, got "31d"/],
    [['simulate', '--set', 'delay=soon'], /--set delay: expected a number of hours/],
    [['simulate', '--set', 'zone=Mars/Olympus'], /--set zone: expected an IANA time zone/],
    [['simulate', '--since', '2027-13-01'], /--since: expected an instant such as/],
    [['simulate', '--since', '2027-01-01T12:00'], /--since: expected an instant such as/],
    [['simulate', '--since', 'yesterday'], /--since/],
    [['simulate', '--since', '1d', '--until', '2d'], /expected a time before --until/],
    [['simulate', '--sinse', '1d'], /sinse/],
    [['report', '--since', '2099-01-01'], /--since: expected a time before now/],
    [['report', 'extra'], /extra/],
    [['rehearse'], /no command "followups rehearse"/],
  ])('%j is refused with the way out', async (args, fault) => {
    await expect(run(args)).rejects.toThrow(fault)
  })

  it('a database no bot has used yet is left as it is, and says so', async () => {
    await expect(run(['report'])).rejects.toThrow(/has no follow-ups yet: start this release of the bot once/)
    expect(await everything()).toBe('')
  })

  it('a folder without a database stays without one', async () => {
    const settings = { DATABASE_URL: '', BELFRY_DATA_DIR: folder }
    await expect(run(['report'], settings)).rejects.toThrow(
      /holds no database of a bot \(DATABASE_URL, BELFRY_DATA_DIR\)/,
    )
    expect(await readdir(folder)).toEqual([])
  })

  it('the embedded database of a running bot is refused with its holder', async () => {
    const held = await openEmbedded(folder)
    const settings = { DATABASE_URL: '', BELFRY_DATA_DIR: folder }
    await expect(run(['simulate'], settings)).rejects.toThrow(
      new RegExp(`in use by another process \\(pid ${process.pid}\\)\\. Stop that one`),
    )
    await held.close()
    await expect(run(['simulate'], settings)).rejects.toThrow('has no follow-ups yet')
  })

  it('every setting of follow-ups can be rehearsed, each by a name of its own', () => {
    const settings = variables.filter(({ name }) => name.startsWith('FOLLOW_UP_'))
    expect(rehearsable.size).toBe(settings.length)
    expect([...rehearsable.keys()]).toEqual(
      expect.arrayContaining(['enabled', 'consent', 'weekly', 'delay', 'variants']),
    )
  })
})
