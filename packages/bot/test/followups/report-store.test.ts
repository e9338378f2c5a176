import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { readOnly } from '../../src/followups/rehearse-store.ts'
import { readReportFacts } from '../../src/followups/report-store.ts'
import { reportOf } from '../../src/followups/report.ts'
import { createTestApp, type TestApp } from '../support/test-app.ts'

const NOW = '2027-03-31T12:00:00Z'
const HOUR = 3_600_000
const DAY = 24 * HOUR

describe.each(['PGlite', 'PostgreSQL'] as const)('what a report counts on %s', engine => {
  let test: TestApp
  beforeAll(async () => {
    test = await createTestApp(engine)
  })
  beforeEach(() =>
    test.rows(`with a as (delete from follow_up_history), b as (delete from follow_up_decisions)
      delete from consent_events`),
  )
  afterAll(() => test.close())

  /** A follow-up some hours before now. */
  async function followUp(hoursAgo: number, columns: Record<string, unknown> = {}): Promise<void> {
    const at = new Date(Date.parse(NOW) - hoursAgo * HOUR).toISOString()
    const { replyAfterHours, ...rest } = columns
    const row: Record<string, unknown> = {
      user_id: 'web:ada',
      message_sent: '',
      job_id: crypto.randomUUID(),
      state: 'sent',
      prepared_at: at,
      sent_at: rest['state'] === undefined || rest['state'] === 'sent' ? at : null,
      ...rest,
    }
    if (typeof replyAfterHours === 'number') {
      row['response_received'] = true
      row['response_time'] = new Date(Date.parse(at) + replyAfterHours * HOUR).toISOString()
    }
    const names = Object.keys(row)
    await test.database.query(
      `insert into follow_up_history (${names.join(', ')}) select ${names.map(name => `row.${name}`).join(', ')}
       from jsonb_populate_record(null::follow_up_history, $1::text::jsonb) as row`,
      [JSON.stringify(row)],
    )
  }
  const saidNo = (userId: string, hoursAgo: number) =>
    test.database.query(
      `insert into consent_events (user_id, kind, source, text_version, at) values ($1::text, 'revoked', 'word', 1, $2::text::timestamptz)`,
      [userId, new Date(Date.parse(NOW) - hoursAgo * HOUR).toISOString()],
    )
  const report = async (days = 30) =>
    reportOf(await readReportFacts(test.database, { sinceMs: days * DAY, windowMs: 72 * HOUR, now: NOW }))

  it('sent, pending and answered ones, each once, and no others', async () => {
    await followUp(31 * 24)
    for (let n = 0; n < 20; n += 1) await followUp(100 + n, { replyAfterHours: n < 5 ? n + 1 : undefined })
    await followUp(71, { replyAfterHours: 1 })
    await followUp(2)
    await followUp(90, { state: 'withheld' })
    await followUp(90, { state: 'held_out' })
    await followUp(90, { state: 'prepared' })
    const { total, heldOut } = await report()
    expect(total).toMatchObject({
      sent: 22,
      pending: 2,
      replyRate: { count: 5, of: 20, share: { value: 0.25 } },
      medianLatencyMs: 3 * HOUR,
    })
    expect(heldOut).toBe(1)
    expect((await report(1)).total.sent).toBe(1)
  })

  it('a no counts once, towards the last thing that was sent, within the window', async () => {
    await followUp(200, { user_id: 'a' })
    await followUp(150, { user_id: 'a' })
    await saidNo('a', 149)
    await followUp(200, { user_id: 'b' })
    await saidNo('b', 200 - 73)
    await saidNo('b', 201)
    await followUp(200, { user_id: 'c' })
    await saidNo('d', 199)
    expect((await report()).total.optOuts).toMatchObject({ count: 1, of: 4 })
  })

  it('failures by code; closed messages beside the sends', async () => {
    await followUp(50, { state: 'failed', failure_code: 'dm_closed', attempted_at: NOW })
    await followUp(50, { state: 'failed', failure_code: 'dm_closed' })
    await followUp(50, { state: 'failed', failure_code: 'content_refused' })
    await followUp(50, {})
    const { total, failed } = await report()
    expect(failed).toEqual([
      { reason: 'dm_closed', count: 2 },
      { reason: 'content_refused', count: 1 },
    ])
    expect(total).toMatchObject({ sent: 1, dmClosed: { count: 2, of: 3 } })
  })

  it('by variant, source, template, hour, delay and language', async () => {
    await followUp(100, { variant: 'quick', source: 'model', language: 'de', delay_hours: 24 })
    await followUp(100, { variant: 'slow', source: 'template', template: 'topic-1', language: 'en', delay_hours: 71.5 })
    await followUp(99, { variant: 'slow', source: 'template', template: 'topic-2', language: 'en', delay_hours: 120 })
    const counts = (await report()).groups.map(({ by, key, sent }) => `${by} ${key} ${sent}`)
    expect(counts).toEqual([
      'variant quick 1',
      'variant slow 2',
      'source model 1',
      'source template 2',
      'template none 1',
      'template topic-1 1',
      'template topic-2 1',
      'hour 08:00 2',
      'hour 09:00 1',
      'delay 024 to 48 h 1',
      'delay 048 to 72 h 1',
      'delay 120 to 144 h 1',
      'language de 1',
      'language en 2',
    ])
  })

  it('withheld ones by their reason, per job and not per look', async () => {
    const decide = (jobId: string, decision: string) =>
      test.rows(`insert into follow_up_decisions (user_id, job_id, gates, decided_at, stage, verdict, reason)
        values ('a', '${jobId}', '[]', '2027-03-20', ${decision})`)
    await decide('1', "'plan', 'allow', null")
    await decide('1', "'prepare', 'defer', 'recently_active'")
    await decide('1', "'prepare', 'deny', 'weekly_cap'")
    await decide('1', "'send', 'deny', 'weekly_cap'")
    await decide('2', "'plan', 'defer', 'quiet_hours'")
    await decide('2', "'send', 'deny', 'opted_out'")
    await decide('3', "'plan', 'deny', 'opted_out'")
    expect(await report()).toMatchObject({
      planned: 3,
      gated: [
        { reason: 'opted_out', count: 1 },
        { reason: 'weekly_cap', count: 1 },
      ],
    })
  })

  it('is read by something that cannot write', async () => {
    await followUp(100)
    const forget = () => readOnly(test.database, snapshot => snapshot.query('delete from follow_up_history'))
    await expect(forget()).rejects.toThrow(/read-only transaction/)
    expect((await report()).total.sent).toBe(1)
  })

  it('people who came back, each once and only when their week is over, written to and held out alike', async () => {
    await followUp(400, { user_id: 'a', returned_within_7d: true })
    await followUp(300, { user_id: 'a', returned_within_7d: null })
    await followUp(400, { user_id: 'b', returned_within_7d: false })
    await followUp(400, { user_id: 'c' })
    await followUp(100, { user_id: 'd', returned_within_7d: true })
    await followUp(400, { user_id: 'e', returned_within_7d: true, automatic: false })
    await followUp(400, { user_id: 'f', state: 'held_out', returned_within_7d: true })
    await followUp(400, { user_id: 'g', state: 'held_out' })
    await followUp(400, { user_id: 'h', job_id: null })
    expect((await report()).lift).toMatchObject({ sent: { count: 1, of: 3 }, heldOut: { count: 1, of: 2 } })
  })
})

