import fc from 'fast-check'
import { silentLogger, type Logger } from 'belfry'
import { afterEach, describe, expect, it } from 'vitest'
import { activeControls, setControl } from '../../src/followups/controls-store.ts'
import { checkGuardrail, GUARDRAIL_SENDS, guardrailFault } from '../../src/followups/guardrail.ts'
import { createTestApp, type TestApp } from '../support/test-app.ts'

describe('the guardrail', () => {
  it('holds back from the sixth no of the last fifty on, also when there were fewer', () => {
    expect(guardrailFault({ sends: 50, optOuts: 5, dmClosed: 5 })).toBeUndefined()
    expect(guardrailFault({ sends: 50, optOuts: 6, dmClosed: 0 })).toContain('6 opt-outs')
    expect(guardrailFault({ sends: 12, optOuts: 0, dmClosed: 6 })).toContain('6 of the last 12')
  })

  it('never lets more no stop less', () => {
    const counts = fc.record({
      sends: fc.integer({ min: 0, max: GUARDRAIL_SENDS }),
      optOuts: fc.integer({ min: 0, max: GUARDRAIL_SENDS }),
      dmClosed: fc.integer({ min: 0, max: GUARDRAIL_SENDS }),
    })
    fc.assert(
      fc.property(counts, last => {
        if (guardrailFault(last) === undefined) return true
        return guardrailFault({ ...last, optOuts: last.optOuts + 1, dmClosed: last.dmClosed + 1 }) !== undefined
      }),
    )
  })
})

describe.each(['PGlite', 'PostgreSQL'] as const)('a bot that too many people say no to, on %s', engine => {
  let test: TestApp
  afterEach(() => test.close())

  const warnings: unknown[] = []
  const logger: Logger = { ...silentLogger, warn: (...said: unknown[]) => void warnings.push(said) }
  const WINDOW = 72 * 3_600_000
  const check = () => checkGuardrail({ database: test.database, clock: test.clock, logger, windowMs: WINDOW })
  const controls = async () =>
    (await activeControls(test.database, test.clock.now().toISOString())).map(({ name }) => name)

  /** People were written to, an hour apart, and so many said no ten minutes later. */
  async function written(people: number, saidNo: number, name = 'p'): Promise<void> {
    await test.database.query(
      `insert into follow_up_history (user_id, message_sent, sent_at, state, job_id)
       select $1::text || n, '', $2::text::timestamptz + n * interval '1 hour', 'sent', $1::text || n
       from generate_series(1, $3::int) n`,
      [name, test.clock.now().toISOString(), people],
    )
    await test.database.query(
      `insert into consent_events (user_id, kind, source, text_version, at)
       select $1::text || n, 'revoked', 'word', 1, $2::text::timestamptz + n * interval '1 hour' + interval '10 minutes'
       from generate_series(1, $3::int) n`,
      [name, test.clock.now().toISOString(), saidNo],
    )
    test.clock.advance(`${people + 1}h`)
  }

  it('stops by itself, tells once, and goes on only when an owner says so; then it counts anew', async () => {
    test = await createTestApp(engine, { ADMIN_USER_IDS: 'web:olga' })
    warnings.length = 0
    await written(30, 5)
    await check()
    expect(await controls()).toEqual([])
    await written(20, 1, 'q')
    await Promise.all([check(), check(), check()])
    expect(await controls()).toEqual(['guardrail'])
    expect(warnings).toEqual([[expect.objectContaining({ event: 'follow_ups_paused' }), expect.any(String)]])

    const status = (await test.say('Olga', '!job_status', { admin: true })).text
    expect(status).toContain('⏸ Follow-ups are paused (guardrail)')
    expect(status).toContain('6 opt-outs after the last 50 follow-ups')
    expect((await test.say('Olga', '!followup_stats', { admin: true })).text).toContain('paused (guardrail)')

    const resumed = (await test.say('Olga', '!followup_resume', { admin: true })).text
    expect(resumed).toContain('Follow-ups go on (ended: guardrail). The guardrail counts anew')
    await check()
    expect(await controls()).toEqual([])
    await written(20, 5, 'r')
    await check()
    expect(await controls()).toEqual([])
    await written(3, 1, 's')
    await check()
    expect(await controls()).toEqual(['guardrail'])
  })

  it('forgets what is more than fifty sends ago', async () => {
    test = await createTestApp(engine)
    await written(20, 5)
    await written(49, 0, 'q')
    await written(1, 1, 'r')
    await check()
    expect(await controls()).toEqual([])
  })

  it('stops for closed messages too', async () => {
    test = await createTestApp(engine)
    await test.rows(`insert into follow_up_history (user_id, message_sent, sent_at, state, failure_code, job_id, prepared_at)
      select 'p' || n, '', null, 'failed', 'dm_closed', 'j' || n, '2027-03-01T11:00Z' from generate_series(1, 6) n`)
    await check()
    expect(await controls()).toEqual(['guardrail'])
  })

  it('is asked before each follow-up', async () => {
    test = await createTestApp(engine)
    await written(10, 6)
    for (const text of ['hi, I am Ada', 'I play the cello', 'my recital is on Friday']) await test.say('Ada', text)
    expect(await controls()).toEqual([])
    await test.pass('47h')
    expect(await controls()).toEqual([])
    // It is night then; the morning is when it is due.
    await test.pass('12h')
    expect(await controls()).toEqual(['guardrail'])
    await test.pass('7d')
    expect(await test.followUps()).toEqual([])
  })

  it('holds back what it does by itself, while a pause holds back everything', async () => {
    test = await createTestApp(engine, { FOLLOW_UP_QUIET_HOURS: 'off' })
    for (const who of ['Ada', 'Bo'])
      for (const text of [`hi, I am ${who}`, 'I play the cello', 'my recital is on Friday']) await test.say(who, text)
    const now = test.clock.now().toISOString()
    const guardrail = { name: 'guardrail', reason: 'many said no', setBy: 'guardrail', now } as const
    await setControl(test.database, guardrail)
    await test.say('Olga', '!schedule_followup @Ada 50', { admin: true })
    await test.pass('51h')
    expect((await test.followUps()).map(each => each.user_id)).toEqual(['web:ada'])
    await setControl(test.database, { ...guardrail, name: 'pause', until: new Date('2027-03-08T12:00:00Z') })
    await test.say('Olga', '!schedule_followup @Bo 1', { admin: true })
    await test.pass('1d')
    expect(await test.followUps()).toHaveLength(1)
    await test.pass('4d')
    const [sent] = await test.rows<{ at: string }>(
      "select to_char(max(sent_at) at time zone 'UTC', 'DD HH24:MI') as at from follow_up_history where user_id = 'web:bo'",
    )
    expect(sent?.at).toBe('08 12:00')
  })
})

