import { readConfig } from '../../src/config.ts'
import { Agenda } from './agenda.ts'
import { Chance } from './chance.ts'
import { keepAutovacuumOut } from './connect.ts'
import { Ledger } from './ledger.ts'
import { Line, Link, type Committed } from './line.ts'
import { isUnsafe } from './model.ts'
import { Oracle, type Fault } from './oracle.ts'
import { Person, type Act } from './people.ts'
import { RULES, type PopulationOptions, type PopulationReport } from './population.ts'
import { SimulatedPlatform } from './platform.ts'
import { BotProcess } from './process.ts'
import { quiet } from './quiet.ts'
import { Talk } from './talk.ts'
import { VirtualTime } from './virtual-time.ts'

/** In the ninety days after it clocks change in New York, Berlin, London, Cairo, on Lord Howe, in Sydney and Chatham. */
const BEGIN = new Date('2027-02-15T00:00:00Z')
const DAY_MS = 86_400_000
const MINUTE_MS = 60_000
const ADMIN = 'web:admin'
/** A dead process's jobs are taken back once its lease of 30 s is over; before, and long after, the outbox's windows end. */
const [SOONEST_RESTART_MS, LATEST_RESTART_MS] = [31_000, 15 * MINUTE_MS]
const DAYS_PER_VACUUM = 8
/** Days without a working process, about one in so many. */
const DAYS_PER_OUTAGE = 12

type Event = { readonly kind: 'act'; readonly person: Person; readonly act: Act } | { readonly kind: 'do'; run(): void }

/** Invented people, the bot's processes, a platform and a model, in ninety virtual days on one database. */
export class World {
  readonly time = new VirtualTime(BEGIN)
  readonly chance: Chance
  readonly oracle = new Oracle(RULES)
  readonly platform: SimulatedPlatform
  readonly counts: Record<string, number> = { messages: 0, answers: 0, 'follow-ups received': 0, crashes: 0, starts: 0 }
  readonly faults: Record<string, number> = {}
  readonly people = new Map<string, Person>()
  processes: BotProcess[] = []
  readonly #options: PopulationOptions
  readonly #agenda = new Agenda<Event>()
  readonly #line: Line
  /** Sees the database in its turn, and never fails. */
  readonly #observer: Link
  readonly #ledger: Ledger
  readonly #talk: Talk
  readonly #end: number
  #faulty = false
  /** Jobs may be due at another time than was known. */
  #jobsChanged = true
  #stepAt = Number.POSITIVE_INFINITY
  #outageUntil = 0
  #generation = 0

