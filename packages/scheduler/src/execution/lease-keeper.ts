import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { databaseNow, type Core } from '../core.ts'
import { BelfryError } from '../errors.ts'
import { sleep, type Timer } from '../runtime/clock.ts'
import { isSkewed, skewOf, type ClockSkew } from '../runtime/clock-skew.ts'
import { releaseClaims } from '../store/release-claims.ts'
import { releaseJobs } from '../store/release-jobs.ts'
import { registerRunner } from '../store/register-runner.ts'
import { renewLease } from '../store/renew-lease.ts'
import { rescueJobs, rescueOrphans, type RescuedJob } from '../store/rescue-jobs.ts'
import { expireAllRunners, unregisterRunner } from '../store/unregister-runner.ts'
import { watchRunning } from '../store/watch-running.ts'
import { VERSION } from '../version.ts'
import type { HeldJobs } from './held-jobs.ts'

/** Renewed at a third of the lease: two renewals may fail before anything is lost. */
const RENEWALS_PER_LEASE = 3
/** A job whose process crashed this often is given up, unless its definition says otherwise. */
const DEFAULT_MAX_LOST = 3
/** A statement whose connection is gone may still be waiting for a lock on the server; not for longer than this. */
const DOUBTFUL_LEASES = 3
/** Jobs of runners that left the registry are looked for at start and this often: it reads all that is due. */
const ORPHANS_EVERY_MS = 3_600_000
/** How far past an expiry the look at it happens, so that it finds it expired: timers may fire a little early. */
const EXPIRY_SLACK_MS = 20

/**
 * Keeps this runner's lease, and takes back the jobs of runners that lost theirs. There is no leader: every runner
 * watches every other, and the row lock decides who rescues.
 */
export class LeaseKeeper {
  readonly #core: Core
  readonly #held: HeldJobs
  readonly #onRescued: () => void
  readonly #onGivenUp: () => void
  #runnerId: string = randomUUID()
  #renewedAt = 0
  #skew: ClockSkew | null = null
  /** Claims whose answer was lost, and when the server has surely given up on them, by the monotonic clock. */
  readonly #doubtful = new Map<string, number>()
  /** Jobs that could not be given back. */
  #unreleased: { jobId: string; leaseToken: string }[] = []
  #guard: Timer | undefined
  #stop = new AbortController()
  #pause = new AbortController()
  #loop: Promise<void> = Promise.resolve()
  #orphans: Promise<void> = Promise.resolve()
  #orphansAt = 0

  constructor(core: Core, parts: { held: HeldJobs; onRescued: () => void; onGivenUp: () => void }) {
    this.#core = core
    this.#held = parts.held
    this.#onRescued = parts.onRescued
    this.#onGivenUp = parts.onGivenUp
  }

  /** This runner's id; a new one after it was declared dead. */
  get runnerId(): string {
    return this.#runnerId
  }

  /** Enters the registry, takes back what dead runners left, and begins to renew. */
  async start(): Promise<void> {
    const { database, tables, options } = this.#core
    // An embedded database has this one process: every runner in its registry is a former self.
    if (database.kind === 'embedded') await expireAllRunners(database, tables)
    options.processMeter.start()
    await this.register()
    await this.#rescue()
    this.#stop = new AbortController()
    this.#loop = this.#run()
    this.#orphans = this.#rescueOrphans()
  }

  /** Stops renewing. Whoever holds nothing any more leaves the registry too; otherwise the lease runs out. */
  async stop(): Promise<void> {
    this.#stop.abort()
    // A renewal that is never answered must leave no timer behind either.
    this.#guard?.cancel()
    this.#core.options.processMeter.stop()
    await this.#loop
    await this.#orphans
  }

  /** Renews now instead of at the next third of the lease. */
  renewSoon(): void {
    this.#pause.abort()
  }

  /**
   * A statement that claims under this token failed, perhaps after the server had carried it out: its jobs are then held
   * by this runner and known to nobody. They are given back once the database answers again.
   */
  doubt(leaseToken: string): void {
    const { clock, options } = this.#core
    this.#doubtful.set(leaseToken, clock.monotonic() + DOUBTFUL_LEASES * options.leaseMs)
    this.renewSoon()
  }

  /** Gives these jobs back at the next renewal: giving them back at once failed. */
  releaseLater(jobs: readonly { jobId: string; leaseToken: string }[]): void {
    this.#unreleased.push(...jobs)
    this.renewSoon()
  }

