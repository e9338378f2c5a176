import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { belfry } from './belfry.ts'
import { payload, wallClock, type Payload, type Peer } from './peer.ts'

const TABLE = 'bare_insert'

/**
 * Not a library: one prepared INSERT, committed, into a table with the columns, defaults and indexes of ours, of a row
 * such as our scheduling call writes. What no scheduler in a database can do without.
 */
export const bareInsert: Peer = {
  async open(place, settings) {
    const pool = new pg.Pool({ connectionString: place.postgresUrl, max: 1 })
    let statement: Awaited<ReturnType<typeof rowAsInsert>> | undefined
    let onStored: (payload: Payload) => void = () => {}
    return {
      async install() {
        const ours = await belfry.open(place, settings)
        await ours.install()
        await ours.schedule(payload())
        await ours.close()
        const table = await liveTable(pool)
        await pool.query(`create table ${TABLE} (like ${table} including all) ${await storageOf(pool, table)}`)
      },
      async schedule(each) {
        statement ??= await rowAsInsert(pool, await liveTable(pool))
        const values = statement.values.slice()
        values[statement.id] = uuidv7()
        values[statement.payload] = JSON.stringify(each)
        await pool.query({ name: 'bare', text: statement.text, values })
        onStored(each)
      },
      pending: async () => 0,
      work: async listener => void (onStored = listener),
      close: () => pool.end(),
    }
  },
}

/** The table a scheduled job's row really lies in, which is a partition. */
async function liveTable(pool: pg.Pool): Promise<string> {
  const { rows } = await pool.query<{ name: string }>(
    'select tableoid::regclass::text as name from belfry.scheduled_jobs limit 1',
  )
  const [row] = rows
  if (!row) throw new Error('belfry.scheduled_jobs is empty after scheduling a job')
  return row.name
}

/** What LIKE does not copy: the fill factor. */
async function storageOf(pool: pg.Pool, table: string): Promise<string> {
  const { rows } = await pool.query<{ options: string | null }>(
    `select array_to_string(reloptions, ', ') as options from pg_class where oid = $1::regclass`,
    [table],
  )
  const options = rows[0]?.options
  return options ? `with (${options})` : ''
}

/** An INSERT of the columns that the stored row fills with something else than the column's default. */
async function rowAsInsert(pool: pg.Pool, table: string) {
  const { rows: columns } = await pool.query<{ name: string; type: string; isDefault: boolean }>(
    `select a.attname as name, format_type(a.atttypid, a.atttypmod) as type,
      coalesce(pg_get_expr(d.adbin, d.adrelid), '') <> '' as "isDefault"
    from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attrelid = $1::regclass and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
    order by a.attnum`,
    [table],
  )
  const { rows } = await pool.query<Record<string, string | null>>(
    `select ${columns.map(({ name }) => `"${name}"::text`).join(', ')} from ${table} limit 1`,
  )
  const [stored = {}] = rows
  const filled = columns.filter(({ name, isDefault }) => stored[name] !== null && (name === 'payload' || !isDefault))
  return {
    text: `insert into ${TABLE} (${filled.map(({ name }) => `"${name}"`).join(', ')})
      values (${filled.map(({ type }, index) => `$${index + 1}::${type}`).join(', ')})`,
    values: filled.map(({ name }) => stored[name] ?? null),
    id: filled.findIndex(({ name }) => name === 'job_id'),
    payload: filled.findIndex(({ name }) => name === 'payload'),
  }
}

/** Ids that ascend, as ours do: random ones would touch more pages of the index. */
function uuidv7(): string {
  const time = Math.floor(wallClock()).toString(16).padStart(12, '0')
  const random = randomBytes(10).toString('hex')
  return [time.slice(0, 8), time.slice(8), `7${random.slice(1, 4)}`, `8${random.slice(5, 8)}`, random.slice(8)].join(
    '-',
  )
}
