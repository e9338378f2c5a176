import { BelfryError, defineJob, Scheduler, type SchedulerEvents } from 'belfry'
import { expect, it } from 'vitest'
import { until } from '../../../test-support/until.ts'
import { describeOnBothEngines } from './support/engines.ts'

/** A row of `belfry_lanes`, written by hand, and what is told of it. */
interface LaneSpoil {
  readonly lane: string
  readonly set: string
  readonly error: RegExp
}

const SPOILS: Readonly<Record<string, LaneSpoil>> = {
  'limits that are text': { lane: '', set: `limits = '"garbage"'`, error: /type "spoiled".*limits: expected/ },
  'a rate that is a number': {
    lane: '',
    set: `limits = '{"rate": 5}'`,
    error: /limits.rate.limit: expected 1 to 1000/,
  },
  'a rate without a span': { lane: '', set: `limits = '{"rate": {"limit": 5}}'`, error: /limits.rate.per/ },
  'limits per key that are text': { lane: '', set: `limits = '{"perKey": "x"}'`, error: /limits.perKey: expected/ },
  'starts that are no list': { lane: '', set: `starts = '{"a": "x"}'`, error: /starts: expected pairs of numbers/ },
  'starts of text': { lane: '', set: `starts = '[["a", 1]]'`, error: /starts: expected pairs of numbers/ },
  'a memory of text': { lane: '', set: `memory = '{"fullAtMs": "x"}'`, error: /memory.fullAtMs: expected a number/ },
  'a key after nobody': { lane: '', set: `memory = '{"lastKey": 5}'`, error: /memory.lastKey: expected a text/ },
  'spending of text, of a key': {
    lane: 'k',
    set: `memory = '{"spent": "x"}'`,
    error: /type "spoiled", key "k",.*memory.spent: expected pairs of numbers/,
  },
}

const limits = { rate: { limit: 50, per: '1m' }, perKey: { budget: { amount: 100, per: '1h' } } } as const

describeOnBothEngines('limits spoiled by hand', engine => {
  const make = async () => {
    const schema = engine.freshSchema()
    const scheduler = new Scheduler({
      database: engine.database,
      schema,
      pollInterval: '100ms',
      jobs: [
        defineJob({ type: 'spoiled', limits, handler: () => 'done' }),
        defineJob({ type: 'sound', limits, handler: () => 'done' }),
        defineJob({ type: 'plain', handler: () => 'done' }),
        defineJob({ type: 'cursed', handler: () => 'done' }),
      ],
    })
    await scheduler.migrate()
    const errors: SchedulerEvents['database:error'][] = []
    scheduler.on('database:error', event => errors.push(event))
    const sql = (text: string) => engine.database.query(text.replaceAll('SCHEMA', schema))
    const ask = (jobType: string) => scheduler.scheduleJob(jobType, { concurrencyKey: 'k' })
    const done = (job: { jobId: string }) =>
      until(`${job.jobId} is done`, async () => (await scheduler.getJob(job.jobId))?.status === 'completed')
    return { scheduler, errors, sql, ask, done }
  }

  it.each(Object.entries(SPOILS))('%s: its type starts nothing and says why; the others go on', async (_, spoil) => {
    const { scheduler, errors, sql, ask, done } = await make()
    const held = await ask('spoiled')
    await sql(`insert into SCHEMA.belfry_lanes (job_type, lane) values ('spoiled', '${spoil.lane}')`)
    await sql(`update SCHEMA.belfry_lanes set ${spoil.set}`)
    await scheduler.start()
    await done(await ask('sound'))
    await done(await scheduler.scheduleJob('plain', {}))
    await until('it is told', () => Promise.resolve(errors.length > 0))
    await done(await ask('sound'))
    for (const { during, error } of errors) {
      expect(during).toBe('claim of spoiled')
      expect(error).toBeInstanceOf(BelfryError)
      expect(error).toMatchObject({ code: 'BELFRY_ROW_UNREADABLE', message: expect.stringMatching(spoil.error) })
    }
    const explanation = await scheduler.admin.explain(held)
    expect(explanation).toMatchObject({ status: 'pending', because: { kind: 'unreadable' } })
    expect(explanation?.sentence).toMatch(spoil.error)
    // The way out that the error names.
    await scheduler.admin.setLimits('spoiled', null, { actor: 'ada' })
    await sql(`delete from SCHEMA.belfry_lanes where starts <> '[]' or memory is not null`)
    await done(held)
    await scheduler.stop()
  })

  it('a pause without an end holds its type, and is explained', async () => {
    const { scheduler, errors, sql, ask, done } = await make()
    const held = await ask('spoiled')
    await sql(`insert into SCHEMA.belfry_lanes (job_type, lane, paused_until) values ('spoiled', '', 'infinity')`)
    await scheduler.start()
    await done(await ask('sound'))
    expect((await scheduler.admin.explain(held))?.because).toMatchObject({
      kind: 'paused',
      until: null,
      sentence: expect.stringContaining('rest without an end'),
    })
    expect(errors).toEqual([])
    await sql('update SCHEMA.belfry_lanes set paused_until = null')
    await done(held)
    await scheduler.stop()
  })

  it('an ordinary type whose claim the database refuses stops alone', async () => {
    const { scheduler, errors, sql, done } = await make()
    const cursed = await scheduler.scheduleJob('cursed', {})
    const before = await scheduler.scheduleJob('plain', {})
    await sql(`create function SCHEMA.curse() returns trigger language plpgsql as $$
      begin raise exception 'a curse' using errcode = '22023'; end $$`)
    await sql(`create trigger curse before update on SCHEMA.scheduled_jobs_live for each row
      when (new.job_type = 'cursed' and new.status = 'running') execute function SCHEMA.curse()`)
    await scheduler.start()
    await done(before)
    await until('it is told', () => Promise.resolve(errors.length > 1))
    await done(await scheduler.scheduleJob('plain', {}))
    expect(new Set(errors.map(each => each.during))).toEqual(new Set(['claim of cursed']))
    expect(String(errors[0]?.error)).toContain('a curse')
    await sql('drop trigger curse on SCHEMA.scheduled_jobs_live')
    await done(cursed)
    await scheduler.stop()
  })
})
