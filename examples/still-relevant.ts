import { defineJob, type Scheduler } from 'belfry'
import type { Pool } from 'pg'

type FollowUp = { person: string; silentSince: string }

/** "We have not heard from you": wrong the moment they write. */
export function followUps(send: (person: string) => Promise<void>) {
  return defineJob<FollowUp>({
    type: 'follow_up',
    revalidate: async ({ person, silentSince }, { tx }) => {
      const { rows } = await tx.query<{ last_seen: string; asleep: boolean }>(
        `select last_seen::text, now() < asleep_until as asleep from people where name = $1::text for share`,
        [person],
      )
      const [found] = rows
      if (!found) return { skip: 'the person is gone' }
      if (found.last_seen !== silentSince) return { skip: 'they came back' }
      return found.asleep ? { postpone: '1h' } : 'run'
    },
    handler: ({ person }) => send(person),
  })
}

/** Somebody wrote. First the job, then the facts that its check reads: the claim takes them in this order too. */
export async function heardFrom(pool: Pool, scheduler: Scheduler, person: string): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    await scheduler.cancelJob(`follow-up of ${person}`, { transaction: client, reason: 'they came back' })
    await client.query('update people set last_seen = now() where name = $1', [person])
    await client.query('commit')
  } catch (error) {
    await client.query('rollback')
    throw error
  } finally {
    client.release()
  }
}
