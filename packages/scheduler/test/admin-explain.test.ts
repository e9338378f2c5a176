import { readFile } from 'node:fs/promises'
import { defineJob, NonRetryableError, Scheduler, SnoozeError, systemClock, type Explanation } from 'belfry'
import { TestClock } from 'belfry/testing'
import { describe, expect, it } from 'vitest'
import { flowHindrances } from '../src/administration/flow-hindrances.ts'
import { explainJob, type JobFacts } from '../src/administration/explanation.ts'
import { describeOnBothEngines } from './support/engines.ts'
import { gate } from './support/settled.ts'

const kinds = (explanation: Explanation | undefined) => explanation?.hindrances.map(each => each.kind)

describeOnBothEngines('why is this job not running?', engine => {
  const make = async () => {
    const clock = new TestClock()
    const schema = engine.freshSchema()
    const scheduler = new Scheduler({ database: engine.database, schema, clock, random: () => 0.5 })
    await scheduler.migrate()
    const sql = (text: string) => engine.database.query(text.replaceAll('SCHEMA', schema))
    const runner = (id: number, types: string, lease: string) =>
      sql(`insert into SCHEMA.belfry_runners (runner_id, lease_until, host, process_id, version, job_types)
        values ('00000000-0000-4000-8000-00000000000${id}', '2027-01-01T12:00:00Z'::timestamptz + '${lease}', 'box', ${id}, '1', '${types}')`)
    return { clock, scheduler, admin: scheduler.admin, sql, runner }
  }

  it('is not due yet; and nobody would run it', async () => {
    const { scheduler, admin, runner } = await make()
    const job = await scheduler.scheduleJob('mail', { delay: '2h', payload: { secret: 'x' } })
    expect(await admin.explain(job)).toMatchObject({
      status: 'pending',
      because: { kind: 'not_due', until: new Date('2027-01-01T14:00:00Z') },
      hindrances: [{ kind: 'not_due' }, { kind: 'no_handler', runners: [] }],
      sentence: 'It is not due before 2027-01-01 14:00:00 UTC. No process that runs jobs is alive.',
    })
    await runner(1, '{other}', '30 seconds')
    expect((await admin.explain(job))?.hindrances[1]).toMatchObject({
      kind: 'no_handler',
      runners: [{ host: 'box', processId: 1 }],
    })
    await runner(2, '{mail,other}', '30 seconds')
    expect(kinds(await admin.explain(job))).toEqual(['not_due'])
    await admin.postponeJobs({ jobType: 'mail' }, { to: new Date('2027-01-01T11:00:00Z') })
    expect(kinds(await admin.explain(job))).toEqual(['none'])
    expect(JSON.stringify(await admin.explain(job))).not.toContain('secret')
    expect(await admin.explain('nobody')).toBeUndefined()
  })

  it('waits for a retry, was put off by its handler, or is over', async () => {
    const { scheduler, admin } = await make()
    scheduler.registerHandler('flaky', () => {
      throw new Error('gateway closed')
    })
    scheduler.registerHandler('sleepy', () => {
      throw new SnoozeError('1h', 'night')
    })
    scheduler.registerHandler('hopeless', () => {
      throw new NonRetryableError('no such account')
    })
    const flaky = await scheduler.scheduleJob('flaky', { payload: {} })
    const sleepy = await scheduler.scheduleJob('sleepy', { payload: {} })
    const hopeless = await scheduler.scheduleJob('hopeless', { payload: {} })
    await scheduler.runDueJobs()
    expect((await admin.explain(flaky))?.because).toMatchObject({
      kind: 'retry',
      error: 'gateway closed',
      retriesLeft: 2,
      until: new Date('2027-01-01T12:05:00Z'),
      sentence: 'Its last attempt failed (gateway closed); it is tried again at 2027-01-01 12:05:00 UTC.',
    })
    expect((await admin.explain(sleepy))?.because).toMatchObject({
      kind: 'snoozed',
      until: new Date('2027-01-01T13:00:00Z'),
    })
    expect(await admin.explain(hopeless)).toMatchObject({
      status: 'failed',
      because: { kind: 'finished', status: 'failed', error: 'no such account' },
      sentence: 'It failed at 2027-01-01 12:00:00 UTC: no such account.',
    })
  })

  it('has expired, waits for something else, or runs in a process that died', async () => {
    const { scheduler, clock, admin, sql, runner } = await make()
    await runner(1, '{a}', '2 hours')
    await runner(2, '{a}', '10 seconds')
    const late = await scheduler.scheduleJob('a', { expireAfter: '1m' })
    const waits = await scheduler.scheduleJob('a', { payload: {} })
    const lost = await scheduler.scheduleJob('a', { timeout: '1h' })
    await sql(`update SCHEMA.scheduled_jobs_live set ready_at = 'infinity' where job_id = '${waits.jobId}'`)
    await sql(`update SCHEMA.scheduled_jobs_live set status = 'running', lease_token = gen_random_uuid(), attempt = 1,
      started_at = scheduled_time, runner_id = '00000000-0000-4000-8000-000000000002' where job_id = '${lost.jobId}'`)
    expect((await admin.explain(lost))?.because).toMatchObject({
      kind: 'running',
      runner: { host: 'box', processId: 2 },
      until: new Date('2027-01-01T13:00:00Z'),
    })
    clock.advance('2m')
    expect(kinds(await admin.explain(late))).toEqual(['expired'])
    expect(kinds(await admin.explain(waits))).toEqual(['dependency'])
    expect((await admin.explain(lost))?.because).toMatchObject({
      kind: 'runner_dead',
      change: 'A living runner takes it back within seconds.',
    })
    await sql('delete from SCHEMA.belfry_runners')
    expect((await admin.explain(lost))?.because).toMatchObject({
      kind: 'runner_dead',
      change: 'The next runner that starts takes it back.',
    })
  })

  it('stepped aside for its concurrency key: the jobs that hold its slots are named', async () => {
    const begun = gate()
    const end = gate()
    const hold = async () => {
      begun.open()
      await end.promise
    }
    const call = defineJob({ type: 'call', limits: { perKey: { concurrency: 1 } }, handler: hold })
    const options = { database: engine.database, schema: engine.freshSchema(), clock: systemClock }
    const scheduler = new Scheduler({ ...options, jobs: [call] })
    await scheduler.migrate()
    // Claimed together, so that one of them has stepped aside when the other begins.
    const first = await scheduler.scheduleJob(call, {}, { concurrencyKey: 'ada' })
    const second = await scheduler.scheduleJob(call, {}, { concurrencyKey: 'ada' })
    await scheduler.start()
    await begun.promise
    const { rows } = await engine.database.query(
      `select ready_at = 'infinity' as parked from ${options.schema}.scheduled_jobs_live where job_id = $1::text`,
      [second.jobId],
    )
    expect(rows).toEqual([{ parked: true }])
    expect(await scheduler.admin.explain(second)).toMatchObject({
      because: { kind: 'limit', limit: 1, jobs: [first.jobId] },
      hindrances: [{ kind: 'limit' }],
      sentence: `As many jobs of key ada run as may (1): ${first.jobId}.`,
    })
    end.open()
    await scheduler.stop()
  })

  it('stands behind a job of its key that waits for its retry, in strict order: which, and until when', async () => {
    const { scheduler, clock, admin } = await make()
    const step = defineJob<{ n: number }>({
      type: 'step',
      limits: { perKey: { fifo: true } },
      backoff: { initial: '1h', jitter: 0 },
    })
    scheduler.registerHandler(step, ({ n }) => {
      if (n === 1) throw new Error('gateway closed')
    })
    for (const n of [1, 2, 3]) {
      await scheduler.scheduleJob(step, { n }, { concurrencyKey: 'ada', jobId: `job-${n}`, delay: n })
    }
    clock.advance('1s')
    expect((await admin.explain('job-3'))?.because).toMatchObject({
      kind: 'order',
      jobs: ['job-1', 'job-2'],
      until: null,
    })
    await scheduler.runDueJobs()
    const until = new Date('2027-01-01T13:00:01Z')
    for (const jobId of ['job-2', 'job-3']) {
      expect(await admin.explain(jobId)).toMatchObject({
        status: 'pending',
        because: {
          kind: 'order',
          jobs: ['job-1'],
          until,
          sentence:
            'Jobs of key ada run in strict order, and job-1, which comes before it, is tried again at 2027-01-01 13:00:01 UTC.',
        },
      })
      expect(kinds(await admin.explain(jobId))).not.toContain('dependency')
    }
    // It holds the slot itself, and is not in its own way.
    expect(kinds(await admin.explain('job-1'))).toEqual(['retry', 'no_handler'])
  })

  it('is running: where, since when, until when at the longest; and was asked to stop', async () => {
    const begun = gate()
    const long = defineJob({
      type: 'long',
      timeout: '1h',
      handler: async (_payload, { signal }) => {
        begun.open()
        await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
      },
    })
    const options = { database: engine.database, schema: engine.freshSchema(), clock: systemClock }
    const scheduler = new Scheduler({ ...options, jobs: [long] })
    await scheduler.start()
    const job = await scheduler.scheduleJob(long, {})
    await begun.promise
    const explanation = await scheduler.admin.explain(job)
    expect(explanation?.because).toMatchObject({ kind: 'running', runner: { processId: process.pid } })
    const startedAt = (await scheduler.getJob(job))?.startedAt?.getTime() ?? 0
    expect(explanation?.because.until?.getTime()).toBe(startedAt + 3_600_000)
    await engine.database.query(`update ${options.schema}.scheduled_jobs_live set cancel_requested = true`)
    expect(kinds(await scheduler.admin.explain(job))).toEqual(['running', 'cancel_requested'])
    await scheduler.cancelJob(job)
    await scheduler.stop()
  })
})

