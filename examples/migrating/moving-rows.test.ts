import { Scheduler } from 'belfry'
import { fromPool } from 'belfry/database'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../test-support/test-database.ts'
import { until } from '../../test-support/until.ts'
import { moveJobsFromGraphileWorker } from './jobs-from-graphile-worker.ts'
import { moveJobsFromPgBoss } from './jobs-from-pg-boss.ts'
import { copySchedulesFromPgBoss } from './schedules-from-pg-boss.ts'

/** The columns pg-boss 12 documents, made by hand. */
const pgBossTables = `
  create schema pgboss;
  create type pgboss.job_state as enum ('created', 'retry', 'active', 'completed', 'cancelled', 'failed');
  create table pgboss.job (
    id uuid not null default gen_random_uuid(), name text not null, priority integer not null default 0, data jsonb,
    state pgboss.job_state not null default 'created', retry_limit integer not null default 2,
    retry_count integer not null default 0, retry_delay integer not null default 0,
    retry_backoff boolean not null default false, retry_delay_max integer, expire_seconds integer not null default 900,
    deletion_seconds integer not null default 604800, singleton_key text, singleton_on timestamp, group_id text,
    group_tier text, start_after timestamptz not null default now(), created_on timestamptz not null default now(),
    started_on timestamptz, completed_on timestamptz, output jsonb,
    keep_until timestamptz not null default now() + interval '14 days', dead_letter text, policy text,
    heartbeat_on timestamptz, heartbeat_seconds integer, blocked boolean not null default false,
    blocking boolean not null default false, pending_dependencies integer not null default 0, primary key (name, id)
  ) partition by list (name);
  create table pgboss.job_common partition of pgboss.job default;
  create table pgboss.schedule (name text, key text not null default '', cron text not null, timezone text, data jsonb,
    primary key (name, key))`

/** The tables Graphile Worker 0.16 and later has, made by hand. */
const graphileTables = `
  create schema graphile_worker;
  create table graphile_worker._private_tasks (id integer primary key, identifier text not null unique);
  create table graphile_worker._private_jobs (
    id bigint generated always as identity primary key, job_queue_id integer, task_id integer not null,
    payload json not null default '{}', priority smallint not null default 0, run_at timestamptz not null default now(),
    attempts smallint not null default 0, max_attempts smallint not null default 25, key text unique,
    locked_at timestamptz, locked_by text,
    is_available boolean generated always as (locked_at is null and attempts < max_attempts) stored not null);
  insert into graphile_worker._private_tasks values (1, 'send_mail'), (2, 'stay')`

let database: TestDatabase
let scheduler: Scheduler
beforeEach(async () => {
  database = await createTestDatabase()
  scheduler = new Scheduler({ database: fromPool(database.pool) })
  await scheduler.migrate()
})
afterEach(() => database.drop())
const count = async (table: string) => (await database.pool.query(`select count(*)::int as n from ${table}`)).rows[0].n

