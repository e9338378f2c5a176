import type { Database, Queryable, QueryResult, Unlisten } from '../../database/database.ts'
import { quoteIdentifier, quoteLiteral } from '../../database/identifier.ts'
import { BelfryError } from '../../errors.ts'
import { shortId, type CountedIds } from './counted-ids.ts'
import type { HistoryRow, JobRow, Snapshot } from './history.ts'
import type { VirtualTime } from './virtual-time.ts'

const TIME_SETTING = 'belfry_simulation.now'
const TIME_FUNCTIONS = ['now', 'clock_timestamp', 'statement_timestamp', 'transaction_timestamp']
/** Kept from one run to the next. */
const MIGRATIONS = 'belfry_migrations'

export interface UnfinishedJobs {
  readonly job_type: string
  readonly unique_key: string | null
  /** They wait for other jobs. */
  readonly waits: boolean
  readonly count: number
}

interface SimulatedTable {
  readonly name: string
  /** It takes room on disk. */
  readonly used: boolean
  /** By the server itself, when it likes. */
  readonly vacuumed: boolean
}

/** A transaction of a simulated process, open until it is ended. */
export interface OpenTransaction {
  readonly owner: string
  /** A statement of it failed, or its connection did: it can only be rolled back. */
  broken: boolean
  readonly queryable: Queryable
  end(how: 'commit' | 'rollback'): Promise<void>
}

/**
 * The one database under all simulated processes: an embedded one, whose `now()` and `clock_timestamp()` answer virtual
 * time. They are found before PostgreSQL's own through the search path, so every statement runs as it is written.
 */
export class Backend {
  readonly #database: Database
  readonly #schemaName: string
  readonly #time: VirtualTime
  readonly #ids: CountedIds
  readonly #listeners = new Map<string, Set<(payload: string) => void>>()
  #unlisten: Unlisten[] = []
  readonly #onRow: (row: unknown) => void
  #told = Number.NaN
  #searchPath = ''

  /** @param parts `onRow` sees every row that a process is answered */
  constructor(
    database: Database,
    parts: { schema: string; time: VirtualTime; ids: CountedIds; onRow: (row: unknown) => void },
  ) {
    this.#database = database
    this.#schemaName = parts.schema
    this.#time = parts.time
    this.#ids = parts.ids
    this.#onRow = parts.onRow
  }

  /** The table into which simulated transactional handlers write. */
  get effects(): string {
    return `${quoteIdentifier(this.#schemaName, 'schema')}.simulated_effects`
  }

  /** The table of what is not wanted any more. */
  get withdrawn(): string {
    return `${quoteIdentifier(this.#schemaName, 'schema')}.simulated_withdrawn`
  }

