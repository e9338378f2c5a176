import { NonRetryableError } from 'belfry'
import { afterEach, describe, expect, it } from 'vitest'
import { createTestApp, type TestApp } from '../support/test-app.ts'

let test: TestApp
afterEach(() => test.close())

const admin = async (text: string) => (await test.say('Olga', text, { admin: true })).text
const schedule = async (jobType: string, jobId?: string) => {
  const { jobId: id } = (await test.app.scheduler?.scheduleJob(jobType, { delay: '1h', ...(jobId && { jobId }) })) ?? {
    jobId: '',
  }
  test.clock.advance('1s')
  return id
}

describe('!job_list', () => {
  it('shows the newest first, ten a page, all or of a status or type', async () => {
    test = await createTestApp('PostgreSQL')
    for (let n = 1; n <= 23; n += 1) await schedule(n % 2 === 0 ? 'even' : 'odd', `job-${String(n).padStart(3, '0')}`)
    await admin('!job_cancel job-001')
    const ids = async (text: string) => [...(await admin(text)).matchAll(/`(job-\d+)`/g)].map(([, id]) => id)
    const first = await admin('!job_list')
    expect(first).toMatch(/^Jobs \(all\), page 1:\n`job-023` odd pending, due in 59\.5 minutes/)
    expect(first).toContain('More: page 2.')
    expect(await ids('!job list')).toHaveLength(10)
    expect(await ids('!job list 3')).toEqual(['job-003', 'job-002', 'job-001'])
    expect(await admin('!job_list 3')).not.toContain('More')
    expect(await admin('!job_list 4')).toBe('Jobs (all): no page 4.')
    expect(await ids('!job_list cancelled')).toEqual(['job-001'])
    expect(await ids('!job_list even 2')).toEqual(['job-002'])
    expect(await admin('!job_list failed')).toBe('There are no jobs that are failed.')
  })

  it('says what it does not understand', async () => {
    test = await createTestApp('PostgreSQL')
    expect(await admin('!job_list')).toBe('There are no jobs.')
    await schedule('odd')
    expect(await admin('!job_list evne')).toMatch(
      /no status or job type `evne`\. Statuses: pending.* Types: .*odd.*\nUsage/,
    )
    for (const bad of ['0', '101', 'odd even', '; drop', 'odd 0'])
      expect(await admin(`!job_list ${bad}`)).toContain('Usage: `!job_list [status|type] [page]`')
    expect((await test.say('Ada', '!job_list')).text).toContain('requires administrator permissions')
  })
})

describe('!job_cancel and !job_retry', () => {
  it('cancel what waits, by the beginning of its id, once, and leave a trace', async () => {
    test = await createTestApp('PostgreSQL')
    const id = await schedule('odd')
    expect(await admin(`!job_cancel \`${id.slice(0, 8)}\``)).toBe(`Job \`${id}\` is cancelled: it will not start.`)
    expect(await admin(`!job cancel ${id}`)).toBe(`Job \`${id}\` is cancelled already; nothing was changed.`)
    expect(await test.rows('select actor, action from belfry_audit')).toEqual([
      { actor: 'web:olga', action: expect.stringContaining('cancel') },
    ])
    expect(await admin(`!job_retry ${id}`)).toContain('is cancelled; only failed jobs are retried')
  })

  it('retry what failed, and nothing else', async () => {
    test = await createTestApp('PostgreSQL')
    let broken = true
    test.app.scheduler?.registerHandler('fragile', () => {
      if (broken) throw new NonRetryableError('the string broke')
    })
    const id = await schedule('fragile')
    expect(await admin(`!job_retry ${id}`)).toContain('is pending; only failed jobs are retried. Nothing was changed.')
    await test.pass('2h')
    expect(await admin('!job_list failed')).toContain('the string broke')
    broken = false
    expect(await admin(`!job retry ${id.slice(0, 6)}`)).toMatch(/is due now, with \d retries/)
    await test.pass('1m')
    expect(await test.app.scheduler?.getJob(id)).toMatchObject({ status: 'completed' })
    expect(await admin(`!job_retry ${id}`)).toContain('is completed')
  })

  it('ask for an id they can be sure of', async () => {
    test = await createTestApp('PostgreSQL')
    await schedule('odd', 'twins-1')
    await schedule('odd', 'twins-2')
    for (const command of ['!job_cancel', '!job_retry']) {
      expect(await admin(command)).toContain('Expected one job id')
      expect(await admin(`${command} twins`)).toContain('Beginnings of ids need 6 characters')
      expect(await admin(`${command} twins-`)).toContain('Several jobs begin with')
      expect(await admin(`${command} nothing-like-it`)).toContain('not found')
    }
    expect(await test.rows("select count(*)::int as n from scheduled_jobs where status = 'pending'")).toEqual([
      { n: 2 },
    ])
  })

  it('without background jobs they say so', async () => {
    test = await createTestApp('PostgreSQL', { JOB_SCHEDULER_ENABLED: 'false' })
    for (const command of ['!job_list', '!job_cancel abcdef', '!job_retry abcdef'])
      expect(await admin(command)).toContain('Job scheduler is not available')
  })
})

