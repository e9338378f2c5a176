import type { Database } from 'belfry/database'

/** Every table of the schema that has rows of its own: partitions stand in their parent. */
export async function tablesOf(database: Database): Promise<Map<string, string[]>> {
  const found = await database.query<{ name: string; columns: string[] }>(
    `select class.relname::text as name,
       to_jsonb(array(select attname::text from pg_attribute
         where attrelid = class.oid and attnum > 0 and not attisdropped order by attnum)) as columns
     from pg_class class
     where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition order by 1`,
  )
  return new Map(found.rows.map(row => [row.name, row.columns]))
}

/** Everything the database holds, as text: one line per row. */
export async function everyRow(database: Database): Promise<string[]> {
  const lines: string[] = []
  for (const table of (await tablesOf(database)).keys()) {
    const found = await database.query<{ line: string }>(
      `select to_jsonb(entry)::text as line from ${table} entry order by 1`,
    )
    lines.push(...found.rows.map(({ line }) => `${table} ${line}`))
  }
  return lines
}
