import { parseArgs } from 'node:util'

/** What to soak, and how long. */
export interface SoakOptions {
  readonly minutes: number
  /** Worker processes; the first is never harmed. */
  readonly processes: number
  /** Jobs per second. */
  readonly rate: number
  /** Decides the order of faults. */
  readonly seed: number
  readonly jsonFile?: string
}

export const usage = `npm run soak -- [options]

  --minutes n     how long faults go on; promises are judged always, levels from 3 minutes on (10)
  --processes n   processes that run jobs, from 2 up; the first is never harmed (3)
  --rate n        jobs per second (100)
  --seed n        decides which faults come in which order (drawn, and printed)
  --json file     write the report with every sample
`

const text = { type: 'string' } as const

/** @throws Error when an option is unknown or its value is not what it expects */
export function readOptions(args: string[]): SoakOptions | 'help' {
  const { values } = parseArgs({
    args,
    options: { minutes: text, processes: text, rate: text, seed: text, json: text, help: { type: 'boolean' } },
  })
  if (values.help) return 'help'
  const drawn = String(Math.floor(Math.random() * 1_000_000))
  return {
    minutes: positive('--minutes', values.minutes ?? '10'),
    processes: whole('--processes', values.processes ?? '3', 2),
    rate: whole('--rate', values.rate ?? '100', 1),
    seed: whole('--seed', values.seed ?? drawn, 0),
    ...(values.json !== undefined && { jsonFile: values.json }),
  }
}

function whole(name: string, given: string, least: number): number {
  if (/^\d{1,9}$/.test(given) && Number(given) >= least) return Number(given)
  throw new Error(`${name}: expected a whole number from ${least} up, got "${given}"`)
}

function positive(name: string, given: string): number {
  if (/^\d{1,6}(\.\d+)?$/.test(given) && Number(given) > 0) return Number(given)
  throw new Error(`${name}: expected a number above 0, got "${given}"`)
}
