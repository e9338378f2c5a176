import { defineJob, payloadCipher, Scheduler } from 'belfry'
import type { Database } from 'belfry/database'

const letter = defineJob<{ to: string; text: string }>({
  type: 'letter',
  handler: ({ to }) => `posted, ${to.length} characters of address`,
})

/** What is read and written with; two of each while keys are being changed. */
export interface Keys {
  readonly keys: Readonly<Record<string, string>>
  readonly current: string
}

/** Letters whose address and text nobody reads in the database: `keys` come from where your passwords are kept. */
export function confidential(database: Database, { keys, current }: Keys) {
  const scheduler = new Scheduler({ database, jobs: [letter], payloadCipher: payloadCipher({ keys, current }) })
  const post = (to: string, text: string) => scheduler.scheduleJob(letter, { to, text })
  return { scheduler, post }
}
