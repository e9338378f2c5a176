/** What the bench must know of a library before it loads it. */
interface Listed {
  /** What keeps its jobs. */
  readonly store: 'postgres' | 'redis'
  /** Below a few thousand jobs a second at its best: measured with fewer jobs. */
  readonly slow?: true
  /** Pause between its looks for due jobs by default, in ms, where nothing else wakes it. */
  readonly pollMs?: number
  /** Why its default settings cannot be measured. */
  readonly noDefault?: string
}

/** The subject. */
export const OURS = 'belfry'

const listed: Readonly<Record<string, Listed>> = {
  'graphile-worker': { store: 'postgres' },
  'pg-boss': { store: 'postgres', pollMs: 2000 },
  bullmq: { store: 'redis' },
  'bullmq-postgres': { store: 'postgres', slow: true },
  sidequest: {
    store: 'postgres',
    slow: true,
    noDefault: 'by default its jobs run in threads of another process, where a handler cannot be counted',
  },
  dbos: { store: 'postgres', slow: true, pollMs: 1000 },
  agenda: { store: 'postgres', slow: true },
}

export const peerNames: readonly string[] = Object.keys(listed)

export function storeOf(name: string): 'postgres' | 'redis' {
  return listed[name]?.store ?? 'postgres'
}

export function pollMsOf(name: string): number | undefined {
  return listed[name]?.pollMs
}

export function whyNoDefault(name: string): string | undefined {
  return listed[name]?.noDefault
}

export function isSlow(name: string): boolean {
  return listed[name]?.slow ?? false
}
