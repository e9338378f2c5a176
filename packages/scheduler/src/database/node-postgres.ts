import { BelfryError } from '../errors.ts'
import type { Database, Queryable, QueryResult, Unlisten } from './database.ts'
import { HearingTest } from './hearing-test.ts'
import { KeptPlans } from './kept-plans.ts'

/** What is used of a `pg` client. Structural: the library imports no driver. */
export interface PgClient {
  /** The process id that the other side gave when the connection was opened. */
  readonly processID?: number | null | undefined
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>
  on(event: 'notification', listener: (message: { channel: string; payload?: string | undefined }) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'end', listener: () => void): unknown
  removeListener(event: 'error', listener: (error: Error) => void): unknown
  removeAllListeners(event?: string): unknown
  release(destroy?: boolean | Error): void
}

/** What is used of a `pg.Pool`. */
export interface PgPool {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>
  query(statement: { name: string; text: string; values: unknown[] }): Promise<{ rows: unknown[] }>
  connect(): Promise<PgClient>
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'connect', listener: (client: PgClient) => void): unknown
  on(event: 'acquire', listener: () => void): unknown
  /** Calls that wait for a connection; a pool that does not tell is not watched. */
  readonly waitingCount?: number
  readonly options: { max?: number | undefined }
}

/** pg's own default for `max`. */
const DEFAULT_POOL_SIZE = 10

/** Pauses between attempts to listen again, in milliseconds; the last one repeats. Polling works meanwhile. */
const RELISTEN_DELAYS_MS = [100, 500, 2_000, 5_000, 15_000]

/** A listening connection is asked for a sign of life this often; a silently dead one is noticed within two of these. */
const PING_INTERVAL_MS = 5_000

/**
 * A database handle over the caller's own `pg.Pool`. The pool stays the caller's: it is never ended here.
 * One of its connections is used for LISTEN while a scheduler runs; give it at least three.
 *
 * Also attaches `error` listeners to it and to its clients: without one, a connection that the server closes while it is
 * idle, or while it is being handed over, ends the process.
 */
export function fromPool(pool: PgPool): Database {
  const size = pool.options.max ?? DEFAULT_POOL_SIZE
  const handedOut = guard(pool)
  const plans = new KeptPlans(pool)
  const query = async <Row>(text: string, values?: readonly unknown[]): Promise<QueryResult<Row>> => {
    const result = await pool.query(text, values as unknown[])
    return { rows: result.rows as Row[] }
  }
  const queryKept = async <Row>(text: string, values: readonly unknown[]): Promise<QueryResult<Row>> => {
    const name = plans.nameOf(text)
    if (name === undefined) return query(text, values)
    const result = await pool.query({ name, text, values: [...values] })
    return { rows: result.rows as Row[] }
  }
  return {
    kind: 'server',
    maxConnections: size,
    query,
    queryKept,
    transaction: work => transact(pool, work),
    listen: async (channel, onHint, onReconnect) => {
      if (size < 2) {
        throw new BelfryError('BELFRY_DATABASE_UNAVAILABLE', 'LISTEN would take the only connection of this pool')
      }
      return listen({ pool, channel, onHint, onReconnect })
    },
    poolState: () =>
      pool.waitingCount === undefined
        ? undefined
        : { size, waiting: pool.waitingCount, handedOut: handedOut.connections },
  }
}

/** Pools that have our listeners: a program may make any number of handles of one pool. */
const guarded = new WeakMap<PgPool, { connections: number }>()

/** Listens to a pool, once; answers the number of connections that it has handed out since, which goes on counting. */
function guard(pool: PgPool): { readonly connections: number } {
  const known = guarded.get(pool)
  if (known) return known
  const handedOut = { connections: 0 }
  guarded.set(pool, handedOut)
  pool.on('error', ignoreLostClient)
  // The pool takes its own listener off before whoever asked for the client can attach theirs.
  pool.on('connect', client => client.on('error', ignoreLostClient))
  pool.on('acquire', () => (handedOut.connections += 1))
  return handedOut
}

/** pg removes the broken client by itself; whoever needs a connection next gets the error then. */
function ignoreLostClient(): void {}

/**
 * Whatever a connection's default is: some of what is done here, such as letting jobs go that waited, needs each statement to
 * see what others have committed meanwhile.
 */
