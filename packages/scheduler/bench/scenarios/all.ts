import { bareInsert } from './bare-insert.ts'
import { bigTable } from './big-table.ts'
import { drain } from './drain.ts'
import { lateness } from './lateness.ts'
import { memory } from './memory.ts'
import { pickUp } from './pick-up.ts'
import type { Scenario } from './scenario.ts'
import { scheduling } from './scheduling.ts'
import { steady } from './steady.ts'
import { sustained } from './sustained.ts'

export const scenarios: readonly Scenario[] = [
  drain,
  pickUp,
  lateness,
  scheduling,
  bareInsert,
  sustained,
  memory,
  bigTable,
  steady,
]

export const scenarioNames: readonly string[] = scenarios.map(scenario => scenario.name)
