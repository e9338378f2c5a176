/**
 * Expression for the milliseconds from one time to another, infinite when one of them is. A row that somebody changed by
 * hand may hold `infinity`, and PostgreSQL before 17 refuses to subtract that: one such row would fail a statement that
 * concerns them all.
 */
export function msBetween(from: string, to: string): string {
  return `(date_part('epoch', ${to}) - date_part('epoch', ${from})) * 1000`
}
