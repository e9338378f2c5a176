import { setTimeout as pause } from 'node:timers/promises'

/** Looks again until something is there; fails with what was wanted when it does not come. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false>,
  withinMs = 45_000,
): Promise<T> {
  const deadline = performance.now() + withinMs
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    if (performance.now() > deadline) throw new Error(`did not happen within ${withinMs} ms: ${what}`)
    await pause(15)
  }
}
