import type { Queryable, QueryResult } from '../database.ts'
import { resultOf } from './answers.ts'

/** What is used of a Prisma transaction over PostgreSQL. Structural: the library does not import Prisma. */
export interface PrismaLike {
  $queryRawUnsafe(text: string, ...values: unknown[]): PromiseLike<unknown>
}

/**
 * A Prisma transaction (or client) as the `transaction` of scheduling calls:
 * `prisma.$transaction(tx => scheduler.scheduleJob(job, payload, { transaction: fromPrisma(tx) }))`.
 *
 * Written to Prisma's documentation and tested with a stand-in, not verified against Prisma itself.
 */
export function fromPrisma(prisma: PrismaLike): Queryable {
  return {
    async query<Row>(text: string, values: readonly unknown[] = []): Promise<QueryResult<Row>> {
      try {
        return resultOf('fromPrisma', text, await prisma.$queryRawUnsafe(text, ...values))
      } catch (error) {
        throw withSqlState(error)
      }
    },
  }
}

/** Where Prisma (P2010, "raw query failed") keeps PostgreSQL's code: its engine and its driver adapters differ. */
interface RawQueryFault {
  readonly code?: unknown
  readonly driverAdapterError?: { readonly cause?: { readonly originalCode?: unknown } }
}

/** The scheduler goes by PostgreSQL's code, which Prisma puts beneath its own. */
function withSqlState(error: unknown): unknown {
  if (!(error instanceof Error) || !('meta' in error)) return error
  const meta = error.meta as RawQueryFault | undefined
  const code = meta?.driverAdapterError?.cause?.originalCode ?? meta?.code
  return typeof code === 'string' ? Object.assign(new Error(error.message, { cause: error }), { code }) : error
}
