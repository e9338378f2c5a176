import { parseRule, previewOccurrences, type ScheduleDefinition } from 'belfry'

/** Fridays at five, the last working day of a month, and ten mornings of a course. */
export const calendar: ScheduleDefinition[] = [
  { scheduleId: 'weekend', job: 'wish', rule: '0 17 * * FRI', timeZone: 'America/New_York' },
  {
    scheduleId: 'payday',
    job: 'pay',
    rule: { rrule: 'FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;BYHOUR=9' },
    timeZone: 'Europe/Berlin',
    catchUp: { last: 3, maxAge: '7d' },
    overlap: 'queue',
  },
  {
    scheduleId: 'course',
    job: 'lesson',
    rule: { cron: '0 8 * * MON-FRI', start: '2027-03-01T00:00:00Z', count: 10 },
    timeZone: 'Australia/Lord_Howe',
    spread: '5m',
  },
]

/** A night on which 02:30 is left out, and one on which it comes twice. */
export function nightsOfChange(): string[] {
  const nightly = parseRule('30 2 * * *', 'Europe/Berlin', 'once')
  return ['2027-03-27T12:00:00Z', '2027-10-30T12:00:00Z'].flatMap(from =>
    previewOccurrences(nightly, new Date(from), 1).map(each => each.toISOString()),
  )
}
