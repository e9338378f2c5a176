import type { Queryable } from 'belfry/database'
import { recordAct } from '../users/audit-store.ts'

/**
 * What stops follow-ups for everybody: `pause` (a person said so), `guardrail` (too many said no), `platform` (the
 * platform refuses us), `new_channels` (the platform lets us open no new conversations; those there are go on). In the
 * database, so that every process obeys and a restart does not forget.
 */
export type ControlName = 'pause' | 'guardrail' | 'platform' | 'new_channels'

export interface Control {
  readonly name: ControlName
  readonly reason: string
  readonly setBy: string
  readonly setAt: Date
  /** When it ends by itself; undefined: only a person ends it. */
  readonly until: Date | undefined
}

/** The controls that hold now, oldest first. */
export async function activeControls(database: Queryable, now: string | null): Promise<Control[]> {
  const found = await database.query<{
    name: ControlName
    reason: string
    set_by: string
    set_ms: number
    until_ms: number | null
  }>(
    `select name, reason, set_by, (extract(epoch from set_at) * 1000)::float8 as set_ms,
       (extract(epoch from until) * 1000)::float8 as until_ms
     from follow_up_controls where until is null or until > coalesce($1::text::timestamptz, now()) order by set_at`,
    [now],
  )
  return found.rows.map(row => ({
    name: row.name,
    reason: row.reason,
    setBy: row.set_by,
    setAt: new Date(row.set_ms),
    until: row.until_ms === null ? undefined : new Date(row.until_ms),
  }))
}

/** Sets a control; one that holds already is replaced. */
export async function setControl(
  database: Queryable,
  control: { name: ControlName; reason: string; setBy: string; until?: Date; now: string | null },
): Promise<void> {
  await database.query(
    `insert into follow_up_controls (name, reason, set_by, set_at, until)
     values ($1::text, $2::text, $3::text, coalesce($4::text::timestamptz, now()), $5::text::timestamptz)
     on conflict (name) do update set reason = excluded.reason, set_by = excluded.set_by, set_at = excluded.set_at,
       until = excluded.until`,
    [control.name, control.reason, control.setBy, control.now, control.until?.toISOString() ?? null],
  )
}

/** How long a control of limited time was set for, and how long ago that ended: negative while it holds. */
export async function lastRest(
  database: Queryable,
  name: ControlName,
  now: string | null,
): Promise<{ lastedMs: number; endedAgoMs: number } | undefined> {
  const found = await database.query<{ lasted: number; ended: number }>(
    `select (extract(epoch from until - set_at) * 1000)::float8 as lasted,
       (extract(epoch from coalesce($2::text::timestamptz, now()) - until) * 1000)::float8 as ended
     from follow_up_controls where name = $1::text and until is not null`,
    [name, now],
  )
  const row = found.rows[0]
  return row && { lastedMs: row.lasted, endedAgoMs: row.ended }
}

/** Ends controls; answers how many there were. */
export async function clearControls(database: Queryable, names: readonly ControlName[]): Promise<number> {
  const cleared = await database.query<{ name: string }>(
    'delete from follow_up_controls where name = any($1::text[]) returning name',
    [names],
  )
  return cleared.rows.length
}

/** One change of the controls at a time, over all processes, until the transaction ends. */
export async function lockControls(transaction: Queryable): Promise<void> {
  await transaction.query("select pg_advisory_xact_lock(hashtextextended('belfry:controls', 0))")
}

/** The acts in `bot_audit` on everybody's follow-ups. After the latter the guardrail counts anew. */
const PAUSED = 'follow_ups_paused'
export const RESUMED = 'follow_ups_resumed'

/** A person stops everybody's follow-ups. What they wrote as a reason is kept with the control only, not in the audit. */
export async function pauseFollowUps(
  transaction: Queryable,
  pause: { reason: string; actor: string; now: string | null },
): Promise<void> {
  await lockControls(transaction)
  await setControl(transaction, { name: 'pause', reason: pause.reason, setBy: pause.actor, now: pause.now })
  await recordAct(transaction, { actor: pause.actor, act: PAUSED, detail: { controls: ['pause'] }, now: pause.now })
}

/** A person lets them go on: ends the named controls, and answers which of them held. Writes nothing when none did. */
export async function resumeFollowUps(
  transaction: Queryable,
  resume: { names: readonly ControlName[]; actor: string; now: string | null },
): Promise<ControlName[]> {
  await lockControls(transaction)
  const { names, actor, now } = resume
  const ended = (await activeControls(transaction, now)).map(({ name }) => name).filter(name => names.includes(name))
  await clearControls(transaction, names)
  if (ended.length > 0) await recordAct(transaction, { actor, act: RESUMED, detail: { controls: ended }, now })
  return ended
}
