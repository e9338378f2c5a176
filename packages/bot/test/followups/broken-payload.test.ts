import { afterEach, describe, expect, it } from 'vitest'
import { createTestApp, type TestApp } from '../support/test-app.ts'

describe('a follow-up that somebody wrote into the table by hand', () => {
  let test: TestApp
  afterEach(() => test.close())

  it.each<[string, RegExp]>([
    ['"web:ada"', /expected object/],
    ['[]', /expected object/],
    ['null', /expected object/],
    ['{}', /userId/],
    ['{"userId": 7, "automatic": true, "plannedAt": "2027-03-01T12:00:00Z"}', /userId/],
    ['{"userId": "", "automatic": true, "plannedAt": "2027-03-01T12:00:00Z"}', /userId/],
    ['{"userId": "web:ada", "automatic": "yes", "plannedAt": "2027-03-01T12:00:00Z"}', /automatic/],
    ['{"userId": "web:ada", "automatic": true, "plannedAt": "yesterday"}', /plannedAt/],
    ['{"userId": "web:ada", "automatic": true, "plannedAt": "2027-03-01T12:00:00Z", "variant": 3}', /variant/],
    ['{"user_id": {"is": "web:ada"}}', /userId/],
    ['{"user_id": "web:ada", "context": "chess"}', /messageContext/],
  ])('%s is refused with the place of the fault, and nobody is written to', async (payload, fault) => {
    test = await createTestApp('PostgreSQL', { FOLLOW_UP_QUIET_HOURS: 'off' })
    await test.app.chat.handle({
      messageId: 'm-1',
      platform: 'web',
      conversationId: 'web:ada',
      userId: 'web:ada',
      displayName: 'Ada',
      isAdmin: false,
      text: 'I play the cello',
    })
    await test.database.query(
      `insert into scheduled_jobs (job_id, job_type, scheduled_time, payload)
       values ('by-hand', 'follow_up_message', '2027-03-04', $1::text::jsonb)`,
      [payload],
    )
    await test.pass('30d')
    expect(await test.app.scheduler?.getJob('by-hand')).toMatchObject({
      status: 'failed',
      retryCount: 0,
      errorMessage: expect.stringMatching(fault),
    })
    expect(await test.followUps()).toEqual([])
    expect(await test.rows('select from follow_up_history')).toEqual([])
  })
})
