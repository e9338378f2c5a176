import type { PGlite } from '@electric-sql/pglite'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { fromPglite, type Database } from '../src/database/index.ts'
import { NonRetryableError, Scheduler, silentLogger } from '../src/index.ts'
import { TestClock } from '../src/testing/index.ts'
import type { FailureReport } from '../src/webhooks/delivery.ts'
import {
  failureWebhooks,
  WEBHOOK_JOB_TYPE,
  type FailureWebhookOptions,
  type WebhookScheduler,
} from '../src/webhooks/failure-webhooks.ts'
import { verifyWebhookSignature } from '../src/webhooks/signature.ts'
import { WebhookReceiver } from './support/webhook-receiver.ts'
import { createPglite } from '../../../test-support/embedded-database.ts'

const secret = 'a secret that is long enough'

const receiver = new WebhookReceiver()
let pglite: PGlite
let database: Database
let clock: TestClock
let scheduler: Scheduler
let stopListening: () => void = () => {}
let stories = 0

beforeAll(async () => {
  await receiver.start()
  pglite = await createPglite()
  database = fromPglite(pglite)
})
afterAll(async () => {
  await receiver.stop()
  await pglite.close()
})
beforeEach(() => {
  clock = new TestClock()
  receiver.reset()
})
afterEach(async () => {
  stopListening()
})

async function begin(options: Partial<FailureWebhookOptions> = {}): Promise<void> {
  stories += 1
  const webhooks = failureWebhooks({ url: receiver.url, secret, clock, ...options })
  scheduler = new Scheduler({ database, schema: `hooks_${stories}`, jobs: [webhooks.job], clock, random: () => 0.5 })
  await scheduler.migrate()
  stopListening = webhooks.listen(scheduler)
  scheduler.registerHandler('import_contacts', () => {
    throw Object.assign(new NonRetryableError('line 7 is broken'), { code: 'E_LINE' })
  })
}

/** Lets a job fail; resolves with the id of the delivery job that follows from it. */
async function fail(): Promise<string> {
  const delivery = nextDelivery()
  await scheduler.scheduleJob('import_contacts', { jobId: 'import-1', payload: { email: 'ada@example.com' } })
  await scheduler.runDueJobs()
  return delivery
}

function nextDelivery(): Promise<string> {
  return new Promise(resolve => {
    const off = scheduler.on('job:scheduled', ({ jobId, jobType }) => {
      if (jobType !== WEBHOOK_JOB_TYPE) return
      off()
      resolve(jobId)
    })
  })
}

describe('when a job has failed for good', () => {
  it('a signed report is posted, without its payload', async () => {
    await begin()
    const delivery = await fail()
    await scheduler.runDueJobs()
    expect(receiver.received).toHaveLength(1)
    const [{ path, headers, body } = { path: '', headers: {}, body: '' }] = receiver.received
    expect(path).toBe('/hooks/private-token')
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      'user-agent': expect.stringMatching(/^belfry\/\d/),
    })
    expect(JSON.parse(body)).toEqual({
      id: delivery,
      event: 'job.failed',
      occurredAt: '2027-01-01T12:00:00.000Z',
      job: { id: 'import-1', type: 'import_contacts', attempt: 1 },
      error: { code: 'E_LINE', message: 'line 7 is broken' },
    })
    expect(body).not.toContain('ada@example.com')
    const header = headers['belfry-signature']
    expect(verifyWebhookSignature({ secret, header, body, now: clock.now() })).toBe(true)
    expect(await scheduler.getJob(delivery)).toMatchObject({ status: 'completed', result: { status: 204 } })
  })

  it('the report may carry what you describe; a description that fails costs only itself', async () => {
    await begin({ describe: failed => ({ dashboard: `https://ops.example.com/jobs/${failed.job.id}` }) })
    await fail()
    await scheduler.runDueJobs()
    expect(JSON.parse(receiver.received[0]?.body ?? '')).toMatchObject({
      data: { dashboard: 'https://ops.example.com/jobs/import-1' },
    })
    stopListening()
    receiver.reset()
    const lines: unknown[] = []
    const logger = { ...silentLogger, error: (_fields: unknown, message: string) => void lines.push(message) }
    await begin({ describe: () => 'x'.repeat(100_000), logger })
    await fail()
    await scheduler.runDueJobs()
    expect(receiver.received).toHaveLength(1)
    expect(lines).toEqual(['a failure could not be reported with its description; reporting it without'])
  })

  it('nothing is said while retries are left, of a cancelled job, or of events nobody asked for', async () => {
    await begin({ events: ['job.lost'] })
    await scheduler.scheduleJob('import_contacts', {})
    scheduler.registerHandler('flaky', () => {
      throw new Error('once more')
    })
    await scheduler.scheduleJob('flaky', { maxRetries: 1 })
    const settled: string[] = []
    scheduler.on('job:settled', ({ jobType }) => settled.push(jobType))
    await scheduler.runDueJobs()
    expect(settled.toSorted()).toEqual(['flaky', 'import_contacts'])
    expect((await scheduler.getStats()).types.map(each => each.jobType)).not.toContain(WEBHOOK_JOB_TYPE)
  })
})

