import type { Database, Queryable } from 'belfry/database'

/** A database that does something else than it is told, as a bug in a statement would. */
export interface Sabotage {
  /** A statement's text, as it is really sent. */
  rewrite?(text: string): string
  /** Transactions are committed also when they should be rolled back. */
  neverRollsBack?: boolean
}

/** Wraps a database; `hits` counts what was really changed, so that a sabotage that has become void is noticed. */
export function sabotage(database: Database, plan: Sabotage): Database & { hits: number } {
  const sent = (text: string) => {
    const rewritten = plan.rewrite?.(text) ?? text
    if (rewritten !== text) sabotaged.hits += 1
    return rewritten
  }
  const within = (queryable: Queryable): Queryable => ({
    query: (text, values) => queryable.query(sent(text), values),
  })
  const sabotaged: Database & { hits: number } = {
    ...database,
    ...within(database),
    hits: 0,
    async transaction(work) {
      let failure: { error: unknown } | undefined
      const result = await database.transaction(async transaction => {
        try {
          return await work(within(transaction))
        } catch (error) {
          if (!plan.neverRollsBack) throw error
          sabotaged.hits += 1
          failure = { error }
          return undefined
        }
      })
      if (failure) throw failure.error
      return result as Awaited<ReturnType<typeof work>>
    },
  }
  return sabotaged
}
