import { createHash } from 'node:crypto'

/** What is asked of a `pg.Pool`. */
interface AskedPool {
  connect(): Promise<{
    readonly processID?: number | null | undefined
    query(text: string): Promise<{ rows: unknown[] }>
    on(event: 'error', listener: (error: Error) => void): unknown
    removeListener(event: 'error', listener: (error: Error) => void): unknown
    release(broken?: Error): void
  }>
}

/**
 * Names for statements whose plans a connection may keep: planning one anew costs more than running it.
 *
 * A pooler in transaction mode hands a connection on after every transaction, and its next user finds names that are not
 * theirs (PgBouncer 1.18: SQLSTATE 42P05). Such a pooler makes up the process id it tells its clients; a server tells
 * that of its backend, so one question settles whether anything stands in between. Until it is answered nothing is named.
 */
export class KeptPlans {
  readonly #pool: AskedPool
  readonly #names = new Map<string, string>()
  #isDirect: boolean | undefined

  constructor(pool: AskedPool) {
    this.#pool = pool
  }

  /** The statement's name, 63 characters at most as PostgreSQL wants; undefined: send it without one. */
  nameOf(text: string): string | undefined {
    if (this.#isDirect === undefined) {
      this.#isDirect = false
      void this.#ask()
    }
    if (!this.#isDirect) return undefined
    let name = this.#names.get(text)
    if (name === undefined) {
      name = `belfry_${createHash('sha256').update(text).digest('hex').slice(0, 32)}`
      this.#names.set(text, name)
    }
    return name
  }

  async #ask(): Promise<void> {
    try {
      const client = await this.#pool.connect()
      // A checked-out client that loses its connection also emits `error`, which ends the process if nobody listens.
      let broken: Error | undefined
      const onLost = (error: Error) => (broken = error)
      client.on('error', onLost)
      try {
        const { rows } = await client.query('select pg_backend_pid() as pid')
        this.#isDirect = client.processID === (rows[0] as { pid: number } | undefined)?.pid
      } finally {
        client.removeListener('error', onLost)
        client.release(broken)
      }
    } catch {
      // Asked again by the next statement: a connection that is lost says nothing about what stands in between.
      this.#isDirect = undefined
    }
  }
}
