import { randomBytes } from 'node:crypto'
import type { PGlite } from '@electric-sql/pglite'
import {
  BelfryError,
  defineBatchJob,
  defineJob,
  failureWebhooks,
  isolated,
  payloadCipher,
  Scheduler,
  systemClock,
  type BelfryErrorCode,
  type JobContext,
  type JobHandler,
  type SchedulerOptions,
  type WaitForOptions,
} from 'belfry'
import { fromPglite, type Database } from 'belfry/database'
import { assertScheduled, TestClock } from 'belfry/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { gate } from './support/settled.ts'
import { createPglite } from '../../../test-support/embedded-database.ts'

let pglite: PGlite
let database: Database
let schemas = 0
const closing: (() => Promise<unknown>)[] = []
beforeAll(async () => {
  pglite = await createPglite()
  database = fromPglite(pglite)
})
afterAll(async () => {
  for (const close of closing) await close()
  await pglite.close()
})

async function make(options: Partial<SchedulerOptions> = {}) {
  schemas += 1
  const schema = `codes_${schemas}`
  const clock = new TestClock()
  const scheduler = new Scheduler({ database, schema, clock, ...options })
  await scheduler.migrate()
  return { scheduler, schema, clock }
}

/** The code a call fails with. */
async function codeOf(work: () => unknown): Promise<string> {
  try {
    await work()
  } catch (error) {
    return error instanceof BelfryError ? error.code : `no BelfryError: ${String(error)}`
  }
  return 'nothing thrown'
}

/** The code that a call on a scheduler fails with. */
async function refused(call: (scheduler: Scheduler) => unknown, options: Partial<SchedulerOptions> = {}) {
  const { scheduler } = await make(options)
  return codeOf(() => call(scheduler))
}

/** The code that the one attempt of a job is kept with. */
async function keptWith(handler: JobHandler<unknown>, options: Partial<SchedulerOptions> = {}) {
  const { scheduler } = await make(options)
  scheduler.registerHandler('work', handler)
  const { jobId } = await scheduler.scheduleJob('work', { payload: {}, maxRetries: 0 })
  return afterRunning(scheduler, jobId)
}

/** The code that something inside a handler fails with. */
async function codeInside(work: (context: JobContext) => unknown): Promise<string> {
  let code = ''
  await keptWith(async (_payload, context) => void (code = await codeOf(() => work(context))))
  return code
}

/** The code that a handler is aborted with when its job is cancelled while it runs. */
async function cancelledWith(): Promise<string> {
  const { scheduler } = await make()
  const started = gate<AbortSignal>()
  scheduler.registerHandler('work', (_payload, { signal }) => {
    started.open(signal)
    return new Promise<void>((_resolve, reject) =>
      signal.addEventListener('abort', () => reject(signal.reason as Error)),
    )
  })
  await scheduler.start()
  const { jobId } = await scheduler.scheduleJob('work', { payload: {} })
  const signal = await started.promise
  await scheduler.cancelJob(jobId)
  await scheduler.stop()
  return (signal.reason as BelfryError).code
}

const cipher = (id: string) => payloadCipher({ keys: { [id]: randomBytes(32) }, current: id })
const work = new URL('support/isolated-work.mjs', import.meta.url)

function keptInThread(name: string, memoryLimitMb?: number) {
  const handler = isolated(work, { export: name, ...(memoryLimitMb !== undefined && { memoryLimitMb }) })
  closing.push(() => handler.close())
  return keptWith(handler)
}

/** The code that the one job of a batch is kept with. */
async function keptWithBatch(answer: () => unknown) {
  const { scheduler } = await make({ jobs: [defineBatchJob({ type: 'work', handler: () => answer() as undefined })] })
  const { jobId } = await scheduler.scheduleJob('work', { payload: {}, maxRetries: 0 })
  return afterRunning(scheduler, jobId)
}

/** The code that waiting for a job of tomorrow fails with, by the real clock. */
async function waitingFails(options: WaitForOptions): Promise<string> {
  const { scheduler } = await make({ clock: systemClock })
  const job = await scheduler.scheduleJob('work', { payload: {}, delay: '1d' })
  const code = await codeOf(() => scheduler.waitFor(job, options))
  await scheduler.stop()
  return code
}

/** A driver's error, by its SQLSTATE or system code. */
function refusing(code: string): Database {
  const refuse = () => Promise.reject(Object.assign(new Error('refused by the server'), { code }))
  return { kind: 'server', maxConnections: 2, query: refuse, transaction: refuse, listen: refuse }
}
const startOver = (code: string) => codeOf(() => new Scheduler({ database: refusing(code) }).start())

/** Runs what is due; the code that the job's first attempt ended with. */
async function afterRunning(scheduler: Scheduler, jobId: string) {
  await scheduler.runDueJobs()
  return (await scheduler.getAttempts(jobId))[0]?.errorCode
}

