import { execFile } from 'node:child_process'
import { mkdtemp, rm, statfs, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Scheduler } from 'belfry'
import { fromPool, type Database } from 'belfry/database'
import { Pool } from 'pg'
import { describe, expect, it, type TestContext } from 'vitest'
import { startPostgresServer, type PostgresServer, type ServerPlace } from '../../../test-support/postgres-server.ts'
import { until } from '../../../test-support/until.ts'
import { Journal } from './support/journal.ts'

const run = promisify(execFile)
const SCHEMA = 'story'

/** Counts what is sent, and what comes back as an error. */
function counted(database: Database): Database & { readonly counts: { sent: number; failed: number } } {
  const counts = { sent: 0, failed: 0 }
  const count = async <T>(work: () => Promise<T>): Promise<T> => {
    counts.sent += 1
    try {
      return await work()
    } catch (error) {
      counts.failed += 1
      throw error
    }
  }
  return {
    ...database,
    counts,
    query: (text, values) => count(() => database.query(text, values)),
    transaction: work => count(() => database.transaction(work)),
  }
}

function poolOn(context: TestContext, url: string): Pool {
  const pool = new Pool({ connectionString: url, max: 5, connectionTimeoutMillis: 5_000 })
  pool.on('error', () => {})
  context.onTestFinished(() => pool.end())
  return pool
}

/** A scheduler on a server whose every call and end goes into a journal, and a pool to check it with. */
async function startFollowed(context: TestContext, server: PostgresServer) {
  const direct = poolOn(context, server.url)
  const journal = new Journal()
  const scheduler = new Scheduler({ database: fromPool(poolOn(context, server.url)), schema: SCHEMA, lease: '1s' })
  context.onTestFinished(() => scheduler.stop())
  journal.follow(scheduler)
  scheduler.registerHandler('quick', () => {})
  await scheduler.start()
  return { direct, journal, scheduler }
}

describe.concurrent('a server that is killed while jobs run', () => {
  it('loses none of them: runners try again, ever more seldom, and come back with it', async context => {
    const server = await startPostgresServer({ fsync: 'on' })
    context.onTestFinished(() => server.remove())
    const direct = poolOn(context, server.url)
    const journal = new Journal()
    const databases: ReturnType<typeof counted>[] = []
    let finish = () => {}
    const finished = new Promise<void>(resolve => (finish = resolve))
    let running = 0
    const schedulers = await Promise.all(
      [1, 2].map(async () => {
        const database = counted(fromPool(poolOn(context, server.url)))
        databases.push(database)
        const scheduler = new Scheduler({ database, schema: SCHEMA, lease: '2s', gracePeriod: 0 })
        context.onTestFinished(() => scheduler.stop())
        journal.follow(scheduler)
        scheduler.registerHandler('across', async () => {
          running += 1
          await finished
        })
        scheduler.registerHandler('quick', () => {})
        await scheduler.start()
        return scheduler
      }),
    )
    const [first] = schedulers as [Scheduler, Scheduler]
    for (let n = 0; n < 6; n += 1) await journal.schedule(first, 'across', { jobId: `across-${n}` })
    await journal.schedule(first, 'quick', { jobId: 'due while it is down', delay: 500 })
    await until('all are running', () => Promise.resolve(running === 6))

    await server.kill()
    const sentBefore = databases.reduce((sum, each) => sum + each.counts.sent, 0)
    finish()
    expect(await journal.schedule(first, 'quick', { jobId: 'refused' })).toBe(false)
    await until('both runners notice', () => Promise.resolve(databases.every(each => each.counts.failed > 0)))
    await new Promise(resolve => setTimeout(resolve, 1_500))
    const sent = databases.reduce((sum, each) => sum + each.counts.sent, 0) - sentBefore
    // Two runners, each claiming, settling, renewing and looking for schedules with pauses of 50 ms and more, doubling.
    expect(sent).toBeLessThan(60)

    await server.start()
    await until('a job is taken again', () =>
      journal.schedule(first, 'quick', { jobId: `again-${journal.doubtful.size}` }),
    )
    await journal.whenOver(direct, SCHEMA)
    expect(await journal.faults(direct, SCHEMA)).toEqual([])
    await until('both are back', async () => {
      const { runners } = await first.getStats()
      return runners.filter(each => each.alive).length === 2
    })
  })

  it('three times in a row', async context => {
    const server = await startPostgresServer({ fsync: 'on' })
    context.onTestFinished(() => server.remove())
    const { direct, journal, scheduler } = await startFollowed(context, server)
    for (let round = 0; round < 3; round += 1) {
      const calls = Array.from({ length: 50 }, (_, n) =>
        journal.schedule(scheduler, 'quick', { jobId: `round-${round}-${n}` }),
      )
      await server.kill()
      await Promise.all(calls)
      await server.start()
    }
    await journal.whenOver(direct, SCHEMA)
    expect(await journal.faults(direct, SCHEMA)).toEqual([])
  })
})

