/** Where a run may keep its jobs: a fresh database, and a fresh Redis if there is one. */
export interface Place {
  readonly postgresUrl: string
  readonly redisPort: number | undefined
}

/** As its makers ship it, tuned for emptying a full table, or tuned for starting a job soon. */
export type Settings = 'default' | 'throughput' | 'latency'

/** About a hundred bytes, as of a small real job. `sentAt`: `wallClock()` just before the scheduling call. */
export interface Payload {
  readonly sentAt: number
  /** The instant it was scheduled for, as `wallClock()` counts; as soon as possible when absent. */
  readonly dueAt?: number
  readonly person: string
  readonly note: string
}

/** A library, opened in one process on one place. The same five verbs for each. */
export interface Session {
  /** Makes tables and queues. */
  install(): Promise<void>
  /** Schedules one job and resolves when it is stored. */
  schedule(payload: Payload): Promise<unknown>
  /** Schedules many in one call, where the library can. */
  scheduleMany?: (payloads: Payload[]) => Promise<unknown>
  /** Jobs that are due and not finished. */
  pending(): Promise<number>
  /** Begins to run jobs in this process. `onJob` is the first line of the handler. */
  work(onJob: (payload: Payload) => void): Promise<void>
  close(): Promise<void>
}

/** One library under measurement. */
export interface Peer {
  open(place: Place, settings: Settings): Promise<Session>
}

export function payload(dueAt?: number): Payload {
  const sentAt = wallClock()
  const person = 'Imogen Vale'
  const note = 'a short message, as a follow-up would carry'
  return dueAt === undefined ? { sentAt, person, note } : { sentAt, dueAt, person, note }
}

/** Milliseconds since 1970 with microseconds in the fraction, the same for every process of a machine. */
export function wallClock(): number {
  return performance.timeOrigin + performance.now()
}

export const JOB_TYPE = 'bench'