describe('!schedule_followup and !job_status', () => {
  it('answer everything that can be typed wrong, and change nothing then', async () => {
    test = await createTestApp('PostgreSQL')
    await test.say('Ada', 'I play the cello')
    const hours = /expected hours such as 24 or 0\.5.*\nUsage: `!schedule_followup @user \[hours\] \[--force\]`/
    for (const bad of ['-5', 'abc', '1e9', '0', 'Infinity', '999999999999999999999', '721']) {
      expect(await admin(`!schedule_followup @Ada ${bad}`)).toMatch(hours)
    }
    expect(await admin('!schedule_followup')).toContain('Please mention a valid user (e.g., @username)')
    expect(await admin('!schedule_followup @Nobody 24')).toContain('I have not talked with anybody called `Nobody`')
    expect(await admin('!job_status no-such-job-id')).toContain('Job `no-such-job-id` not found')
    expect(await admin('!job_status ab')).toContain('not found')
    expect(await admin('!job_statsu')).toContain('Did you mean `!job_status`?')
    expect(await admin('!dance')).toContain('I know no command `!dance`')
    expect(await admin('!followup_settings sideways')).toMatch(/I know no setting `sideways`[\s\S]*Usage/)
    expect((await test.say('Ada', '!schedule_followup @Bo 24')).text).toMatch(
      /requires administrator permissions.*`web:ada`/s,
    )
    expect((await test.say('Ada', '!help')).text).not.toContain('schedule_followup')
    expect(await admin('!help')).toContain('schedule_followup')
    expect(await test.rows('select from scheduled_jobs')).toEqual([])
  })

  it('schedule, show and find a follow-up', async () => {
    test = await createTestApp('PostgreSQL')
    await test.say('Ada', 'I play the cello')
    const answer = await admin('!schedule_followup @Ada 24')
    const [, jobId = ''] =
      answer.match(/Follow-up message scheduled for Ada, in 1 day .*\nJob ID: `([0-9a-f-]{36})`/) ?? []
    expect(jobId).not.toBe('')
    const status = await admin(`!job_status ${jobId.slice(0, 13)}`)
    expect(status).toMatch(new RegExp(`Job Status: \`${jobId}\`\\nType: follow_up_message · Status: pending`))
    const overall = await admin('!job_status')
    expect(overall).toMatch(/Job Scheduler Status: 🔴 Stopped[\s\S]*pending: 1[\s\S]*24h Success Rate: n\/a/)
  })

  it('say so when the person has follow-ups off, and keep it', async () => {
    test = await createTestApp('PostgreSQL')
    await test.say('Ada', 'I play the cello')
    await test.say('Ada', '!followup_settings off')
    const answer = await admin('!schedule_followup @Ada 1')
    expect(answer).toContain('this person has follow-ups off. It is kept, but not sent')
    await test.pass('3h')
    expect(await test.followUps()).toEqual([])
  })
})

describe('commands of two words', () => {
  it('are those of one, and a mistyped one finds its way', async () => {
    test = await createTestApp('PostgreSQL')
    expect((await test.say('Ada', '!followup settings')).text).toContain('Follow-up Settings: on')
    expect((await test.say('Ada', '!FollowUp Settings off')).text).toContain('Follow-ups are off')
    expect(await admin('!job lisst')).toContain('Did you mean `!job_list`?')
    expect(await admin('!followup explane Ada')).toContain('Did you mean `!followup_explain`?')
    expect(await admin('!dance now')).toContain('I know no command `!dance`')
    expect(await admin('!help')).toContain('!followup_stats [days]')
    expect(await admin('!followup_stats 400')).toContain('Days: expected a whole number from 1 to 365; got `400`')
    expect(await admin('!followup_stats 7d')).toContain('Follow-ups from 2027-02-22')
  })
})

describe('an administrator of one server', () => {
  it('lists and reaches the jobs about its members, and finds no others', async () => {
    test = await createTestApp('PostgreSQL')
    const ask = (text: string) => test.byServerAdmin(text, ['web:ada'])
    for (const who of ['Ada', 'Bo'])
      for (const text of ['hello there', 'I play the cello', 'my recital is on Friday']) await test.say(who, text)
    const [ada, bo] = await test.rows<{ job_id: string }>(
      "select job_id from scheduled_jobs where payload->>'userId' is not null order by payload->>'userId'",
    )
    const cleanup = await schedule('cleanup', 'cleanup-of-everybody')
    const listed = await ask('!job_list')
    expect(listed).toMatch(/^Jobs \(all, of people here\), page 1:\n`/)
    expect([...listed.matchAll(/`([^`]+)`/g)].map(([, id]) => id)).toEqual([ada?.job_id])
    expect(await ask('!job_list cleanup')).toBe('Jobs (cleanup, of people here): none among the newest 200.')
    expect(await ask('!job_list 2')).toBe('Jobs (all, of people here): no page 2.')
    expect(await ask(`!job_status ${ada?.job_id}`)).toContain('follow_up_message')
    for (const id of [bo?.job_id, cleanup, 'cleanup-of'])
      expect(await ask(`!job_cancel ${id}`)).toContain(`Job \`${id}\` not found.`)
    await schedule('cleanup', 'cleanup-of-nobody')
    expect(await ask('!job_cancel cleanup')).not.toContain('nobody')
    expect(await ask(`!job_cancel ${ada?.job_id}`)).toContain('is cancelled')
    expect(await test.rows("select job_id from scheduled_jobs where status = 'cancelled'")).toEqual([ada])
  })
})
