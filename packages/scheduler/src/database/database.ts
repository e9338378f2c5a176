/** What a statement answers. Statements that change rows say which through RETURNING. */
export interface QueryResult<Row> {
  rows: Row[]
}

/**
 * Anything that runs one statement with `$1` parameters: a pool, a client inside a transaction, PGlite.
 * Statements of the library cast every parameter and answer only text, int4, boolean, jsonb and float8, so that
 * every driver hands back the same values.
 */
export interface Queryable {
  query<Row>(text: string, values?: readonly unknown[]): Promise<QueryResult<Row>>
  /**
   * As `query`, for a statement whose best plan does not depend on how much its tables hold: the connection may keep the
   * plan and spare making it anew. One that searches a table may not be run so: a plan made for an empty table would
   * read a full one from end to end. Absent where a driver or a client of the caller's knows no such thing.
   */
  queryKept?<Row>(text: string, values: readonly unknown[]): Promise<QueryResult<Row>>
}

/** How full a pool is. */
export interface PoolState {
  /** Connections it may have. */
  readonly size: number
  /** Calls that wait for one. */
  readonly waiting: number
  /** Connections that were handed out since the handle was made. */
  readonly handedOut: number
}

/** Ends a subscription; resolves when the connection behind it is given back. */
export type Unlisten = () => Promise<void>

/** A database handle: statements, transactions and, where there is one, LISTEN. Drivers are handed in, never imported. */
export interface Database extends Queryable {
  /** `server`: PostgreSQL over a pool. `embedded`: PGlite, one connection, blocks the event loop while it works. */
  readonly kind: 'server' | 'embedded'
  /** Statements that may run at the same time. */
  readonly maxConnections: number
  /** Runs `work` in one transaction: commits when it resolves, rolls back when it rejects. */
  transaction<T>(work: (transaction: Queryable) => Promise<T>): Promise<T>
  /**
   * Subscribes to NOTIFY. `onHint` gets payloads; `onReconnect` is called after a lost connection came back, when
   * hints may have been missed, and with the error each time it did not; it is tried again. Rejects when LISTEN cannot
   * work here, also when it is accepted and hears nothing; polling then does its job.
   */
  listen(
    channel: string,
    onHint: (payload: string) => void,
    onReconnect: (failure?: unknown) => void,
  ): Promise<Unlisten>
  /** Absent, or answering undefined, where a pool does not tell. */
  poolState?(): PoolState | undefined
}