it('every kind of reason has a row in the table of the documentation, and no other', async () => {
  const code = await readFile(new URL('../src/administration/hindrance.ts', import.meta.url), 'utf8')
  const page = await readFile(new URL('../../../docs/administration.md', import.meta.url), 'utf8')
  const table = page.slice(page.indexOf('| `kind` | Means |')).split('\n\n')[0] ?? ''
  const listed = table.split('\n').flatMap(row => [...(row.split('|')[1] ?? '').matchAll(/`(\w+)`/g)])
  const known = [...code.matchAll(/readonly kind: '(\w+)'/g)]
  const names = (found: RegExpMatchArray[]) => found.map(each => each[1]).toSorted()
  expect(names(listed.slice(1))).toEqual(names(known))
})

describe('an explanation follows from the facts alone', () => {
  const now = new Date('2027-01-01T12:00:00Z')
  const runner = { runnerId: 'r1', host: 'box', processId: 7, handles: true }
  const facts: JobFacts = {
    now,
    jobId: 'j',
    jobType: 'mail',
    status: 'pending',
    held: false,
    window: null,
    waitsForOther: false,
    parked: false,
    fault: null,
    due: new Date('2027-01-01T11:00:00Z'),
    startedAt: null,
    completedAt: null,
    expiresAt: null,
    timeoutMs: null,
    retryCount: 0,
    maxRetries: 3,
    lastOutcome: null,
    error: null,
    cancelRequested: false,
    runnerId: null,
    holder: null,
    runners: [runner],
    flow: [],
  }

  it('names what flow control adds, in the order in which it decides', () => {
    const lane = { running: 2, starts: [], failures: 0, pausedUntilMs: null }
    const flow = flowHindrances({
      nowMs: facts.now.getTime(),
      jobType: facts.jobType,
      lane: 'user:1',
      weight: 1,
      cost: 1,
      parked: false,
      holdsSlot: false,
      blockers: ['x', 'y'].map(jobId => ({ by: 'key', jobId, held: true, dueMs: 0, startedMs: 0, weight: 1, cost: 1 })),
      pauses: [{ jobType: facts.jobType, lane: '', reason: 'provider down' }],
      limits: { perKey: { concurrency: 2, rate: { limit: 1, perMs: 60_000 }, fifo: false } },
      type: lane,
      key: { ...lane, starts: [[facts.now.getTime() - 20_000, 1]] },
    })
    const explanation = explainJob({ ...facts, due: new Date('2027-01-01T13:00:00Z'), runners: [], flow })
    expect(kinds(explanation)).toEqual(['not_due', 'paused', 'limit', 'rate', 'no_handler'])
    expect(explanation.hindrances[2]).toMatchObject({ limit: 2, jobs: ['x', 'y'] })
    expect(explanation.hindrances[3]).toMatchObject({ until: new Date(facts.now.getTime() + 40_000) })
    expect(explanation.sentence).toContain('provider down')
  })

  it('knows a deadline that comes before the job is due, and a cancel that waits for the next claim', () => {
    const expiresAt = new Date('2027-01-01T12:30:00Z')
    expect(kinds(explainJob({ ...facts, expiresAt }))).toEqual(['none'])
    expect(kinds(explainJob({ ...facts, expiresAt, due: new Date('2027-01-01T13:00:00Z') }))).toEqual([
      'expired',
      'not_due',
    ])
    expect(kinds(explainJob({ ...facts, cancelRequested: true }))).toEqual(['cancel_requested'])
  })

  it('does not say when a run ends whose timeout it does not know', () => {
    const holder = { ...runner, leaseUntil: new Date('2027-01-01T12:00:20Z') }
    const running = { ...facts, status: 'running', held: true, holder, runnerId: 'r1', startedAt: now } as const
    expect(explainJob(running).because).toMatchObject({ kind: 'running', until: null })
    expect(explainJob({ ...running, timeoutMs: 60_000 }).because.until).toEqual(new Date('2027-01-01T12:01:00Z'))
  })
})
