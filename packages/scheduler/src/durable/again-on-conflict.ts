/** SQLSTATE of a deadlock and of a serialization failure: the transaction was undone and may simply be tried again. */
const CONFLICTS: ReadonlySet<unknown> = new Set(['40P01', '40001'])
const MOST_TRIES = 5

/** Runs a transaction, again when the database undid it for the sake of another one. */
export async function againOnConflict<T>(transaction: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await transaction()
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined
      if (tries === MOST_TRIES || !CONFLICTS.has(code)) throw error
    }
  }
}
