import { DBOS, DBOSClient } from '@dbos-inc/dbos-sdk'
import pg from 'pg'
import { JOB_TYPE, type Payload, type Peer } from './peer.ts'

/** Producer and worker must name the same, or the worker leaves the jobs alone. */
const VERSION = 'bench'

const silent = { info() {}, debug() {}, warn() {}, error() {} }

interface Client {
  enqueue(job: { queueName: string; workflowName: string; delaySeconds?: number }, payload: Payload): Promise<unknown>
  destroy(): Promise<void>
}

export const dbos: Peer = {
  async open({ postgresUrl }, settings) {
    const pool = new pg.Pool({ connectionString: postgresUrl, max: 2 })
    const tuned = settings !== 'default'
    let onJob: (payload: Payload) => void = () => {}
    const run = async (payload: Payload) => onJob(payload)
    DBOS.registerWorkflow(run, { name: JOB_TYPE })
    DBOS.setConfig({
      name: 'bench',
      systemDatabaseUrl: postgresUrl,
      applicationVersion: VERSION,
      logger: silent,
      ...(tuned ? { systemDatabasePoolSize: 20 } : {}),
    })
    let client: Client | undefined
    const launch = async () => {
      await DBOS.launch()
      await DBOS.registerQueue(JOB_TYPE, tuned ? { minPollingIntervalMs: 10 } : {})
    }
    const connect = () =>
      DBOSClient.create({
        systemDatabaseUrl: postgresUrl,
        systemDatabasePoolSize: 10,
        logger: silent,
        applicationName: 'bench',
      })
    const target = { queueName: JOB_TYPE, workflowName: JOB_TYPE, appVersion: VERSION }
    return {
      async install() {
        await launch()
        await DBOS.shutdown()
      },
      async schedule(payload) {
        client ??= await connect()
        const delay = payload.dueAt === undefined ? {} : { delaySeconds: (payload.dueAt - Date.now()) / 1000 }
        return client.enqueue({ ...target, ...delay }, payload)
      },
      async pending() {
        const { rows } = await pool.query<{ count: number }>(
          `select count(*)::int from dbos.workflow_status where status in ('ENQUEUED', 'PENDING')`,
        )
        return rows[0]?.count ?? 0
      },
      async work(listener) {
        onJob = listener
        await launch()
      },
      async close() {
        await client?.destroy()
        await DBOS.shutdown()
        await pool.end()
      },
    }
  },
}
