import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/*
 * `npm run bench`: fetches the peers when they are missing and hands over to the Node.js that every run uses. Some peers
 * want Node.js 22 or newer, and a comparison wants one runtime for all; it comes from npm like they do.
 */
const folder = fileURLToPath(new URL('.', import.meta.url))

if (process.platform !== 'linux') stop('the bench reads processor time and memory from /proc: it runs on Linux only')
if (!existsSync(join(folder, '../dist/index.js'))) stop('belfry is not built: run "npm run build" first')
if (!existsSync(join(folder, 'node_modules/pg'))) {
  process.stderr.write('fetching the peers, once (npm ci in packages/scheduler/bench)\n')
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
}
const tsc = join(createRequire(import.meta.url).resolve('typescript/package.json'), '../bin/tsc')
run(process.execPath, [tsc, '-p', join(folder, 'tsconfig.actor.json')])

// The channel tells the bench when this process is gone, however it went: its servers must not stay behind.
const bench = spawn(nodeFromNpm(), [join(folder, 'bench.ts'), ...process.argv.slice(2)], {
  stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => bench.kill(signal))
bench.on('exit', code => {
  process.exitCode = code ?? 1
})

function run(/** @type {string} */ program, /** @type {string[]} */ args) {
  const { status, error } = spawnSync(program, args, { cwd: folder, stdio: ['ignore', 'inherit', 'inherit'] })
  if (status !== 0) stop(`"${program} ${args.join(' ')}" ended with ${error?.message ?? status}; nothing was measured`)
}

function nodeFromNpm() {
  const name = `node-linux-${process.arch}`
  try {
    return createRequire(import.meta.url).resolve(`${name}/bin/node`)
  } catch {
    return stop(`the package ${name} is not installed: no Node.js 24 for this processor, or npm ci left it out`)
  }
}

/** @returns {never} */
function stop(/** @type {string} */ message) {
  process.stderr.write(`bench: ${message}\n`)
  process.exit(1)
}
