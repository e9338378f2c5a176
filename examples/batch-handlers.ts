import { defineBatchJob, RetryAfterError, type JobDefinition } from 'belfry'

/** A push service that takes many messages in one call, and answers for each. */
export interface PushService {
  send(messages: readonly { token: string; text: string }[]): Promise<readonly { status: 'sent' | 'busy' | 'gone' }[]>
}

/** A thousand messages are ten calls, and each message keeps its own retries and history. */
export function pushes(service: PushService): JobDefinition<{ token: string; text: string }> {
  return defineBatchJob<{ token: string; text: string }>({
    type: 'push',
    size: 100,
    wait: '50ms',
    handler: async jobs => {
      const answers = await service.send(jobs.map(job => job.payload))
      return answers.map(({ status }) => {
        if (status === 'busy') return new RetryAfterError('30s', 'the push service is busy')
        if (status === 'gone') return new Error('no such device')
        return { status }
      })
    },
  })
}
