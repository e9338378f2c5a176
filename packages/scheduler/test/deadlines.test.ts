import { defineJob, Scheduler, SnoozeError, type AnyJobDefinition } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { describeOnBothEngines } from './support/engines.ts'

const at = (text: string) => new Date(text)

describeOnBothEngines('deadlines', engine => {
  async function begin(jobs: readonly AnyJobDefinition[], start = '2027-06-01T00:00:00Z') {
    const clock = new TestClock(start)
    const scheduler = new Scheduler({ database: engine.database, schema: engine.freshSchema(), clock, jobs: [...jobs] })
    await scheduler.migrate()
    const runUntil = async (text: string, step = '30m') => {
      while (clock.now() < at(text)) {
        clock.advance(step)
        await scheduler.runDueJobs()
      }
    }
    return { clock, scheduler, runUntil, now: () => clock.now().toISOString().slice(5, 16) }
  }

  const window = { from: '09:00', to: '20:00' }

  it('put off after a retry that came too late, it has its whole span again', async () => {
    const ran: string[] = []
    const job = defineJob({
      type: 'rebuild_index',
      expireAfter: '4h',
      onExpired: { reschedule: '20h' },
      backoff: { initial: '5m', jitter: 0 },
      handler: (_payload, { attempt }) => {
        ran.push(now())
        if (attempt === 1) throw new Error('no disk')
      },
    })
    const { scheduler, clock, runUntil, now } = await begin([job])
    const { jobId } = await scheduler.scheduleJob(job, {})
    clock.advance('3h58m')
    await scheduler.runDueJobs()
    clock.advance('5m')
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(jobId)).toMatchObject({
      status: 'pending',
      scheduledTime: at('2027-06-02T00:03:00Z'),
      expiresAt: at('2027-06-02T04:03:00Z'),
    })
    await runUntil('2027-06-02T04:03:00Z', '4h')
    expect(ran).toEqual(['06-01T03:58', '06-02T00:03'])
    expect(await scheduler.getJob(jobId)).toMatchObject({ status: 'completed' })
  })

  it('put off after a snooze beyond its deadline, by the span of its call or at least a minute after an instant', async () => {
    const ran: string[] = []
    const job = defineJob<{ to: string }>({
      type: 'mail',
      onExpired: { reschedule: '1m' },
      handler: ({ to }, { attempt }) => {
        ran.push(`${to} ${now()}`)
        if (attempt === 1) throw new SnoozeError('1h')
      },
    })
    const { scheduler, clock, now } = await begin([job])
    const span = await scheduler.scheduleJob(job, { to: 'span' }, { expireAfter: '10m' })
    const instant = await scheduler.scheduleJob(job, { to: 'instant' }, { expiresAt: at('2027-06-01T00:10:00Z') })
    await scheduler.runDueJobs()
    clock.advance('1h')
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(span)).toMatchObject({ expiresAt: at('2027-06-01T01:11:00Z') })
    expect(await scheduler.getJob(instant)).toMatchObject({ expiresAt: at('2027-06-01T01:02:00Z') })
    clock.advance('1m')
    await scheduler.runDueJobs()
    expect(ran).toEqual(['span 06-01T00:00', 'instant 06-01T00:00', 'span 06-01T01:01', 'instant 06-01T01:01'])
  })

  it('put off out of its window, it has its span from the opening on', async () => {
    const ran: string[] = []
    const job = defineJob({
      type: 'mail',
      window: { from: '09:00', to: '10:00' },
      expireAfter: '30m',
      onExpired: { reschedule: '20h' },
      backoff: { initial: '45m', jitter: 0 },
      handler: (_payload, { attempt }) => {
        ran.push(now())
        if (attempt === 1) throw new Error('no such address')
      },
    })
    const { scheduler, runUntil, now } = await begin([job])
    const { jobId } = await scheduler.scheduleJob(job, {})
    await runUntil('2027-06-01T10:00:00Z')
    expect(await scheduler.getJob(jobId)).toMatchObject({
      status: 'pending',
      scheduledTime: at('2027-06-02T09:00:00Z'),
      expiresAt: at('2027-06-02T09:30:00Z'),
    })
    await runUntil('2027-06-02T09:30:00Z')
    expect(ran).toEqual(['06-01T09:00', '06-02T09:00'])
  })

  it('a call whose deadline comes before it is due, and spans of nothing, are refused', async () => {
    const { scheduler } = await begin([])
    const noon = at('2027-06-01T12:00:00Z')
    const refused = [
      { scheduledTime: noon, expiresAt: noon },
      { delay: '13h', expiresAt: noon },
      { delay: '12h', expiresAt: noon },
    ] as const
    for (const options of refused) {
      await expect(scheduler.scheduleJob('any', options)).rejects.toMatchObject({ code: 'BELFRY_INVALID_TIME' })
    }
    await expect(scheduler.scheduleJob('any', { expireAfter: 0 })).rejects.toThrow(/expireAfter: expected 1 ms or more/)
    const schedule = { scheduleId: 'nightly', job: 'any', rule: '0 0 * * *', expireAfter: 0 }
    await expect(scheduler.applySchedule(schedule)).rejects.toThrow(/expireAfter: expected 1 ms or more/)
    expect(() => defineJob({ type: 'any', expireAfter: 0 })).toThrow(/expireAfter of any: expected 1 ms or more/)
    expect(() => defineJob({ type: 'any', onExpired: { reschedule: '0s' } })).toThrow(
      /onExpired of any.reschedule: expected 1 ms or more/,
    )
    expect((await scheduler.getStats()).counts.pending).toBe(0)
    // What comes too late for its own deadline ends as expired: that is no slip of the caller.
    const late = await scheduler.scheduleJob('any', { expiresAt: at('2027-05-31T23:59:00Z') })
    const { jobId } = await scheduler.scheduleJob('any', { scheduledTime: at('2027-06-01T11:59:00Z'), expiresAt: noon })
    scheduler.registerHandler('any', () => 'done')
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(late)).toMatchObject({ status: 'cancelled', errorMessage: 'expired' })
    expect(await scheduler.getJob(jobId)).toMatchObject({ status: 'pending', expiresAt: noon })
  })

  it('of a job that waits for another counts from then, also when a second call replaces it or appends to it', async () => {
    const ran: string[] = []
    const parent = defineJob({ type: 'parent', handler: () => {} })
    const child = defineJob<string[]>({ type: 'child', handler: payload => void ran.push(...payload) })
    const { scheduler, clock } = await begin([parent, child])
    const after = await scheduler.scheduleJob(parent, {}, { delay: '2h' })
    const waiting = { dependsOn: [after], expireAfter: '15m' } as const
    const replace = { uniqueKey: 'replace', onConflict: 'replace' } as const
    const append = { uniqueKey: 'append', onConflict: 'append' } as const
    for (const more of [waiting, { expireAfter: '30m' }] as const) {
      const said = more.expireAfter
      const ids = [
        await scheduler.scheduleJob(child, [`replace ${said}`], { ...replace, ...more }),
        await scheduler.scheduleJob(child, [`append ${said}`], { ...append, ...more }),
      ]
      for (const each of ids) expect((await scheduler.getJob(each))?.expiresAt).toBeNull()
    }
    const none = { uniqueKey: 'none', onConflict: 'replace' } as const
    await scheduler.scheduleJob(child, ['none 1'], { ...none, ...waiting })
    await scheduler.scheduleJob(child, ['none 2'], none)
    const key = { uniqueKey: 'instant', onConflict: 'replace' } as const
    const instant = await scheduler.scheduleJob(child, ['instant 1'], { ...key, ...waiting })
    await scheduler.scheduleJob(child, ['instant 2'], { ...key, expiresAt: at('2027-06-01T01:00:00Z') })
    clock.advance('2h')
    expect(await scheduler.runDueJobs()).toBeGreaterThan(0)
    expect(ran.toSorted()).toEqual(['append 15m', 'append 30m', 'none 2', 'replace 30m'])
    expect(await scheduler.getJob(instant)).toMatchObject({ status: 'cancelled', errorMessage: 'expired' })
    const { jobs } = await scheduler.admin.listJobs({ jobType: 'child', status: 'completed' })
    const deadlines = jobs.map(job => `${job.uniqueKey} ${job.expiresAt?.toISOString().slice(11, 16)}`)
    expect(deadlines.toSorted()).toEqual(['append 02:30', 'none undefined', 'replace 02:30'])
  })

  it('of a job that waited for another and may not start at night counts from the morning', async () => {
    const ran: string[] = []
    const parent = defineJob({ type: 'parent', handler: () => {} })
    const child = defineJob({ type: 'child', window, expireAfter: '2h', handler: () => void ran.push(now()) })
    const { scheduler, runUntil, now } = await begin([parent, child], '2027-06-01T10:00:00Z')
    const after = await scheduler.scheduleJob(parent, {}, { delay: '12h' })
    const { jobId } = await scheduler.scheduleJob(child, {}, { dependsOn: [after] })
    const own = await scheduler.scheduleJob('own', { dependsOn: [after], expireAfter: '2h', window })
    const instant = await scheduler.scheduleJob('own', {
      dependsOn: [after],
      expiresAt: at('2027-06-02T01:00:00Z'),
      window,
    })
    await runUntil('2027-06-01T22:00:00Z', '2h')
    const morning = { scheduledTime: at('2027-06-02T09:00:00Z') }
    for (const each of [jobId, own]) {
      expect(await scheduler.getJob(each)).toMatchObject({ ...morning, expiresAt: at('2027-06-02T11:00:00Z') })
    }
    expect(await scheduler.getJob(instant)).toMatchObject({ ...morning, expiresAt: at('2027-06-02T01:00:00Z') })
    expect((await scheduler.admin.explain(jobId))?.because).toMatchObject({ kind: 'window' })
    // Somebody moves: it was wanted at ten in the evening.
    await scheduler.changeJob(jobId, { timeZone: 'America/New_York' })
    expect((await scheduler.getJob(jobId))?.scheduledTime).toEqual(at('2027-06-01T22:00:00Z'))
    await scheduler.changeJob(jobId, { timeZone: 'UTC' })
    await runUntil('2027-06-02T10:00:00Z', '1h')
    expect(ran).toEqual(['06-02T09:00'])
  })

  it('of a digest that maxWait moves goes by its window, too', async () => {
    const ran: unknown[] = []
    const digest = defineJob<number[]>({
      type: 'digest',
      window,
      expireAfter: '1h',
      handler: payload => void ran.push([now(), ...payload]),
    })
    const { scheduler, clock, runUntil, now } = await begin([digest], '2027-06-01T19:45:00Z')
    for (const n of [1, 2, 3, 4]) {
      const options = { uniqueKey: 'ada', onConflict: 'append', delay: '20m', maxWait: '45m' } as const
      const { jobId } = await scheduler.scheduleJob(digest, [n], options)
      expect(await scheduler.getJob(jobId)).toMatchObject({
        scheduledTime: at('2027-06-02T09:00:00Z'),
        expiresAt: at('2027-06-02T10:00:00Z'),
      })
      clock.advance('10m')
    }
    await runUntil('2027-06-02T09:30:00Z', '15m')
    expect(ran).toEqual([['06-02T09:10', 1, 2, 3, 4]])
  })

  it('maxWait bounds how far later calls put a job off, and brings it no nearer than it was', async () => {
    const { scheduler, clock } = await begin([])
    const due = async (more: object) => {
      const options = { uniqueKey: 'ada', onConflict: 'replace', maxWait: '1m', ...more } as const
      const { jobId } = await scheduler.scheduleJob('save', options)
      clock.advance('10s')
      return (await scheduler.getJob(jobId))?.scheduledTime.toISOString().slice(11, 19)
    }
    expect(await due({ delay: '1h' })).toBe('01:00:00')
    expect(await due({ delay: '1h' })).toBe('01:00:00')
    expect(await due({ delay: '2h' })).toBe('01:00:00')
    expect(await due({ delay: '10s' })).toBe('00:00:40')
    expect(await due({ delay: '1h' })).toBe('00:01:00')
  })

  it('of what has had to wait longer than maxWait allows counts from the newest call', async () => {
    const { scheduler, clock } = await begin([])
    const add = (n: number) =>
      scheduler.scheduleJob('digest', {
        payload: [n],
        uniqueKey: 'ada',
        onConflict: 'append',
        delay: '10m',
        maxWait: '30m',
        expireAfter: '1h',
      })
    await add(1)
    clock.advance('3h')
    const { jobId } = await add(2)
    expect(await scheduler.getJob(jobId)).toMatchObject({
      scheduledTime: at('2027-06-01T00:30:00Z'),
      expiresAt: at('2027-06-01T04:00:00Z'),
    })
  })

  it('of a run that was asked for while another ran is as long, and counts from its opening', async () => {
    const ran: string[] = []
    const job = defineJob({
      type: 'index',
      window,
      expireAfter: '2h',
      handler: async (_payload, { attempt }) => {
        ran.push(now())
        if (ran.length > 1 || attempt > 1) return
        await scheduler.scheduleJob(job, {}, { uniqueKey: 'index', onConflict: 'rerun' })
        clock.advance('13h')
      },
    })
    const { scheduler, clock, runUntil, now } = await begin([job], '2027-06-01T10:00:00Z')
    await scheduler.scheduleJob(job, {}, { uniqueKey: 'index', timeout: '1d' })
    await scheduler.runDueJobs()
    expect(await scheduler.getJob({ job, uniqueKey: 'index' })).toMatchObject({
      scheduledTime: at('2027-06-02T09:00:00Z'),
      expiresAt: at('2027-06-02T11:00:00Z'),
    })
    await runUntil('2027-06-02T09:00:00Z', '1h')
    expect(ran).toEqual(['06-01T10:00', '06-02T09:00'])
    // A wish without a window, and with a span that its call said.
    let asked = false
    scheduler.registerHandler('plain', async () => {
      if (asked) return
      asked = true
      await scheduler.scheduleJob('plain', { uniqueKey: 'p', onConflict: 'rerun', delay: '5m' })
    })
    await scheduler.scheduleJob('plain', { uniqueKey: 'p', expireAfter: '15m' })
    await scheduler.runDueJobs()
    const again = await scheduler.getJob({ jobType: 'plain', uniqueKey: 'p' })
    expect(again?.expiresAt?.getTime()).toBe(clock.now().getTime() + 20 * 60_000)
  })
})
