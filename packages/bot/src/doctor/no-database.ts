import type { Database } from 'belfry/database'

const refuse = () => Promise.reject(new Error('there is no database to ask'))

/** In place of a database that cannot be opened, so that what needs none is looked at all the same. */
export const noDatabase: Database = {
  kind: 'embedded',
  maxConnections: 1,
  query: refuse,
  transaction: refuse,
  listen: refuse,
}
