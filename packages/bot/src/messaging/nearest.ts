/** The known word somebody probably meant: one begins the other, or they differ in at most two letters. */
export function nearest(typed: string, known: Iterable<string>): string | undefined {
  return [...known].find(each => isNear(each, typed))
}

function isNear(known: string, typed: string): boolean {
  if (typed.length < 3) return false
  return known.startsWith(typed) || typed.startsWith(known) || distance(known, typed.slice(0, 40)) <= 2
}

/** Levenshtein distance. */
export function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (const [i, letter] of Array.from(a).entries()) {
    const next = [i + 1]
    for (let j = 1; j <= b.length; j += 1) {
      const swap = (row[j - 1] ?? 0) + (letter === b[j - 1] ? 0 : 1)
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
