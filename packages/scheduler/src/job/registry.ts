import { BelfryError, show } from '../errors.ts'
import { requireJobType } from './job-type.ts'
import { defineJob, isDefinition, isHandled, type AnyJobDefinition, type JobHandler } from './definition.ts'

/** The guide's shape of a handler: an object with `execute`. */
export interface HandlerObject<Payload> {
  execute: JobHandler<Payload>
}

/** The job types one scheduler knows. */
export class JobRegistry {
  readonly #definitions = new Map<string, AnyJobDefinition>()
  /** Kept from one claim to the next. */
  #handled: readonly AnyJobDefinition[] | undefined

  constructor(definitions: readonly AnyJobDefinition[]) {
    if (!Array.isArray(definitions)) {
      throw new BelfryError('BELFRY_INVALID_OPTION', `jobs: expected a list of definitions, got ${show(definitions)}`)
    }
    for (const definition of definitions) this.#add(definition)
  }

  /** Every type with a handler: what this process claims. */
  handled(): readonly AnyJobDefinition[] {
    this.#handled ??= [...this.#definitions.values()].filter(isHandled)
    return this.#handled
  }

  handledTypes(): string[] {
    return this.handled().map(each => each.type)
  }

  /** The definition of a type, or undefined when this process does not know it. */
  find(type: string): AnyJobDefinition | undefined {
    return this.#definitions.get(type)
  }

  /** A type's definition, or one with every default for a type that nobody defined here. */
  findOrDefault(type: string): AnyJobDefinition {
    return this.#definitions.get(type) ?? defineJob({ type })
  }

  /** Types whose keys are kept in strict order. */
  strictTypes(): string[] {
    return this.all().flatMap(({ type, limits }) => (limits?.perKey?.fifo ? [type] : []))
  }

  all(): AnyJobDefinition[] {
    return [...this.#definitions.values()]
  }

  /**
   * Gives a type its handler, keeping what its definition says otherwise.
   * @throws BelfryError `BELFRY_DUPLICATE_HANDLER` when it has one already, `BELFRY_INVALID_OPTION` for a batch or a
   *   transactional type, whose handlers are not called this way
   */
  register(type: string, handler: JobHandler<never>): void {
    const known = this.findOrDefault(type)
    if (known.batch || known.transactional) {
      const kind = known.batch ? 'a batch' : 'transactional'
      throw new BelfryError(
        'BELFRY_INVALID_OPTION',
        `job type ${show(type)} is ${kind}: give it its handler where it is defined`,
      )
    }
    if (known.handler) {
      throw new BelfryError(
        'BELFRY_DUPLICATE_HANDLER',
        `job type ${show(type)} has a handler already; register it once`,
      )
    }
    this.#definitions.set(known.type, Object.freeze({ ...known, handler }))
    this.#handled = undefined
  }

  /** Gives a type its handler in any of the forms that `registerHandler` takes. */
  accept(job: string | AnyJobDefinition, handler: JobHandler<never> | HandlerObject<never>): void {
    if (typeof handler !== 'function' && typeof handler?.execute !== 'function') {
      throw new BelfryError(
        'BELFRY_INVALID_OPTION',
        `handler: expected a function (payload, context) => …, or an object with execute, got ${show(handler)}`,
      )
    }
    if (typeof job !== 'string') this.remember(job)
    const run: JobHandler<never> =
      typeof handler === 'function' ? handler : (payload, context) => handler.execute(payload, context)
    this.register(typeof job === 'string' ? requireJobType(job) : job.type, run)
  }

  /** Makes a definition known without giving it a handler; a no-op when the type is known. */
  remember(definition: AnyJobDefinition): void {
    if (!this.#definitions.has(definition.type)) this.#add(definition)
  }

  #add(definition: AnyJobDefinition): void {
    if (!isDefinition(definition)) {
      throw new BelfryError(
        'BELFRY_INVALID_OPTION',
        `job: expected what defineJob or defineBatchJob answered, got ${show(definition)}`,
      )
    }
    if (this.#definitions.has(definition.type)) {
      throw new BelfryError('BELFRY_DUPLICATE_HANDLER', `job type ${show(definition.type)} is defined twice`)
    }
    this.#definitions.set(definition.type, definition)
    this.#handled = undefined
  }
}
