import { createPostgresBackend, Queue, withBackend, Worker, type JobsOptions } from 'bullmq'
import { BenchError } from '../bench-error.ts'
import { JOB_TYPE, type Payload, type Peer, type Session, type Settings } from './peer.ts'

/** 300 was slower than 100; 10 starts single jobs soonest. */
const concurrency: Record<Settings, number> = { default: 1, throughput: 100, latency: 10 }

export const bullmq: Peer = {
  async open({ redisPort }, settings) {
    if (redisPort === undefined) throw new BenchError('bullmq keeps its jobs in Redis, and none is running')
    const connection = { host: '127.0.0.1', port: redisPort, maxRetriesPerRequest: null }
    return session(
      new Queue(JOB_TYPE, { connection }),
      work => new Worker(JOB_TYPE, work, { connection, concurrency: concurrency[settings] }),
    )
  },
}

export const bullmqPostgres: Peer = {
  async open({ postgresUrl }, settings) {
    const backend = withBackend(createPostgresBackend)
    const connection = { connectionString: postgresUrl, schema: 'bullmq', migrate: true, max: 20 }
    return session(
      new backend.Queue(JOB_TYPE, { connection }),
      work => new backend.Worker(JOB_TYPE, work, { connection, concurrency: concurrency[settings] }),
    )
  },
}

/** What is used of a queue, whatever keeps it. */
interface AnyQueue {
  waitUntilReady(): Promise<unknown>
  add(name: string, data: Payload, options: JobsOptions): Promise<unknown>
  addBulk(jobs: { name: string; data: Payload; opts: JobsOptions }[]): Promise<unknown>
  getJobCounts(...states: ('waiting' | 'active' | 'prioritized')[]): Promise<Record<string, number>>
  close(): Promise<void>
}

interface AnyWorker {
  on(event: 'error', listener: (error: Error) => void): unknown
  waitUntilReady(): Promise<unknown>
  close(force?: boolean): Promise<void>
}

function session(queue: AnyQueue, start: (work: (job: { data: Payload }) => Promise<void>) => AnyWorker): Session {
  let worker: AnyWorker | undefined
  const when = ({ dueAt }: Payload) => (dueAt === undefined ? {} : { delay: Math.max(0, dueAt - Date.now()) })
  return {
    install: async () => void (await queue.waitUntilReady()),
    schedule: payload => queue.add(JOB_TYPE, payload, when(payload)),
    scheduleMany: payloads => queue.addBulk(payloads.map(data => ({ name: JOB_TYPE, data, opts: when(data) }))),
    async pending() {
      const counts = await queue.getJobCounts('waiting', 'active', 'prioritized')
      return Object.values(counts).reduce((sum, count) => sum + count, 0)
    },
    async work(onJob) {
      worker = start(async job => onJob(job.data))
      worker.on('error', () => {})
      await worker.waitUntilReady()
    },
    async close() {
      await worker?.close(true)
      await queue.close()
    },
  }
}
