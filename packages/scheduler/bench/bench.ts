import { readFile, writeFile } from 'node:fs/promises'
import { BenchError } from './bench-error.ts'
import { describeMachine } from './machine.ts'
import { writeIntoPages } from './markdown.ts'
import { readOptions, usage, type BenchOptions } from './options.ts'
import { OURS } from './peers/catalog.ts'
import { reportText } from './report.ts'
import type { Results } from './results.ts'
import { runRounds } from './rounds.ts'
import { startPostgres } from './stage/postgres.ts'
import { startRedis } from './stage/redis.ts'
import { Stage } from './stage/stage.ts'

const stopping = new AbortController()
const stop = (why: string) => {
  if (stopping.signal.aborted) return
  say(`${why}: stopping the servers and deleting their folders`)
  stopping.abort(new BenchError(`stopped by ${why}`))
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop(signal))
process.on('disconnect', () => stop('the end of the launcher'))
process.channel?.unref()

try {
  const options = readOptions(process.argv.slice(2))
  if (options === 'help') process.stdout.write(usage)
  else await bench(options)
} catch (error) {
  const told = error instanceof BenchError || stopping.signal.aborted
  process.stderr.write(`bench: ${told || !(error instanceof Error) ? messageOf(error) : error.stack}\n`)
  process.exitCode = stopping.signal.aborted ? 130 : 1
}

async function bench(options: BenchOptions): Promise<void> {
  const results = options.from ? await readResults(options.from) : await measure(options)
  process.stdout.write(reportText(results))
  if (options.markdown) for (const page of await writeIntoPages(results)) say(`wrote the tables into ${page}`)
}

async function measure(options: BenchOptions): Promise<Results> {
  say(`starting PostgreSQL (${options.server})`)
  const postgres = await startPostgres(options.server)
  const redis = await startRedis().catch(async (error: unknown) => {
    await postgres.remove()
    throw error
  })
  const stage = new Stage({ postgres, redis, stopped: stopping.signal })
  const results: Results = {
    machine: await describeMachine([postgres.version, ...(redis ? [redis.version] : [])]),
    measuredAt: new Date().toISOString(),
    options,
    notRun: {},
    runs: [],
  }
  try {
    await runRounds({ stage, options, results, say, stopped: stopping.signal })
  } finally {
    await stage.remove()
    // What an interrupted bench has measured is worth keeping.
    if (options.jsonFile) await writeFile(options.jsonFile, `${JSON.stringify(results, null, 2)}\n`)
  }
  return results
}

async function readResults(file: string): Promise<Results> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new BenchError(`--from: cannot read ${file}: ${messageOf(cause)}`, { cause })
  })
  try {
    const results = JSON.parse(text) as Results
    if (!Array.isArray(results.runs)) throw new Error(`no runs of ${OURS} in it`)
    return results
  } catch (cause) {
    throw new BenchError(`--from: expected a file written by --json, got ${file}: ${messageOf(cause)}`, { cause })
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function say(line: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`)
}
