import { readFile } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'

/** One line on what was measured on: processors, memory, versions of the servers, of Node.js and of the libraries. */
export async function describeMachine(servers: readonly string[]): Promise<string> {
  const [processor] = cpus()
  const { dependencies } = JSON.parse(await readFile(new URL('package.json', import.meta.url), 'utf8')) as {
    dependencies: Record<string, string>
  }
  const peers = Object.entries(dependencies).filter(
    ([name]) => !['pg', 'ioredis'].includes(name) && !name.includes('-backend'),
  )
  return [
    `${cpus().length} × ${processor?.model.trim() ?? 'unknown processor'}, ${Math.round(totalmem() / 2 ** 30)} GB`,
    ...servers,
    `Node.js ${process.version}`,
    ...peers.map(([name, version]) => `${name} ${version}`),
  ].join(', ')
}