  /** Virtual time from here on. */
  async open(): Promise<void> {
    const clock = quoteIdentifier(`${this.#schemaName}_clock`, 'schema')
    const present = await this.#database.query<{ path: string; hasClock: boolean }>(
      `select current_setting('search_path') as path,
         exists (select from pg_namespace where nspname = $1::text) as "hasClock"`,
      [`${this.#schemaName}_clock`],
    )
    this.#searchPath = present.rows[0]?.path ?? ''
    if (!present.rows[0]?.hasClock) {
      await this.#database.query(`create schema ${clock}`)
      for (const name of TIME_FUNCTIONS) {
        await this.#database.query(`create function ${clock}.${name}() returns timestamptz stable language sql
          as $$ select current_setting(${quoteLiteral(TIME_SETTING)})::timestamptz $$`)
      }
    }
    await this.#database.query(`set search_path = ${clock}, pg_catalog`)
    await this.#tellTime(this.#database)
  }

  /**
   * Empties every table of the schema, back to how it was made: rows then lie where they would in a new one. Deleting
   * and vacuuming costs a tenth of truncating, which makes a file for every index.
   */
  async clear(): Promise<void> {
    await this.#database.query(
      `create table if not exists ${this.effects} (job_id text not null, attempt integer not null)`,
    )
    await this.#database.query(`create table if not exists ${this.withdrawn} (name text not null)`)
    const tables = await this.#tables()
    await this.#keepOthersOut(tables)
    const used = tables.filter(each => each.used).map(each => each.name)
    if (used.length === 0) return
    const gone = used.map((name, index) => `gone_${index} as (delete from ${name})`)
    await this.#database.query(`with ${gone.join(', ')} select 1`)
    await this.#database.query(
      `vacuum (index_cleanup on, truncate on, process_toast off, parallel 0) ${used.join(', ')}`,
    )
    const left = await this.#database.query<{ name: string }>(
      'select name from unnest($1::text[]) name where pg_relation_size(name::regclass) > 0',
      [used],
    )
    if (left.rows.length > 0) await this.#database.query(`truncate ${left.rows.map(row => row.name).join(', ')}`)
    await this.#database.query(
      `select setval(seqrelid, seqstart, false) from pg_sequence
       where seqrelid in (select oid from pg_class where relnamespace = $1::text::regnamespace)`,
      [quoteIdentifier(this.#schemaName, 'schema')],
    )
  }

  /**
   * Keeps a server's autovacuum away from the tables: it comes by the real clock, and where a row lies, which decides
   * between jobs that are due at once, would depend on that.
   */
  async #keepOthersOut(tables: readonly SimulatedTable[]): Promise<void> {
    for (const { name } of tables.filter(each => each.vacuumed)) {
      await this.#database.query(`alter table ${name} set (autovacuum_enabled = false)`)
    }
  }

  async #tables(): Promise<SimulatedTable[]> {
    const found = await this.#database.query<SimulatedTable>(
      `select oid::regclass::text as name, pg_relation_size(oid) > 0 as used,
         not coalesce('autovacuum_enabled=false' = any (reloptions), false) as vacuumed
       from pg_class
       where relnamespace = $1::text::regnamespace and relkind = 'r' and relname <> $2::text order by 1`,
      [quoteIdentifier(this.#schemaName, 'schema'), MIGRATIONS],
    )
    return found.rows
  }

  /** Whatever was withdrawn is wanted again. */
  async takeBack(): Promise<void> {
    await this.#database.query(`delete from ${this.withdrawn}`)
  }

  /** Real time again. */
  async close(): Promise<void> {
    for (const unlisten of this.#unlisten.splice(0)) await unlisten()
    await this.#database.query(`select set_config('search_path', $1::text, false)`, [this.#searchPath])
  }

  async query<Row>(text: string, values?: readonly unknown[]): Promise<QueryResult<Row>> {
    return this.#run<Row>(this.#database, { text, values })
  }

  /** Begins a transaction; it holds the only connection, so nothing else may be asked until it is ended. */
  begin(owner: string): Promise<OpenTransaction> {
    return new Promise((resolve, reject) => {
      let end: (how: 'commit' | 'rollback') => void = () => {}
      const ending = new Promise<'commit' | 'rollback'>(given => (end = given))
      const done = this.#database.transaction(async transaction => {
        resolve({
          owner,
          broken: false,
          queryable: { query: (text, values) => this.#run(transaction, { text, values }) },
          end: async how => {
            end(how)
            await done.catch((error: unknown) => {
              if (how === 'commit' || !(error instanceof RolledBack)) throw error
            })
          },
        })
        if ((await ending) === 'rollback') {
          // Settings are rolled back too.
          this.#told = Number.NaN
          throw new RolledBack()
        }
      })
      done.catch(reject)
    })
  }

  /** Hands every hint of a channel to `onHint`; one subscription serves all processes. */
  async listen(channel: string, onHint: (payload: string) => void): Promise<Unlisten> {
    let listeners = this.#listeners.get(channel)
    if (!listeners) {
      const present = new Set<(payload: string) => void>()
      listeners = present
      this.#listeners.set(channel, present)
      const hear = (payload: string) => {
        for (const listener of present) listener(String(this.#ids.fromDatabase(payload)))
      }
      this.#unlisten.push(await this.#database.listen(channel, hear, () => {}))
    }
    listeners.add(onHint)
    return async () => void listeners.delete(onHint)
  }

  /** What the tables hold now, ids as the journal has them. */
  async snapshot(): Promise<Snapshot> {
    const schema = quoteIdentifier(this.#schemaName, 'schema')
    const jobs = await this.#database.query<JobRow>(
      `select job_id, job_type, status, attempt, retry_count, max_retries, lost_count, unique_key,
         (extract(epoch from completed_at) * 1000)::float8 as ended_ms,
         case jsonb_typeof(payload) when 'array' then array(select each->>'name' from jsonb_array_elements(payload) each)
           else array[payload->>'name'] end as names, schedule_id, extract(epoch from occurrence)::text as occurrence
       from ${schema}.scheduled_jobs order by job_id`,
    )
    const history = await this.#database.query<HistoryRow>(
      `select job_id, attempt, status from ${schema}.job_execution_history order by job_id, attempt`,
    )
    const effects = await this.#database.query<Snapshot['effects'][number]>(
      `select job_id, attempt from ${this.effects} order by job_id, attempt`,
    )
    const short = <Row extends { job_id: string }>(row: Row) => ({ ...row, job_id: shortId(row.job_id) })
    return { jobs: jobs.rows.map(short), history: history.rows.map(short), effects: effects.rows.map(short) }
  }

  /** Types and unique keys of jobs that are unfinished, or whose end is not handled yet, and how many have them. */
  async unfinished(): Promise<UnfinishedJobs[]> {
    const schema = quoteIdentifier(this.#schemaName, 'schema')
    const found = await this.#database.query<UnfinishedJobs>(
      `select job_type, unique_key, coalesce(waits, false) as waits, count(*)::int as count
       from ${schema}.scheduled_jobs_live group by job_type, unique_key, coalesce(waits, false)
       union all
       select job_type, null, false, count(*)::int from ${schema}.scheduled_jobs_finished where awaited group by job_type`,
      // With values a statement is prepared, where a handle does that: this one is asked often.
      [],
    )
    return found.rows
  }

  async #run<Row>(
    queryable: Queryable,
    { text, values }: { text: string; values: readonly unknown[] | undefined },
  ): Promise<QueryResult<Row>> {
    const told = this.#tellTime(queryable)
    const answer = queryable.query<Row>(
      text,
      values?.map(value => this.#ids.toDatabase(value)),
    )
    // Awaited together: a handle that sends the next statement before the last is answered saves a round trip.
    const [result] = await Promise.all([answer, told])
    for (const row of result.rows) this.#onRow(row)
    return { rows: result.rows.map(row => this.#ids.fromDatabase(row) as Row) }
  }

  async #tellTime(queryable: Queryable): Promise<void> {
    const { now } = this.#time
    if (this.#told === now) return
    await queryable.query('select set_config($1::text, $2::text, false)', [TIME_SETTING, new Date(now).toISOString()])
    this.#told = now
  }
}

class RolledBack extends Error {
  override readonly name = 'RolledBack'
}

/** @throws BelfryError `BELFRY_INVALID_OPTION` for a database that is shared with others */
export function requireOneConnection(database: Database): Database {
  if (database?.maxConnections === 1) return database
  throw new BelfryError(
    'BELFRY_INVALID_OPTION',
    'simulate: database: expected a handle with one connection of its own, such as fromPglite(pglite), got one with ' +
      `${database?.maxConnections}: a simulation orders every statement and changes the connection's settings`,
  )
}
