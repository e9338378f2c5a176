import { setTimeout as pause } from 'node:timers/promises'
import { loadPeer } from '../peers/load.ts'
import { payload, wallClock, type Payload, type Place, type Session, type Settings } from '../peers/peer.ts'
import { openLoop, preload, scheduleInFlight, sustained } from './load.ts'

/** What the bench asks of an actor's process. */
export interface Asked {
  readonly id: number
  readonly task: keyof Tasks
  readonly input: unknown
}

export type Answer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: string }
  | { readonly begun: number }

const REPORT_EVERY_MS = 20

let session: Session | undefined

function opened(): Session {
  if (!session) throw new Error('nothing is open in this process')
  return session
}

/** Delays of jobs begun in this process, in ms from `sentAt`, or from `dueAt` if there is one, in order of begin. */
let delays: number[] = []

function note({ sentAt, dueAt }: Payload): void {
  delays.push(wallClock() - (dueAt ?? sentAt))
}

function reportBegun(count: () => number): void {
  let reported = 0
  setInterval(() => {
    const begun = count()
    if (begun !== reported) process.send?.({ begun })
    reported = begun
  }, REPORT_EVERY_MS)
}

async function until(done: () => boolean, limitMs: number): Promise<boolean> {
  const deadline = performance.now() + limitMs
  while (!done()) {
    if (performance.now() > deadline) return false
    await pause(2)
  }
  return true
}

export const tasks = {
  async open(input: { peer: string; place: Place; settings: Settings }): Promise<void> {
    const peer = await loadPeer(input.peer)
    session = await peer.open(input.place, input.settings)
  },

  install: () => opened().install(),

  /** `aheadMs`: due that far in the future instead of now. */
  preload: (input: { count: number; aheadMs?: number }) => preload(opened(), input),

  pending: () => opened().pending(),

  /** Runs jobs and counts them. */
  async workAndCount(): Promise<void> {
    let begun = 0
    await opened().work(() => {
      begun += 1
    })
    reportBegun(() => begun)
  },

  /** Runs jobs, counts them and notes their delays. */
  async workAndNote(): Promise<void> {
    let begun = 0
    await opened().work(each => {
      note(each)
      begun += 1
    })
    reportBegun(() => begun)
  },

  /** The delays noted since the last call, in ms. */
  async delays(): Promise<number[]> {
    const taken = delays
    delays = []
    return taken
  },

  scheduleOne: async (): Promise<void> => void (await opened().schedule(payload())),

  /** Schedules jobs for random instants between two distances, then waits until the last must have begun. */
  async sendAhead(input: { count: number; fromMs: number; toMs: number; waitMs: number }): Promise<void> {
    const start = wallClock()
    const dues = Array.from(
      { length: input.count },
      () => start + input.fromMs + Math.random() * (input.toMs - input.fromMs),
    )
    for (let at = 0; at < dues.length; at += 20) {
      await Promise.all(dues.slice(at, at + 20).map(due => opened().schedule(payload(Math.round(due)))))
    }
    await until(() => delays.length >= input.count, start + input.toMs + input.waitMs - wallClock())
  },

  scheduleInFlight: (input: { callers: number; seconds: number }) => scheduleInFlight(opened(), input),

  async scheduleBulk(input: { size: number; seconds: number }): Promise<number | undefined> {
    const many = opened().scheduleMany
    if (!many) return undefined
    const start = performance.now()
    let stored = 0
    while (performance.now() - start < input.seconds * 1000) {
      await many(Array.from({ length: input.size }, () => payload()))
      stored += input.size
    }
    return (stored * 1000) / (performance.now() - start)
  },

  sustained: (input: { callers: number; outstanding: number; seconds: number }) => sustained(opened(), input),

  openLoop: (input: { rate: number; seconds: number }) => openLoop(opened(), input),
}

export type Tasks = typeof tasks