describe('pausing by hand', () => {
  let test: TestApp
  afterEach(() => test.close())
  const audit = () => test.rows('select actor, act, detail from bot_audit order by audit_id')
  const byOwner = async (text: string) => (await test.say('Olga', text, { admin: true })).text

  it('is for owners, holds until it is ended, and is audited without its words', async () => {
    test = await createTestApp('PostgreSQL', { ADMIN_USER_IDS: 'web:olga' })
    expect((await test.say('Ada', '!followup_pause')).text).toContain('requires administrator permissions')
    expect(await test.byServerAdmin('!followup pause Ada is on holiday')).toContain('for owners of the bot')
    expect(await byOwner('!followup pause Ada is on holiday')).toContain('paused for everybody')
    expect(await byOwner('!followup stats')).toContain('(pause)')
    expect(await byOwner('!job status')).toContain('Ada is on holiday')
    expect(await byOwner('!followup_resume')).toContain('Follow-ups go on (ended: pause)')
    expect(await byOwner('!followup_resume')).toContain('were not paused; nothing was changed')
    expect(await audit()).toEqual([
      { actor: 'web:olga', act: 'follow_ups_paused', detail: { controls: ['pause'] } },
      { actor: 'web:olga', act: 'follow_ups_resumed', detail: { controls: ['pause'] } },
    ])
  })

  it('stops what was planned', async () => {
    test = await createTestApp('PostgreSQL')
    for (const text of ['hi, I am Ada', 'I play the cello', 'my recital is on Friday']) await test.say('Ada', text)
    await test.say('Olga', '!followup_pause', { admin: true })
    await test.pass('3d')
    expect(await test.followUps()).toEqual([])
    expect(await test.rows('select state, reason from follow_up_history')).toEqual([
      { state: 'withheld', reason: 'breaker_open' },
    ])
  })

  it('what the bot stopped by itself is not for an administrator of one server to end', async () => {
    test = await createTestApp('PostgreSQL', { ADMIN_USER_IDS: 'web:olga' })
    await test.rows(
      "insert into follow_up_controls (name, reason, set_by) values ('guardrail', 'six said no', 'guardrail')",
    )
    expect(await test.byServerAdmin('!followup_resume')).toContain('for owners of the bot')
    expect(await test.rows('select name from follow_up_controls')).toEqual([{ name: 'guardrail' }])
    expect(await audit()).toEqual([])
    expect(await byOwner('!followup_resume')).toContain('ended: guardrail')
  })
})
