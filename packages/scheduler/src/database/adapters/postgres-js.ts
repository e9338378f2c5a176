import { BelfryError } from '../../errors.ts'
import type { Database, Queryable, QueryResult, Unlisten } from '../database.ts'
import { HearingTest } from '../hearing-test.ts'
import { isCoded, resultOf } from './answers.ts'

/** What is used of a postgres.js transaction, the `sql` inside `begin`. */
export interface PostgresJsTransaction {
  unsafe(text: string, values?: never[]): PromiseLike<unknown>
}

/** What is used of a postgres.js instance. Structural: the library does not import it. */
export interface PostgresJs extends PostgresJsTransaction {
  readonly options: {
    readonly max: number
    readonly fetch_types: boolean
    readonly transform: Readonly<Record<'column' | 'value' | 'row', { readonly from?: unknown } | undefined>>
  }
  begin(options: string, work: (sql: PostgresJsTransaction) => Promise<unknown>): Promise<unknown>
  listen(channel: string, onNotify: (payload: string) => void, onListen: () => void): Promise<{ unlisten: Unlisten }>
}

/** postgres.js's own codes for a connection that is not there. */
const CONNECTION_LOST = new Set(['CONNECTION_CLOSED', 'CONNECTION_ENDED', 'CONNECTION_DESTROYED', 'CONNECT_TIMEOUT'])

/** UNLISTEN waits for a connection that may be gone; what is left of it ends with the caller's `sql.end()`. */
const UNLISTEN_PATIENCE_MS = 1_000

/** Pause between looks whether a connection that came back deaf hears again. Polling works meanwhile. */
const RETEST_MS = 15_000

/**
 * A database handle over the caller's own postgres.js instance, for a whole scheduler; or, for the `sql` inside
 * `sql.begin`, what the `transaction` of scheduling calls takes:
 * `sql.begin(tx => scheduler.scheduleJob(job, payload, { transaction: fromPostgresJs(tx) }))`.
 *
 * The instance stays the caller's: it is never ended here. LISTEN uses a connection of its own beside its `max`.
 * @throws BelfryError `BELFRY_INVALID_OPTION` for an instance that changes results (`transform`, `fetch_types: false`)
 */
export function fromPostgresJs(sql: PostgresJs): Database
export function fromPostgresJs(sql: PostgresJsTransaction): Queryable
export function fromPostgresJs(sql: PostgresJs | PostgresJsTransaction): Database | Queryable {
  const queryable: Queryable = {
    async query<Row>(text: string, values: readonly unknown[] = []): Promise<QueryResult<Row>> {
      const given = values.map(value => value ?? null)
      const answer = await reaching(() => sql.unsafe(text, given as never[]))
      return resultOf('fromPostgresJs', text, answer)
    },
  }
  if (!('begin' in sql)) return queryable
  refuseChangedResults(sql)
  return {
    ...queryable,
    kind: 'server',
    maxConnections: sql.options.max,
    transaction: work => transact(sql, work),
    listen: (channel, onHint, onReconnect) => listen(sql, { channel, onHint, onReconnect }),
  }
}

function refuseChangedResults({ options }: PostgresJs): void {
  const { column, value, row } = options.transform
  const fault =
    column?.from || value?.from || row?.from
      ? 'transform would rename columns, and keys inside payloads'
      : options.fetch_types
        ? undefined
        : 'fetch_types: false leaves arrays unread'
  if (fault === undefined) return
  throw new BelfryError('BELFRY_INVALID_OPTION', `fromPostgresJs: ${fault}. Give Belfry an instance without it.`)
}

async function transact<T>(sql: PostgresJs, work: (transaction: Queryable) => Promise<T>): Promise<T> {
  // postgres.js treats an array that `begin` answers specially, so the value leaves by another way.
  let answer: { value: T } | undefined
  await reaching(() =>
    sql.begin('isolation level read committed', async transaction => {
      answer = { value: await work(fromPostgresJs(transaction)) }
    }),
  )
  if (!answer) throw new BelfryError('BELFRY_DATABASE_UNAVAILABLE', 'the transaction ended without an answer')
  return answer.value
}

interface Subscription {
  channel: string
  onHint: (payload: string) => void
  onReconnect: (failure?: unknown) => void
}

/** postgres.js listens again by itself after a lost connection, and says so through the same callback as at first. */
async function listen(sql: PostgresJs, { channel, onHint, onReconnect }: Subscription): Promise<Unlisten> {
  let state: 'opening' | 'open' | 'ended' = 'opening'
  let hearing = new HearingTest()
  let retest: NodeJS.Timeout | undefined
  // A `listen` that is refused stays registered inside postgres.js, without a handle to end it: look before it.
  await reaching(() => sql.unsafe('select 1'))
  const hear = (payload: string) => {
    if (!hearing.takes(payload) && state !== 'ended') onHint(payload)
  }
  const test = () => {
    hearing = new HearingTest()
    return hearing.run(channel, (text, values) => sql.unsafe(text, values as never[]))
  }
  const again = async () => {
    clearTimeout(retest)
    try {
      await test()
      if (state === 'open') onReconnect()
    } catch (error) {
      if (state !== 'open') return
      retest = setTimeout(() => void again(), RETEST_MS)
      onReconnect(error)
    }
  }
  const listening = () => {
    if (state === 'open') void again()
  }
  let end: Unlisten = () => Promise.resolve()
  try {
    const { unlisten } = await sql.listen(channel, hear, listening)
    end = () => {
      state = 'ended'
      clearTimeout(retest)
      return withinPatience(unlisten())
    }
    await test()
    state = 'open'
    return end
  } catch (error) {
    state = 'ended'
    await end()
    if (error instanceof BelfryError) throw error
    throw new BelfryError('BELFRY_DATABASE_UNAVAILABLE', `cannot LISTEN on ${channel}`, { cause: error })
  }
}

function withinPatience(work: Promise<void>): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, UNLISTEN_PATIENCE_MS)
    work
      .catch(() => {})
      .finally(() => {
        clearTimeout(timer)
        resolve()
      })
  })
}

/** Says in the library's words that the database cannot be reached; other errors pass as they are. */
async function reaching<T>(work: () => PromiseLike<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!isCoded(error) || !CONNECTION_LOST.has(error.code)) throw error
    throw new BelfryError(
      'BELFRY_DATABASE_UNAVAILABLE',
      `the database cannot be reached (${error.code}). Is it running?`,
      { cause: error },
    )
  }
}
