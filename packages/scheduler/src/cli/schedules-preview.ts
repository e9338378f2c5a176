import { parseArgs } from 'node:util'
import { BelfryError } from '../errors.ts'
import { requireWhole } from '../job/definition.ts'
import { requireChoice } from '../recurring/choice.ts'
import { DST_POLICIES, type DstPolicy } from '../recurring/daylight-saving.ts'
import { requireInstant } from '../recurring/instant.ts'
import { parseStoredRule, previewOccurrences, type Rule } from '../recurring/rule.ts'

/** What a command came to: text to write, and the exit code (0 done, 1 failed, 2 wrong usage). */
export interface CommandResult {
  readonly exitCode: 0 | 1 | 2
  readonly stdout: string
  readonly stderr: string
}

export const SCHEDULES_HELP = `Usage: belfry schedules preview RULE [options]

When a rule fires, by the very function that fires it. Needs no database.

  RULE                 '30 6 * * *', '@daily', 'every 5m', 'RRULE:FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=9'
  --tz ZONE            IANA name; default UTC
  --from INSTANT       show what fires after it, such as 2027-03-28T00:00:00Z; default now
  --count N            how many, 1 to 1000; default 10
  --dst POLICY         once (default), skip or wall: fixed times when the clocks change
  --start, --end INSTANT   bounds of the rule
  --json               a JSON array of ISO instants

Exit codes: 0 done, 1 the rule cannot be used, 2 wrong usage.
`

const MOST_SHOWN = 1_000
const OPTIONS = {
  tz: { type: 'string', default: 'UTC' },
  from: { type: 'string' },
  count: { type: 'string', default: '10' },
  dst: { type: 'string', default: 'once' },
  start: { type: 'string' },
  end: { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const

/** What a call asks for, checked as far as usage goes. */
interface Asked {
  readonly help: boolean
  readonly rule: string
  readonly timeZone: string
  readonly dst: DstPolicy
  readonly bounds: Rule['bounds']
  readonly from: Date
  readonly count: number
  readonly json: boolean
}

/**
 * `schedules preview RULE …` as a function of its arguments.
 * @param args what follows `schedules`
 * @param now the default of `--from`
 */
export function schedulesCommand(args: readonly string[], now: Date): CommandResult {
  let asked: Asked
  try {
    asked = read(args, now)
  } catch (error) {
    return { exitCode: 2, stdout: '', stderr: `belfry: ${messageOf(error)}. \`belfry schedules --help\` shows how.\n` }
  }
  if (asked.help) return { exitCode: 0, stdout: SCHEDULES_HELP, stderr: '' }
  try {
    const { rule: text, timeZone, dst, bounds } = asked
    const rule = parseStoredRule({ text, timeZone, dst, bounds })
    const occurrences = previewOccurrences(rule, asked.from, asked.count)
    return { exitCode: 0, stdout: asked.json ? asJson(occurrences) : asTable(rule, occurrences), stderr: '' }
  } catch (error) {
    if (!(error instanceof BelfryError)) throw error
    return { exitCode: 1, stdout: '', stderr: `belfry: ${error.message}\n` }
  }
}

function read(args: readonly string[], now: Date): Asked {
  const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true })
  const [command, rule = '', ...more] = positionals
  if (!values.help && (command !== 'preview' || rule === '' || more.length > 0)) {
    throw new TypeError(`expected preview and one rule in quotes, got ${JSON.stringify(positionals.join(' '))}`)
  }
  const count = requireWhole(Number(values.count), { name: '--count', least: 1 }) ?? 1
  if (count > MOST_SHOWN) throw new TypeError(`--count: expected ${MOST_SHOWN} at most, got ${values.count}`)
  const instant = (name: 'from' | 'start' | 'end') => {
    const value = values[name]
    return value === undefined ? undefined : new Date(requireInstant(value, `--${name}`)).toISOString()
  }
  const [start, end] = [instant('start'), instant('end')]
  return {
    help: values.help,
    rule,
    timeZone: values.tz,
    dst: requireChoice(values.dst, { name: '--dst', of: DST_POLICIES }),
    bounds: { ...(start !== undefined && { start }), ...(end !== undefined && { end }) },
    from: new Date(instant('from') ?? now),
    count,
    json: values.json,
  }
}

function asJson(occurrences: readonly Date[]): string {
  return `${JSON.stringify(
    occurrences.map(each => each.toISOString()),
    null,
    2,
  )}\n`
}

function asTable(rule: Rule, occurrences: readonly Date[]): string {
  const local = new Intl.DateTimeFormat('en-GB', {
    timeZone: rule.timeZone,
    weekday: 'short',
    year: 'numeric',
    month: 'short',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
    timeZoneName: 'longOffset',
  })
  const head = `${rule.text} in ${rule.timeZone}, dst ${rule.dst}`
  const lines = occurrences.map(each => `${each.toISOString()}  ${local.format(each)}`)
  return `${[head, ...(lines.length > 0 ? lines : ['nothing more'])].join('\n')}\n`
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
