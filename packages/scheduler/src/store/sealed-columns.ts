import { sealedAs } from '../job/sealed-value.ts'
import { durableTables } from './durable-tables.ts'
import type { Tables } from './tables.ts'

/** Where something lies that a payload cipher seals. */
export interface SealedColumn {
  readonly table: string
  /** Columns with their types, in whose order rows are gone through. */
  readonly key: Readonly<Record<string, 'text' | 'bigint'>>
  /** Which rows of the table; all when left out. */
  readonly where?: string
  /** Expression for what is stored. */
  readonly value: string
  /** What stores `fresh.value` instead. */
  readonly assignment: string
  /** Columns, as text, that `sealedAs` takes for a row. */
  readonly names: readonly string[]
  readonly sealedAs: (...names: string[]) => string
}

/** What is still to be used, column by column. */
export function unfinishedColumns(tables: Tables): readonly SealedColumn[] {
  const { steps, events } = durableTables(tables)
  const job = { table: tables.live, key: { job_id: 'text' } } as const
  const schedule = { table: tables.schedules, key: { schedule_id: 'text' } } as const
  const step = { table: steps, key: { job_id: 'text', kind: 'text', name: 'text' }, ...plain('result') } as const
  const event = { table: events, key: { event_id: 'bigint' } } as const
  const ofPayload = { names: ['job_type'], sealedAs: sealedAs.payload }
  return [
    { ...schedule, ...plain('payload'), ...ofPayload },
    { ...job, ...plain('payload'), ...ofPayload },
    { ...job, ...RERUN_PAYLOAD, ...ofPayload },
    { ...job, ...plain('progress'), names: ['job_id'], sealedAs: sealedAs.progress },
    { ...step, where: `kind = 'step'`, names: ['job_id', 'name'], sealedAs: sealedAs.step },
    { ...step, where: `kind = 'effect'`, names: ['job_id', 'name'], sealedAs: sealedAs.effect },
    { ...step, where: `kind = 'wait'`, names: ['event_name', 'event_key'], sealedAs: sealedAs.event },
    { ...event, ...plain('payload'), names: ['name', 'key'], sealedAs: sealedAs.event },
  ]
}

/** What finished jobs keep. */
export function finishedColumns({ finished: table }: Tables): readonly Pick<SealedColumn, 'table' | 'value'>[] {
  return ['payload', 'result', 'progress', RERUN_PAYLOAD.value].map(value => ({ table, value }))
}

/** The payload of the run that was asked for while a job runs. */
const RERUN_PAYLOAD = {
  value: `options->'rerun'->'payload'`,
  assignment: `options = jsonb_set(options, '{rerun,payload}', fresh.value)`,
}

function plain(column: string) {
  return { value: column, assignment: `${column} = fresh.value` }
}
