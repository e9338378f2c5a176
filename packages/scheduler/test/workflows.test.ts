import fc from 'fast-check'
import { BelfryError, defineJob, Scheduler, type SchedulerOptions } from 'belfry'
import { TestClock } from 'belfry/testing'
import { describe, expect, it } from 'vitest'
import { findCycle } from '../src/scheduling/dependencies.ts'
import { describeOnBothEngines } from './support/engines.ts'
import { gate } from './support/settled.ts'

const codeOf = (error: unknown) => (error instanceof BelfryError ? error.code : error)

describeOnBothEngines('flows and batches', engine => {
  const make = async (options: Partial<SchedulerOptions> = {}) => {
    const clock = new TestClock('2027-03-01T12:00:00Z')
    const schema = engine.freshSchema()
    const scheduler = new Scheduler({ database: engine.database, schema, clock, ...options })
    await scheduler.migrate()
    const count = async (table: string) =>
      (await engine.database.query<{ n: number }>(`select count(*)::int as n from ${schema}.${table}`)).rows[0]?.n
    return { clock, schema, scheduler, count }
  }
  const fetchPage = defineJob<{ url: string }>({ type: 'fetch', handler: ({ url }) => ({ length: url.length }) })
  const broken = defineJob<{ why: string }>({
    type: 'broken',
    handler: ({ why }) => {
      throw new Error(why)
    },
    maxRetries: 0,
  })

  it('a flow runs in the order of its graph, and what fans in reads the results by name', async () => {
    const order: string[] = []
    const report = defineJob<{ title: string }>({
      type: 'report',
      handler: async ({ title }, { dependency, dependencies }) => {
        order.push(title)
        const { result } = await dependency('left')
        expect((await dependencies()).map(each => [each.name, each.status])).toEqual([
          ['left', 'completed'],
          ['right', 'failed'],
        ])
        expect(await dependency('right')).toMatchObject({ status: 'failed', error: 'out of paper', result: undefined })
        return result
      },
    })
    const { scheduler } = await make({ jobs: [fetchPage, broken, report] })
    const flow = await scheduler.scheduleFlow({
      report: {
        job: report,
        payload: { title: 'both' },
        after: ['left', { job: 'right', onFailure: 'run' }],
        tags: ['nightly'],
      },
      left: { job: fetchPage, payload: { url: 'https://example.org' }, after: ['start'] },
      right: { job: broken, payload: { why: 'out of paper' }, after: ['start'], delay: '1m' },
      start: { job: 'begin', payload: {} },
    })
    scheduler.registerHandler('begin', () => void order.push('start'))
    await scheduler.runDueJobs()
    expect(order).toEqual(['start'])
    const graph = await scheduler.admin.graph(flow.left)
    expect(graph?.truncated).toBe(false)
    expect(graph?.nodes.map(each => [each.name, each.jobType, each.status]).toSorted()).toEqual([
      ['left', 'fetch', 'completed'],
      ['report', 'report', 'pending'],
      ['right', 'broken', 'pending'],
      ['start', 'begin', 'completed'],
    ])
    expect(graph?.edges).toHaveLength(4)
    expect(graph?.edges).toContainEqual({
      from: flow.right.jobId,
      to: flow.report.jobId,
      onFailure: 'run',
      outcome: null,
    })
    expect(await scheduler.admin.graph(flow.left, { limit: 2 })).toMatchObject({ truncated: true })
    expect(await scheduler.admin.graph('nobody')).toBeUndefined()
    const waiting = await scheduler.admin.explain(flow.report)
    expect(waiting?.because).toMatchObject({ kind: 'dependency', jobs: [flow.right.jobId] })
    expect(waiting?.sentence).toContain(`It waits for a job: "right" (${flow.right.jobId}), broken, pending.`)
  })

  it('a flow that fails in the middle is cancelled behind it', async () => {
    const { scheduler } = await make({ jobs: [fetchPage, broken] })
    const flow = await scheduler.scheduleFlow({
      a: { job: broken, payload: { why: 'no luck' } },
      b: { job: fetchPage, payload: { url: 'b' }, after: ['a'] },
      c: { job: fetchPage, payload: { url: 'c' }, after: ['b'] },
      apart: { job: fetchPage, payload: { url: 'd' } },
    })
    await scheduler.runDueJobs()
    const reasons = await Promise.all([flow.b, flow.c].map(async job => (await scheduler.getJob(job))?.errorMessage))
    expect(reasons).toEqual([
      `dependency "a" (${flow.a.jobId}) failed`,
      `dependency "b" (${flow.b.jobId}) was cancelled`,
    ])
    expect(await scheduler.getJob(flow.apart)).toMatchObject({ status: 'completed' })
  })

  it('a flow that cannot be is refused, and nothing of it exists', async () => {
    const { scheduler, count } = await make({ jobs: [fetchPage] })
    const page = (after: unknown) => ({ job: fetchPage, payload: { url: 'x' }, after })
    const refused = async (jobs: unknown) =>
      codeOf(await scheduler.scheduleFlow(jobs as Record<string, never>).catch((error: unknown) => error))
    expect(await refused({ a: page(['b']), b: page(['c']), c: page(['a']) })).toBe('BELFRY_INVALID_DEPENDENCY')
    expect(await refused({ a: page(['a']) })).toBe('BELFRY_INVALID_DEPENDENCY')
    expect(await refused({ a: page([]), b: page(['nobody']) })).toBe('BELFRY_INVALID_DEPENDENCY')
    expect(await refused({ a: page([]), b: page(['a', 'a']) })).toBe('BELFRY_INVALID_DEPENDENCY')
    expect(await refused({ a: page([]), b: page([{ job: 'a', onFailure: 'hope' }]) })).toBe('BELFRY_INVALID_DEPENDENCY')
    expect(await refused({ a: page('b') })).toBe('BELFRY_INVALID_DEPENDENCY')
    expect(await refused({ a: 7 })).toBe('BELFRY_INVALID_OPTION')
    expect(await refused([])).toBe('BELFRY_INVALID_OPTION')
    expect(await refused({ a: page([]), b: { job: fetchPage, payload: 1n, after: ['a'] } })).toBe(
      'BELFRY_INVALID_PAYLOAD',
    )
    expect(await refused({ a: page([]), b: { ...page(['a']), dependsOn: ['nobody'] } })).toBe('BELFRY_JOB_NOT_FOUND')
    const many = Object.fromEntries(Array.from({ length: 1_001 }, (_, n) => [`job ${n}`, page([])]))
    expect(await refused(many)).toBe('BELFRY_INVALID_DEPENDENCY')
    expect(await scheduler.scheduleFlow({})).toEqual({})
    expect(await count('scheduled_jobs')).toBe(0)
    expect(await count('belfry_dependencies')).toBe(0)
  })

  it('a job whose unique key is taken has the one that holds it stand in', async () => {
    const { scheduler, clock } = await make({ jobs: [fetchPage] })
    const options = { uniqueKey: 'page', delay: '1h' } as const
    const holder = await scheduler.scheduleJob(fetchPage, { url: 'x' }, options)
    const flow = await scheduler.scheduleFlow({
      page: { job: fetchPage, payload: { url: 'y' }, ...options },
      next: { job: fetchPage, payload: { url: 'z' }, after: ['page'] },
    })
    expect(flow.page).toEqual({ jobId: holder.jobId, conflict: true })
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(flow.next)).toMatchObject({ status: 'pending' })
    clock.advance('1h')
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(flow.next)).toMatchObject({ status: 'completed' })
  })

  it('a batch is completed once when all have ended, and told how', async () => {
    const { scheduler, clock } = await make({ jobs: [fetchPage, broken] })
    const told: unknown[] = []
    scheduler.registerHandler('done', async (payload, { dependencyCounts, dependencies }) => {
      told.push(payload, await dependencyCounts(), (await dependencies()).length)
    })
    const { jobs, completion } = await scheduler.scheduleBatch(
      [
        ...Array.from({ length: 50 }, (_, n) => ({ job: fetchPage, payload: { url: `${n}` } })),
        { job: broken, payload: { why: 'bad day' } },
        { job: fetchPage, payload: { url: 'later' }, delay: '1h' },
        { job: fetchPage, payload: { url: 'never' }, delay: '2h' },
      ],
      { job: 'done', payload: { report: 7 } },
    )
    expect(jobs).toHaveLength(53)
    await scheduler.runDueJobs()
    expect(told).toEqual([])
    expect((await scheduler.admin.explain(completion))?.sentence).toContain('It waits for 2 jobs')
    await scheduler.cancelJob(jobs.at(-1) ?? '')
    clock.advance('1h')
    await scheduler.runDueJobs()
    expect(told).toEqual([{ report: 7 }, { total: 53, completed: 51, failed: 1, cancelled: 1 }, 53])
    const empty = await scheduler.scheduleBatch([], { job: 'done', payload: {} })
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(empty.completion)).toMatchObject({ status: 'completed' })
    expect(told.slice(3)).toEqual([{}, { total: 0, completed: 0, failed: 0, cancelled: 0 }, 0])
  })

  it('a batch of thousands over two processes is completed exactly once', async () => {
    const schema = engine.freshSchema()
    const done = gate<unknown>()
    let completions = 0
    const member = defineJob({ type: 'member', handler: () => {} })
    const completion = defineJob({
      type: 'completion',
      handler: async (_payload, { dependencyCounts }) => {
        completions += 1
        done.open(await dependencyCounts())
      },
    })
    const options = { database: engine.database, schema, jobs: [member, completion] }
    const [one, two] = [new Scheduler(options), new Scheduler(options)]
    await one.start()
    await two.start()
    await one.scheduleBatch(
      Array.from({ length: 3_000 }, () => ({ job: member })),
      { job: completion },
    )
    expect(await done.promise).toEqual({ total: 3_000, completed: 3_000, failed: 0, cancelled: 0 })
    await Promise.all([one.stop(), two.stop()])
    expect(completions).toBe(1)
  })

  it('a job never misses a parent that ends while it is being stored, in any of many races', async () => {
    const schema = engine.freshSchema()
    const done: number[] = []
    const all = gate()
    const options = { database: engine.database, schema, pollInterval: '1h' } as const
    const one = new Scheduler(options)
    const two = new Scheduler(options)
    for (const scheduler of [one, two]) {
      scheduler.registerHandler('quick', () => {})
      scheduler.registerHandler('child', payload => {
        done.push((payload as { n: number }).n)
        if (done.length === 40) all.open()
      })
      await scheduler.start()
    }
    const rounds = Array.from({ length: 40 }, async (_, n) => {
      const parents = await Promise.all([
        one.scheduleJob('quick', { payload: {} }),
        two.scheduleJob('quick', { payload: {} }),
      ])
      await (n % 2 === 0 ? one : two).scheduleJob('child', { payload: { n }, dependsOn: parents })
    })
    await Promise.all(rounds)
    await all.promise
    await Promise.all([one.stop(), two.stop()])
    expect(done.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, n) => n))
  })
})

describe('ways round in a graph', () => {
  it('are found if there are any, and are ways round', () => {
    const graphs = fc.array(fc.array(fc.nat({ max: 7 }), { maxLength: 3 }), { minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(graphs, lists => {
        const before = new Map(lists.map((list, n) => [`${n}`, list.map(String)]))
        const cycle = findCycle(before) ?? []
        const steps = cycle.slice(1).map((key, place) => before.get(key)?.includes(cycle[place] ?? ''))
        expect(steps).toEqual(steps.map(() => true))
        expect(cycle[0]).toBe(cycle.at(-1))
        // Without a way round, taking away what nothing comes before ends with nothing.
        let left = [...before.keys()]
        for (let round = 0; round <= lists.length; round += 1) {
          left = left.filter(key => (before.get(key) ?? []).some(each => left.includes(each)))
        }
        expect(left.length > 0).toBe(cycle.length > 0)
      }),
    )
  })

  it('are looked for without a deep stack', () => {
    const chain = new Map(Array.from({ length: 100_000 }, (_, n) => [`${n}`, [`${n + 1}`]]))
    expect(findCycle(chain)).toBeUndefined()
    chain.set('100000', ['0'])
    expect(findCycle(chain)).toHaveLength(100_002)
  })
})
