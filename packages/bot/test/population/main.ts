import { fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startPostgresServer } from '../../../../test-support/postgres-server.ts'
import { connectToServer } from './connect.ts'
import { sumOf, tableOf, tellViolations } from './report.ts'
import { simulatePopulation } from './simulate.ts'

/*
 * `npm run simulate [-- --people 10000 --days 90 --processes 3 --seed 1 --world 500 --lanes 2 --every 4000]`: many people, in worlds of
 * `--world` people with a database each. World n has seed `--seed` + n, so that one alone is told again by its own seed.
 */

/** What one world has to tell, as it goes from a worker to the main process. */
interface Told {
  readonly seed: number
  readonly people: number
  readonly day?: number
  readonly story?: string
  readonly violations?: number
  readonly counts?: Record<string, number>
  readonly outcomes?: Record<string, number>
  readonly faults?: Record<string, number>
}

interface Size {
  readonly people: number
  readonly days: number
  readonly processes: number
  readonly every: number
}

const { values } = parseArgs({
  options: {
    people: { type: 'string', default: '10000' },
    days: { type: 'string', default: '90' },
    processes: { type: 'string', default: '3' },
    world: { type: 'string', default: '500' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    /** One statement in so many kills its process, one fails, one is carried out unheard. */
    every: { type: 'string', default: '4000' },
    lanes: { type: 'string', default: String(Math.min(8, availableParallelism())) },
    /** For workers only: the server they use. */
    server: { type: 'string' },
  },
})

function whole(name: 'people' | 'days' | 'processes' | 'world' | 'seed' | 'lanes' | 'every', least: number): number {
  const number = Number(values[name])
  if (Number.isInteger(number) && number >= least) return number
  process.stderr.write(`simulate: --${name}: expected a whole number from ${least} up, got ${values[name]}\n`)
  return process.exit(2)
}

const size: Size = {
  people: whole('people', 1),
  days: whole('days', 1),
  processes: whole('processes', 1),
  every: whole('every', 1),
}
await (values.server ? work(values.server) : direct())

/** Hands worlds to workers, adds up what they tell, and says at the end whether every invariant held. */
async function direct(): Promise<void> {
  const [seed, perWorld, lanes] = [whole('seed', 0), whole('world', 1), whole('lanes', 1)]
  const worlds = Array.from({ length: Math.ceil(size.people / perWorld) }, (_, index) => ({
    seed: seed + index,
    people: Math.min(perWorld, size.people - index * perWorld),
  }))
  const server = await startPostgresServer({
    shared_buffers: '256MB',
    autovacuum: 'off',
    full_page_writes: 'off',
    max_wal_size: '4GB',
  })
  const begun = performance.now()
  const days = new Map<number, number>()
  const done: Told[] = []
  const progress = setInterval(() => {
    const simulated = [...days.values()].reduce((sum, each) => sum + each, 0)
    const share = ((100 * simulated) / (worlds.length * size.days)).toFixed(1)
    process.stderr.write(
      `${share} % after ${Math.round((performance.now() - begun) / 1_000)} s, ${done.length} of ${worlds.length} worlds done\n`,
    )
  }, 10_000)
  const left = [...worlds]
  try {
    await Promise.all(
      Array.from({ length: Math.min(lanes, worlds.length) }, async () => {
        for (let world = left.shift(); world; world = left.shift()) {
          done.push(await inWorker({ ...size, ...world }, server.url, told => days.set(told.seed, (told.day ?? 0) + 1)))
        }
      }),
    )
  } finally {
    // The server holds up no process; the progress does, until the server is gone.
    await server.remove()
    clearInterval(progress)
  }
  conclude(done, { seconds: (performance.now() - begun) / 1_000, worlds: worlds.length, seed })
}

function conclude(done: readonly Told[], run: { seconds: number; worlds: number; seed: number }): void {
  const broken = done.filter(each => each.violations !== 0)
  const counts = sumOf(done.map(each => each.counts ?? {}))
  const print = (text: string) => process.stdout.write(`${text}\n`)
  print(tableOf('What happened', counts))
  print(tableOf('Planned follow-ups', sumOf(done.map(each => each.outcomes ?? {}))))
  print(tableOf('Faults', sumOf(done.map(each => each.faults ?? {}))))
  const rate = Math.round((counts['messages'] ?? 0) / run.seconds)
  print(
    `${size.days} days in ${run.worlds} worlds of seeds from ${run.seed}: ${Math.round(run.seconds)} s, ${rate} messages a second`,
  )
  for (const each of broken) print(each.story ?? `seed ${each.seed}: its worker died`)
  print(broken.length === 0 ? 'Every invariant held.' : `${broken.length} of ${run.worlds} worlds broke an invariant.`)
  process.exitCode = broken.length === 0 ? 0 : 1
}

function inWorker(world: Size & { seed: number }, server: string, onDay: (told: Told) => void): Promise<Told> {
  const options = Object.entries({ ...world, server }).map(([name, value]) => `--${name}=${value}`)
  return new Promise(resolve => {
    let last: Told = { seed: world.seed, people: world.people }
    const worker = fork(fileURLToPath(import.meta.url), options)
    worker.on('message', message => {
      const told = message as Told
      if (told.day === undefined) last = told
      else onDay(told)
    })
    worker.on('exit', () => resolve(last))
  })
}

/** One world, in a database of its own. */
async function work(server: string): Promise<void> {
  const seed = whole('seed', 0)
  const { people, days, processes, every } = size
  const tell = (told: Omit<Told, 'seed' | 'people'>) => process.send?.({ seed, people, ...told })
  const name = `world_${seed}`
  const admin = await connectToServer(server)
  await admin.query(`create database ${name} template template0`)
  const url = new URL(server)
  url.pathname = `/${name}`
  const connection = await connectToServer(url.href)
  try {
    const report = await simulatePopulation({
      connection,
      seed,
      ...size,
      statementsPerFault: every,
      onDay: day => tell({ day }),
    })
    const again = `npm run simulate -- --seed ${seed} --people ${people} --world ${people} --days ${days} --processes ${processes} --every ${every}`
    const { counts, outcomes, faults, violations } = report
    const story = tellViolations(report, again)
    tell({ story, violations: violations.length, counts, outcomes, faults })
  } finally {
    await connection.end()
    await admin.query(`drop database ${name} with (force)`)
    await admin.end()
  }
}
