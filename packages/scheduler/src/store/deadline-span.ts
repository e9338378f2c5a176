/**
 * Expression for the milliseconds a job may start after it is due; null when its deadline is an instant, or it has none.
 * Somebody may have written anything into `options`; no span is longer than a hundred thousand years.
 * @param job the row's name in the statement
 */
export function deadlineSpan(job: string): string {
  return `case jsonb_typeof(${job}.options->'expire_after_ms')
  when 'number' then least(greatest((${job}.options->>'expire_after_ms')::numeric, 0), 3e15)::float8 end`
}
