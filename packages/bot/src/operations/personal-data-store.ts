import type { Queryable } from 'belfry/database'

/** How a person's rows are found: by their id, by what stands for it, by the ids of jobs about them. */
export interface PersonKeys {
  readonly userId: string
  readonly hashes: readonly string[]
  readonly jobIds: readonly string[]
}

/** Where a person's data is, and what becomes of it when they are erased. */
interface PersonalTable {
  /** Its name in the export. */
  readonly section: string
  readonly table: string
  /** Condition on `entry`, a row, and `person` (`id`, `hashes`, `jobs`). */
  readonly theirs: string
  /** What is shown of a row. Default: every column. */
  readonly shown?: string
  /** `delete`: the rows go. `keep`: they hold nothing but the hash. Else what is set in them. */
  readonly erasure: 'delete' | 'keep' | { readonly set: string }
}

const BY_ID = 'entry.user_id = person.id'
const BY_JOB = 'entry.job_id = any(person.jobs)'
/** Stands where an id was: an act stays on record, and who did it is known to whoever has the key and the id. */
const HASHED = `'person:' || person.hashes[1]`

/**
 * Every place that holds something about a person, in the order in which it is erased: jobs first, because whoever runs one
 * has to find it gone. Rows are shown and erased whole, so a new column is covered; a new table fails a test until it is
 * listed here or named there with the reason why it holds nobody.
 */
export const personalTables: readonly PersonalTable[] = [
  {
    section: 'jobs',
    table: 'scheduled_jobs',
    theirs: BY_JOB,
    shown: `to_jsonb(entry) - 'lease_token'`,
    erasure: 'delete',
  },
  { section: 'job_attempts', table: 'job_attempts', theirs: BY_JOB, erasure: 'delete' },
  { section: 'job_steps', table: 'belfry_steps', theirs: BY_JOB, erasure: 'delete' },
  {
    section: 'job_dependencies',
    table: 'belfry_dependencies',
    theirs: 'entry.child_id = any(person.jobs)',
    erasure: 'delete',
  },
  {
    section: 'job_keys',
    table: 'belfry_unique_periods',
    theirs: `(${BY_JOB} or entry.unique_key in (person.id, 'automatic:' || person.id))`,
    erasure: 'delete',
  },
  {
    section: 'jobs_asked_for',
    table: 'scheduled_jobs',
    theirs: `entry.payload->>'requestedBy' = person.id`,
    // Whom it was for is the other person's.
    shown: `jsonb_build_object('job_id', entry.job_id, 'scheduled_time', entry.scheduled_time)`,
    erasure: { set: `payload = payload - 'requestedBy'` },
  },
  { section: 'conversation', table: 'conversation_turns', theirs: BY_ID, erasure: 'delete' },
  { section: 'follow_ups', table: 'follow_up_history', theirs: BY_ID, erasure: 'delete' },
  { section: 'decisions', table: 'follow_up_decisions', theirs: BY_ID, erasure: 'delete' },
  { section: 'consent_events', table: 'consent_events', theirs: BY_ID, erasure: 'delete' },
  { section: 'profile', table: 'user_profiles', theirs: BY_ID, erasure: 'delete' },
  {
    section: 'controls_set',
    table: 'follow_up_controls',
    theirs: 'entry.set_by = person.id',
    erasure: { set: `set_by = ${HASHED}` },
  },
  {
    section: 'acts',
    table: 'bot_audit',
    theirs: '(entry.person_hash = any(person.hashes) or entry.actor = person.id)',
    erasure: { set: `actor = case when actor = person.id then ${HASHED} else actor end` },
  },
  {
    section: 'scheduler_acts',
    table: 'belfry_audit',
    theirs: `(person.id in (entry.actor, entry.target) or strpos(entry.detail::text, to_jsonb(person.id)::text) > 0)`,
    erasure: {
      set: `actor = case when actor = person.id then ${HASHED} else actor end,
        target = case when target = person.id then ${HASHED} else target end,
        detail = replace(detail::text, to_jsonb(person.id)::text, to_jsonb(${HASHED})::text)::jsonb`,
    },
  },
  {
    section: 'suppression',
    table: 'suppressed_people',
    theirs: 'entry.person_hash = any(person.hashes)',
    erasure: 'keep',
  },
]

