/**
 * The last occurrence at or before an instant, found by `next` alone: the two can then never disagree. Looks back twice
 * as far each time until there is one, then halves the stretch it lies in. All in milliseconds since 1970.
 */
export function lastUntil(next: (after: number) => number | undefined, instant: number): number | undefined {
  const isReached = (from: number) => {
    const found = next(from)
    return found !== undefined && found <= instant ? found : undefined
  }
  let span = 1_000
  let last = isReached(instant - span)
  while (last === undefined) {
    if (span > instant) return undefined
    span *= 2
    last = isReached(instant - span)
  }
  // `last` is an occurrence; nothing lies after `end` and up to the instant.
  for (let end = instant; end - last > 0; ) {
    const middle = last + Math.floor((end - last) / 2)
    const later = isReached(middle)
    if (later === undefined) end = middle
    else last = later
  }
  return last
}
