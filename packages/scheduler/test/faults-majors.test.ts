import { fromPool, type Database } from 'belfry/database'
import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findInstalledPostgres } from '../../../test-support/postgres-majors.ts'
import { startPostgresServer, type PostgresServer } from '../../../test-support/postgres-server.ts'
import { conformanceStories } from './support/conformance-stories.ts'

const installed = await findInstalledPostgres()

describe.skipIf(installed.length > 0)('other major versions of PostgreSQL', () => {
  it('are tried where Debian packages of it are installed', context => {
    // On CI their absence is a failure, not a reason to skip.
    expect(process.env.CI).toBeUndefined()
    context.skip('none is installed here: apt-get install postgresql')
  })
})

describe.each(installed)('PostgreSQL $version', ({ bin, version }) => {
  let server: PostgresServer
  let pool: Pool
  let database: Database
  beforeAll(async () => {
    server = await startPostgresServer({}, { bin })
    pool = new Pool({ connectionString: server.url, max: 8 })
    database = fromPool(pool)
  })
  afterAll(async () => {
    await pool.end()
    await server.remove()
  })

  it('is the server that answers', async () => {
    const { rows } = await pool.query('show server_version')
    expect(rows[0].server_version).toMatch(new RegExp(`^${version.replace('.', '\\.')}`))
  })

  it.each(Object.entries(conformanceStories).map(([name, tell], index) => ({ name, tell, index })))(
    '$name',
    async ({ tell, index }) => {
      await tell({ database, schema: `story_${index}` })
    },
  )
})
