import type { Peer } from './peer.ts'

interface Listed {
  /** What keeps its jobs. */
  readonly store: 'postgres' | 'redis'
  /** Below a few thousand jobs a second at its best: measured with fewer jobs. */
  readonly slow?: true
  readonly load: () => Promise<Peer>
}

/** The subject. */
export const OURS = 'belfry'

/** Loaded in the process that uses them alone: each brings its own dependencies and habits. */
const listed: Readonly<Record<string, Listed>> = {
  'graphile-worker': { store: 'postgres', load: async () => (await import('./graphile-worker.ts')).graphileWorker },
  'pg-boss': { store: 'postgres', load: async () => (await import('./pg-boss.ts')).pgBoss },
  bullmq: { store: 'redis', load: async () => (await import('./bullmq.ts')).bullmq },
  'bullmq-postgres': { store: 'postgres', slow: true, load: async () => (await import('./bullmq.ts')).bullmqPostgres },
  sidequest: { store: 'postgres', slow: true, load: async () => (await import('./sidequest.ts')).sidequest },
  dbos: { store: 'postgres', slow: true, load: async () => (await import('./dbos.ts')).dbos },
  agenda: { store: 'postgres', slow: true, load: async () => (await import('./agenda.ts')).agenda },
}

export const peerNames: readonly string[] = Object.keys(listed)

export async function loadPeer(name: string): Promise<Peer> {
  if (name === OURS) return (await import('./belfry.ts')).belfry
  if (name === 'bare-insert') return (await import('./bare-insert.ts')).bareInsert
  const peer = listed[name]
  if (!peer) throw new Error(`no peer is called ${name}`)
  return peer.load()
}

export function storeOf(name: string): 'postgres' | 'redis' {
  return listed[name]?.store ?? 'postgres'
}

export function isSlow(name: string): boolean {
  return listed[name]?.slow ?? false
}
