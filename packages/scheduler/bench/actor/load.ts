import { setTimeout as pause } from 'node:timers/promises'
import { payload, wallClock, type Session } from '../peers/peer.ts'

const BULK = 1000
/** Single calls at once where a library has no bulk call. */
const IN_FLIGHT = 20

/** Stores `count` jobs the fastest way the library offers. */
export async function preload(session: Session, input: { count: number; aheadMs?: number }): Promise<void> {
  const due = () => (input.aheadMs === undefined ? undefined : Math.round(wallClock() + input.aheadMs))
  if (session.scheduleMany) {
    for (let stored = 0; stored < input.count; stored += BULK) {
      const size = Math.min(BULK, input.count - stored)
      await session.scheduleMany(Array.from({ length: size }, () => payload(due())))
    }
    return
  }
  let left = input.count
  const caller = async () => {
    while (left > 0) {
      left -= 1
      await session.schedule(payload(due()))
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, caller))
}

/** Callers that each schedule one job after the other; the answer is jobs per second. */
export async function scheduleInFlight(session: Session, input: { callers: number; seconds: number }): Promise<number> {
  const start = performance.now()
  let stored = 0
  const caller = async () => {
    while (performance.now() - start < input.seconds * 1000) {
      await session.schedule(payload())
      stored += 1
    }
  }
  await Promise.all(Array.from({ length: input.callers }, caller))
  return (stored * 1000) / (performance.now() - start)
}

/**
 * Callers schedule while a worker of the same process runs the jobs, at most `outstanding` scheduled and not begun.
 * @returns jobs begun per second, and their delays in ms
 */
export async function sustained(
  session: Session,
  input: { callers: number; outstanding: number; seconds: number },
): Promise<{ rate: number; delays: number[] }> {
  const delays: number[] = []
  let scheduled = 0
  await session.work(({ sentAt }) => delays.push(wallClock() - sentAt))
  const start = performance.now()
  const going = () => performance.now() - start < input.seconds * 1000
  const caller = async () => {
    while (going()) {
      if (scheduled - delays.length >= input.outstanding) {
        await pause(1)
        continue
      }
      scheduled += 1
      await session.schedule(payload())
    }
  }
  await Promise.all(Array.from({ length: input.callers }, caller))
  return { rate: (delays.length * 1000) / (performance.now() - start), delays: delays.slice() }
}

/** Schedules single jobs at a fixed rate, whether or not the earlier ones are stored; resolves when all are. */
export async function openLoop(session: Session, input: { rate: number; seconds: number }): Promise<number> {
  const start = performance.now()
  const open = new Set<Promise<unknown>>()
  let sent = 0
  for (;;) {
    const elapsed = (performance.now() - start) / 1000
    if (elapsed >= input.seconds) break
    while (sent < elapsed * input.rate) {
      sent += 1
      const call = session.schedule(payload()).finally(() => open.delete(call))
      open.add(call)
    }
    await pause(2)
  }
  await Promise.all(open)
  return sent
}
