import { afterEach, describe, expect, it } from 'vitest'
import { personalTables } from '../../src/operations/personal-data-store.ts'
import { recordAct } from '../../src/users/audit-store.ts'
import { everyRow, tablesOf } from '../support/every-row.ts'
import { createTestApp, type TestApp } from '../support/test-app.ts'

/** Tables that hold nobody, and why. */
const NOBODY: Readonly<Record<string, string>> = {
  belfry_bot_migrations: 'what ran on this database',
  belfry_migrations: 'what ran on this database',
  belfry_runners: 'processes',
  belfry_schedules: 'recurring jobs of the bot, none about a person',
  belfry_lanes: 'limits at work; the bot sets none by person',
  belfry_pauses: 'paused job types',
  belfry_events: 'events that jobs wait for; the bot sends none',
  belfry_event_topics: 'names of events; the bot sends none',
  bot_secrets: "the bot's own key",
  llm_usage: 'sums by day over everybody',
}
/** Of the bot's own tables among them every column: a new one may make them somebody's. */
const NOBODYS_COLUMNS: Readonly<Record<string, readonly string[]>> = {
  bot_secrets: ['name', 'value'],
  llm_usage: ['day', 'requests', 'prompt_tokens', 'completion_tokens'],
}
/** Columns that hold an id or a hash of one, wherever they are. */
const ABOUT_SOMEBODY = /user|person|actor|set_by|subject|author|name_of|platform_message/

describe.each(['PGlite', 'PostgreSQL'] as const)('what is stored about a person, on %s', engine => {
  let test: TestApp
  afterEach(() => test.close())

  it('is in tables that are all known', async () => {
    test = await createTestApp(engine)
    const tables = await tablesOf(test.database)
    const known = new Set([...personalTables.map(each => each.table), ...Object.keys(NOBODY)])
    expect([...tables.keys()].filter(table => !known.has(table))).toEqual([])
    expect([...known].filter(table => !tables.has(table))).toEqual([])
    for (const [table, columns] of Object.entries(NOBODYS_COLUMNS)) expect(tables.get(table)).toEqual(columns)
    const suspicious = Object.keys(NOBODY).flatMap(table =>
      (tables.get(table) ?? []).filter(column => ABOUT_SOMEBODY.test(column)).map(column => `${table}.${column}`),
    )
    expect(suspicious).toEqual([])
  })

  it('is given to them, all of it and nothing of anybody else, then erased without a trace but the hash', async () => {
    test = await createTestApp(engine, { FOLLOW_UP_MIN_HOURS_BETWEEN: '0' })
    const before = await everyRow(test.database)
    await aLife(test)
    const theirs = (await everyRow(test.database)).filter(isAdas)
    const tables = new Set(theirs.map(line => line.split(' ')[0]))
    // A table nobody fills here would prove nothing.
    expect([...tables].toSorted()).toEqual([
      'belfry_audit',
      'belfry_unique_periods',
      'bot_audit',
      'consent_events',
      'conversation_turns',
      'follow_up_controls',
      'follow_up_decisions',
      'follow_up_history',
      'job_attempts',
      'scheduled_jobs',
      'user_profiles',
    ])

    const { content } = await test.app.exportData('web:ada')
    const missing = theirs.filter(line => {
      const row = JSON.parse(line.slice(line.indexOf(' ') + 1)) as Record<string, unknown>
      const key = row['turn_id'] ?? row['audit_id'] ?? row['event_id'] ?? row['decision_id'] ?? row['job_id']
      return !content.includes(key === undefined ? 'web:ada' : JSON.stringify(key))
    })
    expect(missing).toEqual([])
    expect(content).toContain('the cello is my secret')
    expect(content).toContain('attempts that failed')
    expect(content).not.toMatch(/Bo likes tea|web:bo/)
    expect(content).not.toContain('lease_token')

    await test.say('Ada', '!forget_me')
    expect(await test.say('Ada', '!forget_me confirm')).toMatchObject({ aside: expect.stringContaining('Done.') })
    const after = await everyRow(test.database)
    expect(after.filter(isAdas)).toEqual([])
    expect(after.filter(line => /Bo likes tea/.test(line))).not.toEqual([])
    expect(after.filter(line => line.startsWith('suppressed_people'))).toHaveLength(1)
    expect(before.filter(line => line.startsWith('bot_secrets'))).toEqual(
      after.filter(line => line.startsWith('bot_secrets')),
    )
  })
})

const isAdas = (line: string) => /web:ada|"Ada"|cello|attempts that failed/.test(line)

/** Ada talks, agrees, is followed up, administers; Bo is somebody else. Every table gets a row about her. */
async function aLife(test: TestApp): Promise<void> {
  const { app, database } = test
  await test.say('Bo', 'Bo likes tea')
  for (const text of ['hi, I am Ada', 'the cello is my secret', 'I play the cello on Friday'])
    await test.say('Ada', text)
  await test.say('Ada', '!followup_settings on')
  await test.pass('50h')
  expect(await test.followUps()).toHaveLength(1)
  await test.say('Ada', 'the cello was fine')
  await test.say('Ada', '!schedule_followup bo 24', { admin: true })
  await test.say('Ada', '!schedule_followup me 24', { admin: true })
  await test.say('Ada', '!my_data')
  await app.exportData('web:ada')
  // What the scheduler keeps of a job that failed, was tried again, and is long gone.
  const { jobId = '' } =
    (await app.scheduler?.scheduleJob('custom', {
      payload: { userId: 'web:ada', note: 'cello' },
      subjects: ['user:web:ada'],
      uniqueKey: 'automatic:web:ada',
      uniqueFor: '30d',
    })) ?? {}
  app.scheduler?.registerHandler('custom', () => {
    throw new Error('attempts that failed')
  })
  await app.scheduler?.runDueJobs()
  expect((await app.scheduler?.getJob(jobId))?.status).toBe('pending')
  await app.scheduler?.admin.cancelSubject('web:somebody-else', { actor: 'web:ada' })
  await app.scheduler?.admin.postponeSubject('web:ada', { by: '1h' }, { actor: 'bo the admin' })
  await recordAct(database, { actor: 'web:ada', act: 'pause', now: null })
  await database.query(`insert into follow_up_controls (name, reason, set_by) values ('pause', 'holiday', 'web:ada')`)
}
