export { TestClock } from './test-clock.ts'
export { simulate, formatFailure, type SimulationOptions, type SimulationReport } from './simulation/simulate.ts'
export type { Invariant, Violation } from './simulation/history.ts'
export { FAULTS, type Fault } from './simulation/faults.ts'
