import type { Queryable } from 'belfry/database'

/** How a person's word reached us. `import` is a list from elsewhere: it may carry a "no", never a "yes". */
export type ConsentSource = 'command' | 'word' | 'button' | 'import'

/** One entry of the ledger. It is only ever added to. */
export interface ConsentEvent {
  readonly kind: 'granted' | 'revoked' | 'snoozed'
  readonly source: ConsentSource
  /** The wording they said it to. */
  readonly textVersion: number
  /** The language of that wording. */
  readonly locale: string | undefined
  /** Message or interaction it was said with. */
  readonly reference: string | undefined
  /** Of `snoozed`: until when. */
  readonly until: Date | undefined
  readonly at: Date
}

interface EventRow {
  kind: ConsentEvent['kind']
  source: ConsentSource
  text_version: number
  locale: string | null
  reference: string | null
  until_ms: number | null
  at_ms: number
}

export interface NewConsentEvent {
  readonly userId: string
  readonly kind: ConsentEvent['kind']
  readonly source: ConsentSource
  readonly textVersion: number
  readonly locale?: string
  readonly reference?: string
  readonly until?: Date
  readonly now: string | null
}

/** Adds to the ledger. @throws Error for an imported "yes": nobody agrees for somebody else */
export async function addConsentEvent(database: Queryable, event: NewConsentEvent): Promise<void> {
  if (event.kind === 'granted' && event.source === 'import') throw new Error('consent cannot be imported')
  await database.query(
    `insert into consent_events (user_id, kind, source, text_version, locale, reference, until, at)
     values ($1::text, $2::text, $3::text, $4::int, $5::text, $6::text, $7::text::timestamptz,
       coalesce($8::text::timestamptz, now()))`,
    [
      event.userId,
      event.kind,
      event.source,
      event.textVersion,
      event.locale ?? null,
      event.reference ?? null,
      event.until?.toISOString() ?? null,
      event.now,
    ],
  )
}

/** The person's latest word on follow-ups. */
export async function latestConsent(database: Queryable, userId: string): Promise<'granted' | 'revoked' | undefined> {
  const found = await database.query<{ kind: 'granted' | 'revoked' }>(
    `select kind from consent_events where user_id = $1::text and kind in ('granted', 'revoked')
     order by event_id desc limit 1`,
    [userId],
  )
  return found.rows[0]?.kind
}

/** A person's own entries, newest first; with `before`, those up to an instant. */
export async function consentHistory(
  database: Queryable,
  request: { userId: string; limit: number; before?: Date },
): Promise<ConsentEvent[]> {
  const found = await database.query<EventRow>(
    `select kind, source, text_version, locale, reference, (extract(epoch from until) * 1000)::float8 as until_ms,
       (extract(epoch from at) * 1000)::float8 as at_ms
     from consent_events where user_id = $1::text and ($3::text is null or at <= $3::text::timestamptz)
     order by event_id desc limit $2::int`,
    [request.userId, request.limit, request.before?.toISOString() ?? null],
  )
  return found.rows.map(row => ({
    kind: row.kind,
    source: row.source,
    textVersion: row.text_version,
    locale: row.locale ?? undefined,
    reference: row.reference ?? undefined,
    until: row.until_ms === null ? undefined : new Date(row.until_ms),
    at: new Date(row.at_ms),
  }))
}
