import { defineBatchJob, defineJob, Scheduler, type JobDefinitionOptions } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { describeOnBothEngines } from './support/engines.ts'
import { gate, nextSettled } from './support/settled.ts'

const START = '2026-03-02T12:00:00Z'
/** For a machine that is busy. */
const PATIENCE = { timeout: 30_000 }
const MIRA = 'user:mira'
const GUILD = 'guild:7'

type Note = { who: string }
type Kind = Pick<JobDefinitionOptions<Note>, 'limits' | 'revalidate' | 'concurrency'> & { size?: number }

/** Every way a claim may go: each kind of type has statements of its own. */
const KINDS: readonly (readonly [string, Kind])[] = [
  ['no limits', {}],
  ['a check at the claim', { revalidate: () => Promise.resolve('run') }],
  ['batches', { size: 10 }],
  ['limits of the type', { limits: { concurrency: 5, rate: { limit: 100, per: '1m' } } }],
  ['limits per key', { limits: { perKey: { concurrency: 2 } } }],
  ['strict order', { limits: { perKey: { fifo: true } } }],
  ['keys that take turns', { limits: { perKey: { fair: true, concurrency: 2 } } }],
  ['limits and a check', { limits: { concurrency: 5 }, revalidate: () => Promise.resolve('run') }],
]

