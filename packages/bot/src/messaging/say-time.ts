const UNITS: readonly [string, number][] = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
]

/** A span in words, rounded to its largest fitting unit: `2 days`, `90 minutes` is `1.5 hours`, `0 seconds`. */
export function saySpan(ms: number): string {
  const size = Math.abs(ms)
  const [unit, unitMs] = UNITS.find(([, each]) => size >= each) ?? ['second', 1_000]
  const amount = Math.round((size / unitMs) * 10) / 10
  return `${amount} ${unit}${amount === 1 ? '' : 's'}`
}

/** An instant for people whose zone is not known: relative, with the date in UTC. */
export function sayWhen(instant: Date, now: Date): string {
  const ms = instant.getTime() - now.getTime()
  const relative = Math.abs(ms) < 1_000 ? 'now' : ms > 0 ? `in ${saySpan(ms)}` : `${saySpan(ms)} ago`
  return `${relative} (${instant.toISOString().slice(0, 16).replace('T', ' ')} UTC)`
}
