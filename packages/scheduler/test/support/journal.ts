import type { AttemptOutcome, Scheduler } from 'belfry'
import type { Pool } from 'pg'
import { until } from '../../../../test-support/until.ts'

interface Entry {
  readonly what: 'began' | 'settled' | 'lease-lost'
  readonly jobId: string
  readonly attempt: number
  readonly outcome?: AttemptOutcome
  readonly willRetry?: boolean
}

/** What the processes of a story say they did; `check` compares it with what the tables say. */
export class Journal {
  /** Jobs whose scheduling was acknowledged: these must not be lost. */
  readonly scheduled = new Set<string>()
  /** Calls that failed without saying whether the job was stored: it may be there, or not, and nothing in between. */
  readonly doubtful = new Set<string>()
  readonly entries: Entry[] = []
  readonly errors: { during: string; error: unknown }[] = []

  /** Writes down everything a scheduler tells. */
  follow(scheduler: Scheduler): void {
    scheduler.on('job:started', event => this.#note('began', event))
    scheduler.on('job:settled', event => this.#note('settled', event))
    scheduler.on('job:lease-lost', event => this.#note('lease-lost', event))
    scheduler.on('database:error', event => this.errors.push(event))
  }

  /** Schedules a job and writes down whether that was acknowledged. */
  async schedule(scheduler: Scheduler, jobType: string, options: Parameters<Scheduler['scheduleJob']>[1] & object) {
    const jobId = (options as { jobId?: string }).jobId ?? `story-${this.scheduled.size + this.doubtful.size + 1}`
    try {
      const stored = await scheduler.scheduleJob(jobType, { payload: {}, ...options, jobId })
      this.scheduled.add(stored.jobId)
      return true
    } catch {
      this.doubtful.add(jobId)
      return false
    }
  }

  /** Lines of JSON that another process printed; it says that it is about to schedule a job before it does. */
  read(stdout: string): void {
    for (const line of stdout.split('\n')) {
      if (!line.startsWith('{') || !line.endsWith('}')) continue
      const { event, ...entry } = JSON.parse(line) as {
        event: Entry['what'] | 'scheduling' | 'scheduled'
      } & Omit<Entry, 'what'>
      if (event === 'scheduling') this.doubtful.add(entry.jobId)
      else if (event === 'scheduled') this.scheduled.add(entry.jobId)
      else if (['began', 'settled', 'lease-lost'].includes(event)) this.#note(event, entry)
    }
  }

  #note(what: Entry['what'], { jobId, attempt, outcome, willRetry }: Omit<Entry, 'what'>): void {
    this.entries.push({ what, jobId, attempt, ...(outcome && { outcome }), ...(willRetry === false && { willRetry }) })
  }

  /** Resolves when every job is over: all that were acknowledged, and those of the doubtful ones that are there. */
  async whenOver(pool: Pool, schema: string, withinMs?: number): Promise<void> {
    await until(
      `all ${this.scheduled.size} jobs of ${schema} are over`,
      async () => {
        const { rows } = await pool
          .query<{ n: number; unfinished: number }>(
            `select count(distinct job_id) filter (where job_id = any($1::text[]))::int as n,
               count(*) filter (where status in ('pending', 'running'))::int as unfinished
             from "${schema}".scheduled_jobs`,
            [[...this.scheduled]],
          )
          .catch(() => ({ rows: [] }))
        return rows[0]?.n === this.scheduled.size && rows[0].unfinished === 0
      },
      withinMs,
    ).catch(async (error: unknown) => {
      const { rows } = await pool.query(
        `select job_id, status, attempt, lease_token is not null as held, runner_id in (
           select runner_id from "${schema}".belfry_runners) as runner_known
         from "${schema}".scheduled_jobs where status in ('pending', 'running') limit 20`,
      )
      throw new Error(`${String(error)}; not over: ${JSON.stringify(rows)}`, { cause: error })
    })
  }

  /** Everything that does not agree, as sentences; empty when history and tables tell the same story. */
  async faults(pool: Pool, schema: string): Promise<string[]> {
    const { rows: jobs } = await pool.query<JobRow>(
      `select job_id, status, attempt, retry_count, lost_count, snooze_count, last_outcome,
         lease_token is not null as held, execution_id is not null as ended_by_attempt,
         schedule_id || ' ' || occurrence as occurrence
       from "${schema}".scheduled_jobs`,
    )
    const { rows: attempts } = await pool.query<AttemptRow>(
      `select job_id, attempt, status as outcome from "${schema}".job_execution_history`,
    )
    return [...this.#faultsOfJobs(jobs), ...faultsOfHistory(jobs, attempts), ...this.#faultsOfEntries(attempts)]
  }

  #faultsOfJobs(jobs: readonly JobRow[]): string[] {
    const faults: string[] = []
    const seen = new Set<string>()
    const fired = new Set<string>()
    for (const { job_id: id, status, held, occurrence } of jobs) {
      if (seen.has(id)) faults.push(`${id} has two rows`)
      seen.add(id)
      if (['pending', 'running'].includes(status)) faults.push(`${id} is left ${status}`)
      if (held && status !== 'running') faults.push(`${id} is ${status} and held under a lease`)
      if (occurrence !== null) {
        if (fired.has(occurrence)) faults.push(`${occurrence} fired twice`)
        fired.add(occurrence)
      } else if (!this.scheduled.has(id) && !this.doubtful.has(id)) faults.push(`${id} was scheduled by nobody`)
    }
    for (const id of this.scheduled) if (!seen.has(id)) faults.push(`${id} was acknowledged and is lost`)
    return faults
  }

  #faultsOfEntries(attempts: readonly AttemptRow[]): string[] {
    const faults: string[] = []
    const outcomes = new Map(attempts.map(row => [`${row.job_id} #${row.attempt}`, row.outcome]))
    const told = new Set<string>()
    const ended = new Set<string>()
    for (const { what, jobId, attempt, outcome, willRetry } of this.entries) {
      const name = `${jobId} #${attempt}`
      if (told.has(`${what} ${name}`)) faults.push(`${name} ${what} twice`)
      told.add(`${what} ${name}`)
      if (!outcomes.has(name)) faults.push(`${name} ${what} and is not in the history`)
      if (what === 'settled' && outcomes.get(name) !== outcome)
        faults.push(`${name} was told ${outcome} and is ${outcomes.get(name)}`)
      if (willRetry === false) {
        if (ended.has(jobId)) faults.push(`${jobId} ended twice`)
        ended.add(jobId)
      }
      if (what === 'lease-lost' && told.has(`settled ${name}`)) faults.push(`${name} was settled and refused`)
    }
    return faults
  }
}

interface JobRow {
  job_id: string
  status: string
  attempt: number
  retry_count: number
  lost_count: number
  snooze_count: number
  last_outcome: string | null
  held: boolean
  ended_by_attempt: boolean
  occurrence: string | null
}

interface AttemptRow {
  job_id: string
  attempt: number
  outcome: string
}

/** Each attempt of a job that is over has one row, without gaps, and the job's counters are the sums of them. */
function faultsOfHistory(jobs: readonly JobRow[], attempts: readonly AttemptRow[]): string[] {
  const faults: string[] = []
  const byJob = new Map<string, AttemptRow[]>()
  for (const row of attempts) byJob.set(row.job_id, [...(byJob.get(row.job_id) ?? []), row])
  for (const job of jobs) {
    if (job.status === 'running') continue
    const rows = (byJob.get(job.job_id) ?? []).toSorted((a, b) => a.attempt - b.attempt)
    const numbers = rows.map(row => row.attempt).join()
    const wanted = Array.from({ length: job.attempt }, (_, n) => n + 1).join()
    if (numbers !== wanted) faults.push(`${job.job_id}: attempts [${numbers}] in the history, expected [${wanted}]`)
    // Cancelled while it waited for a retry: that ended the job and was no attempt.
    const last = job.status === 'cancelled' && !job.ended_by_attempt ? 'cancelled' : rows.at(-1)?.outcome
    if (last !== undefined && last !== job.last_outcome)
      faults.push(`${job.job_id}: last attempt ${last}, the job says ${job.last_outcome}`)
    const count = (outcome: string) => rows.filter(row => row.outcome === outcome).length
    if (count('lost') !== job.lost_count)
      faults.push(`${job.job_id}: ${count('lost')} lost attempts, the job says ${job.lost_count}`)
    if (count('completed') > 1) faults.push(`${job.job_id} completed ${count('completed')} times`)
    if (job.status === 'completed' && last !== 'completed')
      faults.push(`${job.job_id} is completed, its last attempt ${last}`)
  }
  return faults
}
