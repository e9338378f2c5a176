import { silentLogger } from 'belfry'
import { fromPool } from 'belfry/database'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { createTestDatabase } from '../../../test-support/test-database.ts'
import { createApp } from '../src/app.ts'
import { readConfig } from '../src/config.ts'

/** As the integration guide has it; `user_profiles` is whatever the program before had. */
const GUIDE = `
  create table user_profiles (user_id varchar(255) primary key, favourite_colour text);
  alter table user_profiles
    add column follow_ups_enabled BOOLEAN DEFAULT TRUE,
    add column last_follow_up_sent TIMESTAMPTZ,
    add column follow_up_frequency_hours INTEGER DEFAULT 48;
  create table follow_up_history (
    id SERIAL PRIMARY KEY,
    user_id VARCHAR(255) NOT NULL,
    message_sent TEXT NOT NULL,
    context_data JSONB,
    sent_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    response_received BOOLEAN DEFAULT FALSE
  );
  create table scheduled_jobs (
    job_id VARCHAR(255) PRIMARY KEY, job_type VARCHAR(100) NOT NULL, scheduled_time TIMESTAMPTZ NOT NULL,
    payload JSONB NOT NULL, status VARCHAR(50) NOT NULL DEFAULT 'pending', created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    retry_count INTEGER DEFAULT 0, max_retries INTEGER DEFAULT 3
  );
  insert into user_profiles (user_id, favourite_colour, follow_ups_enabled) values ('123', 'green', true), ('456', 'red', null);
  insert into follow_up_history (user_id, message_sent, sent_at, response_received) values ('123', 'How is it going?', '2027-02-01', true);
  insert into scheduled_jobs (job_id, job_type, scheduled_time, payload) values
    ('abc-123-def', 'follow_up_message', '2027-03-01T11:00Z', '{"user_id": "123", "context": {"last_topic": "Python programming"}}'),
    ('bad', 'follow_up_message', '2027-03-01T11:00Z', '{"user_id": 7}');
`

it("a database made by the guide's own SQL is taken over with its people, its history and its pending follow-ups", async () => {
  const test = await createTestDatabase()
  await test.pool.query(GUIDE)
  const database = fromPool(test.pool)
  const clock = new TestClock('2027-03-01T12:00:00Z')
  const app = createApp({ config: readConfig({}), database, clock, logger: silentLogger })
  await app.prepare()
  const { rows: people } = await test.pool.query(
    'select user_id, favourite_colour, follow_up_frequency_hours from user_profiles order by 1',
  )
  expect(people).toEqual([
    { user_id: '123', favourite_colour: 'green', follow_up_frequency_hours: 48 },
    { user_id: '456', favourite_colour: 'red', follow_up_frequency_hours: 48 },
  ])
  const { rows: history } = await test.pool.query(
    'select message_sent, state, response_received from follow_up_history',
  )
  expect(history).toEqual([{ message_sent: 'How is it going?', state: 'sent', response_received: true }])

  await app.scheduler?.runDueJobs()
  // Nobody knows when this person last spoke: what cannot be read denies, and says so.
  expect(await app.scheduler?.getJob('abc-123-def')).toMatchObject({
    status: 'completed',
    result: { outcome: 'skipped', reason: 'gate_error' },
  })
  expect(await app.scheduler?.getJob('bad')).toMatchObject({
    status: 'failed',
    errorMessage: expect.stringContaining('userId'),
  })

  await app.scheduleFollowUpMessage({ userId: '456', delayHours: 1 })
  clock.advance('2h')
  await app.scheduler?.runDueJobs()
  const { rows: sent } = await test.pool.query("select from conversation_turns where kind = 'follow_up'")
  expect(sent).toEqual([])
  const { rows: why } = await test.pool.query("select distinct reason from follow_up_decisions where user_id = '456'")
  expect(why).toEqual([{ reason: 'opted_out' }])
  await test.drop()
})
