import type { Queryable } from 'belfry/database'
import { ConfigError } from '../config.ts'
import { hashPerson, keyIdOf, type PersonHash } from './person-hash.ts'

/**
 * People who must not be written to although nothing else is known of them: a keyed hash of their id is all that is left.
 * New hashes are made with the first key of `PRIVACY_KEY`, else with the database's own; all keys are looked for.
 */
export class SuppressedPeople {
  readonly #configured: readonly string[]

  /** @param configured keys of `PRIVACY_KEY`, the one in use first, then earlier ones; may be none */
  constructor(configured: readonly string[]) {
    this.#configured = configured
  }

  /** What stands for this person in new rows. */
  async hash(database: Queryable, userId: string): Promise<PersonHash> {
    const [current] = await this.hashes(database, userId)
    if (!current) throw new Error('no key for hashes of people: bot_secrets has lost its privacy_key')
    return current
  }

  /** What may stand for this person in stored rows, the hash of the key in use first. */
  async hashes(database: Queryable, userId: string): Promise<PersonHash[]> {
    return (await this.#keys(database)).map(key => hashPerson(key, userId))
  }

  /** Why this person must not be written to, such as `erased`; undefined when nothing is noted. */
  async reasonFor(database: Queryable, userId: string): Promise<string | undefined> {
    const found = await database.query<{ reason: string }>(
      'select reason from suppressed_people where person_hash = any($1::text[]) order by at desc limit 1',
      [await this.#plainHashes(database, userId)],
    )
    return found.rows[0]?.reason
  }

  /** The same of many people at once; who is not in the answer may be written to. */
  async reasonsFor(database: Queryable, userIds: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const keys = await this.#keys(database)
    const people = new Map(userIds.flatMap(userId => keys.map(key => [hashPerson(key, userId).hash, userId])))
    const found = await database.query<{ person_hash: string; reason: string }>(
      'select person_hash, reason from suppressed_people where person_hash = any($1::text[])',
      [[...people.keys()]],
    )
    return new Map(found.rows.map(row => [people.get(row.person_hash) ?? '', row.reason]))
  }

  /** Notes a person; one who is noted already stays noted, with the newer reason. */
  async suppress(
    transaction: Queryable,
    request: { userId: string; reason: 'erased'; now: string | null },
  ): Promise<void> {
    const { hash, keyId } = await this.hash(transaction, request.userId)
    await transaction.query(
      `insert into suppressed_people (person_hash, key_id, reason, at)
       values ($1::text, $2::text, $3::text, coalesce($4::text::timestamptz, now()))
       on conflict (person_hash) do update set reason = excluded.reason, at = excluded.at`,
      [hash, keyId, request.reason, request.now],
    )
  }

  /** An explicit yes ends it. */
  async lift(transaction: Queryable, userId: string): Promise<void> {
    await transaction.query('delete from suppressed_people where person_hash = any($1::text[])', [
      await this.#plainHashes(transaction, userId),
    ])
  }

  /**
   * Somebody who was erased writes again: their new profile begins with the "no" that outlived the old one, so that their
   * settings show it, and without the notice that silence means yes.
   */
  async keepTheNo(transaction: Queryable, request: { userId: string; now: string | null }): Promise<void> {
    if ((await this.reasonFor(transaction, request.userId)) === undefined) return
    await transaction.query(
      `update user_profiles set follow_ups_enabled = false, noticed_at = coalesce($2::text::timestamptz, now())
       where user_id = $1::text`,
      [request.userId, request.now],
    )
  }

  /**
   * Hashes of a key nobody has any more would be "no"s that nobody hears.
   * @throws ConfigError when there are such
   */
  async requireKnownKeys(database: Queryable): Promise<void> {
    const known = (await this.#keys(database)).map(keyIdOf)
    const found = await database.query<{ count: number }>(
      'select count(*)::int as count from suppressed_people where key_id <> all($1::text[])',
      [known],
    )
    const count = found.rows[0]?.count ?? 0
    if (count === 0) return
    throw new ConfigError(
      `PRIVACY_KEY: ${count} erased ${count === 1 ? 'person is' : 'people are'} known by another key, and would be ` +
        'written to again. Append the earlier key: PRIVACY_KEY=new,earlier',
    )
  }

  async #plainHashes(database: Queryable, userId: string): Promise<string[]> {
    return (await this.hashes(database, userId)).map(each => each.hash)
  }

  async #keys(database: Queryable): Promise<string[]> {
    const stored = await database.query<{ value: string }>("select value from bot_secrets where name = 'privacy_key'")
    return [...this.#configured, ...stored.rows.map(row => row.value)]
  }
}