const BEGIN = 'begin isolation level read committed'

async function transact<T>(pool: PgPool, work: (transaction: Queryable) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  let broken: Error | undefined
  // A checked-out client tells of a lost connection twice: its statement rejects, and it emits `error`, which ends the
  // process if nobody listens.
  const onLost = (error: Error) => (broken = error)
  client.on('error', onLost)
  try {
    await client.query(BEGIN)
    const value = await work(fromClient(client))
    await client.query('commit')
    return value
  } catch (error) {
    // A client whose rollback fails may still be inside the transaction: it must not go back to the pool.
    await client.query('rollback').catch((rollbackError: unknown) => {
      broken = rollbackError instanceof Error ? rollbackError : new Error(String(rollbackError))
    })
    throw error
  } finally {
    client.removeListener('error', onLost)
    client.release(broken)
  }
}

/** A client inside a transaction of the caller's own, for the `transaction` option of scheduling calls. */
export function fromClient(client: Pick<PgClient, 'query'>): Queryable {
  return {
    async query<Row>(text: string, values?: readonly unknown[]): Promise<QueryResult<Row>> {
      const result = await client.query(text, values as unknown[])
      return { rows: result.rows as Row[] }
    },
  }
}

interface Subscription {
  pool: PgPool
  channel: string
  onHint: (payload: string) => void
  onReconnect: (failure?: unknown) => void
}

/** Listens on one checked-out connection; a lost one is replaced until the subscription ends. */
async function listen(subscription: Subscription): Promise<Unlisten> {
  let ended = false
  let relisten: Promise<void> | undefined
  let wakeUp = () => {}
  let current = await openListener(subscription, lost)

  function lost(): void {
    if (!ended) relisten ??= reconnect().finally(() => (relisten = undefined))
  }
  async function reconnect(): Promise<void> {
    for (let attempt = 0; !ended; attempt += 1) {
      await new Promise<void>(resolve => {
        const delay = RELISTEN_DELAYS_MS[Math.min(attempt, RELISTEN_DELAYS_MS.length - 1)]
        const timer = setTimeout(resolve, delay)
        wakeUp = () => {
          clearTimeout(timer)
          resolve()
        }
      })
      if (ended) return
      const opened = await openListener(subscription, lost).catch((error: unknown) => {
        if (!ended) subscription.onReconnect(error)
      })
      if (!opened) continue
      if (ended) return opened.close()
      current = opened
      return subscription.onReconnect()
    }
  }
  return async () => {
    ended = true
    wakeUp()
    await relisten
    current.close()
  }
}

async function openListener({ pool, channel, onHint }: Subscription, onLost: () => void): Promise<{ close(): void }> {
  const client = await pool.connect()
  const hearing = new HearingTest()
  let open = true
  let listening = false
  const close = (error?: Error) => {
    if (!open) return
    open = false
    clearInterval(ping)
    client.removeAllListeners('notification')
    // Destroyed, not returned: a pooled connection that still listens would collect hints for nobody.
    client.release(error ?? true)
  }
  const fail = (error: Error) => {
    if (!open) return
    close(error)
    // Before it listens, whoever opens it learns of the loss from the rejection.
    if (listening) onLost()
    else hearing.fail(error)
  }
  client.on('error', fail)
  client.on('end', () => fail(new Error('connection ended')))
  client.on('notification', message => {
    const payload = message.payload ?? ''
    if (message.channel === channel && !hearing.takes(payload)) onHint(payload)
  })
  let answered = true
  const ping = setInterval(() => {
    if (!answered) return fail(new Error('no answer to a ping'))
    answered = false
    client.query('select 1').then(() => (answered = true), fail)
  }, PING_INTERVAL_MS)
  try {
    await client.query(`listen "${channel.replaceAll('"', '""')}"`)
    await hearing.run(channel, (text, values) => pool.query(text, values))
    listening = true
  } catch (error) {
    close(error instanceof Error ? error : new Error(String(error)))
    if (error instanceof BelfryError) throw error
    throw new BelfryError('BELFRY_DATABASE_UNAVAILABLE', `cannot LISTEN on ${channel}`, { cause: error })
  }
  return { close }
}
