import type { AttemptOutcome } from '../job/job.ts'

interface AboutJob {
  readonly jobId: string
  readonly jobType: string
  /** By the clock of the process that tells of it. */
  readonly at: Date
  readonly host: string
  readonly processId: number
}

/** What `watch` tells of the jobs of all processes. */
export type WatchedEvent = AboutJob &
  (
    | { readonly event: 'job:scheduled'; readonly conflict: boolean }
    | { readonly event: 'job:started'; readonly attempt: number }
    | {
        readonly event: 'job:settled'
        readonly attempt: number
        readonly outcome: AttemptOutcome
        readonly durationMs: number
        /** The job is pending again. */
        readonly willRetry: boolean
        /** The message of what was thrown, at most 300 characters; null when nothing was. */
        readonly error: string | null
      }
    | { readonly event: 'job:rescued'; readonly gaveUp: boolean }
  )

/** The name of an event that `watch` tells of. */
export type WatchedEventName = WatchedEvent['event']

export const WATCHED_EVENTS: readonly WatchedEventName[] = [
  'job:scheduled',
  'job:started',
  'job:settled',
  'job:rescued',
]

export const LONGEST_ERROR = 300
/** NOTIFY takes less than 8,000 bytes. */
const LARGEST_MESSAGE_BYTES = 7_900
/** Around the events of a message: `{"dropped":…,"events":[…]}`. */
const FRAME_BYTES = 60

/**
 * Events as few messages, each short enough for NOTIFY; what does not fit into `most` of them is dropped and counted in
 * the first one. Pure.
 */
export function packEvents(events: readonly WatchedEvent[], most: number, dropped = 0): string[] {
  const messages: string[][] = []
  let room = 0
  let packed = 0
  for (const event of events) {
    const text = JSON.stringify(event)
    const bytes = Buffer.byteLength(text) + 1
    if (bytes > room) {
      if (messages.length === most) break
      messages.push([])
      room = LARGEST_MESSAGE_BYTES - FRAME_BYTES
    }
    messages.at(-1)?.push(text)
    room -= bytes
    packed += 1
  }
  const lost = dropped + events.length - packed
  return messages.map((texts, index) => `{"dropped":${index === 0 ? lost : 0},"events":[${texts.join(',')}]}`)
}

/** A message read back; undefined when it is none of ours. */
export function unpackEvents(message: string): { dropped: number; events: WatchedEvent[] } | undefined {
  try {
    const { dropped, events } = JSON.parse(message) as { dropped: number; events: (WatchedEvent & { at: unknown })[] }
    return { dropped, events: events.map(event => ({ ...event, at: new Date(String(event.at)) })) }
  } catch {
    return undefined
  }
}