  constructor(options: PopulationOptions) {
    this.#options = options
    this.#end = BEGIN.getTime() + options.days * DAY_MS
    this.chance = new Chance(`${options.seed}/world`)
    const { connection, rewrite } = options
    this.#line = new Line({
      connection,
      chance: this.chance,
      onCommitted: (statements, link) => statements.forEach(each => this.#see(each, link)),
      ...(rewrite && { rewrite }),
    })
    this.#observer = new Link('observer', { line: this.#line, fate: () => 'answered', onDeath: () => {} })
    this.#ledger = new Ledger(this.#observer)
    this.platform = this.#createPlatform()
    this.#talk = new Talk(this, {
      erased: userId => this.#ledger.erased(userId),
      plan: (person, plan) => this.#agenda.add(plan.at, { kind: 'act', person, act: plan.act }),
      later: (ms, run) => this.later(ms, run),
    })
  }

  async run(): Promise<PopulationReport> {
    const { people, days, processes, seed, platforms = ['web', 'terminal', 'discord'] } = this.#options
    await this.#prepare()
    for (let number = 1; number <= people; number += 1) {
      const person = new Person(String(seed), number, platforms)
      this.people.set(person.userId, person)
      this.oracle.meet(person.userId, person.platform === 'discord')
      for (const plan of person.intentions(BEGIN.getTime(), days)) {
        this.#agenda.add(plan.at, { kind: 'act', person, act: plan.act })
      }
    }
    this.#faulty = true
    for (let each = 0; each < processes; each += 1) this.#startProcess()
    for (let day = 0; day < days; day += 1) this.later(day * DAY_MS, () => this.#newDay(day))
    await this.#live(this.#end)
    if (!this.oracle.hasSeen(this.#options.until)) await this.#heal()
    const outcomes = await this.#ledger.close(this.oracle, this.#end)
    const { violations } = this.oracle
    const counts = { people, ...this.counts, planned: this.#ledger.planned, statements: this.#line.statements }
    const stories = [...this.people.keys()].flatMap(id => this.oracle.storyOf(id)).join('\n')
    return { seed, violations, stories, counts, outcomes, faults: this.faults }
  }

  get alive(): BotProcess[] {
    return this.processes.filter(process => process.alive)
  }

  later(ms: number, run: () => void): void {
    this.#agenda.add(this.time.now + ms, { kind: 'do', run })
  }

  readonly #fault = (fault: string): void => {
    this.faults[fault] = (this.faults[fault] ?? 0) + 1
  }

  async #prepare(): Promise<void> {
    const first = this.#createProcess()
    const prepared = first.app.prepare()
    await quiet(this.#line, this.time)
    await prepared
    await keepAutovacuumOut(this.#options.connection)
  }

  #createPlatform(): SimulatedPlatform {
    return new SimulatedPlatform({
      time: this.time,
      chance: this.chance,
      forgetful: this.#options.forgetful ?? false,
      faulty: () => this.#faulty,
      onFault: this.#fault,
      judge: userId => this.oracle.faultsOf(userId, this.time.now),
      onAccepted: ({ userId, followUpId, text }, faults) =>
        this.#received(userId, `row ${followUpId}`, { text, faults }),
      onSuppressed: (userId, caller) => {
        const toldAt = this.time.now
        this.oracle.suppressed(userId, toldAt)
        // Whoever dies before a minute is over may not have been able to write it down.
        this.later(MINUTE_MS, () => {
          const process = this.processes.find(each => each.name === caller.name)
          if (!process?.alive) this.oracle.suppressionForgotten(userId)
        })
      },
    })
  }

  #createProcess(): BotProcess {
    const { settings, statementsPerFault = 4_000 } = this.#options
    this.#generation += 1
    // There is no such folder: the cleanup of a virtual day must find no files of a real one.
    const common = { ADMIN_USER_IDS: ADMIN, FOLLOW_UP_PER_MINUTE: '30', BELFRY_DATA_DIR: '/nonexistent/population' }
    const config = readConfig({ ...common, ...settings })
    return new BotProcess(`p${this.#generation}`, {
      config,
      line: this.#line,
      time: this.time,
      chance: this.chance,
      platform: this.platform,
      statementsPerFault,
      faulty: () => this.#faulty,
      onFault: this.#fault,
      onDeath: dead => this.#died(dead),
    })
  }

  #startProcess(): void {
    const process = this.#createProcess()
    this.processes = [...this.alive, process]
    this.counts['starts'] = (this.counts['starts'] ?? 0) + 1
    this.#rescue(process)
  }

  /** As at every start of a process: what the dead have left is taken back. Tried again until it succeeds. */
  #rescue(process: BotProcess): void {
    process.draining = true
    const again = () => this.later(MINUTE_MS, () => process.alive && this.#rescue(process))
    process.start().then(() => this.#free(process), again)
  }

  #free(process: BotProcess): void {
    process.draining = false
    this.#jobsChanged = true
  }

  #died(dead: BotProcess): void {
    this.counts['crashes'] = (this.counts['crashes'] ?? 0) + 1
    this.processes = this.alive
    this.#talk.died(dead)
    this.later(this.chance.between(SOONEST_RESTART_MS, LATEST_RESTART_MS), () => this.#startProcess())
  }

  /** Time goes on from one event to the next. */
  async #live(until: number): Promise<void> {
    for (;;) {
      await quiet(this.#line, this.time)
      if (this.oracle.hasSeen(this.#options.until)) return
      if (this.#jobsChanged) await this.#lookForJobs()
      const timer = this.time.next
      const timerAt = timer?.at ?? Number.POSITIVE_INFINITY
      const eventAt = this.#agenda.nextAt ?? Number.POSITIVE_INFINITY
      const nextAt = Math.min(timerAt, eventAt, this.#stepAt)
      if (nextAt > until) return this.time.moveTo(until)
      if (timer && timerAt === nextAt) this.time.fire(timer)
      else {
        this.time.moveTo(nextAt)
        if (eventAt === nextAt) this.#happen(this.#agenda.take())
        else this.#runJobs()
      }
    }
  }

  /** Nobody speaks any more, nothing fails any more: what is due comes to its end. */
  async #heal(): Promise<void> {
    this.#faulty = false
    while (this.#agenda.size > 0) this.#agenda.take()
    for (const process of this.alive) await process.link.die()
    while (this.#agenda.size > 0) this.#agenda.take()
    this.#outageUntil = 0
    this.later(2 * MINUTE_MS, () => this.#startProcess())
    await this.#live(this.#end + 6 * 60 * MINUTE_MS)
  }

  #happen(event: Event | undefined): void {
    if (!event) return
    if (event.kind === 'do') event.run()
    else this.#talk.act(event.person, event.act)
  }

  #newDay(day: number): void {
    this.#options.onDay?.(day)
    void this.#ledger.collect()
    // Whoever runs the bot looks after it: what it stopped by itself goes on, and its tables are in order.
    this.#talk.command('!followup_resume')
    if (day % DAYS_PER_VACUUM === 1) void this.#observer.query('vacuum analyze')
    if (this.chance.happens(1 / DAYS_PER_OUTAGE))
      this.#outageUntil = this.time.now + this.chance.between(1, 20) * 3_600_000
    for (const process of this.alive) process.clock.skewMs = Math.round(this.chance.between(-1, 1) * 7_200_000)
  }

  /** One process or two run what is due. */
  #runJobs(): void {
    this.#stepAt = Number.POSITIVE_INFINITY
    const free = this.alive.filter(process => !process.draining)
    const count = this.chance.happens(0.3) ? 2 : 1
    for (const process of free.toSorted(() => this.chance.next() - 0.5).slice(0, count)) {
      process.draining = true
      const failed = () => this.later(this.chance.between(31_000, 90_000), () => process.alive && this.#rescue(process))
      process.app.scheduler?.runDueJobs().then(() => this.#free(process), failed)
    }
  }

  async #lookForJobs(): Promise<void> {
    this.#jobsChanged = false
    this.#stepAt = Number.POSITIVE_INFINITY
    if (!this.alive.some(process => !process.draining)) return
    const { rows } = await this.#observer.query<{ ms: number }>(
      `select (extract(epoch from coalesce(ready_at, scheduled_time)) * 1000)::float8 as ms from scheduled_jobs_live
       where job_type collate "C" = 'follow_up_message' and lease_token is null
       order by coalesce(ready_at, scheduled_time) limit 1`,
    )
    const [next] = rows
    if (!next) return
    // Mostly prompt, sometimes late.
    const lateMs = this.chance.happens(0.8) ? this.chance.between(0, 60_000) : this.chance.between(0, 15 * MINUTE_MS)
    this.#stepAt = Math.ceil(Math.max(this.time.now + 1_000, next.ms + lateMs, this.#outageUntil))
  }

  /** What has been committed, at that very moment. */
  #see(statement: Committed, link: Link): void {
    const { text, values, rows } = statement
    if (text.includes('scheduled_jobs') && link !== this.#observer) this.#jobsChanged = true
    this.#ledger.see(statement)
    if (!text.includes('insert into conversation_turns') || !values.includes('follow_up') || rows.length === 0) return
    const [, userId, , , body, messageId] = values.map(String) as [string, string, string, string, string, string]
    if (this.people.get(userId)?.platform === 'discord') return
    const faults = this.oracle.faultsOf(userId, this.time.now)
    this.#received(userId, messageId.replace('follow-up:', 'job '), { text: body, faults })
  }

  #received(userId: string, key: string, message: { text: string; faults: readonly Fault[] }) {
    const at = this.time.now
    const unsafe = isUnsafe(message.text)
      ? [{ invariant: 'never a text that must not be sent', detail: message.text.slice(0, 80) } as const]
      : []
    this.oracle.note(userId, at, `is written to (${key})`)
    this.oracle.received(userId, { key, at, faults: [...message.faults, ...unsafe] })
    this.counts['follow-ups received'] = (this.counts['follow-ups received'] ?? 0) + 1
    const person = this.people.get(userId)
    if (person && at < this.#end) {
      for (const plan of person.reactsTo(at)) this.#agenda.add(plan.at, { kind: 'act', person, act: plan.act })
    }
  }
}
