import type { Figures, Run } from './measurement.ts'
import type { BenchOptions } from './options.ts'
import { OURS, whyNoDefault } from './peers/catalog.ts'
import { figuresText, firstLine } from './report.ts'
import type { Results } from './results.ts'
import { scenarios } from './scenarios/all.ts'
import type { Scenario, Variant } from './scenarios/scenario.ts'
import type { Stage } from './stage/stage.ts'

/** What the rounds need. */
export interface Rounds {
  readonly stage: Stage
  readonly options: BenchOptions
  /** Gets every run as it ends. */
  readonly results: Results
  readonly say: (line: string) => void
  readonly stopped: AbortSignal
}

/**
 * Makes every run, in rounds: a slow hour of the machine then meets all alike. Each peer's run has a run of ours right
 * beside it, before it in one round and after it in the next; ratios are of such pairs.
 */
export async function runRounds(rounds: Rounds): Promise<void> {
  const { stage, options, results, say } = rounds
  for (const peer of options.peers) {
    const reason = stage.cannotRun(peer)
    const noDefault = whyNoDefault(peer)
    if (reason) results.notRun[peer] = reason
    else if (noDefault) results.notRun[`${peer} with its defaults`] = noDefault
  }
  for (const [peer, reason] of Object.entries(results.notRun)) say(`${peer}: not run: ${reason}`)
  const peers = options.peers.filter(peer => !results.notRun[peer])
  let pair = 0
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const scenario of scenarios.filter(({ name }) => options.scenarios.includes(name))) {
      for (const variant of scenario.variants) {
        const able = peers.filter(peer => variant.settings !== 'default' || !whyNoDefault(peer))
        for (const turn of turnsOf(scenario, able, round)) {
          pair += 1
          for (const peer of turn) await runOnce(rounds, { scenario, variant, peer, round, pair })
        }
      }
    }
  }
}

/** Who runs beside whom. */
function turnsOf(scenario: Scenario, peers: readonly string[], round: number): string[][] {
  if (scenario.who === 'ours' || peers.length === 0) return [[OURS]]
  return peers.map(peer => (round % 2 === 1 ? [peer, OURS] : [OURS, peer]))
}

interface Turn {
  readonly scenario: Scenario
  readonly variant: Variant
  readonly peer: string
  readonly round: number
  readonly pair: number
}

/** A run that fails is told and kept as failed; the others go on. */
async function runOnce({ stage, options, results, say, stopped }: Rounds, turn: Turn): Promise<void> {
  const { scenario, variant, peer, round, pair } = turn
  const about = { scenario: scenario.name, variant: variant.name, round, pair }
  const keep = (run: Pick<Run, 'who' | 'figures' | 'error'>) => {
    results.runs.push({ ...about, ...run })
    const outcome = run.figures ? figuresText(run.figures) : `FAILED: ${firstLine(run.error)}`
    say(`round ${round}/${options.rounds} ${scenario.name}, ${variant.name}, ${run.who}: ${outcome}`)
  }
  let measured: Readonly<Record<string, Figures>>
  try {
    measured = await scenario.measure({ stage, peer, variant, sizes: options })
  } catch (error) {
    stopped.throwIfAborted()
    keep({ who: peer, error: error instanceof Error ? error.message : String(error) })
    return
  }
  for (const [who, figures] of Object.entries(measured)) keep({ who, figures })
}
