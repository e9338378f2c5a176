import { describe, expect, it } from 'vitest'
import {
  LEAST_FOR_LIFT,
  LEAST_FOR_RATE,
  reportOf,
  sayReport,
  type ReportFacts,
  type Tally,
} from '../../src/followups/report.ts'

const tally = (changes: Partial<Tally>): Tally => ({
  by: 'all',
  key: '',
  sent: 0,
  pending: 0,
  replied: 0,
  medianLatencyMs: undefined,
  optOuts: 0,
  dmClosed: 0,
  ...changes,
})
const facts = (changes: Partial<ReportFacts>): ReportFacts => ({
  since: new Date('2027-03-01T00:00:00Z'),
  until: new Date('2027-03-31T00:00:00Z'),
  planned: 0,
  heldOut: 0,
  gated: [],
  failed: [],
  tallies: [],
  returns: { sent: { people: 0, returned: 0 }, heldOut: { people: 0, returned: 0 } },
  ...changes,
})

describe('a report', () => {
  it('of nothing says so, and divides by nothing', () => {
    const report = reportOf(facts({}))
    expect(report.total).toMatchObject({ sent: 0, replyRate: { count: 0, of: 0, share: 'not enough data' } })
    expect(sayReport(report, { whole: true }).join('\n')).toMatchInlineSnapshot(`
      "Follow-ups from 2027-03-01 00:00 UTC to 2027-03-31 00:00 UTC
      Planned 0 · sent 0 · held out 0
      Withheld: none
      Failed: none
      Replied: 0 of 0 (not enough data); 0 pending
      Median time to a reply: n/a
      Opt-outs: 0 of 0 (not enough data)
      Direct messages closed: 0 of 0 (not enough data)
      Came back within 7 days: 0 of 0 (not enough data) written to, 0 of 0 (not enough data) held out
      Lift: not enough data (100 people each are needed)"
    `)
  })

  it('leaves open windows out of the rate, and gives no rate below its least', () => {
    const few = reportOf(facts({ tallies: [tally({ sent: 30, pending: 30 - LEAST_FOR_RATE + 1, replied: 8 })] }))
    expect(few.total.replyRate).toEqual({ count: 8, of: LEAST_FOR_RATE - 1, share: 'not enough data' })
    const enough = reportOf(facts({ tallies: [tally({ sent: 30, pending: 10, replied: 8 })] }))
    expect(enough.total.replyRate).toMatchObject({ count: 8, of: 20, share: { value: 0.4 } })
  })

  it('tells a lift only with a hundred people in each arm, and whether it may be nothing', () => {
    const returns = (sent: number, heldOut: number, people = LEAST_FOR_LIFT) =>
      reportOf(
        facts({
          returns: { sent: { people: LEAST_FOR_LIFT, returned: sent }, heldOut: { people, returned: heldOut } },
        }),
      )
    expect(returns(60, 20, LEAST_FOR_LIFT - 1).lift.difference).toBe('not enough data')
    expect(sayReport(returns(60, 20, LEAST_FOR_LIFT - 1), { whole: false }).join('\n')).toContain(
      'Lift: not enough data',
    )
    expect(returns(60, 20).lift.difference).toMatchObject({ value: expect.closeTo(0.4) })
    expect(sayReport(returns(60, 20), { whole: false }).join('\n')).toMatch(/Lift: \+40\.0 points \(95 %: \+2.*\)$/m)
    expect(sayReport(returns(24, 20), { whole: false }).join('\n')).toMatch(
      /Lift: \+4\.0 points .*; it may be nothing$/m,
    )
  })

  it('shows groups where there is something to compare', () => {
    const groups = [
      tally({ by: 'variant', key: 'quick', sent: 25, replied: 10, medianLatencyMs: 7_200_000 }),
      tally({ by: 'variant', key: 'slow', sent: 3, replied: 1 }),
      tally({ by: 'source', key: 'template', sent: 28, replied: 11 }),
    ]
    const report = reportOf(facts({ tallies: [tally({ sent: 28, replied: 11, optOuts: 1, dmClosed: 2 }), ...groups] }))
    expect(report.total).toMatchObject({ optOuts: { count: 1, of: 28 }, dmClosed: { count: 2, of: 30 } })
    const short = sayReport(report, { whole: false })
    expect(short).toContain('  quick: sent 25, replied 10 of 25, 40.0 % (95 %: 23.4 to 59.3)')
    expect(short).toContain('  slow: sent 3, replied 1 of 3 (not enough data)')
    expect(short).not.toContain('By source')
    expect(sayReport(report, { whole: true })).toContain('By source')
  })
})
