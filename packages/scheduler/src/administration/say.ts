/** The furthest from 1970 a Date can be, in ms. */
const FURTHEST_MS = 8.64e15

/** A stored instant as a Date; one beyond all Dates, infinity among them, as the furthest. */
export function dateAt(ms: number): Date {
  return new Date(Math.max(-FURTHEST_MS, Math.min(FURTHEST_MS, ms)))
}

/** An instant as sentences for people name it. */
export function say(time: Date): string {
  return `${time.toISOString().slice(0, 19).replace('T', ' ')} UTC`
}
