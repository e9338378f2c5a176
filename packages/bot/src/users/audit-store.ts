import type { Queryable } from 'belfry/database'

/** One act of a person or of the bot itself: who, what, to whom. Never what anybody said. */
export interface Act {
  /** A user id, `self` for people who act on their own data, or `bot`. */
  readonly actor: string
  /** Stable and short, such as `my_data`. */
  readonly act: string
  /** Whom it was done to. */
  readonly personHash?: string
  /** Counts and names of things; no texts, no ids of people. */
  readonly detail?: Readonly<Record<string, unknown>>
  readonly now: string | null
}

/** Writes an act down, in the transaction that does it. */
export async function recordAct(transaction: Queryable, act: Act): Promise<void> {
  await transaction.query(
    `insert into bot_audit (actor, act, person_hash, detail, at)
     values ($1::text, $2::text, $3::text, $4::text::jsonb, coalesce($5::text::timestamptz, now()))`,
    [act.actor, act.act, act.personHash ?? null, JSON.stringify(act.detail ?? {}), act.now],
  )
}
