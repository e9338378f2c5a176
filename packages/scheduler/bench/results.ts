import type { Run } from './measurement.ts'
import type { BenchOptions } from './options.ts'

/** Everything a bench found out, as `--json` writes it. */
export interface Results {
  /** Processors, memory, versions. */
  readonly machine: string
  readonly measuredAt: string
  readonly options: BenchOptions
  /** Peers that were wanted and could not be measured, with the reason. */
  readonly notRun: Record<string, string>
  readonly runs: Run[]
}
