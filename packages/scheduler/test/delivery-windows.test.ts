import { defineJob, Scheduler } from 'belfry'
import type { Database } from 'belfry/database'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { describeOnBothEngines } from './support/engines.ts'
import { nextSettled } from './support/settled.ts'

const at = (text: string) => new Date(text)

describeOnBothEngines('delivery windows', engine => {
  /** A type that may be delivered by day, in Berlin unless somebody lives elsewhere. */
  function begin(options: object = {}, start = '2027-06-01T10:00:00Z') {
    const clock = new TestClock(start)
    const ran: string[] = []
    const job = defineJob<{ to: string }>({
      type: 'mail',
      window: { from: '09:00', to: '20:00', timeZone: 'Europe/Berlin' },
      backoff: { initial: '1h', factor: 1, jitter: 0 },
      handler: ({ to }, { attempt }) => {
        ran.push(`${to} ${clock.now().toISOString().slice(5, 16)}`)
        if (to === 'nobody' && attempt === 1) throw new Error('no such address')
      },
      ...options,
    })
    const schema = engine.freshSchema()
    const scheduler = new Scheduler({ database: engine.database, schema, clock, jobs: [job] })
    return { clock, ran, job, scheduler, schema }
  }

  it('a job that is due outside moves to the next opening, in the zone of its recipient', async () => {
    const { scheduler, job, clock, ran } = begin()
    await scheduler.migrate()
    const send = async (to: string, more: object) => {
      const { jobId } = await scheduler.scheduleJob(job, { to }, more)
      return (await scheduler.getJob(jobId))?.scheduledTime
    }
    const night = at('2027-06-01T22:00:00Z')
    expect(await send('now', {})).toEqual(at('2027-06-01T10:00:00Z'))
    expect(await send('berlin', { scheduledTime: night })).toEqual(at('2027-06-02T07:00:00Z'))
    expect(await send('delayed', { delay: '12h' })).toEqual(at('2027-06-02T07:00:00Z'))
    expect(await send('new york', { scheduledTime: night, timeZone: 'America/New_York' })).toEqual(night)
    expect(await send('tokyo', { timeZone: 'Asia/Tokyo', delay: '2h' })).toEqual(at('2027-06-02T00:00:00Z'))
    expect(await send('own hours', { window: { from: '13:00', to: '14:00' } })).toEqual(at('2027-06-01T13:00:00Z'))
    expect(await send('any time', { window: false, scheduledTime: night })).toEqual(night)
    await scheduler.runDueJobs()
    expect(ran).toEqual(['now 06-01T10:00'])
    clock.advance('24h')
    await scheduler.runDueJobs()
    // At 10:00 it is 6 in New York, and those hours of its own begin at 13:00: who slept through theirs goes on waiting.
    const names = ran.map(each => each.replace(/ 06-.*/, '')).toSorted()
    expect(names).toEqual(['any time', 'berlin', 'delayed', 'now', 'tokyo'])
  })

  it('a retry, a late start and a job from elsewhere are looked at again when they would start', async () => {
    const { scheduler, job, clock, ran, schema } = begin({}, '2027-06-01T17:30:00Z')
    await scheduler.migrate()
    const retried = await scheduler.scheduleJob(job, { to: 'nobody' })
    const late = await scheduler.scheduleJob(job, { to: 'late' }, { delay: '10m' })
    const [{ id: fromSql } = { id: '' }] = (
      await engine.database.query<{ id: string }>(
        `select ${schema}.schedule_job('mail', '{"to": "sql"}', '2027-06-01T19:00:00Z') as id`,
      )
    ).rows
    await scheduler.runDueJobs()
    clock.advance('90m')
    await scheduler.runDueJobs()
    expect(ran).toEqual(['nobody 06-01T17:30'])
    const job1 = await scheduler.getJob(retried)
    expect(job1).toMatchObject({ status: 'pending', retryCount: 1, scheduledTime: at('2027-06-02T07:00:00Z') })
    for (const each of [late, fromSql]) {
      expect(await scheduler.getJob(each)).toMatchObject({ retryCount: 0, scheduledTime: at('2027-06-02T07:00:00Z') })
    }
    expect((await scheduler.getAttempts(late)).map(each => [each.outcome, each.errorMessage])).toEqual([
      ['snoozed', 'outside its delivery window until 2027-06-02T07:00:00.000Z'],
    ])
    clock.advance('12h')
    await scheduler.runDueJobs()
    expect(ran.slice(1).toSorted()).toEqual(['late 06-02T07:00', 'nobody 06-02T07:00', 'sql 06-02T07:00'])
  })

  it('nothing starts by the clock of the process alone, when the database cannot be asked for the time', async () => {
    let refusals = 0
    const query: Database['query'] = (text, values) => {
      const isAsked = text.trim().startsWith('select (extract(epoch from coalesce(') && refusals > 0
      if (!isAsked) return engine.database.query(text, values)
      refusals -= 1
      return Promise.reject(new Error('connection lost'))
    }
    const schema = engine.freshSchema()
    const job = defineJob({ type: 'mail', window: { from: '00:00', to: '24:00' }, handler: () => 'sent' })
    const scheduler = new Scheduler({ database: { ...engine.database, query }, schema, jobs: [job] })
    await scheduler.migrate()
    const { jobId } = await scheduler.scheduleJob(job, {})
    refusals = 1
    const sent = nextSettled(scheduler, event => event.outcome === 'completed')
    await scheduler.start()
    await sent
    expect((await scheduler.getAttempts(jobId)).map(each => [each.outcome, each.errorMessage])).toEqual([
      ['snoozed', 'the time could not be read from the database'],
      ['completed', null],
    ])
    await scheduler.stop()
  })

  it('a started scheduler puts off by the clock of the database, too', async () => {
    const hour = (ms: number) => new Date(ms).toISOString().slice(11, 16)
    const now = Date.now()
    // Opens in six hours, whenever this test runs.
    const closed = { from: hour(now + 6 * 3_600_000), to: hour(now + 8 * 3_600_000) }
    const schema = engine.freshSchema()
    let runs = 0
    const job = defineJob({ type: 'mail', window: closed, handler: () => void (runs += 1) })
    const known = new Scheduler({ database: engine.database, schema, jobs: [job] })
    const unknowing = new Scheduler({ database: engine.database, schema })
    await known.start()
    const settled = nextSettled(known)
    const { jobId } = await unknowing.scheduleJob('mail', {})
    expect(await settled).toMatchObject({ jobId, outcome: 'snoozed', willRetry: true })
    const open = nextSettled(known)
    const second = await known.scheduleJob(
      job,
      {},
      { window: { from: hour(now - 3_600_000), to: hour(now + 3_600_000) } },
    )
    expect(await open).toMatchObject({ jobId: second.jobId, outcome: 'completed' })
    await known.stop()
    expect(runs).toBe(1)
    const due = (await known.getJob(jobId))?.scheduledTime.getTime() ?? 0
    expect(Math.abs(due - now - 6 * 3_600_000)).toBeLessThan(120_000)
  })

  it('jobs that wait for an opening are spread, always the same way for a person', async () => {
    const { scheduler, job, ran, clock } = begin(
      { window: { from: '09:00', to: '20:00', spread: '30m' } },
      '2027-06-01T02:00:00Z',
    )
    await scheduler.migrate()
    const people = Array.from({ length: 20 }, (_, n) => `user:${n}`)
    const stored = await scheduler.scheduleJobs(people.map(to => ({ job, payload: { to }, subjects: [to] })))
    const times = await Promise.all(
      stored.map(async each => (await scheduler.getJob(each))?.scheduledTime.getTime() ?? 0),
    )
    expect(new Set(times).size).toBeGreaterThan(15)
    expect(
      times.every(time => time >= at('2027-06-01T09:00Z').getTime() && time < at('2027-06-01T09:30Z').getTime()),
    ).toBe(true)
    const again = await scheduler.scheduleJob(job, { to: 'user:3' }, { subjects: ['user:3'] })
    expect((await scheduler.getJob(again))?.scheduledTime.getTime()).toBe(times[3])
    clock.advance('7h30m')
    await scheduler.runDueJobs()
    expect(ran).toHaveLength(21)
  })

  it('a changed time, window or zone places a job anew, from when it was wanted', async () => {
    const { scheduler, job } = begin()
    await scheduler.migrate()
    const wanted = at('2027-06-01T22:00:00Z')
    const { jobId } = await scheduler.scheduleJob(job, { to: 'ada' }, { scheduledTime: wanted, uniqueKey: 'ada' })
    const dueAfter = async (changes: object) => {
      expect(await scheduler.changeJob({ job, uniqueKey: 'ada' }, changes)).toBe(true)
      return (await scheduler.getJob(jobId))?.scheduledTime
    }
    expect(await dueAfter({ timeZone: 'America/New_York' })).toEqual(wanted)
    expect(await dueAfter({ timeZone: 'Asia/Tokyo' })).toEqual(at('2027-06-02T00:00:00Z'))
    expect(await dueAfter({ payload: { to: 'bo' } })).toEqual(at('2027-06-02T00:00:00Z'))
    expect(await dueAfter({ window: { from: '03:00', to: '04:00' } })).toEqual(at('2027-06-02T03:00:00Z'))
    expect(await dueAfter({ window: false })).toEqual(wanted)
    expect(await dueAfter({ delay: 0, timeZone: 'Asia/Tokyo', window: undefined })).toEqual(at('2027-06-01T10:00:00Z'))
    await expect(scheduler.changeJob(jobId, { timeZone: 'Mars/Olympus' })).rejects.toMatchObject({
      code: 'BELFRY_INVALID_TIME_ZONE',
    })
  })

  it('a person moves: all pending jobs of the subject go by the new zone', async () => {
    const { scheduler, job, clock } = begin()
    await scheduler.migrate()
    const about = { subjects: ['user:1'] }
    const put = (scheduledTime: string, more: object = {}) =>
      scheduler.scheduleJob(job, { to: 'ada' }, { scheduledTime: at(scheduledTime), ...about, ...more })
    const moved = await put('2027-06-01T22:00:00Z')
    const inside = await put('2027-06-02T10:00:00Z')
    const tired = await put('2027-06-01T17:55:00Z')
    const other = await put('2027-06-01T22:00:00Z', { subjects: ['user:2'] })
    const plain = await scheduler.scheduleJob('plain', { ...about, delay: '5h' })
    clock.advance('9h')
    await scheduler.runDueJobs()
    expect((await scheduler.getJob(tired))?.scheduledTime).toEqual(at('2027-06-02T07:00:00Z'))
    expect(await scheduler.admin.setTimeZone('user:1', 'America/New_York', { dryRun: true })).toMatchObject({
      changed: 3,
    })
    const act = await scheduler.admin.setTimeZone('user:1', 'America/New_York', { actor: 'ada' })
    expect(act).toMatchObject({ dryRun: false, changed: 3 })
    const due = async (each: { jobId: string }) =>
      (await scheduler.getJob(each))?.scheduledTime.toISOString().slice(5, 16)
    expect(await due(moved)).toBe('06-01T22:00')
    // 06:00 in New York is too early.
    expect(await due(inside)).toBe('06-02T13:00')
    // It was put off when it would have started: by the new zone it may start now, at 15:00.
    expect(await due(tired)).toBe('06-01T19:00')
    expect(await due(other)).toBe('06-02T07:00')
    expect(await due(plain)).toBe('06-01T15:00')
    expect((await scheduler.admin.listAudit({ action: 'set_time_zone' })).entries).toMatchObject([
      { actor: 'ada', target: 'user:1', detail: { changed: 3, timeZone: 'America/New_York' } },
    ])
  })

  it('replace and append take over the window with the time; keepTime leaves both', async () => {
    const { scheduler, job } = begin()
    await scheduler.migrate()
    const send = (more: object) =>
      scheduler.scheduleJob(job, { to: 'ada' }, { uniqueKey: 'a', onConflict: 'replace', ...more } as never)
    const due = async () => (await scheduler.getJob({ job, uniqueKey: 'a' }))?.scheduledTime
    await send({ delay: '1h' })
    await send({ delay: '12h' })
    expect(await due()).toEqual(at('2027-06-02T07:00:00Z'))
    await send({ delay: '3h', keepTime: true })
    expect(await due()).toEqual(at('2027-06-02T07:00:00Z'))
    await send({ delay: '12h', timeZone: 'America/New_York' })
    expect(await due()).toEqual(at('2027-06-01T22:00:00Z'))
  })

  it('a deadline stays where it is: a span counts from the moved time, an instant does not move', async () => {
    const { scheduler, job, clock, ran } = begin()
    await scheduler.migrate()
    const night = { scheduledTime: at('2027-06-01T22:00:00Z') }
    const span = await scheduler.scheduleJob(job, { to: 'span' }, { ...night, expireAfter: '1h' })
    const instant = await scheduler.scheduleJob(
      job,
      { to: 'instant' },
      { ...night, expiresAt: at('2027-06-02T05:00:00Z') },
    )
    expect((await scheduler.getJob(span))?.expiresAt).toEqual(at('2027-06-02T08:00:00Z'))
    expect((await scheduler.admin.explain(instant))?.hindrances.map(each => each.kind)).toContain('expired')
    clock.advance('21h')
    await scheduler.runDueJobs()
    expect(ran).toEqual(['span 06-02T07:00'])
    expect(await scheduler.getJob(instant)).toMatchObject({ status: 'cancelled', errorMessage: 'expired' })
  })

  it('explain and forecast know the window; jobs of schedules go by it', async () => {
    const { scheduler, job, clock } = begin({}, '2027-06-01T17:00:00Z')
    await scheduler.migrate()
    const moved = await scheduler.scheduleJob(job, { to: 'moved' }, { delay: '3h' })
    const later = await scheduler.scheduleJob(job, { to: 'later' }, { delay: '30m' })
    await scheduler.applySchedule({ scheduleId: 'nightly', job, payload: { to: 'all' }, rule: '0 22 * * *' })
    const because = async (each: { jobId: string }) => (await scheduler.admin.explain(each))?.because
    const opens = at('2027-06-02T07:00:00Z')
    expect(await because(moved)).toMatchObject({ kind: 'window', opens, until: opens, timeZone: 'Europe/Berlin' })
    expect((await because(moved))?.sentence).toMatch(/outside its delivery window until .*2027-06-02 07:00/)
    expect(await because(later)).toMatchObject({ kind: 'not_due' })
    const { types } = await scheduler.admin.forecast({ hours: 24 })
    const mail = types.find(each => each.jobType === 'mail')
    expect(mail?.hours.flatMap(each => (each.recurring > 0 ? [each.from.toISOString().slice(5, 16)] : []))).toEqual([
      '06-02T07:00',
    ])
    clock.advance('2h')
    expect(await because(later)).toMatchObject({ kind: 'window', until: opens })
    await scheduler.runDueJobs()
    expect(await because(later)).toMatchObject({ kind: 'window', until: opens })
    clock.advance('3h')
    await scheduler.runDueJobs()
    const made = (await scheduler.admin.listJobs({ jobType: 'mail' })).jobs.find(each => each.scheduleId === 'nightly')
    expect(made?.scheduledTime).toEqual(opens)
  })

  it('what makes no sense is refused at the call', async () => {
    const { scheduler } = begin()
    await scheduler.migrate()
    const both = { window: { from: '09:00', to: '10:00' }, timeZone: 'UTC' } as never
    await expect(scheduler.scheduleJob('any', both)).rejects.toMatchObject({ code: 'BELFRY_INVALID_OPTION' })
    await expect(scheduler.scheduleJob('any', { timeZone: 'Mars/Olympus' })).rejects.toMatchObject({
      code: 'BELFRY_INVALID_TIME_ZONE',
    })
    expect(() => defineJob({ type: 'any', window: { from: '9', to: '10:00' } })).toThrow(/window of any.from/)
    expect((await scheduler.getStats()).counts.pending).toBe(0)
  })
})
