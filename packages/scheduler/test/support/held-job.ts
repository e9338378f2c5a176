import { defineJob } from 'belfry'
import { gate } from './settled.ts'

/** A job that runs until its gate is opened, and says what it was given. */
export function heldJob<Payload>(type: string) {
  const seen: Payload[] = []
  const begun = [gate(), gate(), gate()]
  const ends = [gate(), gate(), gate()]
  const job = defineJob<Payload>({
    type,
    handler: async payload => {
      const at = seen.push(payload) - 1
      begun[at]?.open()
      await ends[at]?.promise
    },
  })
  return { job, seen, begun, ends }
}
