import { defineJob, payloadCipher, Scheduler, type PayloadCipher } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { leaveKey } from '../../../examples/change-keys.ts'
import { describeOnBothEngines } from './support/engines.ts'

const SECRET = 'the cake is in the oven'
const secret = { note: SECRET }
const old = { id: 'old', bytes: Buffer.alloc(32, 1) }
const current = { id: 'new', bytes: Buffer.alloc(32, 2) }
const oldCipher = payloadCipher({ keys: { old: old.bytes }, current: 'old' })

describeOnBothEngines('with a payload cipher', engine => {
  function begin(cipher: PayloadCipher | undefined, schema = engine.freshSchema(), clock = new TestClock()) {
    const seen: unknown[] = []
    const durable = defineJob<typeof secret>({
      type: 'durable',
      handler: async (payload, { attempt, step, once, waitForEvent, confirmEffect, confirmedEffect, progress }) => {
        await progress({ half: payload.note })
        const done = await step('look', () => ({ said: payload.note }))
        const sent = await once('send', () => `sent ${payload.note}`)
        await confirmEffect('chosen', { told: payload.note })
        const heard = await waitForEvent<typeof secret>('opened', { key: 'oven', timeout: '1d' })
        seen.push({ attempt, done, sent, heard, chosen: await confirmedEffect('chosen') })
        return { answer: heard?.note }
      },
    })
    const reader = defineJob({
      type: 'reader',
      handler: async (_payload, { dependency }) => void seen.push((await dependency('first')).result),
    })
    const nightly = defineJob<typeof secret>({ type: 'nightly', handler: payload => void seen.push(payload) })
    const scheduler = new Scheduler({
      database: engine.database,
      schema,
      clock,
      jobs: [durable, reader, nightly],
      ...(cipher && { payloadCipher: cipher }),
    })
    return { scheduler, schema, clock, seen, durable, reader, nightly }
  }

  /** Which columns of which tables of a schema hold a text: every table and every column that is there. */
  async function placesOf(text: string, schema: string): Promise<string[]> {
    const { rows: columns } = await engine.database.query<{ table: string; column: string }>(
      `select attrelid::regclass::text as table, quote_ident(attname) as column from pg_attribute
       join pg_class on pg_class.oid = attrelid
       where relnamespace = quote_ident($1::text)::regnamespace and relkind in ('r', 'p', 'v', 'm') and attnum > 0 and not attisdropped
       order by 1, 2`,
      [schema],
    )
    expect(columns.length).toBeGreaterThan(100)
    const places: string[] = []
    for (const { table, column } of columns) {
      const { rows } = await engine.database.query(
        `select 1 from ${table} where strpos(${column}::text, $1::text) > 0 limit 1`,
        [text],
      )
      if (rows.length > 0) places.push(`${table}.${column}`.replace(`${schema}.`, ''))
    }
    return places
  }

  /** Everything that content of its user's can come to lie in, looked at before and after the jobs have ended. */
  async function story(cipher: PayloadCipher | undefined) {
    const parts = begin(cipher)
    const { scheduler, schema, clock, durable, reader, nightly } = parts
    await scheduler.migrate()
    await scheduler.applySchedule({ scheduleId: 'nightly', job: nightly, rule: '@hourly', payload: secret })
    const first = await scheduler.scheduleJob(durable, secret, { jobId: 'first' })
    await scheduler.scheduleJob(reader, {}, { dependsOn: [{ job: first, name: 'first' }] })
    const open = { uniqueKey: 'k', onConflict: 'append', delay: '30d' } as const
    for (const note of ['a', SECRET]) await scheduler.scheduleJob('list', { payload: [note], ...open })
    await scheduler.runDueJobs()
    await scheduler.sendEvent('early', { payload: secret })
    const between = await placesOf(SECRET, schema)
    const halfway = await scheduler.getJob('first')
    await scheduler.sendEvent('opened', { key: 'oven', payload: secret })
    clock.advance('1h')
    await scheduler.runDueJobs()
    const places = [...new Set([...between, ...(await placesOf(SECRET, schema))])]
    return { ...parts, places, halfway }
  }

  it('no column of any table holds what a payload, an event, a step, an effect, a result or progress says', async () => {
    const { places, scheduler, seen, halfway } = await story(oldCipher)
    expect(places).toEqual([])
    // All of it was there to be read by the jobs, and is by whoever has the key.
    expect(seen).toContainEqual(secret)
    expect(seen).toContainEqual({ answer: SECRET })
    expect(seen).toContainEqual({
      attempt: 2,
      done: { said: SECRET },
      sent: `sent ${SECRET}`,
      heard: secret,
      chosen: { result: { told: SECRET } },
    })
    expect(halfway).toMatchObject({ payload: secret, progress: { half: SECRET } })
    expect(await scheduler.getJob('first')).toMatchObject({ result: { answer: SECRET } })
    expect(await scheduler.getSchedules()).toMatchObject([{ payload: secret, firedCount: 1 }])
  })

  it('nothing else differs: without one, the same story leaves its words in these columns', async () => {
    const { places } = await story(undefined)
    expect(new Set(places.map(place => place.replace(/^scheduled_jobs_\w+/, 'scheduled_jobs')))).toEqual(
      new Set([
        'belfry_events.payload',
        'belfry_schedules.payload',
        'belfry_steps.result',
        'scheduled_jobs.payload',
        'scheduled_jobs.progress',
        'scheduled_jobs.result',
      ]),
    )
  })

  it('a schedule that says the same is unchanged, and fires in a process that has no key', async () => {
    const { scheduler, schema, clock, nightly } = begin(oldCipher)
    await scheduler.migrate()
    const definition = { scheduleId: 'nightly', job: nightly, rule: '@hourly', payload: secret }
    expect(await scheduler.applySchedule(definition)).toBe('added')
    expect(await scheduler.applySchedule(definition)).toBe('unchanged')
    expect(await scheduler.applySchedule({ ...definition, payload: { note: 'eaten' } })).toBe('changed')
    expect(await scheduler.applySchedule(definition)).toBe('changed')
    clock.advance('1h')
    const keyless = new Scheduler({ database: engine.database, schema, clock })
    await keyless.runDueJobs()
    const [job] = (await scheduler.admin.listJobs({ jobType: 'nightly' })).jobs
    expect((await scheduler.getJob(job?.jobId ?? ''))?.payload).toEqual(secret)
    expect(JSON.stringify(await keyless.getSchedules())).not.toContain(SECRET)
  })

  it('keys are changed: what is under the old one is counted, encrypted anew, and read without it', async () => {
    const { scheduler, schema, clock, durable } = begin(oldCipher)
    await scheduler.migrate()
    await scheduler.applySchedule({ scheduleId: 'nightly', job: 'nightly', rule: '@hourly', payload: secret })
    const first = await scheduler.scheduleJob(durable, secret, { jobId: 'first' })
    await scheduler.scheduleJob('reader', { dependsOn: [{ job: first, name: 'first' }] })
    await scheduler.runDueJobs()
    await scheduler.sendEvent('opened', { key: 'oven', payload: secret })
    await scheduler.scheduleJobs(Array.from({ length: 450 }, () => ({ job: 'later', payload: secret, delay: '30d' })))
    const plain = begin(undefined, schema, clock).scheduler
    await plain.scheduleJob('nightly', { payload: secret, jobId: 'plain', delay: '2h' })
    const unreadable = payloadCipher({ keys: { lost: Buffer.alloc(32, 9) }, current: 'lost' })
    await begin(unreadable, schema, clock).scheduler.scheduleJob('later', { payload: secret, delay: '30d' })
    // Two jobs, 450, the schedule, progress, step, two effects, the event and what the wait for it got.
    expect(await scheduler.admin.payloadKeys()).toEqual([
      { key: null, unfinished: 1, finished: 0 },
      { key: 'lost', unfinished: 1, finished: 0 },
      { key: 'old', unfinished: 459, finished: 0 },
    ])

    const keys = { old: old.bytes, new: current.bytes }
    const both = begin(payloadCipher({ keys, current: 'new' }), schema, clock).scheduler
    expect(await both.admin.resealPayloads({ actor: 'ada' })).toEqual({ resealed: 460, unreadable: 1 })
    expect(await both.admin.resealPayloads()).toEqual({ resealed: 0, unreadable: 1 })
    expect(await both.admin.payloadKeys()).toEqual([
      { key: 'lost', unfinished: 1, finished: 0 },
      { key: 'new', unfinished: 460, finished: 0 },
    ])
    const acts = (await both.admin.listAudit()).entries.filter(entry => entry.actor === 'ada')
    expect(acts).toHaveLength(1)
    expect(acts[0]).toMatchObject({
      action: 'reseal_payloads',
      target: 'new',
      detail: { resealed: 460, unreadable: 1 },
    })

    const after = begin(payloadCipher({ keys: { new: current.bytes }, current: 'new' }), schema, clock)
    clock.advance('2h')
    await after.scheduler.runDueJobs()
    expect(after.seen).toContainEqual({
      attempt: 2,
      done: { said: SECRET },
      sent: `sent ${SECRET}`,
      heard: secret,
      chosen: { result: { told: SECRET } },
    })
    expect(after.seen).toContainEqual({ answer: SECRET })
    expect(after.seen.filter(each => JSON.stringify(each) === JSON.stringify(secret))).toHaveLength(2)
    expect(await after.scheduler.admin.payloadKeys()).toEqual([
      { key: 'lost', unfinished: 1, finished: 0 },
      { key: 'new', unfinished: expect.any(Number), finished: expect.any(Number) },
    ])
    await expect(plain.admin.resealPayloads()).rejects.toMatchObject({ code: 'BELFRY_INVALID_OPTION' })
    expect(await leaveKey(both, 'old')).toBe(true)
    expect(await leaveKey(both, 'lost')).toBe(false)
  })

  it('a run that was asked for while its job ran is encrypted anew too', async () => {
    const { scheduler, schema, clock } = begin(oldCipher)
    await scheduler.migrate()
    const again = { uniqueKey: 'k', onConflict: 'rerun', payload: secret } as const
    const keys = { old: old.bytes, new: current.bytes }
    const both = begin(payloadCipher({ keys, current: 'new' }), schema, clock).scheduler
    const seen: unknown[] = []
    scheduler.registerHandler('again', async payload => {
      if (seen.push(payload) > 1) return
      await scheduler.scheduleJob('again', { ...again, payload: { note: 'more cake' } })
      await both.admin.resealPayloads()
      expect(await both.admin.payloadKeys()).toEqual([{ key: 'new', unfinished: 2, finished: 0 }])
    })
    both.registerHandler('again', payload => void seen.push(payload))
    await scheduler.scheduleJob('again', again)
    // This process lacks the new key: it leaves the second run, by its retries, to one that has it.
    await scheduler.runDueJobs()
    clock.advance('1h')
    await both.runDueJobs()
    expect(seen).toContainEqual({ note: 'more cake' })
  })
})
