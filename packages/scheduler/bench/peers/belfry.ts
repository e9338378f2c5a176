import { defineJob, Scheduler } from 'belfry'
import { fromPool } from 'belfry/database'
import pg from 'pg'
import { JOB_TYPE, type Payload, type Peer } from './peer.ts'

/** The subject, as installed: every option at its default in every scenario. */
export const belfry: Peer = {
  async open(place) {
    const pool = new pg.Pool({ connectionString: place.postgresUrl })
    // Left to itself the planner reads a table of a million future jobs whole, a third of a second, to find none due.
    const counting = new pg.Pool({
      connectionString: place.postgresUrl,
      options: '-c enable_seqscan=off -c enable_bitmapscan=off',
      max: 1,
    })
    let onJob: (payload: Payload) => void = () => {}
    const job = defineJob<Payload>({ type: JOB_TYPE, handler: async payload => onJob(payload) })
    const scheduler = new Scheduler({ database: fromPool(pool), jobs: [job] })
    const timed = (payload: Payload) => (payload.dueAt === undefined ? {} : { scheduledTime: new Date(payload.dueAt) })
    return {
      install: async () => void (await scheduler.migrate()),
      schedule: payload => scheduler.scheduleJob(job, payload, timed(payload)),
      scheduleMany: payloads => scheduler.scheduleJobs(payloads.map(payload => ({ job, payload, ...timed(payload) }))),
      async pending() {
        // By the index of due jobs: counting must not cost what is counted, beside a million that are not due.
        const { rows } = await counting.query<{ count: number }>(
          `select count(*)::int from belfry.scheduled_jobs_live
          where job_type collate "C" = $1 and coalesce(ready_at, scheduled_time) <= now()`,
          [JOB_TYPE],
        )
        return rows[0]?.count ?? 0
      },
      work(listener) {
        onJob = listener
        return scheduler.start()
      },
      async close() {
        await scheduler.stop()
        await Promise.all([pool.end(), counting.end()])
      },
    }
  },
}
