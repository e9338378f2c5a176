import type { ScheduleDefinition } from 'belfry'

/** Each person's weekly digest: one at a time per guild, and gone with the person. */
export function digestOf(person: { id: string; guild: string; timeZone: string }): ScheduleDefinition {
  return {
    scheduleId: `digest:${person.id}`,
    job: 'weekly_digest',
    payload: { person: person.id },
    rule: '0 18 * * SUN',
    timeZone: person.timeZone,
    spread: '30m',
    concurrencyKey: person.guild,
    subjects: [`user:${person.id}`],
    timeout: '2m',
  }
}
