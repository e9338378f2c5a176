import { fromPglite, fromPool, type Database } from 'belfry/database'
import { afterAll, beforeAll, describe, inject } from 'vitest'
import { createTestDatabase } from '../../../../test-support/test-database.ts'
import { createPglite } from '../../../../test-support/embedded-database.ts'
import { storySchema } from '../../../../test-support/story-schemas.ts'

/** A database under test; every story gets a schema of its own in it. */
export interface Engine {
  readonly database: Database
  /** A schema nobody used yet. Most are migrated already, so that `migrate()` has nothing to do in them. */
  freshSchema(): string
  /** A schema name nobody used yet, without a schema: for stories about migrations. */
  unmadeSchema(): string
}

/** A run on a server of one's choice is about that server: the embedded database needs no second turn. */
const KINDS = process.env.TEST_POSTGRES_BIN ? (['PostgreSQL'] as const) : (['PGlite', 'PostgreSQL'] as const)

/** Runs the same stories on the embedded database and on a real server. */
export function describeOnBothEngines(title: string, stories: (engine: Engine) => void): void {
  for (const kind of KINDS) {
    describe(`${title} on ${kind}`, () => {
      let database: Database | undefined
      let close: () => Promise<void> = () => Promise.resolve()
      let schemas = 0
      beforeAll(async () => {
        if (kind === 'PGlite') {
          const pglite = await createPglite('stories')
          database = fromPglite(pglite)
          close = () => pglite.close()
        } else {
          const test = await createTestDatabase(10, inject('storiesDatabase'))
          database = fromPool(test.pool)
          close = () => test.drop()
        }
      })
      afterAll(() => close())
      stories({
        get database() {
          if (!database) throw new Error('the engine is ready inside tests only')
          return database
        },
        freshSchema: () => {
          schemas += 1
          return storySchema(schemas)
        },
        unmadeSchema: () => {
          schemas += 1
          return `unmade_${schemas}`
        },
      })
    })
  }
}
