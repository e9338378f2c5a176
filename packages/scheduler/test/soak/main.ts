import { writeFile } from 'node:fs/promises'
import process from 'node:process'
import { readOptions, usage, type SoakOptions } from './options.ts'
import { tellReport } from './report.ts'
import { runSoak } from './soak.ts'

/*
 * `npm run soak -- --minutes 10`: real processes on a real server under random faults, and what that did to promises and
 * levels. Exit code 1: something is broken; 2: a bad option; 130: stopped by a signal.
 */

const stopping = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => stopping.abort(new Error(`stopped by ${signal}; nothing is judged`)))
}
const say = (line: string) => process.stdout.write(`${line}\n`)

const options = read(process.argv.slice(2))
if (options === 'help') process.stdout.write(usage)
else await soak(options)

function read(args: string[]): SoakOptions | 'help' {
  try {
    return readOptions(args)
  } catch (error) {
    process.stderr.write(`soak: ${error instanceof Error ? error.message : String(error)}\n\n${usage}`)
    return process.exit(2)
  }
}

async function soak(given: SoakOptions): Promise<void> {
  const { minutes, processes, rate, seed, jsonFile } = given
  say(`${minutes} minutes, ${processes} processes, ${rate} jobs a second, seed ${seed}`)
  try {
    const report = await runSoak(given, { say, stopped: stopping.signal })
    const { text, kept } = tellReport(report)
    process.stdout.write(`\n${text}`)
    if (jsonFile !== undefined) await writeFile(jsonFile, `${JSON.stringify({ ...given, ...report }, null, 2)}\n`)
    process.exitCode = kept ? 0 : 1
  } catch (error) {
    const why =
      error instanceof Error && !stopping.signal.aborted ? error.stack : String(stopping.signal.reason ?? error)
    process.stderr.write(`soak: ${why}\n`)
    process.exitCode = stopping.signal.aborted ? 130 : 1
  }
}
