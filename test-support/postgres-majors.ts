import { execFile } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** Where Debian puts the programs of each major version. */
const DEBIAN = '/usr/lib/postgresql'

/** A PostgreSQL that is installed on this machine, besides the one that npm brought. */
export interface InstalledPostgres {
  /** Folder with `initdb` and `postgres`. */
  readonly bin: string
  /** As it names itself, e.g. `15.14`. */
  readonly version: string
}

/** Every PostgreSQL server that Debian packages installed here; none is an answer too. */
export async function findInstalledPostgres(): Promise<InstalledPostgres[]> {
  const majors = await readdir(DEBIAN).catch(() => [])
  const found = await Promise.all(
    majors.map(async major => {
      const bin = join(DEBIAN, major, 'bin')
      const answer = await promisify(execFile)(join(bin, 'postgres'), ['--version']).catch(() => undefined)
      const version = answer?.stdout.match(/\d+(\.\d+)?/)?.[0]
      return version === undefined ? [] : [{ bin, version }]
    }),
  )
  return found.flat()
}
