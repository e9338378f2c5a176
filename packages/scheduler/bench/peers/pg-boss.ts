import pg from 'pg'
import { PgBoss, type Job, type WorkOptions } from 'pg-boss'
import { JOB_TYPE, type Payload, type Peer, type Settings } from './peer.ts'

/**
 * Batches of 1000 in two loops were the best of five shapes. NOTIFY tells of jobs due at once; those for later are found
 * by polling, which a queue with NOTIFY does rarely unless told otherwise.
 */
const soon = { pollingIntervalSeconds: 0.5, notifyPollingIntervalSeconds: 0.5 }

const workers: Record<Settings, WorkOptions> = {
  default: {},
  throughput: { batchSize: 1000, localConcurrency: 2, ...soon, burstWhenBatchFull: true },
  latency: { batchSize: 100, ...soon },
}

export const pgBoss: Peer = {
  async open({ postgresUrl }, settings) {
    const notify = settings !== 'default'
    const pool = new pg.Pool({ connectionString: postgresUrl, max: 2 })
    const boss = new PgBoss({ connectionString: postgresUrl, useListenNotify: notify })
    boss.on('error', () => {})
    await boss.start()
    const when = ({ dueAt }: Payload) => (dueAt === undefined ? {} : { startAfter: new Date(dueAt) })
    return {
      install: () => boss.createQueue(JOB_TYPE, { policy: 'standard', notify }),
      schedule: payload => boss.send(JOB_TYPE, payload, when(payload)),
      scheduleMany: payloads =>
        boss.insert(
          JOB_TYPE,
          payloads.map(data => ({ data, ...when(data) })),
        ),
      async pending() {
        const { rows } = await pool.query<{ count: number }>(
          `select count(*)::int from pgboss.job where name = $1 and state < 'completed' and start_after <= now()`,
          [JOB_TYPE],
        )
        return rows[0]?.count ?? 0
      },
      async work(onJob) {
        await boss.work(JOB_TYPE, workers[settings], async (jobs: Job<Payload>[]) => {
          for (const job of jobs) onJob(job.data)
        })
      },
      async close() {
        await boss.stop({ graceful: false })
        await pool.end()
      },
    }
  },
}
