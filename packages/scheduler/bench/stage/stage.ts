import { setTimeout as pause } from 'node:timers/promises'
import { Actor } from '../actor/actor.ts'
import { OURS, storeOf } from '../peers/catalog.ts'
import type { Place, Settings } from '../peers/peer.ts'
import type { Postgres } from './postgres.ts'
import { familySeconds, machineSeconds, processorSeconds } from './process-figures.ts'
import type { Redis } from './redis.ts'

/** Processor seconds between two moments. */
export interface Spent {
  readonly store: number
  readonly node: number
  /** What the machine did besides. */
  readonly foreign: number
}

/** The servers, and the processes that are on them now. */
export class Stage {
  readonly postgres: Postgres
  readonly redis: Redis | undefined
  readonly #actors = new Set<Actor>()
  readonly #stopped: AbortSignal
  #databases = 0

  constructor(servers: { postgres: Postgres; redis: Redis | undefined; stopped: AbortSignal }) {
    this.postgres = servers.postgres
    this.redis = servers.redis
    this.#stopped = servers.stopped
    servers.stopped.addEventListener('abort', () => this.#killActors())
  }

  /** A new database and an emptied Redis, for the length of `use`; the processes on them end with it. */
  async withPlace<T>(use: (place: Place) => Promise<T>): Promise<T> {
    this.#databases += 1
    const database = `run_${this.#databases}`
    await this.postgres.query(`create database ${database}`)
    await this.redis?.flush()
    try {
      return await use({ postgresUrl: this.postgres.url(database), redisPort: this.redis?.port })
    } finally {
      this.#killActors()
      await this.postgres.query(`drop database ${database} with (force)`)
    }
  }

  /** Starts a process that has the peer open on the place. */
  async actor(peer: string, place: Place, settings: Settings = 'default'): Promise<Actor> {
    this.#stopped.throwIfAborted()
    const actor = new Actor(peer)
    this.#actors.add(actor)
    await actor.ask('open', { peer, place, settings })
    return actor
  }

  /** Writes out what is dirty, brings statistics up to date and waits until the server has nothing to do (or 3 s). */
  async settle({ postgresUrl }: Place): Promise<void> {
    const database = new URL(postgresUrl).pathname.slice(1)
    await this.postgres.query('vacuum (analyze)', database)
    await this.postgres.query('checkpoint')
    for (let tries = 0; tries < 15; tries += 1) {
      const before = await familySeconds(this.postgres.pid)
      await this.pause(200)
      if ((await familySeconds(this.postgres.pid)) - before < 0.02) return
    }
  }

  /** Begins to count processor time; the answer ends it. */
  async meter(peer: string, workers: readonly Actor[]): Promise<() => Promise<Spent>> {
    const read = async () => ({
      store: await (storeOf(peer) === 'redis' && this.redis
        ? processorSeconds([this.redis.pid])
        : familySeconds(this.postgres.pid)),
      node: await processorSeconds(workers.map(worker => worker.pid)),
      machine: await machineSeconds(),
    })
    const before = await read()
    return async () => {
      const after = await read()
      const store = after.store - before.store
      const node = after.node - before.node
      return { store, node, foreign: Math.max(0, after.machine - before.machine - store - node) }
    }
  }

  /** @throws when the bench is being stopped */
  async pause(ms: number): Promise<void> {
    await pause(ms, undefined, { signal: this.#stopped })
  }

  /** Why a peer cannot be measured here; undefined when it can. */
  cannotRun(peer: string): string | undefined {
    if (peer !== OURS && storeOf(peer) === 'redis' && !this.redis)
      return 'no redis-server (apt-get install redis-server)'
    return undefined
  }

  async remove(): Promise<void> {
    this.#killActors()
    await Promise.allSettled([this.postgres.remove(), this.redis?.remove()])
  }

  #killActors(): void {
    for (const actor of this.#actors) actor.kill()
    this.#actors.clear()
  }
}
