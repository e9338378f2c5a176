import type { RehearsedFollowUp } from './rehearse.ts'

/** A rehearsal beside the present settings and what really happened. */
export interface RehearsalReport {
  readonly since: Date
  readonly until: Date
  readonly people: number
  readonly messages: number
  readonly firstMessageAt: Date | undefined
  /** Variables that differ from the present ones: `present` and `rehearsed`. */
  readonly changes: readonly { readonly name: string; readonly present: string; readonly rehearsed: string }[]
  readonly really: readonly { readonly userId: string; readonly at: Date }[]
  readonly present: readonly RehearsedFollowUp[]
  readonly rehearsed: readonly RehearsedFollowUp[]
}

/** What no replay can tell; said with every rehearsal. */
export const UNKNOWN: readonly string[] = [
  'what people would have answered: their later messages are as they were, also those that answered a follow-up',
  'texts: one that the safety gate would have refused, or that distress would have stopped, counts as sent',
  'what changed without a trace: zone, quiet hours, frequency and suppression are as they are today; pauses are ignored',
  'down time: the bot is taken to have been up all the while, so nobody is found later by a look at who has no plan',
]

/** In words, one line an item. People by id. */
export function sayRehearsal(report: RehearsalReport): string[] {
  const { changes, people, messages, firstMessageAt } = report
  const first = firstMessageAt ? `, the first on ${minute(firstMessageAt)}` : ''
  return [
    `Rehearsal from ${minute(report.since)} to ${minute(report.until)}: ${sayPeople(people)}, ${messages} messages${first}.`,
    `Nothing is sent or stored.`,
    changes.length === 0
      ? 'Changed: nothing; --set NAME=VALUE rehearses other settings.'
      : `Changed: ${changes.map(({ name, present, rehearsed }) => `${name} ${present} → ${rehearsed}`).join(', ')}`,
    '',
    `${'really happened'.padEnd(17)} sent ${report.really.length} to ${sayPeople(countPeople(report.really))}`,
    `${'present settings'.padEnd(17)} ${sayOutcomes(report.present)}`,
    ...(changes.length === 0 ? [] : [`${'rehearsed'.padEnd(17)} ${sayOutcomes(report.rehearsed)}`]),
    '',
    ...sayList(report),
    '',
    'What this cannot know:',
    ...UNKNOWN.map(each => `- ${each}`),
  ]
}

function countPeople(followUps: readonly { readonly userId: string }[]): number {
  return new Set(followUps.map(({ userId }) => userId)).size
}

function sayPeople(count: number): string {
  return count === 1 ? '1 person' : `${count} people`
}

function sayOutcomes(followUps: readonly RehearsedFollowUp[]): string {
  const sent = followUps.filter(({ outcome }) => outcome === 'sent')
  const reasons = new Map<string, number>()
  for (const { reason } of followUps) if (reason) reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
  const withheld = [...reasons].toSorted((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
  const why = withheld.length === 0 ? 'nothing' : withheld.map(([reason, count]) => `${reason} ${count}`).join(', ')
  return `sent ${sent.length} to ${sayPeople(countPeople(sent))}; withheld: ${why}`
}

function sayList({ rehearsed, present, changes }: RehearsalReport): string[] {
  if (rehearsed.length === 0) return ['Nobody would have been written to, or withheld from.']
  const key = ({ userId, at, outcome }: RehearsedFollowUp) => `${userId} ${at.getTime()} ${outcome}`
  const now = new Set(present.map(key))
  return rehearsed.map(followUp => {
    const what = followUp.outcome === 'sent' ? 'sent' : `withheld: ${followUp.reason ?? 'unknown'}`
    const asked = followUp.automatic ? '' : ', asked for'
    const other = changes.length === 0 || now.has(key(followUp)) ? '' : '  (not so by the present settings)'
    return `${minute(followUp.at)}  ${followUp.userId}  ${what}${asked}${other}`
  })
}

function minute(instant: Date): string {
  return `${instant.toISOString().slice(0, 16).replace('T', ' ')} UTC`
}