describe('somebody who comes back', () => {
  let test: TestApp
  beforeEach(async () => {
    test = await createTestApp('PostgreSQL')
  })
  const talk = async () => {
    for (const text of ['hi, I am Ada', 'I play the cello', 'my recital is on Friday']) await test.say('Ada', text)
  }
  const stored = () =>
    test.rows(
      'select state, response_received as replied, returned_within_7d as back from follow_up_history order by id',
    )

  it('within seven days is noted beside the answer; after the reply window it is no answer any more', async () => {
    await talk()
    await test.pass('49h')
    await test.pass('4d')
    await test.say('Ada', '!help')
    expect(await stored()).toEqual([{ state: 'sent', replied: false, back: null }])
    await test.say('Ada', 'hello again')
    expect(await stored()).toEqual([{ state: 'sent', replied: false, back: true }])
    await test.close()
  })

  it('later than that has not, and what was held back counts the same', async () => {
    await talk()
    await test.pass('49h')
    await test.rows(`insert into follow_up_history (user_id, message_sent, sent_at, state, job_id, prepared_at)
      select user_id, '', null, 'held_out', 'j', sent_at from follow_up_history`)
    await test.pass('8d')
    await test.say('Ada', 'hello again')
    expect(await stored()).toEqual([
      { state: 'sent', replied: false, back: false },
      { state: 'held_out', replied: false, back: false },
    ])
    await test.close()
  })

  it('in another conversation has come back, and has not answered; in the same one then has', async () => {
    await talk()
    await test.pass('49h')
    const elsewhere = {
      platform: 'web',
      conversationId: 'web:elsewhere',
      userId: 'web:ada',
      displayName: 'Ada',
    } as const
    await test.app.chat.handle({ ...elsewhere, isAdmin: false, messageId: 'other', text: 'I am over here now' })
    expect(await stored()).toEqual([{ state: 'sent', replied: false, back: true }])
    await test.say('Ada', 'and here again')
    expect(await stored()).toEqual([{ state: 'sent', replied: true, back: true }])
    await test.close()
  })

  it('by saying stop has neither come back nor answered', async () => {
    await talk()
    await test.pass('49h')
    await test.say('Ada', 'stop')
    expect(await stored()).toEqual([{ state: 'sent', replied: false, back: null }])
    await test.close()
  })
})
