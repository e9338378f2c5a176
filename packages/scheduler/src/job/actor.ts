import { requireKey } from './job-id.ts'
import { requireOptions } from './known-names.ts'

/** Who acts. */
export interface ActorOption {
  /** A name for the audit, 1 to 255 characters, such as `ada@example.org` or `dashboard`. Default `unknown`. */
  readonly actor?: string
}

/** Who acts on a single job, which programs do all day: only an act with a name to it is written down. */
export interface NamedActorOption {
  /** Writes the act to the audit under this name, 1 to 255 characters. Default: it is not written down. */
  readonly actor?: string
}

/** @throws BelfryError `BELFRY_INVALID_JOB_ID` */
export function actorOf(options: ActorOption): string {
  const { actor = 'unknown' } = requireOptions(options, 'options')
  return requireKey(actor, 'actor')
}
