const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g
const COUNTED = '00000000-0000-4000-8000-'
const SHORT = /^uuid-(\d+)$/

/**
 * Replaces random UUIDs by counted ones on their way into the database and back: what is stored, in what order it lies,
 * and what the journal says then depend on the seed alone.
 */
export class CountedIds {
  readonly #counted = new Map<string, string>()
  readonly #original = new Map<string, string>()

  toDatabase(value: unknown): unknown {
    if (typeof value === 'string') return value.replaceAll(UUID, id => this.#countedOf(id))
    return Array.isArray(value) ? value.map(each => this.toDatabase(each)) : value
  }

  fromDatabase(value: unknown): unknown {
    if (typeof value === 'string') {
      return value.includes(COUNTED) ? value.replaceAll(UUID, id => this.#original.get(id) ?? id) : value
    }
    if (Array.isArray(value)) return value.map(each => this.fromDatabase(each))
    if (typeof value !== 'object' || value === null || value instanceof Date) return value
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, this.fromDatabase(each)]))
  }

  /** The id behind one as people read it. */
  originalOf(short: string): string {
    const [, count] = SHORT.exec(short) ?? []
    return count === undefined ? short : String(this.fromDatabase(`${COUNTED}${count.padStart(12, '0')}`))
  }

  #countedOf(id: string): string {
    if (id.startsWith(COUNTED)) return id
    const known = this.#counted.get(id)
    if (known) return known
    const counted = `${COUNTED}${String(this.#counted.size + 1).padStart(12, '0')}`
    this.#counted.set(id, counted)
    this.#original.set(counted, id)
    return counted
  }
}

/** A counted id as people read it. */
export function shortId(id: string): string {
  return id.startsWith(COUNTED) ? `uuid-${Number(id.slice(COUNTED.length))}` : id
}