/** How to come to each code by what anybody can call. A code without a story does not compile. */
const stories: Record<BelfryErrorCode, () => Promise<unknown>> = {
  BELFRY_INVALID_OPTION: () => codeOf(() => new Scheduler({ database, concurrency: 0 })),
  BELFRY_INVALID_DURATION: () => codeOf(() => new Scheduler({ database, lease: 'soon' })),
  BELFRY_INVALID_TIME: () =>
    refused(scheduler => scheduler.scheduleJob('work', { payload: {}, scheduledTime: new Date(Number.NaN) })),
  BELFRY_INVALID_PAYLOAD: () => refused(scheduler => scheduler.scheduleJob('work', { payload: { big: 1n } })),
  BELFRY_PAYLOAD_TOO_LARGE: () =>
    refused(scheduler => scheduler.scheduleJob('work', { payload: { text: 'longer than ten bytes' } }), {
      maxPayloadBytes: 10,
    }),
  BELFRY_UNKNOWN_PAYLOAD_KEY: async () => {
    const { scheduler, schema, clock } = await make({ payloadCipher: cipher('old') })
    const { jobId } = await scheduler.scheduleJob('work', { payload: { name: 'Ada Example' } })
    const other = new Scheduler({ database, schema, clock, payloadCipher: cipher('new') })
    other.registerHandler('work', () => {})
    return afterRunning(other, jobId)
  },
  BELFRY_PAYLOAD_UNREADABLE: async () => {
    const { scheduler, schema, clock } = await make({ payloadCipher: cipher('same') })
    const { jobId } = await scheduler.scheduleJob('work', { payload: { name: 'Ada Example' } })
    const other = new Scheduler({ database, schema, clock, payloadCipher: cipher('same') })
    other.registerHandler('work', () => {})
    return afterRunning(other, jobId)
  },
  BELFRY_ROW_UNREADABLE: async () => {
    const { scheduler, schema } = await make()
    scheduler.registerHandler('work', () => {})
    const { jobId } = await scheduler.scheduleJob('work', { payload: {} })
    await database.query(`update ${schema}.scheduled_jobs_live set options = '{"weight": "heavy"}'`)
    return afterRunning(scheduler, jobId)
  },
  BELFRY_INVALID_JOB_TYPE: () => refused(scheduler => scheduler.scheduleJob('', { payload: {} })),
  BELFRY_INVALID_JOB_ID: () => refused(scheduler => scheduler.getJob('')),
  BELFRY_DUPLICATE_HANDLER: async () => {
    const { scheduler } = await make()
    scheduler.registerHandler('work', () => {})
    return codeOf(() => scheduler.registerHandler('work', () => {}))
  },
  BELFRY_DUPLICATE_JOB_ID: async () => {
    const { scheduler } = await make()
    await scheduler.scheduleJob('work', { payload: {}, jobId: 'one' })
    return codeOf(() => scheduler.scheduleJob('work', { payload: {}, jobId: 'one' }))
  },
  BELFRY_INVALID_RULE: () =>
    refused(scheduler => scheduler.applySchedule({ scheduleId: 'never', job: 'work', rule: '0 0 31 2 *' })),
  BELFRY_INVALID_TIME_ZONE: () =>
    refused(scheduler =>
      scheduler.applySchedule({ scheduleId: 'far', job: 'work', rule: '@daily', timeZone: 'Moon/Base' }),
    ),
  BELFRY_DATABASE_UNAVAILABLE: () => startOver('ECONNREFUSED'),
  BELFRY_DATABASE_READ_ONLY: () => startOver('25006'),
  BELFRY_DATABASE_PERMISSION: () => startOver('42501'),
  BELFRY_DATABASE_NOT_MIGRATED: () => codeOf(() => new Scheduler({ database, schema: 'nowhere' }).getStats()),
  BELFRY_SCHEMA_NEWER: async () => {
    const { scheduler, schema } = await make()
    await pglite.query(`insert into ${schema}.belfry_migrations (version, name, checksum)
      select max(version) + 1, 'of tomorrow', '' from ${schema}.belfry_migrations`)
    return codeOf(() => scheduler.migrate())
  },
  BELFRY_MIGRATION_CHANGED: async () => {
    const { scheduler, schema } = await make()
    await pglite.query(`update ${schema}.belfry_migrations set checksum = 'another' where version = 1`)
    return codeOf(() => scheduler.migrate())
  },
  BELFRY_FOREIGN_TABLE: async () => {
    await pglite.query('create schema foreign_house')
    await pglite.query('create table foreign_house.scheduled_jobs (id integer)')
    return codeOf(() => new Scheduler({ database, schema: 'foreign_house' }).migrate())
  },
  BELFRY_NESTED_QUERY: () =>
    refused(scheduler => database.transaction(() => scheduler.scheduleJob('work', { payload: {} }))),
  BELFRY_NEXT_CALLED_AGAIN: async () => {
    const twice: NonNullable<NonNullable<SchedulerOptions['middleware']>['scheduling']>[number] = async (
      _call,
      next,
    ) => {
      await next()
      return next()
    }
    const { scheduler } = await make({ middleware: { scheduling: [twice] } })
    return codeOf(() => scheduler.scheduleJob('work', { payload: {} }))
  },
  BELFRY_WEBHOOK_FAILED: async () => {
    const fetch = () => Promise.reject(new Error('nobody there'))
    const webhooks = failureWebhooks({ url: 'https://hooks.example.com', secret: 'a secret of some length', fetch })
    const { scheduler } = await make({ jobs: [webhooks.job] })
    const event = {
      event: 'job.failed',
      occurredAt: '2027-01-01T12:00:00Z',
      error: { code: null, message: 'broken' },
    } as const
    const job = { id: 'import-1', type: 'import_contacts', attempt: 1 }
    const { jobId } = await scheduler.scheduleJob(webhooks.job, { ...event, job })
    return afterRunning(scheduler, jobId)
  },
  BELFRY_WORKER_MODULE: () => keptInThread('notAFunction'),
  BELFRY_WORKER_CRASHED: () => keptInThread('exits'),
  BELFRY_WORKER_OUT_OF_MEMORY: () => keptInThread('hoards', 24),
  BELFRY_DUPLICATE_STEP: () =>
    codeInside(async ({ step }) => {
      await step('one', () => 1)
      await step('one', () => 1)
    }),
  BELFRY_STEP_RESULT: () => keptWith((_payload, { step }) => step('one', () => ({ big: 1n }))),
  BELFRY_ATTEMPT_SUSPENDED: () => codeInside(({ sleep }) => sleep('a while', '1h')),
  BELFRY_ATTEMPT_ENDED: async () => {
    let leaked: JobContext | undefined
    await keptWith((_payload, context) => void (leaked = context))
    return codeOf(() => leaked?.step('late', () => 1))
  },
  BELFRY_JOB_TIMEOUT: async () => {
    const { scheduler, clock } = await make()
    scheduler.registerHandler('work', (_payload, { signal }) => {
      clock.advance('1s')
      if (signal.aborted) throw signal.reason
    })
    const { jobId } = await scheduler.scheduleJob('work', { payload: {}, timeout: '1s', maxRetries: 0 })
    return afterRunning(scheduler, jobId)
  },
  BELFRY_JOB_CANCELLED: cancelledWith,
  BELFRY_LEASE_LOST: () =>
    codeInside(async ({ jobId, progress }) => {
      await pglite.query(
        `update codes_${schemas}.scheduled_jobs set lease_token = gen_random_uuid() where job_id = $1`,
        [jobId],
      )
      await progress(1)
    }),
  BELFRY_SHUTDOWN: async () => {
    const { scheduler } = await make()
    await scheduler.stop()
    return codeOf(() => scheduler.start())
  },
  BELFRY_CANNOT_APPEND: async () => {
    const { scheduler } = await make()
    await scheduler.scheduleJob('work', { payload: {}, uniqueKey: 'one', delay: '1h' })
    return codeOf(() => scheduler.scheduleJob('work', { payload: [1], uniqueKey: 'one', onConflict: 'append' }))
  },
  BELFRY_COST_EXCEEDS_BUDGET: () =>
    codeOf(() => defineJob({ type: 'work', cost: 11, limits: { budget: { amount: 10, per: '1d' } } })),
  BELFRY_INVALID_DEPENDENCY: async () => {
    const { scheduler } = await make()
    const each = { job: 'work', payload: {} }
    return codeOf(() => scheduler.scheduleFlow({ a: { ...each, after: ['b'] }, b: { ...each, after: ['a'] } }))
  },
  BELFRY_JOB_NOT_FOUND: () =>
    refused(scheduler => scheduler.scheduleJob('work', { payload: {}, dependsOn: ['nobody'] })),
  BELFRY_INVALID_ANSWER: () => keptWithBatch(() => ['an answer', 'of nobody']),
  BELFRY_JOB_FORGOTTEN: () => keptWithBatch(() => new Map()),
  BELFRY_NOT_IN_TRANSACTION: async () => {
    const job = defineJob({
      type: 'work',
      transactional: true,
      handler: (_payload, context) => (context as unknown as JobContext).step('one', () => 1),
    })
    const { scheduler } = await make({ jobs: [job] })
    const { jobId } = await scheduler.scheduleJob('work', { payload: {}, maxRetries: 0 })
    return afterRunning(scheduler, jobId)
  },
  BELFRY_WAIT_TIMEOUT: () => waitingFails({ timeout: 1 }),
  BELFRY_WAIT_ABORTED: () => waitingFails({ signal: AbortSignal.abort() }),
  BELFRY_NOT_SCHEDULED: () => refused(scheduler => assertScheduled(scheduler, { jobType: 'work' })),
}

describe('every error code can be reached by what anybody can call', () => {
  it.each(Object.entries(stories))('%s', async (code, story) => {
    expect(await story()).toBe(code)
  })
})
