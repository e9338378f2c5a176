import { spawn } from 'node:child_process'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startProgram, type Program, type ProgramOptions } from '../../../../test-support/child-process.ts'
import { createTestDatabase } from '../../../../test-support/test-database.ts'
import { until } from '../../../../test-support/until.ts'

const QUICK = { FOLLOW_UP_DEFAULT_DELAY_HOURS: '0.0005', FOLLOW_UP_QUIET_HOURS: 'off' }
const TALK = 'hi, I am Ada\nI play the cello\nmy recital is on Friday\n'

let template: string
let folder: string
let programs: Program[] = []

/** Making an embedded database takes seconds; the stories that are about something else begin with a copy of one. */
beforeAll(async () => {
  template = await mkdtemp(join(tmpdir(), 'belfry-template-'))
  const first = startProgram('packages/bot/dist/cli.js', {
    cwd: template,
    args: ['chat', '--user', 'nobody'],
    input: '',
  })
  expect(await first.exited).toEqual({ code: 0, signal: null })
})
afterAll(() => rm(template, { recursive: true, force: true }))
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'belfry-first-run-'))
})
afterEach(async () => {
  for (const program of programs) program.kill('SIGKILL')
  await Promise.all(programs.map(program => program.exited))
  programs = []
  await rm(folder, { recursive: true, force: true })
})

function start(file: 'main' | 'cli', options: Omit<ProgramOptions, 'cwd'> = {}): Program {
  const program = startProgram(`packages/bot/dist/${file}.js`, { cwd: folder, ...options })
  programs.push(program)
  return program
}

const beginWithData = () => cp(join(template, 'data'), join(folder, 'data'), { recursive: true })

const chat = (args: readonly string[], options: Omit<ProgramOptions, 'cwd' | 'args'> = {}) =>
  start('cli', { ...options, args: ['chat', ...args] })