describe('a delivery', () => {
  it('is tried again by the backoff of its own when the receiver fails or hangs, and signs each try anew', async () => {
    await begin({ timeout: '5s' })
    receiver.answer = response => response.writeHead(500).end('x'.repeat(1_000_000))
    const delivery = await fail()
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(delivery)).toMatchObject({
      status: 'pending',
      retryCount: 1,
      errorMessage: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+ answered the webhook with status 500$/),
    })

    receiver.answer = () => {}
    receiver.reset()
    clock.advance('31s')
    const hanging = scheduler.runDueJobs()
    await receiver.arrived.promise
    clock.advance('5s')
    await hanging
    expect((await scheduler.getJob(delivery))?.errorMessage).toMatch(/did not answer within 5000 ms$/)

    receiver.answer = response => response.writeHead(200).end()
    clock.advance('2m')
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(delivery)).toMatchObject({ status: 'completed', retryCount: 2 })
    const [first, second] = receiver.received
    expect(JSON.parse(second?.body ?? '')).toEqual(JSON.parse(first?.body ?? ''))
    expect(first?.headers['belfry-signature']).not.toBe(second?.headers['belfry-signature'])
  })

  it('waits as long as the receiver asks, and spends no retry on it', async () => {
    await begin()
    receiver.answer = response => response.writeHead(429, { 'retry-after': '120' }).end()
    const delivery = await fail()
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(delivery)).toMatchObject({
      status: 'pending',
      retryCount: 0,
      lastOutcome: 'snoozed',
      scheduledTime: new Date('2027-01-01T12:02:00Z'),
    })
    receiver.answer = response =>
      response.writeHead(503, { 'retry-after': new Date('2027-01-01T13:00:00Z').toUTCString() }).end()
    clock.advance('2m')
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(delivery)).toMatchObject({ scheduledTime: new Date('2027-01-01T13:00:00Z') })
    clock.advance('4d')
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(delivery)).toMatchObject({
      status: 'failed',
      errorMessage: expect.stringContaining('for three days; given up'),
    })
  })

  it('is not tried again when it was refused, and its own failure triggers nothing', async () => {
    await begin()
    receiver.answer = response => response.writeHead(410).end()
    const delivery = await fail()
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(delivery)).toMatchObject({
      status: 'failed',
      retryCount: 0,
      errorMessage: expect.stringContaining('refused the webhook with status 410'),
    })
    await scheduler.runDueJobs()
    expect((await scheduler.getStats()).counts).toMatchObject({ pending: 0, failed: 2 })
  })

  it('does not wait for the end of an answer', async () => {
    await begin()
    receiver.answer = response => void response.writeHead(200).write('and so on, ')
    const delivery = await fail()
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(delivery)).toMatchObject({ status: 'completed' })
  })

  it('can be cancelled while it waits for an answer', async () => {
    await begin()
    receiver.answer = () => {}
    const report = { event: 'job.failed', occurredAt: clock.now().toISOString(), job: { id: '1' }, error: null }
    const { jobId } = await scheduler.scheduleJob(WEBHOOK_JOB_TYPE, { payload: report })
    const hanging = scheduler.runDueJobs()
    await receiver.arrived.promise
    await scheduler.cancelJob(jobId)
    await hanging
    expect(await scheduler.getJob(jobId)).toMatchObject({ status: 'cancelled' })
  })

  it('follows no redirect', async () => {
    await begin()
    const { port } = new URL(receiver.url)
    receiver.answer = response => response.writeHead(307, { location: `http://127.0.0.1:${port}/elsewhere` }).end()
    const delivery = await fail()
    await scheduler.runDueJobs()
    expect(receiver.received.map(each => each.path)).toEqual(['/hooks/private-token'])
    expect(await scheduler.getJob(delivery)).toMatchObject({
      status: 'failed',
      errorMessage: expect.stringContaining('redirect (307), which is not followed'),
    })
  })

  it('that cannot connect is tried again; its error names no path', async () => {
    await begin({ url: 'http://127.0.0.1:1/hooks/private-token' })
    const delivery = await fail()
    await scheduler.runDueJobs()
    const job = await scheduler.getJob(delivery)
    expect(job).toMatchObject({ status: 'pending', errorMessage: 'http://127.0.0.1:1 cannot be reached' })
    expect(JSON.stringify(await scheduler.getAttempts(delivery))).not.toContain('private-token')
    expect(JSON.stringify(job)).not.toContain(secret)
  })
})

describe('a job that was given up with its processes', () => {
  it('is reported as lost', () => {
    const reports: unknown[] = []
    let rescue: (event: { jobId: string; jobType: string; gaveUp: boolean }) => void = () => {}
    const fake: WebhookScheduler = {
      on: (name, listener) => {
        if (name === 'job:rescued') rescue = listener as typeof rescue
        return () => {}
      },
      scheduleJob: (_job, payload) => Promise.resolve(reports.push(payload)),
    }
    failureWebhooks({ url: receiver.url, secret, clock }).listen(fake)
    rescue({ jobId: '1', jobType: 'poison', gaveUp: false })
    rescue({ jobId: '2', jobType: 'poison', gaveUp: true })
    expect(reports).toEqual<FailureReport[]>([
      {
        event: 'job.lost',
        occurredAt: '2027-01-01T12:00:00.000Z',
        job: { id: '2', type: 'poison', attempt: null },
        error: null,
      },
    ])
  })
})
