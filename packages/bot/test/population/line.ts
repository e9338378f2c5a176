import type { Database, Queryable, QueryResult } from 'belfry/database'
import type { Chance } from './chance.ts'

/** The one real connection under a world. */
export interface Connection {
  query(text: string, values?: readonly unknown[]): Promise<{ rows: unknown[] }>
}

/** A statement that was carried out, and committed. */
export interface Committed {
  readonly text: string
  readonly values: readonly unknown[]
  readonly rows: readonly unknown[]
}

/** What may happen to a statement of a process, drawn anew for each. */
export type Fate =
  | 'answered'
  /** The connection broke before it was carried out. */
  | 'refused'
  /** It was carried out, and the connection broke before the answer came. */
  | 'unanswered'
  /** The process died before it was carried out, or after. */
  | 'crash before'
  | 'crash after'

interface Call {
  readonly link: Link
  readonly transaction: Transaction | undefined
  readonly kind: 'statement' | 'begin' | 'commit' | 'rollback'
  readonly text: string
  readonly values: readonly unknown[]
  readonly resolve: (answer: QueryResult<unknown>) => void
  readonly reject: (error: unknown) => void
}

interface Transaction {
  readonly link: Link
  readonly statements: Committed[]
  broken: boolean
}

export interface LineOptions {
  readonly connection: Connection
  readonly chance: Chance
  /** Sees what was committed, in the order of the commits, before anybody else hears of it. */
  readonly onCommitted: (statements: readonly Committed[], link: Link) => void
  /** A bug in a statement, for tests of the tests. */
  readonly rewrite?: (text: string) => string
}

/**
 * One connection shared by all processes of a world: statements are carried out one at a time, transactions whole, and
 * which of those that wait is next is drawn. So the order of everything follows from the seed.
 */
export class Line {
  readonly #options: LineOptions
  #waiting: Call[] = []
  #open: Transaction | undefined
  #running = false
  #onIdle: (() => void)[] = []
  /** Statements carried out so far. */
  statements = 0

  constructor(options: LineOptions) {
    this.#options = options
  }

  /** Resolves when no statement is under way and none can go on; at once if that is so now. */
  async idle(): Promise<boolean> {
    if (!this.#running) return false
    await new Promise<void>(resolve => this.#onIdle.push(resolve))
    return true
  }

  enqueue(call: Call): void {
    this.#waiting.push(call)
    this.#goOn()
  }

  /** Nothing of a dead process is carried out any more; its open transaction ends with its connection. */
  async cutOff(link: Link): Promise<void> {
    this.#waiting = this.#waiting.filter(call => call.link !== link)
    if (this.#open?.link !== link) return
    this.#open = undefined
    await this.#options.connection.query('rollback')
  }

  #goOn(): void {
    if (this.#running) return
    const ready = this.#waiting.filter(call => call.transaction === this.#open)
    const call = ready.length > 1 ? this.#options.chance.pick(ready) : ready[0]
    if (!call) {
      for (const resolve of this.#onIdle.splice(0)) resolve()
      return
    }
    this.#waiting.splice(this.#waiting.indexOf(call), 1)
    this.#running = true
    void this.#carryOut(call).finally(() => {
      this.#running = false
      this.#goOn()
    })
  }

  async #carryOut(call: Call): Promise<void> {
    const { link } = call
    const fate = call.kind === 'rollback' ? 'answered' : link.drawFate()
    try {
      if (fate === 'crash before') return await link.die()
      if (fate === 'refused') throw connectionError('before')
      const answer = await this.#really(call)
      if (fate === 'crash after') return await link.die()
      if (fate === 'unanswered') throw connectionError('after')
      call.resolve(answer)
    } catch (error) {
      // The answer to BEGIN or COMMIT may be lost as well: the connection is gone, and its transaction with it.
      if (this.#open?.link === link && call.kind !== 'statement') await this.cutOff(link)
      else if (call.transaction) call.transaction.broken = true
      call.reject(error)
    }
  }

  async #really(call: Call): Promise<QueryResult<unknown>> {
    const { connection, onCommitted } = this.#options
    const { transaction, kind, link } = call
    this.statements += 1
    if (kind === 'begin') {
      await connection.query('begin')
      this.#open = { link, statements: [], broken: false }
      return { rows: [this.#open] }
    }
    if (kind === 'commit' || kind === 'rollback') {
      this.#open = undefined
      const commits = kind === 'commit' && !transaction?.broken
      await connection.query(commits ? 'commit' : 'rollback')
      if (kind === 'commit' && !commits) throw connectionError('before')
      if (commits && transaction) onCommitted(transaction.statements, link)
      return { rows: [] }
    }
    if (transaction?.broken) throw connectionError('before')
    const text = this.#options.rewrite?.(call.text) ?? call.text
    const { rows } = await connection.query(text, call.values)
    const committed = { text, values: call.values, rows }
    if (transaction) transaction.statements.push(committed)
    else onCommitted([committed], link)
    return { rows }
  }
}

/** The connections of one process. */
export class Link implements Database {
  readonly kind = 'server'
  readonly maxConnections = 4
  readonly name: string
  dead = false
  readonly #line: Line
  readonly #onDeath: () => void
  readonly #fate: () => Fate

  constructor(name: string, parts: { line: Line; fate: () => Fate; onDeath: () => void }) {
    this.name = name
    this.#line = parts.line
    this.#fate = parts.fate
    this.#onDeath = parts.onDeath
  }

  drawFate(): Fate {
    return this.#fate()
  }

  /** The process is gone: it hears no answer any more, and nothing it asks is carried out. */
  async die(): Promise<void> {
    if (this.dead) return
    this.dead = true
    this.#onDeath()
    await this.#line.cutOff(this)
  }

  query<Row>(text: string, values: readonly unknown[] = []): Promise<QueryResult<Row>> {
    return this.#call<Row>({ kind: 'statement', text, values, transaction: undefined })
  }

  async transaction<T>(work: (transaction: Queryable) => Promise<T>): Promise<T> {
    const begun = await this.#call<Transaction>({ kind: 'begin', text: 'begin', values: [], transaction: undefined })
    const [transaction] = begun.rows
    if (!transaction) throw connectionError('before')
    const end = (kind: 'commit' | 'rollback') => this.#call({ kind, text: kind, values: [], transaction })
    let result: T
    try {
      result = await work({
        query: (text, values = []) => this.#call({ kind: 'statement', text, values, transaction }),
      })
    } catch (error) {
      await end('rollback')
      throw error
    }
    await end('commit')
    return result
  }

  /** Hints would arrive in no certain order; polling does their job. */
  listen(): Promise<() => Promise<void>> {
    return Promise.resolve(() => Promise.resolve())
  }

  #call<Row>(call: Pick<Call, 'kind' | 'text' | 'values' | 'transaction'>): Promise<QueryResult<Row>> {
    return new Promise((resolve, reject) => {
      if (this.dead) return
      const answer = resolve as Call['resolve']
      this.#line.enqueue({ ...call, link: this, resolve: answer, reject })
    })
  }
}

function connectionError(when: 'before' | 'after'): Error {
  const message = `simulated: the connection broke ${when} the statement was carried out`
  return Object.assign(new Error(message), { code: 'ECONNRESET' })
}
