import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { PGlite } from '@electric-sql/pglite'
import { defineJob, NonRetryableError, Scheduler, type MetricSink, type SchedulerOptions } from 'belfry'
import { fromPglite, type Database } from 'belfry/database'
import { TestClock } from 'belfry/testing'
import { afterAll, afterEach, beforeAll, expect, it, onTestFinished } from 'vitest'
import { StrictTelemetry } from '../packages/scheduler/test/support/strict-telemetry.ts'
import { createPglite } from '../test-support/embedded-database.ts'
import { until } from '../test-support/until.ts'
import { invite } from './changed-payload.ts'
import { bill, kickOff, loginCode, reindex, sendCode } from './deadlines.ts'
import { confidential } from './encryption.ts'
import { asBefore, close, reopen } from './maintenance.ts'
import { forTenants, tenants } from './middleware.ts'
import { ask, reports, type Books } from './reports.ts'
import { searchIndex } from './search-index.ts'
import { observed } from './telemetry.ts'
import { application, deployment, drift } from './two-roles.ts'
import { drawing, upload } from './uploads.ts'
import { tellFailures } from './watching.ts'
import { receive, reporting } from './webhooks.ts'
import { countWords, wordCount } from './worker-threads.ts'

/** Migrated once for all stories and emptied between them: a database each would cost seconds of the whole run. */
let pglite: PGlite
let database: Database
let emptied: string

beforeAll(async () => {
  pglite = await createPglite()
  database = fromPglite(pglite)
  await new Scheduler({ database }).migrate()
  const { rows } = await pglite.query<{ name: string }>(
    `select format('belfry.%I', relname) as name from pg_class
     where relnamespace = 'belfry'::regnamespace and relkind in ('r', 'p') and relname <> 'belfry_migrations'`,
  )
  emptied = `truncate ${rows.map(each => each.name).join(', ')}`
})
afterEach(() => pglite.exec(emptied))
afterAll(() => pglite.close())

function make(options: Partial<SchedulerOptions> = {}): Scheduler {
  const scheduler = new Scheduler({ database, ...options })
  onTestFinished(() => scheduler.stop())
  return scheduler
}

it('deadlines: what comes too late is dropped, done all the same, or put off', async () => {
  const clock = new TestClock('2027-01-01T00:00:00Z')
  const scheduler = make({ clock, jobs: [kickOff, bill, reindex, loginCode] })
  const news = await scheduler.scheduleJob(kickOff, { match: 'Sampleton against Exampleville' })
  const owed = await scheduler.scheduleJob(bill, { order: '7' }, { expireAfter: '1h' })
  const night = await scheduler.scheduleJob(reindex, {})
  const code = await sendCode(scheduler, '123456', new Date('2027-01-01T00:10:00Z'))
  clock.advance('5h')
  await scheduler.runDueJobs()
  const late = { status: 'cancelled', errorMessage: 'expired' }
  expect(await scheduler.getJob(news)).toMatchObject(late)
  expect(await scheduler.getJob(code)).toMatchObject(late)
  expect(await scheduler.getJob(owed)).toMatchObject({ status: 'completed', result: 'bill for 7' })
  expect(await scheduler.getJob(night)).toMatchObject({
    status: 'pending',
    retryCount: 0,
    scheduledTime: new Date('2027-01-02T01:00:00Z'),
    expiresAt: new Date('2027-01-02T05:00:00Z'),
  })
  clock.advance('20h')
  await scheduler.runDueJobs()
  expect(await scheduler.getJob(night)).toMatchObject({ status: 'completed' })
})

it('reports: waits for the month to end, tells how far it is, is over with the month, stops when it is cancelled', async () => {
  const states = { may: 'closed', june: 'open', july: 'deleted' } as const
  let read = (_number: number): void => {}
  const books: Books = {
    state: month => Promise.resolve(states[month as keyof typeof states]),
    page: (month, number) => {
      read(number)
      return `${month} ${number}\n`
    },
  }
  const report = reports(books)
  const scheduler = make({ jobs: [report] })
  const schedule = (month: string) => scheduler.scheduleJob(report, { month, pages: 3 })
  const [may, june, july] = [await schedule('may'), await schedule('june'), await schedule('july')]
  const patient = ask(scheduler, may, '1m')
  await scheduler.runDueJobs()
  expect(await patient).toBe('18 characters')
  expect(await scheduler.getJob(may)).toMatchObject({ progress: { page: 3, of: 3 } })
  expect(await ask(scheduler, june, '1ms')).toBe('pending, june is not closed yet: ask again')
  expect(await scheduler.getJob(june)).toMatchObject({ lastOutcome: 'snoozed', retryCount: 0 })
  expect(await ask(scheduler, july, '1m')).toBe('no: july was deleted')
  const pages: number[] = []
  let cancelling: Promise<unknown> = Promise.resolve()
  const again = await schedule('may')
  read = number => {
    pages.push(number)
    cancelling = scheduler.cancelJob(again, { reason: 'not needed' })
  }
  await scheduler.runDueJobs()
  await cancelling
  expect(await scheduler.getJob(again)).toMatchObject({ status: 'cancelled', progress: { page: 1, of: 3 } })
  expect(pages).toEqual([1])
})

