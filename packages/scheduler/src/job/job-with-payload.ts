import type { AnyJobDefinition } from './definition.ts'
import type { Schema } from './standard-schema.ts'

/** A job as calls name it: its type, or its definition. */
export type JobName = string | AnyJobDefinition

/** What a job takes as payload; anything, when its type alone is known. */
export type InputOf<Job> = Job extends { readonly payload: Schema<unknown, infer Input> | undefined } ? Input : unknown

/** What the handler of a job answers; unknown, when its type alone is known. */
export type ResultOf<Job> = Job extends { readonly handler: ((...given: never[]) => infer Answer) | undefined }
  ? Awaited<Answer>
  : unknown

/** Whether each of some jobs takes any payload: then it need not be known which of them it is. */
type TakeAnything<Job> = Job extends unknown ? (unknown extends InputOf<Job> ? true : false) : never

/**
 * A job beside a payload that fits it, each of several jobs beside its own. The payload may be left out where `{}` fits.
 * It stands first because the compiler names the first part that is wrong.
 */
export type JobWithPayload<Job extends JobName> = [TakeAnything<Job>] extends [true]
  ? { readonly payload?: unknown; readonly job: Job }
  : Job extends unknown
    ? NoInfer<PayloadOption<InputOf<Job>>> & { readonly job: Job }
    : never

/** The payload of a job, which may be left out where `{}` fits. */
export type PayloadOption<Input> = {} extends Input ? { readonly payload?: Input } : { readonly payload: Input }
