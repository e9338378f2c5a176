import type { Database, Queryable, QueryResult, Unlisten } from '../../database/database.ts'
import type { Backend, OpenTransaction } from './backend.ts'
import { statementLabel } from './statement-label.ts'

/** What happens to a statement that is let through. */
export type Fate =
  | 'answered'
  /** The connection broke, or the database refused, before it was executed. */
  | 'refused'
  /** It was executed, and the connection broke before the answer came. */
  | 'unanswered'

/** A database call of a simulated process that waits to be let through. */
export interface WaitingCall {
  readonly owner: string
  readonly label: string
  /** The transaction it is part of. */
  readonly transaction: OpenTransaction | undefined
  /** Ends its transaction. */
  readonly ends: 'commit' | 'rollback' | undefined
  execute(): Promise<unknown>
  resolve(answer: unknown): void
  reject(error: unknown): void
}

type Call = Omit<WaitingCall, 'resolve' | 'reject'>

/** Where every database call of every process waits until the driver lets it through: one at a time. */
export class StatementGate {
  #waiting: WaitingCall[] = []
  #open: OpenTransaction | undefined
  readonly #backend: Backend
  readonly #onChange: () => void

  constructor(backend: Backend, onChange: () => void) {
    this.#backend = backend
    this.#onChange = onChange
  }

  /** The transaction that holds the connection. */
  get open(): OpenTransaction | undefined {
    return this.#open
  }

  /** Calls that may be let through now; with a transaction open only the first of its own, as a connection sends them. */
  ready(mayRun: (owner: string) => boolean): WaitingCall[] {
    if (!this.#open) return this.#waiting.filter(call => mayRun(call.owner))
    const next = this.#waiting.find(call => call.transaction === this.#open)
    return next && mayRun(next.owner) ? [next] : []
  }

  waitingOf(owner: string): WaitingCall[] {
    return this.#waiting.filter(call => call.owner === owner)
  }

  /** Makes a call and waits until it was let through. */
  pass<Answer>(call: Call): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...call, resolve: answer => resolve(answer as Answer), reject })
      this.#onChange()
    })
  }

  /** Lets one call through. */
  async release(call: WaitingCall, fate: Fate): Promise<void> {
    this.#waiting = this.#waiting.filter(other => other !== call)
    const { transaction } = call
    if (call.ends) return this.#end(call, fate)
    if (fate === 'refused' || transaction?.broken) {
      if (transaction) transaction.broken = true
      return call.reject(connectionError('before'))
    }
    const openBefore = this.#open
    try {
      const answer = await call.execute()
      if (fate === 'answered') return call.resolve(answer)
      if (transaction) transaction.broken = true
      // A transaction that nobody heard of ends with its connection.
      if (this.#open !== openBefore) await this.#close('rollback')
      call.reject(connectionError('after'))
    } catch (error) {
      if (transaction) transaction.broken = true
      call.reject(error)
    }
  }

  /** Executes a call of a process that will never hear of it. */
  async executeUnheard(call: WaitingCall): Promise<void> {
    if (call.ends) await this.#close(call.ends)
    else if (!call.transaction) await call.execute().catch(() => {})
  }

  /** Takes away the calls of a process that is gone, and its open transaction. */
  async forget(owner: string): Promise<void> {
    this.#waiting = this.#waiting.filter(call => call.owner !== owner)
    if (this.#open?.owner === owner) await this.#close('rollback')
  }

  async #end(call: WaitingCall, fate: Fate): Promise<void> {
    const committing = call.ends === 'commit'
    const broken = this.#open?.broken ?? true
    const how = committing && !broken && fate !== 'refused' ? 'commit' : 'rollback'
    try {
      await this.#close(how)
    } catch (error) {
      return call.reject(error)
    }
    if (committing && (broken || fate !== 'answered'))
      call.reject(connectionError(how === 'commit' ? 'after' : 'before'))
    else call.resolve(undefined)
  }

  async #close(how: 'commit' | 'rollback'): Promise<void> {
    const open = this.#open
    this.#open = undefined
    await open?.end(how)
  }

  /** The calls of one process. */
  connectionOf(owner: string): Pick<Database, 'query' | 'transaction'> {
    const beginning = async () => {
      this.#open = await this.#backend.begin(owner)
      return this.#open
    }
    return {
      query: <Row>(text: string, values?: readonly unknown[]) =>
        this.pass<QueryResult<Row>>(
          plain(owner, { label: statementLabel(text), execute: () => this.#backend.query(text, values) }),
        ),
      transaction: async <T>(work: (transaction: Queryable) => Promise<T>): Promise<T> => {
        const transaction = await this.#begin(owner, beginning)
        const within = (label: string, execute: () => Promise<unknown>, ends?: 'commit' | 'rollback') => ({
          owner,
          label,
          transaction,
          ends,
          execute,
        })
        let result: T
        try {
          result = await work({
            query: <Row>(text: string, values?: readonly unknown[]) =>
              this.pass<QueryResult<Row>>(
                within(`in transaction: ${statementLabel(text)}`, () => transaction.queryable.query(text, values)),
              ),
          })
        } catch (error) {
          await this.pass(within('rollback', nothing, 'rollback')).catch(() => {})
          throw error
        }
        await this.pass(within('commit', nothing, 'commit'))
        return result
      },
    }
  }

  async #begin(owner: string, execute: () => Promise<OpenTransaction>): Promise<OpenTransaction> {
    return this.pass<OpenTransaction>(plain(owner, { label: 'begin', execute }))
  }

  /** A subscription is a call too: it waits its turn and may fail. */
  listen(owner: string, subscribe: () => Promise<Unlisten>): Promise<Unlisten> {
    return this.pass<Unlisten>(plain(owner, { label: 'listen', execute: subscribe }))
  }
}

const nothing = () => Promise.resolve()

function plain(owner: string, call: Pick<Call, 'label' | 'execute'>): Call {
  return { owner, transaction: undefined, ends: undefined, ...call }
}

function connectionError(when: 'before' | 'after'): Error {
  const message = `simulated: the connection broke ${when} the statement was executed`
  return Object.assign(new Error(message), { code: 'ECONNRESET' })
}
