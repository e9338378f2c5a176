import { createHash } from 'node:crypto'
import { BelfryError } from '../errors.ts'
import type { Database, Queryable } from './database.ts'
import { quoteIdentifier, quoteLiteral } from './identifier.ts'
import { buildOnlineIndexes, onlineIndexSql, type OnlineIndex } from './online-indexes.ts'

/** One step of a schema: statements run in order, in one transaction with the note that they ran. */
export interface MigrationStep {
  /** 1, 2, 3 … without gaps. */
  readonly version: number
  readonly name: string
  /** Looks before anything is changed and throws when the step must not run. */
  check?(transaction: Queryable): Promise<void>
  /** One statement each. Append only: a step that has shipped never changes. */
  readonly statements: readonly string[]
  /**
   * Indexes on tables that may be big and in use by now: built after the statements, outside a transaction, while others
   * go on writing.
   */
  readonly onlineIndexes?: readonly OnlineIndex[]
}

/** What to bring up to date, and where the notes are kept. */
export interface MigrationPlan {
  /** Schema of the notes table; made when it is missing. */
  readonly schema: string
  /** Name of the notes table, e.g. `belfry_migrations`. */
  readonly table: string
  readonly steps: readonly MigrationStep[]
}

/** What `migrate` did. */
export interface MigrationResult {
  /** Versions that ran now; empty when the database was up to date. */
  readonly applied: readonly number[]
  readonly version: number
  /** Online indexes that were built now. */
  readonly indexesBuilt: readonly string[]
  /** Online indexes that another process is building at this moment: slower until then, not wrong. */
  readonly indexesLeft: readonly string[]
}

/**
 * Brings a schema up to date. Each step is one transaction under a lock, so that of several processes starting at once
 * one migrates and the others wait; a step cut off half-way leaves nothing behind.
 * @throws BelfryError `BELFRY_SCHEMA_NEWER` when the database was migrated by a newer version, `BELFRY_MIGRATION_CHANGED`
 *   when a step that already ran has another text now, or its note is gone; nothing is changed in either case
 */
export async function migrate(database: Database, plan: MigrationPlan): Promise<MigrationResult> {
  const applied: number[] = []
  const latest = plan.steps.length
  // An up-to-date database is only read: a runtime role needs no right to create anything.
  let version = await appliedVersion(database, plan)
  while (version < latest) {
    const step = await database.transaction(transaction => runNextStep(transaction, plan))
    if (step !== undefined) applied.push(step)
    version = step ?? latest
  }
  const online = plan.steps.flatMap(step => step.onlineIndexes ?? [])
  const { built, left } = await buildOnlineIndexes(database, plan.schema, online)
  return { applied, version, indexesBuilt: built, indexesLeft: left }
}

/** Runs the steps that have not run inside a transaction of the caller's; online indexes as well, as ordinary ones. */
export async function migrateWithin(transaction: Queryable, plan: MigrationPlan): Promise<void> {
  while ((await runNextStep(transaction, plan)) !== undefined);
  const online = plan.steps.flatMap(step => step.onlineIndexes ?? [])
  for (const index of online) await transaction.query(onlineIndexSql(plan.schema, index, { concurrently: false }))
}

/** Runs the first step that has not run; answers its version, or undefined when another process was quicker. */
async function runNextStep(transaction: Queryable, plan: MigrationPlan): Promise<number | undefined> {
  const schema = quoteIdentifier(plan.schema, 'schema')
  const table = `${schema}.${quoteIdentifier(plan.table, 'migrations table')}`
  await transaction.query('select pg_advisory_xact_lock(hashtextextended($1::text, 0))', [
    `${plan.schema}.${plan.table}`,
  ])
  const done = await appliedVersion(transaction, plan)
  const step = plan.steps[done]
  if (!step) return undefined
  await step.check?.(transaction)
  if (done === 0) {
    await ensureSchema(transaction, plan.schema)
    await transaction.query(notesTable(table))
  }
  try {
    for (const statement of step.statements) await transaction.query(statement)
  } catch (error) {
    throw isThereAlready(error) ? noteIsGone(plan, step, error) : error
  }
  await transaction.query(`insert into ${table} (version, name, checksum) values ($1::int, $2::text, $3::text)`, [
    step.version,
    step.name,
    checksumOf(step),
  ])
  return step.version
}

/** `create schema if not exists` needs the right to create even when the schema is there. */
async function ensureSchema(transaction: Queryable, schema: string): Promise<void> {
  const found = await transaction.query('select 1 from pg_namespace where nspname = $1::text', [schema])
  if (found.rows.length === 0) await transaction.query(`create schema ${quoteIdentifier(schema, 'schema')}`)
}