it('changed payload: an invitation of the first version is read by the second', async () => {
  const before = make({ jobs: [defineJob<{ name: string }>({ type: 'invite' })] })
  const old = await before.scheduleJob('invite', { payload: { name: 'Ada' } })
  const now = make({ jobs: [invite] })
  const fresh = await now.scheduleJob(invite, { name: 'Bo', language: 'de' })
  await now.runDueJobs()
  expect(await now.getJob(old)).toMatchObject({ result: 'Come over, Ada' })
  expect(await now.getJob(fresh)).toMatchObject({ result: 'Komm vorbei, Bo' })
})

it('search index: three changes during a build are one more build, of the last', async () => {
  const built: number[] = []
  const { rebuild, changed } = searchIndex(async revision => {
    built.push(revision)
    if (revision === 1) for (const next of [2, 3, 4]) await changed(scheduler, next)
  })
  const scheduler = make({ jobs: [rebuild] })
  await changed(scheduler, 1)
  await scheduler.runDueJobs()
  expect(built).toEqual([1, 4])
})

it('middleware: jobs, and jobs of jobs, work for the tenant of whoever scheduled them', async () => {
  const seen: unknown[] = []
  const scheduler = forTenants(database, [
    defineJob({
      type: 'import',
      handler: async () => {
        seen.push(`import for ${tenants.getStore()}`)
        await scheduler.scheduleJob('mail', {})
      },
    }),
    defineJob({ type: 'mail', handler: () => void seen.push(`mail for ${tenants.getStore()}`) }),
  ])
  await tenants.run('Sampleton', () => scheduler.scheduleJob('import', {}))
  await expect(scheduler.scheduleJob('import', {})).rejects.toThrow('without a tenant')
  await scheduler.runDueJobs()
  expect(seen).toEqual(['import for Sampleton', 'mail for Sampleton'])
})

it('encryption: the table shows nothing, and a letter under the key before is read', async () => {
  const [october, november] = [Buffer.alloc(32, 10).toString('base64'), Buffer.alloc(32, 11).toString('base64')]
  const first = confidential(database, { keys: { '2026-10': october }, current: '2026-10' })
  const early = await first.post('Ada Example, 1 Sample Street', 'happy birthday')
  const second = confidential(database, { keys: { '2026-10': october, '2026-11': november }, current: '2026-11' })
  const late = await second.post('Bo Example', 'thank you')
  const { rows } = await pglite.query<{ payload: unknown }>(
    'select payload from belfry.scheduled_jobs order by created_at, job_id',
  )
  expect(JSON.stringify(rows)).not.toMatch(/Example|Street|birthday|thank/)
  expect(rows.map(({ payload }) => (payload as { key: string }).key)).toEqual(['2026-10', '2026-11'])
  await second.scheduler.runDueJobs()
  expect(await second.scheduler.getJob(early)).toMatchObject({ result: 'posted, 28 characters of address' })
  expect(await second.scheduler.getJob(late)).toMatchObject({ result: 'posted, 10 characters of address' })
})

it('worker threads: the words are counted in a thread, which logs and tells how far it is', async () => {
  const scheduler = make({ jobs: [wordCount] })
  const job = await scheduler.scheduleJob(wordCount, { text: 'The bell, the tower; the OWL.' })
  await scheduler.runDueJobs()
  await countWords.close()
  expect(await scheduler.getJob(job)).toMatchObject({
    result: [
      ['the', 3],
      ['bell', 1],
      ['tower', 1],
      ['owl', 1],
    ],
    progress: { percent: 50 },
  })
  expect((await scheduler.getAttempts(job))[0]?.log).toEqual(['6 words, 4 different ones'])
})

it('webhooks: a failure is told, signed; a stranger is not believed', async () => {
  const secret = 'a secret of the two of us'
  const told: string[] = []
  const receiver = receive(secret, text => void told.push(text))
  const server = createServer((request, response) => void receiver(request, response))
  onTestFinished(() => void server.close())
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const fail = () => {
    throw new NonRetryableError('mailbox is full')
  }
  const scheduler = reporting(database, [defineJob({ type: 'send_invoice', handler: fail })], { url, secret })
  await scheduler.scheduleJob('send_invoice', {})
  await scheduler.runDueJobs()
  await until('the report is stored', async () => (await scheduler.getStats()).types.length === 2)
  await scheduler.runDueJobs()
  expect(told).toEqual(['send_invoice: mailbox is full, see https://handbook.example.com/jobs/send_invoice'])
  expect((await fetch(url, { method: 'POST', body: '{}' })).status).toBe(401)
})