async function post(url: string, text: string, messageId: string): Promise<Response> {
  return fetch(`${url}/api/chat/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', cookie: 'belfry_user=ada-0123456789abcdef' },
    body: JSON.stringify({ text, messageId }),
  })
}

async function turnsOf(url: string): Promise<{ kind: string; author: string; text: string }[]> {
  const response = await fetch(`${url}/api/chat/turns`, { headers: { cookie: 'belfry_user=ada-0123456789abcdef' } })
  const { turns } = (await response.json()) as { turns: { kind: string; author: string; text: string }[] }
  return turns
}

describe('what a newcomer types', () => {
  it('a piped chat prints the replies and then one follow-up that takes up the last topic', async () => {
    const program = chat(['--user', 'ada', '--linger', '30s'], { env: QUICK, input: TALK })
    expect(await program.exited).toEqual({ code: 0, signal: null })
    const lines = program.stdout().trimEnd().split('\n')
    expect(lines.every(line => line.startsWith('Belfry: '))).toBe(true)
    expect(lines.filter(line => line.includes('!followup_settings off'))).toHaveLength(1)
    expect(lines.at(-2)).toMatch(/^Belfry: Hi Ada, .*recital/)
    expect(lines.at(-1)).toBe('Belfry: (stop · later · why)')
    expect(lines.filter(line => /last time you said|we talked a while ago/.test(line))).toHaveLength(1)
    expect(program.stderr()).toBe('')
  })

  it('without lingering it ends when the input does, and the next visit shows what came meanwhile', async () => {
    await beginWithData()
    const first = chat(['--user', 'ada'], { env: QUICK, input: TALK })
    expect((await first.exited).code).toBe(0)
    expect(first.stdout()).not.toContain('last time')
    const later = chat(['--user', 'ada', '--linger', '20s'], { env: QUICK, input: '' })
    expect((await later.exited).code).toBe(0)
    expect(later.stdout().match(/recital/g)).toHaveLength(1)
    const again = chat(['--user', 'ada'], { env: QUICK, input: '' })
    expect((await again.exited).code).toBe(0)
    expect(again.stdout()).toMatch(/^Belfry: Hi Ada, .*recital.*\nBelfry: \(stop · later · why\)\n$/)
  })

  it('the bot starts with nothing configured, says so in ten lines, and stops cleanly on SIGTERM', async () => {
    const bot = start('main', { env: { PORT: '0' } })
    const [, url = ''] = await bot.shows(/open\s+(http:\S+)[\s\S]*LLM_MODEL.*\n/)
    const lines = bot.stdout().trimEnd().split('\n')
    expect(lines.length).toBeLessThanOrEqual(10)
    expect(bot.stdout()).toMatch(/database\s+embedded PostgreSQL in \.\/data/)
    expect(await (await fetch(`${url}/healthz`)).json()).toEqual({ ok: true })
    expect(await (await fetch(`${url}/readyz`)).json()).toEqual({
      ok: true,
      checks: { database: 'ok', scheduler: 'ok', followUps: 'ok' },
    })
    expect(await (await fetch(url)).text()).toContain('<title>Belfry</title>')
    bot.kill('SIGTERM')
    expect(await bot.exited).toEqual({ code: 0, signal: null })
    expect(bot.stderr()).toBe('')
  })

  it('what was said survives kill -9 of an embedded bot, and the follow-up goes out after the restart, once', async () => {
    await beginWithData()
    const env = { ...QUICK, FOLLOW_UP_DEFAULT_DELAY_HOURS: '0.002', PORT: '0' }
    const first = start('main', { env })
    const [, url = ''] = await first.shows(/open\s+(http:\S+)/)
    for (const [index, text] of TALK.trim().split('\n').entries())
      expect((await post(url, text, `message-${index}`)).status).toBe(202)
    first.kill('SIGKILL')
    await first.exited
    const second = start('main', { env })
    const [, again = ''] = await second.shows(/open\s+(http:\S+)/)
    await until('the follow-up arrives', async () => (await turnsOf(again)).some(turn => turn.kind === 'follow_up'))
    const turns = await turnsOf(again)
    expect(turns.filter(turn => turn.kind === 'chat')).toHaveLength(6)
    expect(turns.filter(turn => turn.kind === 'follow_up')).toEqual([
      expect.objectContaining({ text: expect.stringContaining('recital') }),
    ])
  })

  it('a second process on the same folder is refused and told who has it', async () => {
    await beginWithData()
    const bot = start('main', { env: { PORT: '0' } })
    await bot.shows(/open\s+http/)
    const second = chat(['--user', 'ada'], { input: 'hi\n' })
    expect((await second.exited).code).toBe(1)
    expect(second.stderr()).toMatch(
      new RegExp(`data.* is in use by another process \\(pid ${bot.pid}\\).*BELFRY_DATA_DIR.*DATABASE_URL`),
    )
    expect(second.stdout()).toBe('')
  })

  it('chats without background jobs when they are turned off', async () => {
    await beginWithData()
    const program = chat(['--linger', '5s'], {
      env: { ...QUICK, JOB_SCHEDULER_ENABLED: 'false' },
      input: `${TALK}!job_status\n`,
    })
    expect((await program.exited).code).toBe(0)
    expect(program.stdout()).toContain('recital')
    expect(program.stdout()).toContain('Job scheduler is not available')
    expect(program.stdout()).not.toContain('last time you said')
  })

  it('a terminal chat beside a running bot on the same server gets its follow-up whoever sends it', async () => {
    const database = await createTestDatabase()
    try {
      const env = { ...QUICK, DATABASE_URL: database.url }
      const bot = start('main', { env: { ...env, PORT: '0' } })
      await bot.shows(/open\s+http/)
      const program = chat(['--user', 'ada', '--linger', '30s'], { env, input: TALK })
      expect((await program.exited).code).toBe(0)
      expect(program.stdout().match(/last time you said your recital/g)).toHaveLength(1)
      const { rows } = await database.pool.query('select state from follow_up_history')
      expect(rows).toEqual([{ state: 'sent' }])
    } finally {
      for (const program of programs) program.kill('SIGTERM')
      await Promise.all(programs.map(program => program.exited))
      await database.drop()
    }
  })
})

describe('wrong settings end with a plain message and a code, before anything starts', () => {
  const refusals: [string, Record<string, string>, RegExp, number][] = [
    [
      'a delay that is no number',
      { FOLLOW_UP_DEFAULT_DELAY_HOURS: 'soon' },
      /FOLLOW_UP_DEFAULT_DELAY_HOURS: expected a number of hours from .* got "soon"/,
      2,
    ],
    [
      'a negative cap',
      { FOLLOW_UP_MAX_PER_USER_PER_WEEK: '-1' },
      /FOLLOW_UP_MAX_PER_USER_PER_WEEK: expected a whole number .* got "-1"/,
      2,
    ],
    [
      'a flag that is neither',
      { JOB_SCHEDULER_ENABLED: 'maybe' },
      /JOB_SCHEDULER_ENABLED: expected true or false, got "maybe"/,
      2,
    ],
    [
      'a malformed DATABASE_URL',
      { DATABASE_URL: 'postgres//ada:secret@host' },
      /DATABASE_URL: expected a URL like postgres:/,
      2,
    ],
    [
      'a server that is not there',
      { DATABASE_URL: 'postgres://ada:secret@127.0.0.1:1/belfry' },
      /PostgreSQL 127\.0\.0\.1:1\/belfry: the database cannot be reached \(ECONNREFUSED\)/,
      1,
    ],
    [
      'a model without an address',
      { LLM_MODEL: 'llama3' },
      /LLM_BASE_URL: expected an http or https URL beside LLM_MODEL/,
      2,
    ],
  ]
  it.each(refusals)('%s', async (...[, env, message, code]) => {
    const bot = start('main', { env: { PORT: '0', ...env } })
    expect((await bot.exited).code).toBe(code)
    expect(bot.stderr()).toMatch(message)
    expect(bot.stderr()).not.toMatch(/secret|\n\s+at /)
    expect(bot.stdout()).toBe('')
  })

  it('a port in use', async () => {
    await beginWithData()
    const taken = createServer()
    await new Promise<void>(resolve => taken.listen(0, '127.0.0.1', resolve))
    const { port } = taken.address() as AddressInfo
    const bot = start('main', { env: { PORT: String(port) } })
    expect((await bot.exited).code).toBe(1)
    expect(bot.stderr()).toContain(
      `port ${port} on 127.0.0.1 is in use. Choose another one: PORT=${port + 1} npm start`,
    )
    taken.close()
  })

  it('a read-only database', async () => {
    const database = await createTestDatabase()
    try {
      const name = new URL(database.url).pathname.slice(1)
      await database.pool.query(`alter database "${name}" set default_transaction_read_only = on`)
      const bot = start('main', { env: { PORT: '0', DATABASE_URL: database.url } })
      expect((await bot.exited).code).toBe(1)
      expect(bot.stderr()).toMatch(/is read-only\. Point DATABASE_URL at the primary/)
    } finally {
      await database.drop()
    }
  })

  it('a wrong user name, option or command', async () => {
    const results = await Promise.all(
      [['chat', '--user', 'a b'], ['chat', '--speed', '9'], ['chat', '--linger', 'soon'], ['dance']].map(async args => {
        const program = start('cli', { args, input: '' })
        return {
          code: (await program.exited).code,
          said: program.stderr().length > 20 && !program.stderr().includes('\n    at '),
        }
      }),
    )
    expect(results.map(result => [result.code, result.said])).toEqual(results.map(() => [2, true]))
  })

  it('a .env file with a byte-order mark, CRLF and quotes is read; a wrong value in it is named', async () => {
    await beginWithData()
    await writeFile(join(folder, '.env'), '\uFEFFBOT_NAME="Bell Tower"\r\nPORT=0\r\nLLM_API_KEY=\r\n')
    const program = chat(['--user', 'ada'], { input: 'who are you?\n' })
    expect((await program.exited).code).toBe(0)
    expect(program.stdout()).toMatch(/^Bell Tower: I am Bell Tower/)
    await writeFile(join(folder, '.env'), 'PORT=many\n')
    const bot = start('main')
    expect((await bot.exited).code).toBe(2)
    expect(bot.stderr()).toContain('PORT: expected a whole number')
  })
})

describe('npm start', () => {
  it('stops the bot cleanly when the shell around it is told to go', async () => {
    await beginWithData()
    const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url))
    const shell = spawn('sh', ['-c', `"${process.execPath}" "${main}" --stop-with-parent; true`], {
      cwd: folder,
      env: { PATH: process.env.PATH, PORT: '0' },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let printed = ''
    const closed = new Promise(resolve => shell.stdout.once('close', resolve))
    shell.stdout.setEncoding('utf8').on('data', text => (printed += String(text)))
    await until('the bot is up', () => Promise.resolve(printed.includes('open  ')))
    shell.kill('SIGTERM')
    // Its output closes when the bot itself has ended.
    await closed
    expect(printed).toContain('Belfry is stopping.')
  })
})
