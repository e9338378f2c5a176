import type { PGlite } from '@electric-sql/pglite'
import { fromPglite, type Database } from 'belfry/database'
import { FAULTS, formatFailure, simulate, type Invariant, type SimulationReport } from 'belfry/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestDatabase } from '../../../test-support/test-database.ts'
import { connectOnce } from './support/one-connection.ts'
import { sabotage, type Sabotage } from './support/sabotage.ts'
import { createPglite } from '../../../test-support/embedded-database.ts'

const REPLAYED_SEEDS = 15
/** A bug in a statement must show within so many worlds. */
const SEEDS_TO_FIND_A_BUG = 300

describe('on PGlite', () => {
  let pglite: PGlite
  let database: Database

  beforeAll(async () => {
    pglite = await createPglite()
    database = fromPglite(pglite)
  })
  afterAll(() => pglite.close())

  it('tells the same story for the same seed, whatever ran before it, and on a server', async () => {
    const test = await createTestDatabase(1)
    const connection = await connectOnce(test.nearUrl)
    const journals: string[] = []
    for (let seed = 1; seed <= REPLAYED_SEEDS; seed += 1) {
      const { journal, violations } = await simulate({ database, seed })
      expect(violations).toEqual([])
      journals.push(journal.join('\n'))
    }
    for (let seed = REPLAYED_SEEDS; seed >= 1; seed -= 1) {
      const again = await simulate({ database, seed })
      expect(again.journal.join('\n')).toBe(journals[seed - 1])
      const there = await simulate({ database: connection, seed })
      expect(there.journal.join('\n')).toBe(journals[seed - 1])
    }
    expect(new Set(journals).size).toBe(REPLAYED_SEEDS)
    await connection.end()
    await test.drop()
  }, 300_000)

  it('leaves the database with its own time and its own search path', async () => {
    await database.query('set search_path = public')
    await simulate({ database, seed: 1, steps: 5 })
    const [row] = (
      await database.query<{ path: string; real: boolean }>(
        `select current_setting('search_path') as path, abs(extract(epoch from now()) - $1::float8) < 3600 as real`,
        [Date.now() / 1000],
      )
    ).rows
    expect(row).toEqual({ path: 'public', real: true })
  })

  it('is calm without faults: nothing is lost, nothing is refused', async () => {
    for (let seed = 1; seed <= 5; seed += 1) {
      const report = await simulate({ database, seed, faults: [], processes: 2 })
      expect(report.violations).toEqual([])
      expect(report.counts.lost).toBe(0)
      expect(report.journal.join('\n')).not.toMatch(/simulated: the connection|crashes|freezes|was refused/)
    }
  })
})

describe('what cannot be simulated is refused', () => {
  const database = { kind: 'server', maxConnections: 10 } as Database

  it('a database with several connections, whose order nobody could decide', async () => {
    await expect(simulate({ database, seed: 1 })).rejects.toMatchObject({ code: 'BELFRY_INVALID_OPTION' })
  })

  it('seeds, steps and processes that are no counts, and faults that nobody knows', async () => {
    const one = { kind: 'embedded', maxConnections: 1 } as Database
    const refused = { code: 'BELFRY_INVALID_OPTION' }
    await expect(simulate({ database: one, seed: -1 })).rejects.toMatchObject(refused)
    await expect(simulate({ database: one, seed: 0.5 })).rejects.toMatchObject(refused)
    await expect(simulate({ database: one, seed: undefined as never })).rejects.toMatchObject(refused)
    await expect(simulate({ database: one, seed: 1, steps: 0 })).rejects.toMatchObject(refused)
    await expect(simulate({ database: one, seed: 1, processes: 0 })).rejects.toMatchObject(refused)
    await expect(simulate({ database: one, seed: 1, faults: ['flood' as never] })).rejects.toMatchObject(refused)
  })

  it('names every fault', () => expect(FAULTS).toHaveLength(new Set(FAULTS).size))
})