it('telemetry: a call and an attempt are spans, and what happened is counted', async () => {
  const api = new StrictTelemetry()
  const figures = new Map<string, number>()
  const keep: MetricSink['add'] = ({ name }, value, labels) =>
    void figures.set([name, ...Object.values(labels)].join(' '), value)
  const sink = { add: keep, set: keep, observe: keep }
  const greet = defineJob({ type: 'greet', handler: () => 'hello' })
  const { scheduler, scrape, stop } = observed(database, [greet], { api, sink })
  await scheduler.scheduleJob(greet, {})
  await scheduler.runDueJobs()
  await scrape()
  stop()
  expect(api.spans.map(span => span.name)).toEqual(['schedule greet', 'process greet'])
  expect(figures.get('belfry_job_attempts_total greet completed')).toBe(1)
  expect(figures.get('belfry_jobs greet completed')).toBe(1)
})

it('two roles: one makes the tables, the other runs jobs and may not; what was dropped by hand is found', async () => {
  const schema = 'two_roles'
  const owner = make({ schema })
  await pglite.exec('create role belfry_app')
  await pglite.exec(deployment(owner, schema, 'belfry_app'))
  expect(await drift(owner)).toEqual([])
  const scheduler = application(database, schema)
  scheduler.registerHandler('greet', () => 'hello')
  await pglite.exec('set role belfry_app')
  try {
    const job = await scheduler.scheduleJob('greet', {})
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(job)).toMatchObject({ result: 'hello' })
    await expect(pglite.query(`create table ${schema}.mine ()`)).rejects.toThrow('permission denied')
  } finally {
    await pglite.exec('reset role')
  }
  await pglite.exec(`drop index ${schema}.scheduled_jobs_live_due`)
  expect(await drift(owner)).toEqual(['0 migrations to run', 'missing index scheduled_jobs_live_due'])
})

it('watching: a failure in another process is told', async () => {
  const runner = make({ database: fromPglite(pglite) })
  runner.registerHandler('mail', () => Promise.reject(new NonRetryableError('no such mailbox')))
  await runner.start()
  const watcher = make({ database: fromPglite(pglite) })
  const told: string[] = []
  const ended = tellFailures(watcher, text => void told.push(text))
  await until('a failure is told', async () => {
    await watcher.scheduleJob('mail', {})
    return told.length > 0
  })
  expect(told[0]).toMatch(/^mail on \S+: no such mailbox$/)
  await watcher.stop()
  await ended
})

it('maintenance: nothing is called while the API is away, and the import is not forgotten', async () => {
  const ran: string[] = []
  const work = (type: string) => defineJob({ type, handler: (_payload, { jobType }) => void ran.push(jobType) })
  const scheduler = make({
    clock: new TestClock('2027-01-01T10:00:00Z'),
    jobs: [work('call_api'), work('import_rows')],
  })
  await scheduler.applySchedule({ scheduleId: 'import', job: 'import_rows', rule: '0 3 * * *' })
  await scheduler.scheduleJob('call_api', {})
  await scheduler.scheduleJob('call_api', { delay: '90m' })
  await scheduler.scheduleJob('call_api', { delay: '3h' })
  expect(await close(scheduler, 'ada')).toBe(2)
  expect(await scheduler.runDueJobs()).toBe(0)
  await reopen(scheduler, 'ada')
  await scheduler.runDueJobs()
  expect(ran.toSorted()).toEqual(['call_api', 'import_rows'])
  await asBefore(scheduler, 'ada')
  const { entries } = await scheduler.admin.listAudit({ actor: 'ada' })
  const acts = entries.map(each => each.action)
  expect(acts).toEqual(['set_limits', 'trigger_schedule', 'resume', 'set_limits', 'pause'])
})

it('uploads: a failed upload is not announced, and cleaned up after all the same', async () => {
  const scheduler = make()
  const ran: string[] = []
  scheduler.registerHandler('upload', () => Promise.reject(new NonRetryableError('disk full')))
  for (const type of ['tell_owner', 'clean_up']) scheduler.registerHandler(type, () => void ran.push(type))
  const job = await upload(scheduler, 'owl.png')
  expect(await drawing(scheduler, job)).toBe(
    ['graph LR', '  upload_pending -->|cancel| tell_owner_pending', '  upload_pending -->|run| clean_up_pending'].join(
      '\n',
    ),
  )
  await scheduler.runDueJobs()
  expect(ran).toEqual(['clean_up'])
  expect(await drawing(scheduler, job)).toContain('upload_failed -->|cancel| tell_owner_cancelled')
})