describeOnBothEngines('a subject that is paused', engine => {
  it.each(KINDS)(
    'starts nothing of a type with %s, now or later, and spends no attempt; resumed, all of it goes on',
    async (_, options) => {
      const clock = new TestClock(START)
      const { scheduler, ran } = ofKind(options, clock)
      await scheduler.migrate()
      const first = await scheduler.scheduleJob('note', { payload: { who: 'first' }, ...about(MIRA) })
      await scheduler.admin.pause({ subject: MIRA }, { actor: 'ada', reason: 'on holiday' })
      await scheduler.scheduleJob('note', { payload: { who: 'later' }, delay: '2h', ...about(GUILD, MIRA) })
      await scheduler.scheduleJob('note', { payload: { who: 'other' }, ...about(GUILD) })
      await scheduler.runDueJobs()
      expect(ran).toEqual(['other'])
      for (let hours = 0; hours < 4; hours += 1) {
        clock.advance('1h')
        await scheduler.runDueJobs()
      }
      expect(ran).toEqual(['other'])
      expect(await scheduler.getJob(first)).toMatchObject({ status: 'pending', attempt: 0, lostCount: 0 })
      expect(await scheduler.getAttempts(first)).toEqual([])
      expect((await scheduler.admin.explain(first))?.because).toMatchObject({
        kind: 'paused',
        target: 'subject user:mira',
        reason: 'on holiday',
      })
      expect(await scheduler.admin.resume({ subject: MIRA })).toBe(true)
      await scheduler.runDueJobs()
      expect(ran).toEqual(['other', 'first', 'later'])
    },
  )

  it('holds back a retry in strict order, which goes on before its followers', async () => {
    const clock = new TestClock(START)
    const ran: string[] = []
    const note = defineJob<{ who: string }>({
      type: 'note',
      limits: { perKey: { fifo: true } },
      backoff: { initial: '1m' },
      handler: ({ who }, { attempt }) => {
        ran.push(`${who} ${attempt}`)
        if (who === 'first' && attempt === 1) throw new Error('not yet')
      },
    })
    const scheduler = new Scheduler({ database: engine.database, schema: engine.freshSchema(), jobs: [note], clock })
    await scheduler.migrate()
    await scheduler.scheduleJob(note, { who: 'first' }, { concurrencyKey: 'k', subjects: [MIRA] })
    await scheduler.scheduleJob(note, { who: 'second' }, { concurrencyKey: 'k' })
    await scheduler.runDueJobs()
    await scheduler.admin.pause({ subject: MIRA })
    clock.advance('2m')
    await scheduler.runDueJobs()
    expect(ran).toEqual(['first 1'])
    await scheduler.admin.resume({ subject: MIRA })
    await scheduler.runDueJobs()
    expect(ran).toEqual(['first 1', 'first 2', 'second 1'])
  })

  it.each([false, true])(
    'holds back the first of a strict order, and its followers with it (in turn: %s)',
    async fair => {
      const { scheduler, ran } = ofKind({ limits: { perKey: { fifo: true, fair } } }, new TestClock(START))
      await scheduler.migrate()
      await scheduler.admin.pause({ subject: MIRA })
      await scheduler.scheduleJob('note', { payload: { who: 'first' }, concurrencyKey: 'k', subjects: [MIRA] })
      await scheduler.scheduleJob('note', { payload: { who: 'second' }, concurrencyKey: 'k' })
      await scheduler.runDueJobs()
      await scheduler.scheduleJob('note', { payload: { who: 'third' }, concurrencyKey: 'k' })
      await scheduler.scheduleJob('note', { payload: { who: 'of another key' }, concurrencyKey: 'other' })
      await scheduler.runDueJobs()
      expect(ran).toEqual(['of another key'])
      await scheduler.admin.resume({ subject: MIRA })
      await scheduler.runDueJobs()
      expect(ran).toEqual(['of another key', 'first', 'second', 'third'])
    },
  )

  it('gives the slot of its key to the next when its own turn comes, without being told', async () => {
    const end = gate()
    const ran: string[] = []
    const note = defineJob<Note>({
      type: 'note',
      limits: { perKey: { concurrency: 1 } },
      handler: async ({ who }) => {
        ran.push(who)
        if (who === 'first') await end.promise
      },
    })
    const schema = engine.freshSchema()
    // Its clock stands still: nobody polls.
    const scheduler = new Scheduler({ database: engine.database, schema, jobs: [note], clock: new TestClock(START) })
    await scheduler.start()
    const add = (who: string, subjects: string[]) =>
      scheduler.scheduleJob(note, { who }, { concurrencyKey: 'k', subjects })
    await add('first', [])
    await expect.poll(() => ran, PATIENCE).toEqual(['first'])
    await add('second', [MIRA])
    await add('third', [])
    const stepAside = `select count(*)::int as count from ${schema}.scheduled_jobs_live where ready_at = 'infinity'`
    await expect
      .poll(() => engine.database.query<{ count: number }>(stepAside), PATIENCE)
      .toEqual({ rows: [{ count: 2 }] })
    await scheduler.admin.pause({ subject: MIRA })
    end.open()
    await expect.poll(() => ran, PATIENCE).toEqual(['first', 'third'])
    await scheduler.stop()
  })

  it('holds its jobs back until all their subjects have been resumed', async () => {
    const { scheduler, ran } = ofKind({}, new TestClock(START))
    await scheduler.migrate()
    await scheduler.admin.pause({ subject: MIRA })
    await scheduler.admin.pause({ subject: GUILD })
    await scheduler.scheduleJob('note', { payload: { who: 'both' }, ...about(GUILD, MIRA) })
    await scheduler.runDueJobs()
    await scheduler.admin.resume({ subject: GUILD })
    await scheduler.runDueJobs()
    expect(ran).toEqual([])
    await scheduler.admin.resume({ subject: MIRA })
    await scheduler.runDueJobs()
    expect(ran).toEqual(['both'])
  })

  it('lets end what was asked to, and says how many jobs of the next hours wait for it', async () => {
    const { scheduler } = ofKind({}, new TestClock(START))
    await scheduler.migrate()
    const doomed = await scheduler.scheduleJob('note', { payload: { who: 'doomed' }, ...about(MIRA) })
    await scheduler.scheduleJob('note', { payload: { who: 'waits' }, ...about(MIRA) })
    await scheduler.scheduleJob('note', { payload: { who: 'soon' }, delay: '1h', ...about(MIRA) })
    await scheduler.admin.pause({ subject: MIRA })
    await scheduler.runDueJobs()
    await scheduler.cancelJob(doomed)
    expect(await scheduler.getJob(doomed)).toMatchObject({ status: 'cancelled' })
    const [forecast] = (await scheduler.admin.forecast()).types
    expect(forecast).toMatchObject({ jobType: 'note', waiting: 2, paused: false })
  })

  it('is listed and audited by its name, and paused beside types and keys', async () => {
    const { scheduler } = ofKind({}, new TestClock(START))
    await scheduler.migrate()
    await scheduler.admin.pause({ subject: MIRA }, { actor: 'ada', reason: 'on holiday' })
    await scheduler.admin.pause({ subject: MIRA }, { actor: 'ada', reason: 'on holiday' })
    await scheduler.admin.pause({ jobType: 'note' })
    expect(await scheduler.admin.listPauses()).toMatchObject([
      { jobType: null, concurrencyKey: null, subject: MIRA, reason: 'on holiday' },
      { jobType: 'note', concurrencyKey: null, subject: null, reason: null },
    ])
    expect(await scheduler.admin.resume({ subject: GUILD })).toBe(false)
    expect(await scheduler.admin.resume({ subject: MIRA }, { actor: 'bo' })).toBe(true)
    const { entries } = await scheduler.admin.listAudit()
    expect(entries.map(({ action, target, actor }) => `${actor} ${action} ${target}`)).toEqual([
      'bo resume subject user:mira',
      'unknown pause note',
      'ada pause subject user:mira',
    ])
    expect((await scheduler.admin.listPauses()).map(each => each.jobType)).toEqual(['note'])
  })

  it('is refused with a type beside it, or without a name', async () => {
    const { scheduler } = ofKind({}, new TestClock(START))
    await scheduler.migrate()
    // @ts-expect-error one or the other
    await expect(scheduler.admin.pause({ subject: MIRA, jobType: 'note' })).rejects.toMatchObject({
      code: 'BELFRY_INVALID_OPTION',
    })
    await expect(scheduler.admin.pause({ subject: '' })).rejects.toMatchObject({ code: 'BELFRY_INVALID_JOB_ID' })
    expect(await scheduler.admin.listPauses()).toEqual([])
  })

  it('is not run in passing by the process that schedules, holds up nobody else, and begins as soon as it is resumed', async () => {
    const { scheduler } = ofKind({ concurrency: 2 })
    let claims = 0
    scheduler.on('runner:claimed', () => void (claims += 1))
    await scheduler.start()
    await scheduler.admin.pause({ subject: MIRA })
    const request = { payload: { who: 'held' }, ...about(MIRA) }
    const held = [
      await scheduler.scheduleJob('note', request),
      ...(await scheduler.scheduleJobs(Array.from({ length: 30 }, () => ({ job: 'note', ...request })))),
    ]
    const other = nextSettled(scheduler)
    const otherId = await scheduler.scheduleJob('note', { payload: { who: 'other' }, ...about(GUILD) })
    expect(await other).toMatchObject({ jobId: otherId.jobId })
    const statuses = async () => (await scheduler.admin.listSubject(MIRA)).jobs.map(job => job.status)
    await expect.poll(statuses, PATIENCE).toEqual(held.map(() => 'pending'))
    for (let looks = 0; looks < 300; looks += 1) await engine.database.query('select 1')
    expect(claims).toBeLessThan(100)
    const settled = nextSettled(scheduler)
    await scheduler.admin.resume({ subject: MIRA })
    expect(await settled).toMatchObject({ outcome: 'completed', attempt: 1 })
    await scheduler.stop()
  })

  function ofKind(options: Kind, clock?: TestClock) {
    const ran: string[] = []
    const note =
      'size' in options
        ? defineBatchJob<Note>({
            type: 'note',
            ...options,
            handler: jobs => void ran.push(...jobs.map(job => job.payload.who)),
          })
        : defineJob<Note>({ type: 'note', ...options, handler: ({ who }) => void ran.push(who) })
    const scheduler = new Scheduler({
      database: engine.database,
      schema: engine.freshSchema(),
      jobs: [note],
      ...(clock && { clock }),
    })
    return { scheduler, ran }
  }
})

function about(...subjects: string[]) {
  return { subjects, concurrencyKey: subjects.join() }
}
