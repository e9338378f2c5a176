import { Engine, type EngineConfig } from '@sidequest/engine'
import pg from 'pg'
import { JOB_TYPE, type Peer, type Settings } from './peer.ts'
import { onSidequestJob, SidequestJob } from './sidequest-job.ts'

/** Handlers inline: by default they run in threads of another process, where nothing of ours can count them. */
const inline = { fork: false, runner: 'inline', logger: { level: 'error' }, gracefulShutdown: false } as const

const engines: Record<Exclude<Settings, 'default'>, { jobs: number; config: EngineConfig }> = {
  throughput: { jobs: 500, config: { ...inline, maxConcurrentJobs: 500, jobPollingInterval: 1 } },
  latency: { jobs: 50, config: { ...inline, maxConcurrentJobs: 50, jobPollingInterval: 10 } },
}

export const sidequest: Peer = {
  async open({ postgresUrl }, settings) {
    const { jobs, config } = engines[settings === 'default' ? 'throughput' : settings]
    const pool = new pg.Pool({ connectionString: postgresUrl, max: 2 })
    const engine = new Engine()
    const backend = { driver: '@sidequest/postgres-backend', config: postgresUrl }
    const queue = { name: JOB_TYPE, concurrency: jobs }
    const all: EngineConfig = { ...config, backend, queues: [queue] }
    await engine.configure(all)
    const job = () => engine.build(SidequestJob).queue(JOB_TYPE)
    return {
      // Configuring has migrated. Two workers that start at once would both make the queue, and one would fail.
      install: async () => void (await engine.getBackend()?.createNewQueue(queue)),
      schedule: payload =>
        (payload.dueAt === undefined ? job() : job().availableAt(new Date(payload.dueAt))).enqueue(payload),
      async pending() {
        const { rows } = await pool.query<{ count: number }>(
          `select count(*)::int from sidequest_jobs
          where state in ('waiting', 'claimed', 'running') and available_at <= now()`,
        )
        return rows[0]?.count ?? 0
      },
      async work(onJob) {
        onSidequestJob(onJob)
        await engine.start(all)
      },
      async close() {
        await engine.close()
        await pool.end()
      },
    }
  },
}
