import type { Queryable } from '../database/database.ts'
import { quoteLiteral } from '../database/identifier.ts'
import type { Tables } from './tables.ts'

export interface DriftRow {
  readonly kind: 'table' | 'view' | 'sequence' | 'column' | 'index' | 'constraint' | 'trigger' | 'function'
  readonly name: string
  readonly expected: string | null
  readonly actual: string | null
}

/** Makes the server print every name with its schema, until the transaction ends. */
export const PRINT_FULL_NAMES = `select set_config('search_path', 'pg_catalog', true)`

/**
 * Where a schema differs from a fresh one beside it. Takes no parameters, so that it can be printed and run by hand.
 * What belongs to nothing of ours is left out; a column, index, constraint or trigger that somebody added to one of our
 * tables has no `expected`.
 */
export function driftSql(tables: Tables, fresh: Tables): string {
  const [from, to] = [fresh, tables].map(({ schemaName }) => quoteLiteral(schemaName)) as [string, string]
  const expected = `replace(replace(replace(definition, ${quoteLiteral(fresh.channel)}, ${quoteLiteral(tables.channel)}),
      ${quoteLiteral(fresh.schema)}, ${quoteLiteral(tables.schema)}), ${from}, quote_ident(${to}))`
  return `with expected as (
    select kind, name, owner, ${expected} as definition from (${picture(from)}) fresh
  ), actual as (${picture(to)})
  select coalesce(expected.kind, actual.kind) as kind, coalesce(expected.name, actual.name) as name,
    expected.definition as expected, actual.definition as actual
  from expected full join actual on actual.kind = expected.kind and actual.name = expected.name
  where (expected.kind is not null or actual.owner in (select name from expected where kind = 'table'))
    and expected.definition is distinct from actual.definition
  order by 1, 2`
}

/** @param fresh a schema that was migrated in the same transaction */
export async function readDrift(transaction: Queryable, tables: Tables, fresh: Tables): Promise<DriftRow[]> {
  await transaction.query(PRINT_FULL_NAMES)
  return (await transaction.query<DriftRow>(driftSql(tables, fresh))).rows
}

/**
 * Everything in a schema that matters, as text. Left out: the order of columns, storage options other than the fill
 * factor (people tune autovacuum), and the names that PostgreSQL 18 gives to NOT NULL.
 */
function picture(schema: string): string {
  const named = `(select oid from pg_namespace where nspname = ${schema})`
  return `select case c.relkind when 'v' then 'view' when 'S' then 'sequence' else 'table' end as kind,
      c.relname::text as name, c.relname::text as owner,
      case c.relkind when 'v' then pg_get_viewdef(c.oid)
        when 'S' then (select format('increment %s cache %s', s.seqincrement, s.seqcache) from pg_sequence s
          where s.seqrelid = c.oid)
        else concat_ws(' ', case c.relpersistence when 'p' then 'table' else 'unlogged table' end,
          'partition by ' || pg_get_partkeydef(c.oid), pg_get_expr(c.relpartbound, c.oid),
          (select o from unnest(c.reloptions) o where o like 'fillfactor=%')) end as definition
    from pg_class c where c.relnamespace = ${named} and c.relkind in ('r', 'p', 'v', 'S')
    union all
    select 'column', c.relname || '.' || a.attname, c.relname,
      concat_ws(' ', format_type(a.atttypid, a.atttypmod),
        'collate ' || (select l.collname from pg_collation l join pg_type t on t.oid = a.atttypid
          where l.oid = a.attcollation and l.oid <> t.typcollation),
        case when a.attnotnull then 'not null' end, 'default ' || pg_get_expr(d.adbin, d.adrelid),
        'identity ' || nullif(a.attidentity::text, ''))
    from pg_attribute a join pg_class c on c.oid = a.attrelid
      left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where c.relnamespace = ${named} and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped
    union all
    select 'index', i.relname, c.relname,
      pg_get_indexdef(x.indexrelid) || case when x.indisvalid then '' else ' (invalid: its building was cut off)' end
    from pg_index x join pg_class i on i.oid = x.indexrelid join pg_class c on c.oid = x.indrelid
    where c.relnamespace = ${named} and c.relkind in ('r', 'p')
    union all
    select 'constraint', c.relname || '.' || n.conname, c.relname, pg_get_constraintdef(n.oid)
    from pg_constraint n join pg_class c on c.oid = n.conrelid where c.relnamespace = ${named} and n.contype <> 'n'
    union all
    select 'trigger', c.relname || '.' || t.tgname, c.relname,
      pg_get_triggerdef(t.oid) || case when t.tgenabled = 'D' then ' (disabled)' else '' end
    from pg_trigger t join pg_class c on c.oid = t.tgrelid where c.relnamespace = ${named} and not t.tgisinternal
    union all
    select 'function', p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')', null,
      pg_get_functiondef(p.oid)
    from pg_proc p where p.pronamespace = ${named} and p.prokind = 'f'`
}