describe('a bug in a statement is found', () => {
  /** `from`: shortly before the first seed that finds it. `steps`: what takes long to come about. */
  const bugs: { bug: string; breaks: Invariant; plan: Sabotage; from?: number; steps?: number }[] = [
    {
      bug: 'settling without asking for the lease token',
      breaks: 'an attempt is settled once, by the holder of its lease',
      from: 60,
      plan: { rewrite: text => text.replaceAll(/and live\.lease_token = ended\.lease(_token)?\b/g, '') },
    },
    {
      bug: 'claiming what others hold',
      breaks: 'every attempt has one row of history',
      plan: {
        rewrite: text =>
          text.includes("set status = 'running'") ? text.replaceAll(/\b(job\.)?lease_token is null/g, 'true') : text,
      },
    },
    {
      bug: 'storing a unique key twice',
      breaks: 'a unique key has one unfinished job',
      from: 18,
      plan: {
        rewrite: text =>
          text
            .replace(
              'create unique index scheduled_jobs_live_unique_key',
              'create index scheduled_jobs_live_unique_key',
            )
            .replace(/on conflict \(job_type, unique_key\) where unique_key is not null do nothing/, ''),
      },
    },
    {
      bug: 'admitting by a count of running jobs that is always none',
      breaks: 'a limit of concurrency is never exceeded',
      from: 50,
      plan: { rewrite: text => text.replaceAll('select count(*)::int from', 'select 0 * count(*)::int from') },
    },
    {
      bug: 'forgetting when jobs of a type or key have started',
      breaks: 'a rate is never exceeded',
      plan: { rewrite: text => text.replace('starts = excluded.starts', "starts = '[]'") },
    },
    {
      bug: 'a retry in strict order that gives up its place',
      breaks: 'a strict key keeps its order',
      from: 18,
      plan: { rewrite: text => text.replace('admitted = live.admitted and keeps_slot', 'admitted = false') },
    },
    {
      bug: 'claiming jobs of a type that is paused',
      breaks: 'what is paused starts nothing',
      from: 6,
      plan: { rewrite: text => text.replaceAll("where pause.lane = '' and", "where false and pause.lane = '' and") },
    },
    {
      bug: 'claiming as if no subject were paused',
      breaks: 'what is paused starts nothing',
      from: 88,
      plan: { rewrite: text => text.replace('subjects is not null and exists', 'false and exists') },
    },
    {
      bug: 'resuming a subject, and leaving its jobs aside',
      breaks: 'everything ends',
      from: 105,
      plan: {
        rewrite: text => text.replace("and ready_at < 'infinity'\n       order by", 'and false\n       order by'),
      },
    },
    {
      bug: "committing a caller's transaction that was rolled back",
      breaks: 'a transaction stores all or nothing',
      plan: { neverRollsBack: true },
    },
    {
      bug: "committing a handler's transaction that was rolled back",
      breaks: 'a transactional job works when it completes, and only then',
      from: 5,
      plan: { neverRollsBack: true },
    },
    {
      bug: 'forgetting what a step was answered',
      breaks: 'a step is answered the same in every attempt',
      plan: {
        rewrite: text => text.replace("select job_id, 'step', $3::text,", "select job_id, 'step', $3::text || '?',"),
      },
    },
    {
      bug: 'sending without noting it first',
      breaks: 'who sends again is told so',
      from: 85,
      plan: {
        rewrite: text =>
          text.replace(
            "select job_id, 'effect', $3::text, false from held",
            "select job_id, 'effect', $3::text, false from held where false",
          ),
      },
    },
    {
      bug: 'letting a job go that waits for another',
      breaks: 'a job starts after those it waits for',
      plan: {
        rewrite: text => text.replaceAll(/case when more->'waits' is not null then 'infinity' else (.+) end,/g, '$1,'),
      },
    },
    {
      bug: 'adding nothing to a waiting job',
      breaks: 'what is appended is run, once',
      from: 18,
      plan: {
        rewrite: text =>
          text.replace(
            'set payload = coalesce($2::text::jsonb, payload)',
            'set payload = coalesce(payload, $2::text::jsonb)',
          ),
      },
    },
    {
      bug: 'asking whether a job is still wanted, and not looking',
      breaks: 'a job that is not wanted any more never starts',
      from: 55,
      plan: { rewrite: text => text.replace('where name = $1::text for share', 'where name < $1::text for share') },
    },
    {
      bug: 'opening windows by a clock that is two minutes ahead',
      breaks: 'a job starts while its delivery window is open',
      from: 18,
      plan: {
        rewrite: text =>
          text.replace(
            'clock_timestamp())) * 1000)::float8',
            "clock_timestamp() + interval '2 minutes')) * 1000)::float8",
          ),
      },
    },
    {
      bug: 'pruning what has only just ended',
      breaks: 'what is kept is kept for its time',
      plan: { rewrite: text => text.replace('now()) - $2::float8 *', 'now()) - 0 * $2::float8 *') },
    },
    {
      bug: 'forgetting that a running job is to run once more',
      breaks: 'a job that is asked for while it runs runs once more',
      from: 33,
      steps: 300,
      plan: {
        rewrite: text =>
          text.replace("where ended.options->'rerun' is not null", "where ended.options->'rerun' is null"),
      },
    },
  ]

  it.each(bugs)(
    '$bug',
    async ({ breaks, plan, from = 1, steps }) => {
      const test = await createTestDatabase(1)
      const connection = await connectOnce(test.nearUrl)
      const database = sabotage(connection, plan)
      const finds = (report: SimulationReport) => report.violations.some(({ invariant }) => invariant === breaks)
      const reports: SimulationReport[] = []
      for (let seed = from; seed < from + SEEDS_TO_FIND_A_BUG; seed += 1) {
        const report = await simulate({ database, seed, ...(steps !== undefined && { steps }) })
        reports.push(report)
        if (finds(report)) break
      }
      const last = reports.at(-1)
      await connection.end()
      await test.drop()
      expect(database.hits).toBeGreaterThan(0)
      expect(last && finds(last), `${breaks} in ${reports.length} worlds`).toBe(true)
      const text = last ? formatFailure(last) : ''
      expect(text).toContain(`seed ${last?.seed} breaks`)
      expect(text).toContain(breaks)
    },
    120_000,
  )
})
