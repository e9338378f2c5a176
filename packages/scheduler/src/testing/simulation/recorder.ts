import { shortId, type CountedIds } from './counted-ids.ts'
import { of, type Fact, type FactBody } from './history.ts'
import type { VirtualTime } from './virtual-time.ts'

/** Keeps what happened, twice: as lines for people, as facts for the checks. Ids are the counted ones in both. */
export class Recorder {
  readonly journal: string[] = []
  readonly facts: Fact[] = []
  readonly #time: VirtualTime
  readonly #ids: CountedIds

  constructor(time: VirtualTime, ids: CountedIds) {
    this.#time = time
    this.#ids = ids
  }

  /** One line of the journal. */
  note(who: string, what: string): void {
    this.journal.push(`${String(this.#time.elapsed).padStart(7)} ms  ${who.padEnd(6)} ${what}`)
  }

  /** A line, and the fact behind it. */
  fact(who: string, what: string, body: FactBody): void {
    this.note(who, what)
    this.facts.push({ ...body, line: this.journal.length })
  }

  /** A line and a fact about one job, by the id that the processes know. */
  about(
    kind: 'cancel-asked' | 'cancelled' | 'redrive-asked' | 'redrive-answered' | 'touched' | 'found-relevant',
    who: string,
    jobId: string,
  ): void {
    const id = this.idOf(jobId)
    this.fact(who, `${kind}: ${id}`, { kind, jobId: id })
  }

  /** Names of all jobs that were asked for. */
  get plannedNames(): string[] {
    return of(this.facts, 'planned').map(fact => fact.name)
  }

  /** A job's id as journal, facts and checks have it. */
  idOf(jobId: string): string {
    return shortId(String(this.#ids.toDatabase(jobId)))
  }

  /** The id that the processes know, of one that journal, facts and checks have. */
  originalOf(id: string): string {
    return this.#ids.originalOf(id)
  }
}
