import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fromPool } from 'belfry/database'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { startProgram, type Program } from '../../../../test-support/child-process.ts'
import { createTestDatabase, type TestDatabase } from '../../../../test-support/test-database.ts'
import { until } from '../../../../test-support/until.ts'
import { everyRow } from '../support/every-row.ts'

let database: TestDatabase
let folder: string
let bots: Program[] = []

beforeEach(async () => {
  database = await createTestDatabase()
  folder = await mkdtemp(join(tmpdir(), 'belfry-erased-'))
})
afterEach(async () => {
  for (const bot of bots) bot.kill('SIGKILL')
  await Promise.all(bots.map(bot => bot.exited))
  bots = []
  await database.drop()
  await rm(folder, { recursive: true, force: true })
})

const COOKIE = { cookie: 'belfry_user=ada-0123456789abcdef' }

async function startBot(): Promise<string> {
  const bot = startProgram('packages/bot/dist/main.js', { cwd: folder, env: { PORT: '0', DATABASE_URL: database.url } })
  bots.push(bot)
  return (await bot.shows(/open\s+(http:\S+)/))[1] ?? ''
}

async function say(url: string, text: string): Promise<{ aside?: string }> {
  const messageId = `message-${text.replaceAll(/\W/g, '-')}`
  const response = await fetch(`${url}/api/chat/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...COOKIE },
    body: JSON.stringify({ text, messageId, displayName: 'Ada' }),
  })
  expect(response.status).toBe(202)
  return (await response.json()) as { aside?: string }
}

/** Rows about Ada, but for the one that says she asked to confirm: it is written before. */
async function traces(): Promise<string[]> {
  const rows = await everyRow(fromPool(database.pool))
  return rows.filter(line => /cello|recital|"display_name": "Ada"|^scheduled_jobs /.test(line))
}

it('an erasure that is killed with -9 in its midst has erased nothing, and the next bot does it after all', async () => {
  const url = await startBot()
  for (const text of ['hi, I am Ada', 'I play the cello', 'my recital is on Friday', '!forget_me']) await say(url, text)
  const before = await traces()
  expect(before.length).toBeGreaterThan(4)

  const holder = await database.pool.connect()
  try {
    await holder.query('begin')
    // It comes last: everything else is erased by then, and not committed.
    await holder.query('lock table suppressed_people in share mode')
    const confirming = say(url, '!forget_me confirm').catch(() => 'cut off')
    await until('the bot waits for the lock', async () => {
      const waiting = await database.pool.query(
        "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
      )
      return waiting.rows.length > 0
    })
    bots.at(-1)?.kill('SIGKILL')
    await bots.at(-1)?.exited
    expect(await confirming).toBe('cut off')
  } finally {
    await holder.query('rollback')
    holder.release()
  }
  // The server ends the dead bot's transaction by itself.
  await until('nobody holds the person', async () => {
    const held = await database.pool.query("select from pg_locks where locktype = 'advisory' and granted")
    return held.rows.length === 0
  })
  expect(await traces()).toEqual(before)

  // The page sends it again: same message, another process, well within the ten minutes.
  const next = await startBot()
  expect((await say(next, '!forget_me confirm')).aside).toContain('Done.')
  expect(await traces()).toEqual([])
  const turns = await fetch(`${next}/api/chat/turns`, { headers: COOKIE })
  expect(await turns.json()).toMatchObject({ turns: [] })
})
