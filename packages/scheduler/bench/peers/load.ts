import { OURS } from './catalog.ts'
import type { Peer } from './peer.ts'

/** Each library is loaded in the processes that use it alone: it brings its own dependencies and habits. */
const loaders: Readonly<Record<string, () => Promise<Peer>>> = {
  [OURS]: async () => (await import('./belfry.ts')).belfry,
  'bare-insert': async () => (await import('./bare-insert.ts')).bareInsert,
  'graphile-worker': async () => (await import('./graphile-worker.ts')).graphileWorker,
  'pg-boss': async () => (await import('./pg-boss.ts')).pgBoss,
  bullmq: async () => (await import('./bullmq.ts')).bullmq,
  'bullmq-postgres': async () => (await import('./bullmq.ts')).bullmqPostgres,
  sidequest: async () => (await import('./sidequest.ts')).sidequest,
  dbos: async () => (await import('./dbos.ts')).dbos,
  agenda: async () => (await import('./agenda.ts')).agenda,
}

export async function loadPeer(name: string): Promise<Peer> {
  const load = loaders[name]
  if (!load) throw new Error(`no peer is called ${name}`)
  return load()
}
