import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { parseDuration, type Clock } from 'belfry'
import type { Database } from 'belfry/database'
import { databaseNow } from './clock.ts'
import { readConfig, type Config } from './config.ts'
import { openConfigured } from './database/connect.ts'
import type { PersonFacts } from './followups/gates.ts'
import { placeInTime } from './followups/best-time.ts'
import { policyFor } from './followups/plan-timing.ts'
import { policyOf } from './followups/policy.ts'
import { sayRehearsal, UNKNOWN, type RehearsalReport } from './followups/rehearse-report.ts'
import { parseSets } from './followups/rehearse-settings.ts'
import { hasFollowUpTables, readHistory, readOnly, type History } from './followups/rehearse-store.ts'
import { rehearse, type RehearsedFollowUp, type TimeFollowUp } from './followups/rehearse.ts'
import { readReportFacts } from './followups/report-store.ts'
import { reportOf, sayReport } from './followups/report.ts'
import { experimentOf, variantOf } from './followups/variants.ts'
import { usage, UsageError } from './program.ts'
import { SuppressedPeople } from './users/suppressed-people-store.ts'
import { variables } from './settings.ts'

const FOLLOWUPS_HELP = `Usage: belfry followups <command> [options]

  report [--since 30d] [--json]
      how follow-ups went: sent, answered, withheld, by variant; what \`followup_stats\` shows in the chat
  simulate [--since 30d] [--until TIME] [--set NAME=VALUE …] [--json]
      who would have been written to with other settings, from what is stored; sends and stores nothing
      names: delay, weekly, between, quiet, zone, messages, unanswered, age, late, rate, holdout and every other
      FOLLOW_UP_ setting by its name in small letters (consent, variants); spans may have a unit (delay=36h)

--since and --until take a span before now (30d, 12h) or an instant (2027-03-01, 2027-03-01T12:00Z).

Examples:
  belfry followups simulate --since 30d --set weekly=1 --set delay=24h
`

export interface FollowUpsParts {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  readonly output: { write(text: string): unknown }
}

/**
 * `belfry followups …`. Reads only; beside a running bot if the database is a server.
 * @throws UsageError, ConfigError, BelfryError; FolderInUseError when the bot holds the embedded database
 */
export async function runFollowUps(args: readonly string[], parts: FollowUpsParts): Promise<number> {
  const [command, ...rest] = args
  switch (command) {
    case 'report':
      return report(rest, parts)
    case 'simulate':
      return simulate(rest, parts)
    case undefined:
    case 'help':
    case '--help':
    case '-h':
      parts.output.write(FOLLOWUPS_HELP)
      return command === undefined ? 2 : 0
    default:
      throw new UsageError(
        `no command ${JSON.stringify(`followups ${command}`)}. \`belfry followups help\` lists them.`,
      )
  }
}

async function report(args: readonly string[], parts: FollowUpsParts): Promise<number> {
  const options = { since: { type: 'string', default: '30d' }, json: { type: 'boolean', default: false } } as const
  const { values } = usage(() => parseArgs({ args: [...args], options }))
  const { clock, output, environment } = parts
  const sinceMs = clock.now().getTime() - instantOf(values.since, '--since', clock.now()).getTime()
  if (sinceMs <= 0) throw new UsageError('--since: expected a time before now')
  const config = readConfig(environment)
  const { replyWindowMs: windowMs } = policyOf(config.followUps)
  const facts = await withDatabase(config, database =>
    readOnly(database, snapshot => readReportFacts(snapshot, { sinceMs, windowMs, now: databaseNow(clock) })),
  )
  const told = reportOf(facts)
  output.write(values.json ? json(told) : `${sayReport(told, { whole: true }).join('\n')}\n`)
  return 0
}

