import { Job } from '@sidequest/core'
import type { Payload } from './peer.ts'

let listener: (payload: Payload) => void = () => {}

export function onSidequestJob(called: (payload: Payload) => void): void {
  listener = called
}

/** Alone in its file: Sidequest finds a job's class again by the file that defines it. */
export class SidequestJob extends Job {
  override async run(payload: Payload): Promise<void> {
    listener(payload)
  }
}
