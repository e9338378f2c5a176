import { databaseNow, type Core } from '../core.ts'
import type { Queryable } from '../database/database.ts'
import { extendAudit, writeAudit, type AuditAction } from '../store/audit.ts'
import type { BulkBatch, BulkRequest } from '../store/bulk-batch.ts'
import type { JobConditions } from '../store/job-conditions.ts'
import { readNow } from '../store/save-schedule.ts'

/** Rows of one transaction: short locks, and the event loop stays free on an embedded database. */
const BATCH_ROWS = 1_000
/** Ids an answer names. */
export const FIRST_IDS = 10

/** An act on many jobs: what every batch of it does, and how it is written down. */
export interface BulkAct<Batch extends BulkBatch> {
  readonly actor: string
  readonly action: AuditAction
  readonly conditions: JobConditions
  /** Options of the act, for the audit. */
  readonly detail: Readonly<Record<string, unknown>>
  step(transaction: Queryable, request: BulkRequest): Promise<Batch>
  /** What all batches together did, for the audit and the caller. */
  counts(): Readonly<Record<string, number>>
  /** What is left to do when a batch is committed. */
  committed?(batch: Batch): Promise<void>
}

/**
 * One pass over the jobs that fit and were there when it began, batch by batch in the order of their ids. Each batch is
 * a transaction with its note in the audit: an act that is cut off has done, and says so, what it did until then.
 */
export class BulkPass<Batch extends BulkBatch> {
  readonly #core: Core
  readonly #act: BulkAct<Batch>
  #auditId: string | undefined

  constructor(core: Core, act: BulkAct<Batch>) {
    this.#core = core
    this.#act = act
  }

  async run(onBatch: (batch: Batch) => void): Promise<void> {
    let afterId = ''
    for (;;) {
      const batch = await this.#batch(afterId, onBatch)
      if (batch.picked < BATCH_ROWS || batch.last_id === null) return
      afterId = batch.last_id
    }
  }

  async #batch(afterId: string, onBatch: (batch: Batch) => void): Promise<Batch> {
    const { database } = this.#core
    const now = databaseNow(this.#core)
    const done = await database.transaction(async transaction => {
      const batch = await this.#act.step(transaction, {
        conditions: this.#act.conditions,
        afterId,
        limit: BATCH_ROWS,
        now,
      })
      onBatch(batch)
      await this.#note(transaction, now)
      return batch
    })
    await this.#act.committed?.(done)
    return done
  }

  async #note(transaction: Queryable, now: string | null): Promise<void> {
    const { tables } = this.#core
    const { actor, action, conditions, detail } = this.#act
    if (this.#auditId !== undefined) {
      return extendAudit(transaction, tables, { auditId: this.#auditId, detail: this.#act.counts() })
    }
    this.#auditId = await writeAudit(transaction, tables, {
      actor,
      action,
      target: targetOf(conditions),
      detail: { filter: conditions, ...detail, ...this.#act.counts() },
      now,
    })
  }
}

/** The filter, without jobs that are made after this moment: an act ends even when jobs come faster than it goes. */
export async function untilNow(core: Core, conditions: JobConditions): Promise<JobConditions> {
  const now = await readNow(core.database, databaseNow(core))
  // The database counts microseconds, this millisecond is not over.
  const bound = new Date(Math.floor(now) + 1).toISOString()
  const { created } = conditions
  return { ...conditions, created: { ...created, to: created?.to && created.to < bound ? created.to : bound } }
}

/** What a filter is about, if it names one thing. */
function targetOf({ subject, jobIds, fingerprint }: JobConditions): string {
  return subject ?? (jobIds?.length === 1 ? jobIds[0] : undefined) ?? fingerprint ?? 'filter'
}
