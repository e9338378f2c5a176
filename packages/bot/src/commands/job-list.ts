import type { Clock, JobFilter, JobStatus, JobSummary, Scheduler } from 'belfry'
import type { InboundMessage } from '../messaging/message.ts'
import { inCode, voiceOf, type SayInstant } from '../messaging/voice.ts'
import { CommandError, type Command } from './command.ts'
import { LAST_PAGE, PAGE, pageButtons } from './pages.ts'

export interface JobsParts {
  readonly clock: Clock
  readonly scheduler: Scheduler | undefined
  readonly prefix: string
}

const STATUSES: readonly JobStatus[] = ['pending', 'running', 'completed', 'failed', 'cancelled']
/** For somebody who reaches some people alone: the newest jobs that are looked through, and people asked about. */
const LOOKED_THROUGH = 200
const MOST_PEOPLE = 25

function isStatus(word: string): word is JobStatus {
  return STATUSES.some(status => status === word)
}

export function requireScheduler(scheduler: Scheduler | undefined): Scheduler {
  if (!scheduler) throw new CommandError('Job scheduler is not available (JOB_SCHEDULER_ENABLED is false).')
  return scheduler
}

/** `!job_list [status|type] [page]`: the newest first. */
export function jobListCommand(parts: JobsParts): Command {
  return {
    name: 'job_list',
    group: 'job',
    usage: '[status|type] [page]',
    about: `Jobs, newest first, ${PAGE} a page; all, or of one status or type.`,
    adminOnly: true,
    options: [
      { name: 'what', about: `A status (${STATUSES.join(', ')}) or a job type. Unset: all.`, kind: 'text' },
      { name: 'page', about: `${PAGE} jobs each; 1 is the newest.`, kind: 'page' },
    ],
    async run({ args, message }) {
      const scheduler = requireScheduler(parts.scheduler)
      const { word, page } = wantedOf(args)
      const filter = word === undefined ? {} : isStatus(word) ? { status: word } : { jobType: word }
      const { reaches } = message
      const { jobs, more } = reaches
        ? await pageReached(scheduler, { filter, page, reaches })
        : await pageOf(scheduler, filter, page)
      const what = `${word ?? 'all'}${reaches ? ', of people here' : ''}`
      if (jobs.length === 0) {
        if (page > 1) return `Jobs (${what}): no page ${page}.`
        return reaches ? `Jobs (${what}): none among the newest ${LOOKED_THROUGH}.` : await sayNone(scheduler, word)
      }
      const { when } = voiceOf(message.platform, parts.clock.now())
      const title = `Jobs (${what}), page ${page}`
      const lines = jobs.map(job => sayJob(job, when))
      return {
        text: [`${title}:`, ...lines, ...(more ? [`More: page ${page + 1}.`] : [])].join('\n'),
        card: { title, lines },
        buttons: pageButtons({ says: ['job_list', ...(word ? [word] : [])].join(' '), page, more }),
      }
    },
  }
}

function wantedOf(args: readonly string[]): { word: string | undefined; page: number } {
  const pageText = /^\d+$/.test(args.at(-1) ?? '') ? args.at(-1) : undefined
  const words = pageText === undefined ? args : args.slice(0, -1)
  const page = Number(pageText ?? 1)
  if (page < 1 || page > LAST_PAGE)
    throw new CommandError(
      `Page: expected a whole number from 1 to ${LAST_PAGE}; got \`${inCode(pageText ?? '', 20)}\`.`,
    )
  if (words.length > 1 || (words[0] !== undefined && !/^[a-z][a-z0-9_]{0,99}$/i.test(words[0])))
    throw new CommandError(`Expected a status (${STATUSES.join(', ')}) or a job type, then a page.`)
  return { word: words[0]?.toLowerCase(), page }
}

interface Page {
  readonly jobs: readonly JobSummary[]
  readonly more: boolean
}

async function pageOf(scheduler: Scheduler, filter: JobFilter, page: number): Promise<Page> {
  let found = await scheduler.admin.listJobs(filter, { limit: PAGE })
  for (let at = 1; at < page && found.jobs.length > 0; at += 1) {
    if (found.next === null) return { jobs: [], more: false }
    found = await scheduler.admin.listJobs(filter, { limit: PAGE, after: found.next })
  }
  return { jobs: found.jobs, more: found.next !== null }
}

/** Of the newest jobs those about people whom the asker reaches. */
async function pageReached(
  scheduler: Scheduler,
  { filter, page, reaches }: { filter: JobFilter; page: number; reaches: NonNullable<InboundMessage['reaches']> },
): Promise<Page> {
  const { jobs } = await scheduler.admin.listJobs(filter, { limit: LOOKED_THROUGH })
  const people = [...new Set(jobs.flatMap(({ subjects }) => subjects))].slice(0, MOST_PEOPLE)
  const isReached = await Promise.all(people.map(userId => reaches(userId)))
  const reached = new Set(people.filter((_, index) => isReached[index]))
  const theirs = jobs.filter(({ subjects }) => subjects.some(userId => reached.has(userId)))
  return { jobs: theirs.slice((page - 1) * PAGE, page * PAGE), more: theirs.length > page * PAGE }
}

/** A word that is no status is taken for a type; who mistyped one is told what there is. */
async function sayNone(scheduler: Scheduler, word: string | undefined): Promise<string> {
  if (word === undefined || isStatus(word)) return `There are no jobs${word === undefined ? '' : ` that are ${word}`}.`
  const types = (await scheduler.getStats()).types.map(({ jobType }) => jobType)
  if (types.includes(word)) return `There are no jobs of type ${word}.`
  throw new CommandError(
    `I know no status or job type \`${word}\`. Statuses: ${STATUSES.join(', ')}. Types: ${types.join(', ') || 'none'}.`,
  )
}

export function sayJob(job: Omit<JobSummary, 'errorCode'>, when: SayInstant): string {
  const at = job.completedAt ? `ended ${when(job.completedAt)}` : `due ${when(job.scheduledTime)}`
  const error = job.errorMessage && job.status === 'failed' ? `: ${job.errorMessage.slice(0, 80)}` : ''
  return `\`${job.jobId}\` ${job.jobType} ${job.status}, ${at}${error}`
}
