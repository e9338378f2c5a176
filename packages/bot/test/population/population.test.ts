import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createTestDatabase } from '../../../../test-support/test-database.ts'
import { connectToServer } from './connect.ts'
import type { Invariant } from './oracle.ts'
import { tellViolations } from './report.ts'
import { simulatePopulation } from './simulate.ts'
import type { PopulationOptions, PopulationReport } from './population.ts'

type Choice = Partial<Omit<PopulationOptions, 'connection'>> & { seed: number }

/** Others are for `npm run simulate`: a new seed may find what an unrelated change must not be held up by. */
const SEEDS = [1, 226_148]
const SMALL = { people: 40, days: 90, processes: 3, statementsPerFault: 1_000 }
/** A bug must show within so many worlds. */
const WORLDS_TO_FIND_A_BUG = 10

async function simulate(choice: Choice): Promise<PopulationReport> {
  const test = await createTestDatabase(1)
  const connection = await connectToServer(test.url)
  try {
    return await simulatePopulation({ ...SMALL, ...choice, connection })
  } finally {
    await connection.end()
    await test.drop()
  }
}

/** Some twenty seconds on an idle machine; this is for one that is not. */
const PATIENCE = { timeout: 240_000 }

describe('a population of invented people, ninety days, three processes that crash', PATIENCE, () => {
  it.each(SEEDS)('breaks no invariant with seed %i', async seed => {
    const report = await simulate({ seed })
    const { people, days, processes, statementsPerFault } = SMALL
    const size = `--people ${people} --days ${days} --processes ${processes} --every ${statementsPerFault}`
    const told = tellViolations(report, `npm run simulate -- --seed ${seed} ${size}`)
    expect(told).toBe(`seed ${seed}: every invariant held`)
    // The world is worth something: much was said, planned, sent and refused in it, and much went wrong.
    const { counts, faults, outcomes } = report
    expect(counts['follow-ups received']).toBeGreaterThan(people)
    expect(counts['planned']).toBeGreaterThan(counts['follow-ups received'] ?? 0)
    expect(counts['crashes']).toBeGreaterThan(10)
    const wishes = ['off', 'on', 'zone', 'quiet', 'snooze', 'forget'].map(wish => `wishes: ${wish}`)
    expect(Object.keys(counts)).toEqual(expect.arrayContaining(wishes))
    // Which ways of each, every statement more or less decides anew.
    const waysOf = (who: string) => Object.keys(faults).filter(each => each.startsWith(who))
    expect(waysOf('statement refused')).toHaveLength(1)
    expect(waysOf('model ').length).toBeGreaterThan(0)
    expect(waysOf('platform ').length).toBeGreaterThan(0)
    expect(waysOf('model ').length + waysOf('platform ').length).toBeGreaterThan(2)
    expect(Object.keys(outcomes).length).toBeGreaterThan(5)
  })

  it('tells the same story for the same seed', async () => {
    const tell = async () => {
      const { violations, counts, outcomes, faults, stories } = await simulate({ seed: 7, people: 15, days: 30 })
      return createHash('sha256')
        .update(JSON.stringify({ violations, counts, outcomes, faults, stories }))
        .digest('hex')
    }
    expect(await tell()).toBe(await tell())
  })
})

describe('a bug is found', PATIENCE, () => {
  /** `from`: the first seed that finds it. */
  const bugs: { bug: string; breaks: Invariant; plan: Omit<Choice, 'seed'>; from?: number }[] = [
    {
      bug: 'reading everybody as willing',
      breaks: 'no message to somebody who opted out, or never opted in',
      plan: { settings: { FOLLOW_UP_CONSENT: 'opt_out' } },
    },
    {
      bug: 'forgetting what suppresses people',
      breaks: 'no message to somebody suppressed',
      plan: { platforms: ['discord'], rewrite: column('suppressed', 'null::text as suppressed') },
    },
    {
      bug: 'forgetting whom it has erased',
      breaks: 'no message to somebody erased',
      from: 3,
      plan: {
        rewrite: text =>
          text.replace(
            'select reason from suppressed_people where',
            'select reason from suppressed_people where false and',
          ),
      },
    },
    {
      bug: 'forgetting until when to wait',
      breaks: 'no message to somebody who said "later"',
      plan: { rewrite: text => text.replaceAll('extract(epoch from snoozed_until)', 'null') },
    },
    {
      bug: 'sending again without looking',
      breaks: 'never two for one planned follow-up',
      plan: { platforms: ['discord'], forgetful: true },
    },
    {
      bug: 'counting no week',
      breaks: 'never above the weekly cap',
      from: 2,
      plan: { settings: { FOLLOW_UP_MAX_PER_USER_PER_WEEK: '50' } },
    },
    {
      bug: 'telling time in a zone of its own',
      breaks: 'never in quiet hours',
      plan: { rewrite: column('time_zone', "'UTC' as time_zone") },
    },
    {
      bug: 'writing on and on without answers',
      breaks: 'never more than the allowed unanswered',
      plan: { settings: { FOLLOW_UP_MAX_UNANSWERED: '50', FOLLOW_UP_MAX_PER_USER_PER_WEEK: '50' } },
    },
    {
      bug: 'writing down another text than was looked at',
      breaks: 'never a text that must not be sent',
      plan: {
        rewrite: text =>
          text.includes('insert into follow_up_history (job_id, user_id, platform')
            ? text.replace('$5::text', "'I miss you, why did you leave me? ' || $5::text")
            : text,
      },
    },
    {
      bug: 'losing jobs',
      breaks: 'every planned one ends',
      from: 2,
      plan: {
        rewrite: text =>
          text.replace(/status = 'pending', lease_token = null/, "status = 'running', lease_token = null"),
      },
    },
  ]

  it.each(bugs)('$bug', async ({ breaks, plan, from = 1 }) => {
    let report: PopulationReport | undefined
    for (let seed = from; seed < from + WORLDS_TO_FIND_A_BUG; seed += 1) {
      report = await simulate({ people: 30, days: 50, until: breaks, ...plan, seed })
      if (report.violations.some(each => each.invariant === breaks)) break
    }
    expect(report?.violations.map(each => each.invariant)).toContain(breaks)
    const told = report && tellViolations(report, 'npm run simulate')
    expect(told).toContain(`seed ${report?.seed} breaks`)
    expect(told).toContain('says:')
  })
})

/** Reads a column of a person's profile as something else. */
function column(name: string, instead: string): (text: string) => string {
  return text =>
    text.includes('from user_profiles where user_id')
      ? text.replace(new RegExp(`(?<=[\\s,])${name}(?=,)`), instead)
      : text
}
