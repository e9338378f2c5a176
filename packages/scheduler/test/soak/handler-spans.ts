interface Span {
  readonly beganUs: number
  endedUs: number
}

/** When handlers of the governed type ran, as they say themselves, by the clock that all processes share. */
export class HandlerSpans {
  readonly #spans = new Map<string, Span>()

  /** A line of JSON that a process printed. */
  read(line: string): void {
    if (!line.startsWith('{"event":"handler-')) return
    const { event, jobId, attempt, atUs } = JSON.parse(line) as Record<'event' | 'jobId', string> &
      Record<'attempt' | 'atUs', number>
    const name = `${jobId} #${attempt}`
    if (event === 'handler-began') this.#spans.set(name, { beganUs: atUs, endedUs: atUs })
    const span = this.#spans.get(name)
    if (span) span.endedUs = atUs
  }

  /**
   * The most that ran at the same time. Attempts that were lost do not count: the handler of a frozen process may go on
   * with one that others have taken back.
   * @param lost attempts, as `job id #attempt`
   */
  mostAtOnce(lost: ReadonlySet<string>): number {
    const counted = [...this.#spans].filter(([name]) => !lost.has(name)).map(([, span]) => span)
    const turns = counted.flatMap(({ beganUs, endedUs }) => [
      { atUs: beganUs, change: 1 },
      { atUs: endedUs, change: -1 },
    ])
    let now = 0
    let most = 0
    for (const { change } of turns.toSorted((a, b) => a.atUs - b.atUs || a.change - b.change)) {
      now += change
      most = Math.max(most, now)
    }
    return most
  }
}