  /** Gives back what is held by this runner and known to nobody. */
  async giveBackForgotten(): Promise<void> {
    const { database, tables, clock, registry } = this.#core
    const strictTypes = registry.strictTypes()
    if (this.#doubtful.size > 0) {
      const request = { leaseTokens: [...this.#doubtful.keys()], strictTypes }
      if ((await releaseClaims(database, tables, request)) > 0) this.#onRescued()
      for (const [token, until] of this.#doubtful) if (clock.monotonic() > until) this.#doubtful.delete(token)
    }
    if (this.#unreleased.length > 0) {
      const jobs = this.#unreleased
      await releaseJobs(database, tables, { jobs, delayMs: 0, strictTypes, now: databaseNow(this.#core) })
      this.#unreleased = this.#unreleased.slice(jobs.length)
    }
  }

  async register(): Promise<void> {
    const { database, tables, options, registry, clock } = this.#core
    this.#runnerId = randomUUID()
    const asked = { at: clock.now().getTime(), monotonic: clock.monotonic() }
    const databaseMs = await registerRunner(database, tables, {
      runnerId: this.#runnerId,
      host: hostname(),
      processId: process.pid,
      version: VERSION,
      jobTypes: registry.handledTypes(),
      leaseMs: options.leaseMs,
      load: options.processMeter.read(),
      now: databaseNow(this.#core),
    })
    this.#renewedAt = clock.monotonic()
    this.#compareClocks(databaseMs, asked)
  }

  /** Nothing here goes by this process's clock, but people's times and log lines do. */
  #compareClocks(databaseMs: number, asked: { at: number; monotonic: number }): void {
    const { clock, events } = this.#core
    const skew = skewOf(databaseMs, { at: asked.at, tookMs: clock.monotonic() - asked.monotonic })
    if (isSkewed(skew) && !isSkewed(this.#skew)) events.emit('clock:skewed', skew)
    this.#skew = skew
  }

  async unregister(): Promise<void> {
    await unregisterRunner(this.#core.database, this.#core.tables, this.#runnerId)
  }

  /** Aborts the handlers of jobs that somebody cancelled or took away; called at each renewal and on a hint. */
  async checkRunning(): Promise<void> {
    const held = this.#held.all()
    if (held.length === 0) return
    const { database, tables } = this.#core
    const watched = await watchRunning(
      database,
      tables,
      held.map(each => ({ jobId: each.job.job_id, leaseToken: each.leaseToken })),
    )
    const byId = new Map(watched.map(row => [row.job_id, row]))
    for (const each of held) {
      const row = byId.get(each.job.job_id)
      if (!row) each.abort(new BelfryError('BELFRY_LEASE_LOST', `job ${each.job.job_id} was taken from this runner`))
      else if (row.cancel_requested) each.abort(new BelfryError('BELFRY_JOB_CANCELLED', 'cancelled while running'))
    }
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    const { clock, options, events } = this.#core
    let pauseMs = options.leaseMs / RENEWALS_PER_LEASE
    while (!signal.aborted) {
      this.#pause = new AbortController()
      await sleep(clock, pauseMs, AbortSignal.any([signal, this.#pause.signal]))
      if (signal.aborted) return
      const expiresInMs = this.#renewedAt + options.leaseMs - clock.monotonic() + EXPIRY_SLACK_MS
      // A database that does not answer at all must not keep the handlers either.
      this.#guard = clock.setTimer(expiresInMs, () => this.#abortWhenExpired())
      try {
        pauseMs = await this.#renew()
      } catch (error) {
        events.emit('database:error', { during: 'heartbeat', error })
        this.#abortWhenExpired()
        pauseMs = options.leaseMs / RENEWALS_PER_LEASE / 4
      } finally {
        this.#guard.cancel()
      }
    }
  }

  /** Answers when to come again: at the next renewal, or sooner when another runner's lease ends before. */
  async #renew(): Promise<number> {
    const { database, tables, options, registry, clock, events } = this.#core
    const asked = { at: clock.now().getTime(), monotonic: clock.monotonic() }
    const load = options.processMeter.read()
    const running = this.#held.runningCount
    const renewal = await renewLease(database, tables, {
      runnerId: this.#runnerId,
      leaseMs: options.leaseMs,
      running,
      overrun: this.#held.overrunCount,
      jobTypes: registry.handledTypes(),
      load,
      clockSkew: this.#skew,
      now: databaseNow(this.#core),
    })
    if (renewal.alive) {
      this.#renewedAt = asked.monotonic
      this.#compareClocks(renewal.now_ms, asked)
      events.emit('runner:heartbeat', { runnerId: this.#runnerId, running, load })
      await this.giveBackForgotten()
      await this.checkRunning()
      if (clock.monotonic() - this.#orphansAt > ORPHANS_EVERY_MS) await this.#rescueOrphans()
    } else {
      this.#held.abortAll(new BelfryError('BELFRY_LEASE_LOST', 'this runner was silent for longer than its lease'))
      await this.register()
      events.emit('runner:revived', { runnerId: this.#runnerId })
      this.#onRescued()
    }
    const nextExpiryMs = renewal.next_expiry_ms ?? Number.POSITIVE_INFINITY
    if (nextExpiryMs < 0) await this.#rescue()
    const untilExpiry = nextExpiryMs < 0 ? Number.POSITIVE_INFINITY : nextExpiryMs + EXPIRY_SLACK_MS
    return Math.min(options.leaseMs / RENEWALS_PER_LEASE, untilExpiry)
  }

  /** Cut off from the database for a whole lease: others may have our jobs by now, so our handlers must stop. */
  #abortWhenExpired(): void {
    const { clock, options } = this.#core
    if (clock.monotonic() - this.#renewedAt < options.leaseMs) return
    this.#held.abortAll(new BelfryError('BELFRY_LEASE_LOST', 'the lease could not be renewed in time'))
  }

  async #rescue(): Promise<void> {
    const { database, tables } = this.#core
    this.#report(await rescueJobs(database, tables, this.#rescueRequest()))
  }

  /** Reads what is due, so it does not hold up the start. */
  async #rescueOrphans(): Promise<void> {
    const { database, tables, events, clock } = this.#core
    this.#orphansAt = clock.monotonic()
    try {
      this.#report(await rescueOrphans(database, tables, this.#rescueRequest()))
    } catch (error) {
      events.emit('database:error', { during: 'rescue', error })
    }
  }

  #rescueRequest() {
    const { registry } = this.#core
    const maxLost = new Map(registry.all().map(each => [each.type, each.maxLost]))
    const strictTypes = registry.strictTypes()
    return { maxLost, defaultMaxLost: DEFAULT_MAX_LOST, strictTypes, now: databaseNow(this.#core) }
  }

  #report(rescued: readonly RescuedJob[]): void {
    for (const row of rescued) {
      this.#core.events.emit('job:rescued', { jobId: row.job_id, jobType: row.job_type, gaveUp: row.gave_up })
    }
    if (rescued.length > 0) this.#onRescued()
    if (rescued.some(row => row.gave_up)) this.#onGivenUp()
  }
}
