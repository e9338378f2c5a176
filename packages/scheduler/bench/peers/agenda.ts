import { PostgresBackend } from '@agendajs/postgres-backend'
import { Agenda, type AgendaOptions } from 'agenda'
import pg from 'pg'
import { JOB_TYPE, type Payload, type Peer, type Settings } from './peer.ts'

const unlimited = { defaultLockLimit: 0, lockLimit: 0 }

const agendas: Record<Settings, Omit<AgendaOptions, 'backend'>> = {
  default: {},
  throughput: { processEvery: 100, defaultConcurrency: 500, maxConcurrency: 500, ...unlimited },
  latency: { processEvery: 100, defaultConcurrency: 100, maxConcurrency: 100, ...unlimited },
}

export const agenda: Peer = {
  async open({ postgresUrl }, settings) {
    const pool = new pg.Pool({ connectionString: postgresUrl, max: 20 })
    const scheduler = new Agenda({ backend: new PostgresBackend({ pool }), ...agendas[settings] })
    scheduler.on('error', () => {})
    await scheduler.ready
    return {
      // Its tables are there once it is ready.
      install: async () => {},
      schedule: payload =>
        payload.dueAt === undefined
          ? scheduler.now(JOB_TYPE, payload)
          : scheduler.schedule(new Date(payload.dueAt), JOB_TYPE, payload),
      async pending() {
        const { rows } = await pool.query<{ count: number }>(
          'select count(*)::int from agenda_jobs where next_run_at <= now() or locked_at is not null',
        )
        return rows[0]?.count ?? 0
      },
      async work(onJob) {
        scheduler.define<Payload>(JOB_TYPE, (job, done) => {
          onJob(job.attrs.data)
          done()
        })
        await scheduler.start()
      },
      async close() {
        await scheduler.stop()
        await pool.end()
      },
    }
  },
}
