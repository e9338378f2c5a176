import type { IncomingMessage, ServerResponse } from 'node:http'
import { failureWebhooks, Scheduler, verifyWebhookSignature, type AnyJobDefinition, type FailureReport } from 'belfry'
import type { Database } from 'belfry/database'

/** A scheduler that tells an endpoint of every job that has failed for good. */
export function reporting(database: Database, jobs: readonly AnyJobDefinition[], to: { url: string; secret: string }) {
  const describe = ({ job }: FailureReport) => ({ handbook: `https://handbook.example.com/jobs/${job.type}` })
  const webhooks = failureWebhooks({ ...to, describe })
  const scheduler = new Scheduler({ database, jobs: [...jobs, webhooks.job] })
  webhooks.listen(scheduler)
  return scheduler
}

/** The other side. The signature is over the body's bytes as they came, so it is checked before they are parsed. */
export function receive(secret: string, tell: (text: string) => void) {
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks)
    const header = request.headers['belfry-signature']
    if (!verifyWebhookSignature({ secret, header, body })) {
      response.writeHead(401).end()
      return
    }
    const { job, error, data } = JSON.parse(body.toString()) as FailureReport & { data: { handbook: string } }
    tell(`${job.type}: ${error?.message ?? 'its process died'}, see ${data.handbook}`)
    response.writeHead(204).end()
  }
}
