import type { Clock } from 'belfry'
import type { GateResult } from '../followups/gates.ts'
import { saySpan } from '../messaging/say-time.ts'

/** Prints the demo's story, one line an event, with the virtual time in front. */
export class Timeline {
  readonly #output: NodeJS.WritableStream
  readonly #clock: Clock

  constructor(output: NodeJS.WritableStream, clock: Clock) {
    this.#output = output
    this.#clock = clock
  }

  title(text: string): void {
    this.#output.write(`${text}\n`)
  }

  heading(text: string): void {
    this.#output.write(`\n${text}\n`)
  }

  line(who: string, text: string): void {
    this.#output.write(`  ${this.sayTime(this.#clock.now())}  ${`${who}:`.padEnd(8)}${text}\n`)
  }

  note(text: string): void {
    this.#output.write(`  ${' '.repeat(9)}  → ${text}\n`)
  }

  gate({ rule, gate, outcome, reason, until }: GateResult): void {
    const mark = outcome === 'pass' ? '✓' : outcome === 'defer' ? '…' : '✗'
    const why = reason ? `  ${reason}${until ? ` until ${this.sayTime(until)}` : ''}` : ''
    this.#output.write(`  ${' '.repeat(9)}    ${mark} ${String(rule).padStart(2)} ${gate}${why}\n`)
  }

  end(text: string): void {
    this.#output.write(`\n${text}\n`)
  }

  /** Day and time in UTC, e.g. `Mon 21:40`. */
  sayTime(instant: Date): string {
    return `${instant.toUTCString().slice(0, 3)} ${instant.toISOString().slice(11, 16)}`
  }

  saySpan(ms: number): string {
    return saySpan(ms)
  }
}
