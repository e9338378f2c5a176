import type { Tables } from './tables.ts'

/** An attempt, as far as its right to write goes. */
export interface Holder {
  readonly jobId: string
  readonly leaseToken: string
}

/**
 * A query named `held` with the job's id if, and only if, the attempt still has its lease; takes `$1` for the job and
 * `$2` for the token. The runner's row stays locked until the statement's transaction ends, and taking back the jobs of
 * a dead runner begins by deleting that row: what is written under this fence is there before another attempt begins.
 */
export function fence({ live, runners }: Tables): string {
  return `held as (
       select live.job_id from ${live} live join ${runners} runner on runner.runner_id = live.runner_id
       where live.job_id = $1::text and live.lease_token = $2::uuid for key share of runner
     )`
}
