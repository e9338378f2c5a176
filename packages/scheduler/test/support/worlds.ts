import { formatFailure, simulate, type SimulationReport } from 'belfry/testing'
import { expect } from 'vitest'
import { createTestDatabase } from '../../../../test-support/test-database.ts'
import { connectOnce } from './one-connection.ts'

/** Test files that share the seeds: each is a process of its own, and a world keeps one core busy. */
const LANES = 2
const FIRST_SEED = Number(process.env.BELFRY_SEEDS_FROM ?? 1)
const SEEDS = Number(process.env.BELFRY_SEEDS_COUNT ?? 200)
/** Moves of each world; undefined: as many as is usual. */
const STEPS = process.env.BELFRY_SEEDS_STEPS
const USUAL_STEPS = 120
/** Fewer worlds say nothing about how much happens in them. */
const ENOUGH_TO_COUNT = 100

/** More worlds take longer; `npm run seeds` asks for many. */
export const PATIENCE_MS = 180_000 + SEEDS * 500

/** Simulates every second seed and expects every promise to be kept. */
export async function expectPromisesKept(seeds: 'odd' | 'even'): Promise<void> {
  const test = await createTestDatabase(1)
  const database = await connectOnce(test.nearUrl)
  const reports: SimulationReport[] = []
  const begun = performance.now()
  const first = FIRST_SEED + ((FIRST_SEED + (seeds === 'odd' ? 1 : 0)) % LANES)
  for (let seed = first; seed < FIRST_SEED + SEEDS; seed += LANES) {
    reports.push(await simulate({ database, seed, ...(STEPS && { steps: Number(STEPS) }) }))
  }
  const rate = Math.round((reports.length * 1_000) / (performance.now() - begun))
  console.log(`${reports.length} worlds of ${seeds} seeds, ${rate} a second`)
  await database.end()
  await test.drop()
  const broken = reports.filter(report => report.violations.length > 0)
  if (process.env.BELFRY_SEEDS_COUNT) for (const report of broken) console.log(formatFailure(report))
  expect(broken.map(({ seed }) => `seed ${seed}: ${replayWith(seed)}`)).toEqual([])
  expect(broken.slice(0, 3).map(formatFailure)).toEqual([])
  expectWorthwhile(reports)
}

/** The worlds are worth something: work was done, crashed and lost in them. A few may be without. */
function expectWorthwhile(reports: readonly SimulationReport[]): void {
  const worlds = reports.length
  if (worlds < ENOUGH_TO_COUNT) return
  const sum = (name: keyof SimulationReport['counts']) =>
    reports.reduce((total, report) => total + report.counts[name], 0)
  const share = Math.min(1, Number(STEPS ?? USUAL_STEPS) / USUAL_STEPS)
  expect(sum('jobs')).toBeGreaterThan(worlds * 6 * share)
  expect(sum('attempts')).toBeGreaterThan(worlds * 6 * share)
  expect(sum('lost')).toBeGreaterThan((worlds / 20) * share)
  expect(sum('processes')).toBeGreaterThan(worlds * 2 * share)
}

function replayWith(seed: number): string {
  return `npm run build && node packages/scheduler/test/support/replay-seed.mjs ${seed} ${STEPS ?? ''}`.trim()
}
