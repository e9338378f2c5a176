import { afterEach, describe, expect, it } from 'vitest'
import { findInactiveSchedule } from '../../src/jobs/find-inactive-people.ts'
import { findInactivePeopleJob } from '../../src/job-catalog.ts'
import { createTestApp, type TestApp } from '../support/test-app.ts'

describe('people who went quiet with nothing planned', () => {
  let test: TestApp
  afterEach(() => test.close())

  const talk = async (who: string, texts = [`hi, I am ${who}`, 'I play the cello', 'my recital is on Friday']) => {
    for (const text of texts) await test.say(who, text)
  }
  const look = async () => {
    const job = await test.app.scheduler?.scheduleJob(findInactivePeopleJob, {})
    await test.app.scheduler?.runDueJobs()
    return (await test.app.scheduler?.getJob(job?.jobId ?? ''))?.result
  }
  /** People who have all just said three things, straight into the tables. */
  const crowd = async (size: number) => {
    await test.database.query(
      `insert into user_profiles (user_id, display_name, platform, last_conversation_id, last_active_at)
       select 'web:' || n, 'Person ' || n, 'web', 'web:' || n, $1::text::timestamptz from generate_series(1, $2::int) n`,
      [test.clock.now().toISOString(), size],
    )
    await test.database.query(
      `insert into conversation_turns (conversation_id, user_id, author, kind, text, sent_at)
       select user_id, user_id, 'user', 'chat', 'I practise piece ' || part, last_active_at
       from user_profiles, generate_series(1, 3) part`,
    )
  }
  const jobs = () => test.rows("select from scheduled_jobs where job_type = 'follow_up_message'")

  it('are found and written to once: who spoke while no scheduler ran', async () => {
    test = await createTestApp('PostgreSQL', { FOLLOW_UP_QUIET_HOURS: 'off' })
    await talk('Ada')
    await test.database.query('delete from scheduled_jobs')
    expect(await look()).toEqual({ considered: 0, planned: 0 })
    test.clock.advance('3d')
    expect(await look()).toEqual({ considered: 1, planned: 1 })
    expect(await look()).toEqual({ considered: 0, planned: 0 })
    await test.pass('10d')
    expect(await test.followUps()).toHaveLength(1)
    expect(await look()).toEqual({ considered: 0, planned: 0 })
  })

  it('who has one planned, or must not be written to, is left as they are, and considered once', async () => {
    test = await createTestApp('PostgreSQL', { FOLLOW_UP_QUIET_HOURS: 'off' })
    await talk('Ada')
    await talk('Bo', ['hello'])
    await talk('Cy')
    await test.say('Cy', '!followup_settings off')
    expect(await jobs()).toHaveLength(2)
    test.clock.advance('49h')
    expect(await look()).toEqual({ considered: 2, planned: 0 })
    expect(await look()).toEqual({ considered: 0, planned: 0 })
    const decided = await test.rows(
      "select user_id, verdict, reason from follow_up_decisions where verdict = 'deny' and job_id is null order by user_id",
    )
    expect(decided).toEqual([
      { user_id: 'web:bo', verdict: 'deny', reason: 'too_shallow' },
      { user_id: 'web:cy', verdict: 'deny', reason: 'opted_out' },
    ])
  })

  it('a text whose job was cancelled is withheld with that reason', async () => {
    test = await createTestApp('PostgreSQL')
    test.clock.moveTo('2027-03-01T22:40:00Z')
    await talk('Ada')
    await test.database.query(`insert into follow_up_history (user_id, job_id, message_sent, state, sent_at)
      select 'web:ada', job_id, 'Hi Ada, how did it go?', 'prepared', null from scheduled_jobs`)
    await test.say('Ada', 'stop')
    await look()
    expect(await test.rows('select state, reason from follow_up_history')).toEqual([
      { state: 'withheld', reason: 'job_cancelled' },
    ])
  })

  it('after a day without any bot everybody is planned anew, and nobody gets theirs in a burst', async () => {
    test = await createTestApp('PostgreSQL', { FOLLOW_UP_QUIET_HOURS: 'off' })
    const people = 150
    await crowd(people)
    test.clock.advance('47h 55m')
    expect(await look()).toEqual({ considered: people, planned: people })
    // Everything is down while they are due, and for a day after that.
    test.clock.advance('25h')
    await test.app.scheduler?.applySchedule(findInactiveSchedule)
    for (let tenth = 0; tenth < 9; tenth += 1) await test.pass('10m')
    expect(await test.followUps()).toHaveLength(people)
    const minutes = await test.rows<{ most: number }>(
      `select max(within)::int as most from (select count(*) over (order by sent_at
         range between interval '59.999 seconds' preceding and current row) as within
       from follow_up_history where state = 'sent') counted`,
    )
    expect(minutes[0]?.most).toBeLessThanOrEqual(10)
    const ends = await test.rows(
      'select state, reason, count(*)::int as n from follow_up_history group by 1, 2 order by 1',
    )
    expect(ends).toEqual([
      { state: 'sent', reason: null, n: people },
      { state: 'withheld', reason: 'expired', n: people },
    ])
  })

  it('people who are overdue get places one after another, as many a minute as may be sent', async () => {
    test = await createTestApp('PostgreSQL', { FOLLOW_UP_QUIET_HOURS: 'off' })
    await crowd(60)
    test.clock.advance('3d')
    expect(await look()).toEqual({ considered: 60, planned: 60 })
    const minutes = await test.rows<{ n: number }>(
      `select count(*)::int as n from scheduled_jobs where job_type = 'follow_up_message'
       group by date_trunc('minute', scheduled_time)`,
    )
    expect(minutes.length).toBeGreaterThanOrEqual(6)
    expect(Math.max(...minutes.map(each => each.n))).toBeLessThanOrEqual(11)
  })

  it('a crowd that is due at once waits unclaimed for its turn', async () => {
    test = await createTestApp('PostgreSQL', { FOLLOW_UP_QUIET_HOURS: 'off' })
    await crowd(200)
    test.clock.advance('47h 55m')
    expect(await look()).toEqual({ considered: 200, planned: 200 })
    await test.pass('7m')
    const sent = (await test.followUps()).length
    expect(sent).toBeGreaterThanOrEqual(10)
    expect(sent).toBeLessThanOrEqual(30)
    const attempts = await test.rows("select from job_execution_history where job_type = 'follow_up_message'")
    expect(attempts.length).toBeLessThan(sent + 20)
  })
})
