#!/usr/bin/env node
import { existsSync } from 'node:fs'

/*
 * The executable: a file of its own, because npm links it when a clone is installed, and what is built comes later.
 */
const program = new URL('../dist/cli.js', import.meta.url)
if (existsSync(program)) await import(program.href)
else {
  process.stderr.write(
    'belfry: this clone is not built yet. Run `npm run build`, or `npm start`, which builds first.\n',
  )
  process.exitCode = 1
}
