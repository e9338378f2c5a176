import { Pool, types, type PoolClient } from 'pg'

const VOID = 2278

/**
 * Stands in for Prisma, whose engine cannot be had in tests: the raw queries of its documentation, on a real server, with
 * its strictness. Values come one by one, rows come bare, int8 comes as BigInt, `void` columns and `undefined` values are
 * refused, and errors are Prisma's own with PostgreSQL's code beneath.
 */
export class StrictPrisma {
  readonly #pool: Pool

  constructor(url: string) {
    this.#pool = new Pool({ connectionString: url, max: 2 })
  }

  $queryRawUnsafe(text: string, ...values: unknown[]): Promise<unknown[]> {
    return rawQuery(this.#pool, text, values)
  }

  async $transaction<T>(work: (tx: Pick<StrictPrisma, '$queryRawUnsafe'>) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect()
    try {
      await client.query('begin')
      const answer = await work({ $queryRawUnsafe: (text, ...values) => rawQuery(client, text, values) })
      await client.query('commit')
      return answer
    } catch (error) {
      await client.query('rollback')
      throw error
    } finally {
      client.release()
    }
  }

  $disconnect(): Promise<void> {
    return this.#pool.end()
  }
}

/** An error as Prisma 7 makes it for a raw query that PostgreSQL refused. */
class RawQueryError extends Error {
  override readonly name = 'PrismaClientKnownRequestError'
  readonly code = 'P2010'
  readonly meta: unknown

  constructor(originalCode: string, message: string) {
    super(`Raw query failed. Code: \`${originalCode}\`. Message: \`${message}\``)
    this.meta = { driverAdapterError: { cause: { kind: 'postgres', originalCode } } }
  }
}

async function rawQuery(client: Pool | PoolClient, text: string, values: unknown[]): Promise<unknown[]> {
  if (values.includes(undefined)) throw new TypeError('undefined is no value of a raw query')
  const getTypeParser: typeof types.getTypeParser = (...[oid]: Parameters<typeof types.getTypeParser>) =>
    oid === types.builtins.INT8 ? BigInt : types.getTypeParser(oid)
  const result = await client
    .query({ text, values, types: { getTypeParser } })
    .catch((error: Error & { code: string }) => {
      throw new RawQueryError(error.code, error.message)
    })
  const unread = result.fields.find(field => field.dataTypeID === VOID)
  if (unread) throw new Error(`Failed to deserialize column of type 'void': ${unread.name}`)
  return result.rows
}