describe('waiting jobs of pg-boss', () => {
  beforeEach(async () => {
    await database.pool.query(pgBossTables)
  })

  it('move with id, payload, time and unspent retries; the rest stays', async () => {
    const { rows } = await database.pool.query(`insert into pgboss.job
        (name, data, state, retry_limit, retry_count, start_after, singleton_key, policy, keep_until, blocked, blocking)
      values
        ('mail', '{"to":"ada@example.com"}', 'created', 5, 0, '2031-01-01T08:00Z', 'k', 'standard',
          '2032-01-01', false, false),
        ('mail', null, 'retry', 5, 3, '2031-01-02T08:00Z', 'k', 'standard', '2032-01-01', false, false),
        ('mail', null, 'created', 0, 0, '2031-01-03T08:00Z', null, 'short', '2032-01-01', false, false),
        ('mail', null, 'active', 5, 0, now(), null, null, '2032-01-01', false, false),
        ('mail', null, 'completed', 5, 0, now(), null, null, '2032-01-01', false, false),
        ('mail', null, 'created', 5, 0, now(), null, null, '2020-01-01', false, false),
        ('mail', null, 'created', 5, 0, now(), null, null, '2032-01-01', true, false),
        ('mail', null, 'created', 5, 0, now(), null, null, '2032-01-01', false, true),
        ('stay', null, 'created', 5, 0, now(), null, null, '2032-01-01', false, false)
      returning id`)
    expect(await moveJobsFromPgBoss(database.pool, ['mail'])).toBe(3)
    const [first, second, third, ...others] = rows.map(row => row.id)
    expect(await scheduler.getJob(first)).toMatchObject({
      jobType: 'mail',
      status: 'pending',
      payload: { to: 'ada@example.com' },
      maxRetries: 5,
      uniqueKey: null,
      scheduledTime: new Date('2031-01-01T08:00Z'),
    })
    expect(await scheduler.getJob(second)).toMatchObject({ payload: {}, maxRetries: 2, uniqueKey: null })
    expect(await scheduler.getJob(third)).toMatchObject({ maxRetries: 0, uniqueKey: 'mail' })
    expect(await Promise.all(others.map(id => scheduler.getJob(id)))).toEqual(others.map(() => undefined))
    expect(await count('pgboss.job')).toBe(6)
    expect(await moveJobsFromPgBoss(database.pool, ['mail'])).toBe(0)
  })

  it('move from a table without flows as well', async () => {
    await database.pool.query('alter table pgboss.job drop blocked, drop blocking, drop pending_dependencies')
    await database.pool.query(`insert into pgboss.job (name) values ('mail')`)
    expect(await moveJobsFromPgBoss(database.pool, ['mail'])).toBe(1)
  })

  it('stay where they are, all of them, when a key is taken', async () => {
    await scheduler.scheduleJob('mail', { uniqueKey: 'mail' })
    await database.pool.query(
      `insert into pgboss.job (name, policy) values ('mail', 'exclusive'), ('mail', 'standard')`,
    )
    await expect(moveJobsFromPgBoss(database.pool, ['mail'])).rejects.toThrow('unique key taken')
    expect(await count('pgboss.job')).toBe(2)
    expect((await scheduler.getStats()).counts.pending).toBe(1)
  })

  it('one that a worker of pg-boss takes at this moment stays with it', async () => {
    await database.pool.query(`insert into pgboss.job (name) values ('mail'), ('mail')`)
    const worker = await database.pool.connect()
    await worker.query('begin')
    await worker.query(`update pgboss.job set state = 'active' where id = (select id from pgboss.job limit 1)`)
    const moving = moveJobsFromPgBoss(database.pool, ['mail'])
    await until('the move waits for the worker', async () => {
      const { rows } = await database.pool.query(
        `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      )
      return rows.length > 0
    })
    await worker.query('commit')
    worker.release()
    expect(await moving).toBe(1)
    expect(await count(`pgboss.job where state = 'active'`)).toBe(1)
    expect(await count('pgboss.job')).toBe(1)
  })

  it('schedules are copied with their zones, again without change', async () => {
    await database.pool.query(`insert into pgboss.schedule values
      ('report', '', '30 2 * * *', 'Europe/Berlin', '{"full":true}'), ('report', 'weekly', '0 9 * * 1', null, null)`)
    expect(await copySchedulesFromPgBoss(database.pool, scheduler)).toBe(2)
    await copySchedulesFromPgBoss(database.pool, scheduler)
    const schedules = await scheduler.getSchedules()
    expect(schedules.map(each => [each.scheduleId, each.jobType, each.timeZone, each.payload])).toEqual([
      ['report', 'report', 'Europe/Berlin', { full: true }],
      ['report/weekly', 'report', 'UTC', {}],
    ])
  })
})

describe('waiting jobs of Graphile Worker', () => {
  beforeEach(async () => {
    await database.pool.query(graphileTables)
  })

  it('move with key, payload, time and unspent attempts; the rest stays', async () => {
    await database.pool.query(`insert into graphile_worker._private_jobs
        (task_id, payload, run_at, attempts, max_attempts, key, locked_at, job_queue_id)
      values
        (1, '{"to":"ada@example.com"}', '2031-01-01T08:00Z', 0, 25, 'welcome', null, null),
        (1, '[1, 2]', '2031-01-02T08:00Z', 4, 5, null, null, null),
        (1, '{}', now(), 1, 25, null, now(), null),
        (1, '{}', now(), 25, 25, null, null, null),
        (1, '{}', now(), 0, 25, null, null, 7),
        (2, '{}', now(), 0, 25, null, null, null)`)
    expect(await moveJobsFromGraphileWorker(database.pool, ['send_mail'])).toBe(2)
    expect(await scheduler.getJobByKey('send_mail', 'welcome')).toMatchObject({
      jobId: 'graphile-1',
      payload: { to: 'ada@example.com' },
      maxRetries: 24,
      scheduledTime: new Date('2031-01-01T08:00Z'),
    })
    expect(await scheduler.getJob('graphile-2')).toMatchObject({ payload: [1, 2], maxRetries: 0, uniqueKey: null })
    expect(await count('graphile_worker._private_jobs')).toBe(4)
    expect(await moveJobsFromGraphileWorker(database.pool, ['send_mail'])).toBe(0)
  })

  it('stay where they are, all of them, when a key is taken or does not fit', async () => {
    await scheduler.scheduleJob('send_mail', { uniqueKey: 'welcome' })
    await database.pool.query(
      `insert into graphile_worker._private_jobs (task_id, key) values (1, 'welcome'), (1, repeat('x', 300))`,
    )
    await expect(moveJobsFromGraphileWorker(database.pool, ['send_mail'])).rejects.toThrow('1 to 255 characters')
    await database.pool.query(
      `update graphile_worker._private_jobs set key = null, payload = '{"text":"\\u0000"}' where key <> 'welcome'`,
    )
    await expect(moveJobsFromGraphileWorker(database.pool, ['send_mail'])).rejects.toThrow('Unicode')
    await database.pool.query(`delete from graphile_worker._private_jobs where key is null`)
    await expect(moveJobsFromGraphileWorker(database.pool, ['send_mail'])).rejects.toThrow('key taken')
    expect(await count('graphile_worker._private_jobs')).toBe(1)
  })
})
