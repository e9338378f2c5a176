import { BelfryError, show } from '../errors.ts'

/** The error of every rule that cannot be used. */
export function invalidRule(input: unknown, reason: string): BelfryError {
  const shown = typeof input === 'object' && input !== null ? showObject(input) : show(input)
  return new BelfryError(
    'BELFRY_INVALID_RULE',
    `schedule rule: expected cron such as '0 3 * * *', { every: '5m' } or { rrule: 'FREQ=MONTHLY;BYDAY=-1FR' }, ` +
      `got ${shown} (${reason})`,
  )
}

function showObject(input: object): string {
  try {
    return show(JSON.stringify(input)).replace(/^"|"$/g, '').replaceAll('\\"', '"')
  } catch {
    return show(input)
  }
}