/** Small enough to fill in a moment, large enough for a fresh server. */
const DISK_MB = 72
/** Larger than any file of a fresh server whose log has segments of 1 MB. */
const LARGEST_FILE_KB = 8 * 1024

/** Where a server has little room, and how it gets more. */
interface Tightness {
  readonly place: ServerPlace
  readonly refusal: RegExp
  fill(): Promise<void>
  makeRoom(server: PostgresServer): Promise<void>
}

const tight: Record<string, (context: TestContext) => Promise<Tightness>> = {
  /** The real thing: the log may find no room either, and then the whole server goes down. */
  'whose disk is full': async context => {
    const disk = await smallDisk(context)
    const ballast = join(disk, 'ballast')
    return {
      place: { within: disk },
      refusal: /No space left on device|cannot be reached|terminat/,
      fill: async () => {
        const { bavail, bsize } = await statfs(disk)
        await writeFile(ballast, Buffer.alloc(Math.max(0, bavail * bsize - 512 * 1024)))
      },
      makeRoom: () => rm(ballast),
    }
  },
  /** Needs no right to mount. */
  'whose files may grow no more': () =>
    Promise.resolve({
      place: { largestFileKb: LARGEST_FILE_KB },
      refusal: /File too large/,
      fill: () => Promise.resolve(),
      makeRoom: server => server.liftFileLimit(),
    }),
}

/** A disk of its own for a server, or why there can be none. */
async function smallDisk(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'belfry-disk-'))
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MB}m,mode=0755`, 'tmpfs', folder])
  } catch (error) {
    await rm(folder, { recursive: true })
    return context.skip(
      `a small disk needs the right to mount: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
  context.onTestFinished(async () => {
    await run('umount', ['-l', folder])
    await rm(folder, { recursive: true })
  })
  return folder
}

describe.concurrent('a server', () => {
  it.for(Object.entries(tight))(
    '%s refuses jobs with a clear error, breaks nothing, and goes on when there is room',
    async ([, make], context) => {
      const room = await make(context)
      const server = await startPostgresServer(
        { max_wal_size: '4MB', min_wal_size: '2MB', autovacuum: 'off' },
        { ...room.place, initdb: ['--wal-segsize=1'] },
      )
      context.onTestFinished(() => server.remove())
      const { direct, journal, scheduler } = await startFollowed(context, server)

      await room.fill()
      expect(String(await firstRefusal(scheduler, journal))).toMatch(room.refusal)
      const atTheWall = journal.errors.length
      await new Promise(resolve => setTimeout(resolve, 700))
      expect(journal.errors.length - atTheWall).toBeLessThan(40)

      await room.makeRoom(server)
      // When it was the log that found no room, the whole server went down and has to be started by somebody.
      await direct.query('select 1').catch(() => server.start())
      await until('a job is taken again', () =>
        journal.schedule(scheduler, 'quick', { jobId: `again-${journal.doubtful.size}` }),
      )
      await journal.whenOver(direct, SCHEMA)
      expect(await journal.faults(direct, SCHEMA)).toEqual([])
    },
  )
})

/** Schedules large jobs until some are refused. */
async function firstRefusal(scheduler: Scheduler, journal: Journal): Promise<unknown> {
  const text = Array.from({ length: 500 }, () => crypto.randomUUID()).join('')
  for (let batch = 0; batch < 2_000; batch += 1) {
    const jobs = Array.from({ length: 20 }, (_, n) => ({ job: 'quick', payload: { text }, jobId: `${batch}-${n}` }))
    try {
      await scheduler.scheduleJobs(jobs)
      jobs.forEach(job => journal.scheduled.add(job.jobId))
    } catch (error) {
      jobs.forEach(job => journal.doubtful.add(job.jobId))
      return error
    }
  }
  return undefined
}
