import { parseArgs } from 'node:util'
import { BenchError } from './bench-error.ts'
import { peerNames } from './peers/catalog.ts'
import { scenarioNames } from './scenarios/all.ts'
import type { Sizes } from './scenarios/scenario.ts'

/** What to measure, and how long. */
export interface BenchOptions extends Sizes {
  readonly rounds: number
  readonly scenarios: readonly string[]
  readonly peers: readonly string[]
  /** `npm`, `debian`, or a folder with `initdb` and `postgres`. */
  readonly server: string
  readonly jsonFile: string | undefined
  /** Write the tables into the pages that have a place for them. */
  readonly markdown: boolean
  /** Do not measure: report this file of an earlier `--json`. */
  readonly from: string | undefined
}

export const usage = `npm run bench -- [options]

  --rounds n            rounds, interleaved; medians are of rounds (3)
  --jobs n              jobs of one drain (200000)
  --backlog n           future rows, and finished rows, of the big table (1000000)
  --steady-minutes n    length of the steady load, 0 leaves it out (2)
  --steady-rate n       jobs per second of the steady load (1000)
  --only a,b            scenarios: ${scenarioNames.join(', ')}
  --peers a,b           peers: ${peerNames.join(', ')}
  --server s            npm (the PostgreSQL of the tests), debian (/usr/lib/postgresql), or a folder of programs (npm)
  --json file           write every run and the verdict
  --from file           measure nothing, report such a file
  --markdown            put the tables into docs/performance.md and the READMEs, between their bench marks
  --quick               one round of small runs: a trial, no verdict to quote
`

const quick = { rounds: '1', jobs: '20000', backlog: '20000', 'steady-minutes': '0', seconds: '2', samples: '40' }
const full = { rounds: '3', jobs: '200000', backlog: '1000000', 'steady-minutes': '2', seconds: '6', samples: '200' }

/** @throws BenchError when an option is unknown or its value is not what it expects */
export function readOptions(args: string[]): BenchOptions | 'help' {
  const { values } = parse(args)
  if (values.help) return 'help'
  const sizes = { ...(values.quick ? quick : full), ...values }
  const count = (name: 'rounds' | 'jobs' | 'backlog' | 'steady-minutes', least: number) =>
    whole(`--${name}`, sizes[name], least)
  return {
    rounds: count('rounds', 1),
    jobs: count('jobs', 1),
    backlog: count('backlog', 1),
    steadyMinutes: count('steady-minutes', 0),
    steadyRate: whole('--steady-rate', values['steady-rate'] ?? '1000', 1),
    seconds: Number(sizes.seconds),
    samples: Number(sizes.samples),
    scenarios: names('--only', values.only, scenarioNames),
    peers: names('--peers', values.peers, peerNames),
    server: values.server ?? 'npm',
    jsonFile: values.json,
    markdown: values.markdown ?? false,
    from: values.from,
  }
}

function parse(args: string[]) {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  try {
    return parseArgs({
      args,
      options: {
        rounds: text,
        jobs: text,
        backlog: text,
        'steady-minutes': text,
        'steady-rate': text,
        only: text,
        peers: text,
        server: text,
        json: text,
        from: text,
        markdown: flag,
        quick: flag,
        help: flag,
      },
    })
  } catch (error) {
    throw new BenchError(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`)
  }
}

function whole(name: string, given: string, least: number): number {
  const value = Number(given)
  if (!/^\d+$/.test(given) || value < least) {
    throw new BenchError(`${name}: expected a whole number from ${least} up, got "${given}"`)
  }
  return value
}

function names(option: string, given: string | undefined, known: readonly string[]): readonly string[] {
  if (given === undefined) return known
  const wanted = given.split(',').map(name => name.trim())
  const unknown = wanted.filter(name => !known.includes(name))
  if (unknown.length > 0) {
    throw new BenchError(`${option}: expected some of ${known.join(', ')}, got "${unknown.join(', ')}"`)
  }
  return known.filter(name => wanted.includes(name))
}