const PERSON = 'with person as (select $1::text as id, $2::text[] as hashes, $3::text[] as jobs)'

/** Ids of the jobs about a person: those that name them, and those that are gone but left traces of an attempt. */
export async function jobsAbout(database: Queryable, userId: string): Promise<string[]> {
  const found = await database.query<{ job_id: string }>(
    `select job_id from scheduled_jobs
     where coalesce(payload->>'userId', payload->>'user_id') = $1::text
       or subjects && array[$1::text, 'user:' || $1::text]
     union select job_id from follow_up_decisions where user_id = $1::text and job_id is not null
     union select job_id from follow_up_history where user_id = $1::text and job_id is not null`,
    [userId],
  )
  return found.rows.map(row => row.job_id)
}

/** Everything about a person, by section; every row as the database has it, times in ISO 8601. */
export async function personalRows(
  database: Queryable,
  person: PersonKeys,
): Promise<Record<string, readonly Record<string, unknown>[]>> {
  const sections: Record<string, readonly Record<string, unknown>[]> = {}
  for (const { section, table, theirs, shown = 'to_jsonb(entry)' } of personalTables) {
    const found = await database.query<{ row: Record<string, unknown> }>(
      `${PERSON} select ${shown} as row from ${table} entry, person where ${theirs} order by entry.ctid`,
      [person.userId, person.hashes, person.jobIds],
    )
    sections[section] = found.rows.map(each => each.row)
  }
  return sections
}

/** Erases everything about a person, in the caller's transaction. Answers the number of rows by section. */
export async function eraseRows(transaction: Queryable, person: PersonKeys): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const { section, table, theirs, erasure } of personalTables) {
    if (erasure === 'keep') continue
    const act =
      erasure === 'delete'
        ? `delete from ${table} entry using person where ${theirs} returning 1`
        : `update ${table} entry set ${erasure.set} from person where ${theirs} returning 1`
    const erased = await transaction.query<{ count: number }>(
      `${PERSON}, erased as (${act}) select count(*)::int as count from erased`,
      [person.userId, person.hashes, person.jobIds],
    )
    counts[section] = erased.rows[0]?.count ?? 0
  }
  return counts
}

/** Notes that a person asked to be erased, where their next word is looked for. True when they had no profile before. */
export async function noteErasureAsked(database: Queryable, userId: string, now: string | null): Promise<boolean> {
  const noted = await database.query<{ fresh: boolean }>(
    `insert into user_profiles (user_id, erasure_asked_at) values ($1::text, coalesce($2::text::timestamptz, now()))
     on conflict (user_id) do update set erasure_asked_at = excluded.erasure_asked_at
     returning xmax = 0 as fresh`,
    [userId, now],
  )
  return noted.rows[0]?.fresh ?? false
}

/** Whether a person asked to be erased within a span before now. */
export async function hasAskedForErasure(
  database: Queryable,
  request: { userId: string; withinMs: number; now: string | null },
): Promise<boolean> {
  const found = await database.query<{ user_id: string }>(
    `select user_id from user_profiles where user_id = $1::text
       and erasure_asked_at > coalesce($3::text::timestamptz, now()) - $2::float8 * interval '1 millisecond'`,
    [request.userId, request.withinMs, request.now],
  )
  return found.rows.length > 0
}

/** Whether a runner is handing a follow-up for this person to a platform at this moment: no lock reaches it there. */
export async function isBeingSent(
  database: Queryable,
  request: { userId: string; withinMs: number; now: string | null },
): Promise<boolean> {
  const found = await database.query<{ id: number }>(
    `select follow_up.id::float8 as id from follow_up_history follow_up
     join scheduled_jobs job on job.job_id = follow_up.job_id and job.status = 'running'
     where follow_up.user_id = $1::text and follow_up.state = 'sending'
       and follow_up.attempted_at > coalesce($3::text::timestamptz, now()) - $2::float8 * interval '1 millisecond'
     limit 1`,
    [request.userId, request.withinMs, request.now],
  )
  return found.rows.length > 0
}