async function simulate(args: readonly string[], parts: FollowUpsParts): Promise<number> {
  const options = {
    since: { type: 'string', default: '30d' },
    until: { type: 'string' },
    set: { type: 'string', multiple: true },
    json: { type: 'boolean', default: false },
  } as const
  const { values } = usage(() => parseArgs({ args: [...args], options }))
  const now = parts.clock.now()
  const since = instantOf(values.since, '--since', now)
  const until = values.until === undefined ? now : instantOf(values.until, '--until', now)
  if (since >= until) throw new UsageError('--since: expected a time before --until (which is now, unless it is given)')
  const sets = parseSets(values.set ?? [])
  if (typeof sets === 'string') throw new UsageError(sets)
  const present = readConfig(parts.environment)
  const rehearsed = readConfig({ ...parts.environment, ...sets })
  const query = {
    from: new Date(since.getTime() - GROUND_MS),
    since,
    until,
    now: databaseNow(parts.clock),
    suppressedPeople: new SuppressedPeople(present.privacy.keys),
  }
  const history = await withDatabase(present, database => readOnly(database, snapshot => readHistory(snapshot, query)))
  const replay = (config: Config) => replayWith(config, history, { since, until })
  const told: RehearsalReport = {
    since,
    until,
    people: history.people.size,
    messages: history.events.filter(({ kind, at }) => kind === 'message' && at >= since).length,
    firstMessageAt: history.firstMessageAt,
    changes: changesOf(parts.environment, sets),
    really: history.sent,
    present: replay(present),
    rehearsed: replay(rehearsed),
  }
  parts.output.write(values.json ? json({ ...told, unknown: UNKNOWN }) : `${sayRehearsal(told).join('\n')}\n`)
  return 0
}

/** Before the span itself: who had spoken, and been written to, so long before still matters to the gates. */
const GROUND_MS = 60 * 86_400_000

function replayWith(config: Config, history: History, span: { since: Date; until: Date }): RehearsedFollowUp[] {
  const policy = policyOf(config.followUps)
  const experiment = experimentOf(config.followUps)
  const place = (person: PersonFacts, earliest: Date) => placeInTime({ person, policy }, earliest)
  const time: TimeFollowUp = (person, now) => {
    const own = policyFor(
      { policy, ...(experiment && { experiment }) },
      experiment && variantOf(person.userId, experiment)?.name,
    )
    return { policy: own, dueAt: place(person, new Date(now.getTime() + own.delayMs)) }
  }
  return rehearse({ ...history, ...span, policy, time, place })
}

function changesOf(
  environment: FollowUpsParts['environment'],
  sets: Readonly<Record<string, string>>,
): RehearsalReport['changes'] {
  return Object.entries(sets).flatMap(([name, value]) => {
    const fallback = variables.find(each => each.name === name)?.fallback ?? 'unset'
    const present = environment[name]?.trim() || fallback
    const rehearsed = value || fallback
    return present === rehearsed ? [] : [{ name, present, rehearsed }]
  })
}

async function withDatabase<T>(config: Config, use: (database: Database) => Promise<T>): Promise<T> {
  const isEmpty = config.databaseUrl === undefined && !existsSync(join(config.dataDir, 'postgres'))
  // Opening it would make one: whoever asks in the wrong folder is told so instead.
  if (isEmpty) throw new UsageError(`${config.dataDir} holds no database of a bot (DATABASE_URL, BELFRY_DATA_DIR).`)
  const open = await openConfigured(config)
  try {
    if (!(await hasFollowUpTables(open.database)))
      throw new UsageError(`${open.label} has no follow-ups yet: start this release of the bot once, then ask again.`)
    return await use(open.database)
  } finally {
    await open.close()
  }
}

/** A day, or an instant with its zone: local time would mean another span on another machine. */
const INSTANT = /^(\d{4}-\d\d-\d\d)(T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))?$/

function instantOf(text: string, option: string, now: Date): Date {
  if (/^\d{4}-/.test(text)) {
    const [, day, time = 'T00:00Z'] = INSTANT.exec(text) ?? []
    const instant = new Date(`${day}${time}`)
    if (!Number.isNaN(instant.getTime())) return instant
    throw new UsageError(`${option}: expected an instant such as 2027-03-01T12:00Z, got ${JSON.stringify(text)}`)
  }
  return new Date(now.getTime() - usage(() => parseDuration(text, option)))
}

/** Instants as ISO text; undefined as null, so that every field is always there. */
function json(value: unknown): string {
  return `${JSON.stringify(value, (_key, each: unknown) => (each === undefined ? null : each), 2)}\n`
}