function notesTable(table: string): string {
  return (
    `create table if not exists ${table} (version integer primary key, name text not null, checksum text not null, ` +
    'applied_at timestamptz not null default now())'
  )
}

/**
 * How many steps have run, after checking that they are ours.
 * @throws BelfryError `BELFRY_SCHEMA_NEWER`, `BELFRY_MIGRATION_CHANGED`
 */
export async function appliedVersion(database: Queryable, plan: MigrationPlan): Promise<number> {
  const name = `${quoteIdentifier(plan.schema, 'schema')}.${quoteIdentifier(plan.table, 'migrations table')}`
  // Not to_regclass: it answers from the connection's catalog cache, which after waiting for the lock may still say that
  // the table another process has just made is not there.
  const exists = await database.query(
    `select 1 from pg_class table_class join pg_namespace schema on schema.oid = table_class.relnamespace
     where schema.nspname = $1::text and table_class.relname = $2::text`,
    [plan.schema, plan.table],
  )
  if (exists.rows.length === 0) return 0
  const notes = await database.query<{ version: number; name: string; checksum: string }>(
    `select version, name, checksum from ${name} order by version`,
  )
  for (const [place, note] of notes.rows.entries()) {
    const missing = note.version > place + 1 ? plan.steps[place] : undefined
    if (missing) throw noteIsGone(plan, missing)
    const step = plan.steps[note.version - 1]
    if (!step) {
      throw new BelfryError(
        'BELFRY_SCHEMA_NEWER',
        `schema ${plan.schema} is at version ${notes.rows.length} (${note.name}), this program knows ` +
          `${plan.steps.length}. Nothing was changed. Run the newer program, or restore a backup made before the upgrade.`,
      )
    }
    if (checksumOf(step) !== note.checksum) {
      throw new BelfryError(
        'BELFRY_MIGRATION_CHANGED',
        `migration ${note.version} (${note.name}) of schema ${plan.schema} ran with another text than this program ` +
          'has. Nothing was changed. Run an unmodified release.',
      )
    }
  }
  return notes.rows.length
}

/** SQLSTATEs of what is made a second time: a column, a function, a table or index, another object. */
const THERE_ALREADY = new Set(['42701', '42723', '42P07', '42710'])

function isThereAlready(error: unknown): boolean {
  return error instanceof Error && 'code' in error && THERE_ALREADY.has(String(error.code))
}

function noteIsGone({ schema, table }: MigrationPlan, { version, name }: MigrationStep, cause?: unknown): BelfryError {
  const found = cause instanceof Error ? `finds what it makes there already (${cause.message}), and` : 'has run, but'
  return new BelfryError(
    'BELFRY_MIGRATION_CHANGED',
    `migration ${version} (${name}) of schema ${schema} ${found} has no row in ${table}: expected one per migration that ` +
      'has run. Nothing was changed. Put the row back as `belfry-cli schema sql` prints it, or restore a backup.',
    { cause },
  )
}

function checksumOf({ statements, onlineIndexes = [] }: MigrationStep): string {
  const online = onlineIndexes.map(({ name, on, definition }) => `online index ${name} on ${on} ${definition}`)
  return createHash('sha256')
    .update([...statements, ...online].join(';\n'))
    .digest('hex')
    .slice(0, 32)
}

/** Every step of a plan, for a transaction: the indexes that may be built online come last, as ordinary ones. */
export function migrationStatements(plan: MigrationPlan): string[] {
  const online = plan.steps.flatMap(step => step.onlineIndexes ?? [])
  return [...stepStatements(plan), ...online.map(each => onlineIndexSql(plan.schema, each, { concurrently: false }))]
}

function stepStatements(plan: MigrationPlan): string[] {
  const schema = quoteIdentifier(plan.schema, 'schema')
  const table = `${schema}.${quoteIdentifier(plan.table, 'migrations table')}`
  const steps = plan.steps.flatMap(step => {
    const note = `(${step.version}, ${quoteLiteral(step.name)}, ${quoteLiteral(checksumOf(step))})`
    const [first = '', ...others] = step.statements
    return [
      `-- ${step.version}: ${step.name}\n${first}`,
      ...others,
      `insert into ${table} (version, name, checksum) values ${note}`,
    ]
  })
  return [`create schema if not exists ${schema}`, notesTable(table), ...steps]
}

/** The plan as plain SQL, for a database whose schema is changed by hand. */
export function migrationSql(plan: MigrationPlan): string {
  const online = plan.steps.flatMap(step => step.onlineIndexes ?? [])
  const afterwards = online.map(each => onlineIndexSql(plan.schema, each, { concurrently: true }))
  const end = (statement: string) => `${statement};`
  return ['begin;', ...stepStatements(plan).map(end), 'commit;', ...afterwards.map(end), ''].join('\n')
}
