import { CancelError, defineJob, SnoozeError, type JobDefinition, type Scheduler } from 'belfry'

/** The books of a shop, as far as this example needs them. */
export interface Books {
  state(month: string): Promise<'open' | 'closed' | 'deleted'>
  page(month: string, number: number): string
}

type Report = JobDefinition<{ month: string; pages: number }>

/** A report of many pages. While the month is open it waits for its end; when the month is gone it is over. */
export function reports(books: Books): Report {
  return defineJob<{ month: string; pages: number }>({
    type: 'report',
    handler: async ({ month, pages }, { progress, heartbeat }) => {
      const state = await books.state(month)
      if (state === 'deleted') throw new CancelError(`${month} was deleted`)
      if (state === 'open') throw new SnoozeError('1h', `${month} is not closed yet`)
      let text = ''
      for (let page = 1; page <= pages; page += 1) {
        text += books.page(month, page)
        await progress({ page, of: pages })
        // Lets others run between two pages, and throws when the job was cancelled meanwhile.
        await heartbeat()
      }
      return { characters: text.length }
    },
  })
}

/** A request of a web page: the report if it comes soon, else how far it is. */
export async function ask(scheduler: Scheduler, job: { jobId: string }, patience: string): Promise<string> {
  try {
    const report = await scheduler.waitFor<{ characters: number }>(job, { timeout: patience })
    return report.status === 'completed' ? `${report.result.characters} characters` : `no: ${report.errorMessage}`
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'BELFRY_WAIT_TIMEOUT')) throw error
    const waiting = await scheduler.getJob(job)
    return `${waiting?.status}, ${waiting?.errorMessage ?? 'no trouble'}: ask again`
  }
}
