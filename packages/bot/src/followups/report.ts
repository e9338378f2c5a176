import { saySpan } from '../messaging/say-time.ts'
import { sayMinute, type SayInstant } from '../messaging/voice.ts'
import { difference, wilson, type Share } from './intervals.ts'

/** What follow-ups are told apart by; hours are UTC, delays by the day. */
export type ReportGroup = 'all' | 'variant' | 'source' | 'template' | 'hour' | 'delay' | 'language'

/** Counts of one group, as the store adds them up. */
export interface Tally {
  readonly by: ReportGroup
  readonly key: string
  readonly sent: number
  /** Sent, and an answer could still come: left out of the reply rate, answered or not. */
  readonly pending: number
  /** Of those that are not pending. */
  readonly replied: number
  readonly medianLatencyMs: number | undefined
  /** People who said no within the reply window after it, before any later one. */
  readonly optOuts: number
  /** Not sent: the person takes no direct messages. */
  readonly dmClosed: number
}

/** People whose seven days are over, and how many of them spoke within those. Each counts once. */
export interface ReturnTally {
  readonly people: number
  readonly returned: number
}

/** Everything a report is made of. */
export interface ReportFacts {
  readonly since: Date
  readonly until: Date
  readonly planned: number
  readonly heldOut: number
  readonly gated: readonly ReasonCount[]
  readonly failed: readonly ReasonCount[]
  readonly tallies: readonly Tally[]
  readonly returns: { readonly sent: ReturnTally; readonly heldOut: ReturnTally }
}

export interface ReasonCount {
  readonly reason: string
  readonly count: number
}

/** A rate, or why there is none. */
export type Measure =
  | { readonly count: number; readonly of: number; readonly share: Share }
  | { readonly count: number; readonly of: number; readonly share: 'not enough data' }

export interface ReportRow {
  readonly by: ReportGroup
  readonly key: string
  readonly sent: number
  readonly pending: number
  /** Of the follow-ups whose window is over. */
  readonly replyRate: Measure
  readonly medianLatencyMs: number | undefined
  readonly optOuts: Measure
  /** Of the follow-ups that were sent or refused so. */
  readonly dmClosed: Measure
}

export interface Report extends Omit<ReportFacts, 'tallies' | 'returns'> {
  readonly total: ReportRow
  readonly groups: readonly ReportRow[]
  /** How many more of the written-to came back within seven days than of those held out, in shares of 1. */
  readonly lift: { readonly sent: Measure; readonly heldOut: Measure; readonly difference: Share | 'not enough data' }
}

/** Below this a 95 % interval is wider than 40 points: no rate, just counts. */
export const LEAST_FOR_RATE = 20
/** Below this, per arm, even doubling a return rate of a tenth goes unseen more often than not. */
export const LEAST_FOR_LIFT = 100

const NOTHING: Omit<Tally, 'by' | 'key'> = {
  sent: 0,
  pending: 0,
  replied: 0,
  medianLatencyMs: undefined,
  optOuts: 0,
  dmClosed: 0,
}

/** Rates with their intervals, and an honest "not enough data" where there is not. */
export function reportOf({ tallies, returns, ...facts }: ReportFacts): Report {
  const total = tallies.find(({ by }) => by === 'all') ?? { by: 'all', key: '', ...NOTHING }
  const sent = measure(returns.sent.returned, returns.sent.people, LEAST_FOR_LIFT)
  const heldOut = measure(returns.heldOut.returned, returns.heldOut.people, LEAST_FOR_LIFT)
  const enough = sent.share !== 'not enough data' && heldOut.share !== 'not enough data'
  const lift = enough ? difference(sent.share, heldOut.share) : 'not enough data'
  return {
    ...facts,
    total: rowOf(total),
    groups: tallies.filter(({ by }) => by !== 'all').map(rowOf),
    lift: { sent, heldOut, difference: lift },
  }
}

function rowOf({ by, key, sent, pending, replied, medianLatencyMs, optOuts, dmClosed }: Tally): ReportRow {
  return {
    by,
    key,
    sent,
    pending,
    replyRate: measure(replied, sent - pending),
    medianLatencyMs,
    optOuts: measure(optOuts, sent),
    dmClosed: measure(dmClosed, sent + dmClosed),
  }
}

function measure(count: number, of: number, least = LEAST_FOR_RATE): Measure {
  return of < least ? { count, of, share: 'not enough data' } : { count, of, share: wilson(count, of) }
}

/** The report in words, one line an item. `whole`: groups of a single key too. */
export function sayReport(
  report: Report,
  { whole, minute = sayMinute }: { whole: boolean; minute?: SayInstant },
): string[] {
  const { total, lift } = report
  return [
    `Follow-ups from ${minute(report.since)} to ${minute(report.until)}`,
    `Planned ${report.planned} · sent ${total.sent} · held out ${report.heldOut}`,
    `Withheld: ${sayCounts(report.gated)}`,
    `Failed: ${sayCounts(report.failed)}`,
    `Replied: ${sayMeasure(total.replyRate)}; ${total.pending} pending`,
    `Median time to a reply: ${total.medianLatencyMs === undefined ? 'n/a' : saySpan(total.medianLatencyMs)}`,
    `Opt-outs: ${sayMeasure(total.optOuts)}`,
    `Direct messages closed: ${sayMeasure(total.dmClosed)}`,
    `Came back within 7 days: ${sayMeasure(lift.sent)} written to, ${sayMeasure(lift.heldOut)} held out`,
    `Lift: ${sayLift(lift.difference)}`,
    ...sayGroups(report.groups, whole),
  ]
}

function sayCounts(counts: readonly ReasonCount[]): string {
  return counts.length === 0 ? 'none' : counts.map(({ reason, count }) => `${reason} ${count}`).join(', ')
}

function percent(share: number): string {
  return (share * 100).toFixed(1)
}

function sayMeasure({ count, of, share }: Measure): string {
  const whole = `${count} of ${of}`
  if (share === 'not enough data') return `${whole} (not enough data)`
  return `${whole}, ${percent(share.value)} % (95 %: ${percent(share.low)} to ${percent(share.high)})`
}

function sayLift(lift: Share | 'not enough data'): string {
  if (lift === 'not enough data') return `not enough data (${LEAST_FOR_LIFT} people each are needed)`
  const points = (share: number) => `${share >= 0 ? '+' : ''}${percent(share)}`
  const sure = lift.low > 0 || lift.high < 0 ? '' : '; it may be nothing'
  return `${points(lift.value)} points (95 %: ${points(lift.low)} to ${points(lift.high)})${sure}`
}

function sayGroups(rows: readonly ReportRow[], whole: boolean): string[] {
  const groups = [...new Set(rows.map(({ by }) => by))]
  return groups.flatMap(by => {
    const members = rows.filter(row => row.by === by)
    if (members.length < 2 && !whole) return []
    return [`By ${by}`, ...members.map(row => `  ${row.key}: sent ${row.sent}, replied ${sayMeasure(row.replyRate)}`)]
  })
}
