import type { Core } from '../core.ts'
import type { Queryable } from '../database/database.ts'
import type { FollowingJobs } from '../durable/outbox.ts'
import { BelfryError } from '../errors.ts'
import type { DurableFunctions } from '../job/definition.ts'
import { AttemptContext } from './attempt-context.ts'
import { AttemptTransaction } from './attempt-transaction.ts'
import type { HeldJob } from './held-job.ts'

/** What a transactional handler is given. */
export class TransactionalAttempt extends AttemptContext {
  readonly transaction: AttemptTransaction

  constructor(core: Core, held: HeldJob, following: FollowingJobs) {
    const transaction = new AttemptTransaction(held.job.job_id)
    super(onConnectionOf(core, transaction), held, following)
    this.transaction = transaction
  }

  get tx(): Queryable {
    return this.transaction
  }

  override get step(): never {
    return refuse('step')
  }
  override get sleep(): never {
    return refuse('sleep')
  }
  override get waitForEvent(): never {
    return refuse('waitForEvent')
  }
  override get once(): never {
    return refuse('once')
  }
  override get confirmEffect(): never {
    return refuse('confirmEffect')
  }
  override get confirmedEffect(): never {
    return refuse('confirmedEffect')
  }
}

function refuse(name: DurableFunctions): never {
  throw new BelfryError(
    'BELFRY_NOT_IN_TRANSACTION',
    `context.${name}: expected in a handler without transactional: true. What it stores outlives a rollback, so it would ` +
      'vouch for work that was taken back.',
  )
}

/** The embedded database has one connection, which this transaction holds: progress and heartbeats go through it. */
function onConnectionOf(core: Core, transaction: Queryable): Core {
  if (core.database.kind === 'server') return core
  const { kind, maxConnections } = core.database
  const nested = () =>
    Promise.reject(new BelfryError('BELFRY_NESTED_QUERY', 'a transaction was begun inside a transactional handler'))
  const query: Queryable['query'] = (text, values) => transaction.query(text, values)
  return { ...core, database: { kind, maxConnections, query, transaction: nested, listen: nested } }
}
