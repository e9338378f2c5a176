import { randomUUID } from 'node:crypto'
import { BelfryError } from '../errors.ts'

/** What begins so is a process's word to itself: no hint for whoever listens. */
const PREFIX = 'belfry hearing test '

/**
 * From NOTIFY to its arrival it takes milliseconds; a server that is busy committing may need longer. Shorter than the
 * pause between two pings: a ping through a pooler could fetch what nobody brings otherwise.
 */
const PATIENCE_MS = 2_000

/**
 * Whether a connection that listens hears anything. Behind a pooler in transaction mode LISTEN is accepted and means
 * nothing, since the connection is lent to others; only a message of our own, sent through another connection, tells.
 */
export class HearingTest {
  readonly #word = PREFIX + randomUUID()
  readonly #arrived: Promise<void>
  #arrive = () => {}
  #fail: (error: Error) => void = () => {}
  #loss: Error | undefined

  constructor() {
    this.#arrived = new Promise((resolve, reject) => {
      this.#arrive = resolve
      this.#fail = reject
    })
    this.#arrived.catch(() => {})
  }

  /** Whether a payload belongs to a hearing test, this one or another process's, and is not for whoever listens. */
  takes(payload: string): boolean {
    if (payload === this.#word) this.#arrive()
    return payload.startsWith(PREFIX)
  }

  /** The connection that listens is lost. */
  fail(error: Error): void {
    this.#loss ??= error
    this.#fail(error)
  }

  /**
   * Resolves when our own word was heard.
   * @param query sends a statement through another connection than the one that listens
   * @throws BelfryError `BELFRY_DATABASE_UNAVAILABLE` when nothing arrives within two seconds; else what `query` throws
   */
  async run(channel: string, query: (text: string, values: string[]) => PromiseLike<unknown>): Promise<void> {
    let isSent = false
    const sent = Promise.resolve(query('select pg_notify($1::text, $2::text)', [channel, this.#word])).then(() => {
      isSent = true
    })
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(isSent ? deaf(channel) : unsent(channel)), PATIENCE_MS)
    })
    try {
      await Promise.race([Promise.all([sent, this.#arrived]), late])
      // It was heard, and the connection was lost before that was known: nobody would look for another.
      if (this.#loss) throw this.#loss
    } finally {
      clearTimeout(timer)
    }
  }
}

function deaf(channel: string): BelfryError {
  return new BelfryError(
    'BELFRY_DATABASE_UNAVAILABLE',
    `LISTEN on ${channel} was accepted, but a NOTIFY of our own did not arrive within ${PATIENCE_MS} ms: a pooler in ` +
      'transaction mode is in between, or the server is overloaded. Give Belfry a direct connection for LISTEN ' +
      '(docs/portability.md), or live with polling.',
  )
}

function unsent(channel: string): BelfryError {
  return new BelfryError(
    'BELFRY_DATABASE_UNAVAILABLE',
    `a NOTIFY on ${channel} was not answered within ${PATIENCE_MS} ms: every connection of the pool is taken, or the ` +
      'server does not answer. Give the pool more connections.',
  )
}
