import { withSeededIds } from './chance.ts'
import type { PopulationOptions, PopulationReport } from './population.ts'
import { World } from './world.ts'

/** Runs one world from its first day to its last. One at a time per Node process: ids are drawn from its seed. */
export function simulatePopulation(options: PopulationOptions): Promise<PopulationReport> {
  return withSeededIds(String(options.seed), () => new World(options).run())
}
