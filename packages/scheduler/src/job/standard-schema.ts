import type { StandardSchemaV1 } from '@standard-schema/spec'

/** Any validator that speaks Standard Schema: zod, valibot, arktype, … */
export type Schema<Output = unknown, Input = unknown> = StandardSchemaV1<Input, Output>

/** Answer of a validation: the parsed value, or one line that names each fault with its path. */
export type Validation<Output> = { ok: true; value: Output } | { ok: false; faults: string }

/** How many faults a message names; a payload with a thousand wrong items needs no thousand lines. */
const FAULTS_SHOWN = 5

/** Validates with any Standard Schema; a validator that throws counts as a refusal. */
export async function validate<Output>(schema: Schema<Output>, value: unknown): Promise<Validation<Output>> {
  let result: StandardSchemaV1.Result<Output>
  try {
    result = await schema['~standard'].validate(value)
  } catch (error) {
    return { ok: false, faults: `the schema threw: ${error instanceof Error ? error.message : String(error)}` }
  }
  if (!result.issues) return { ok: true, value: result.value }
  const lines = result.issues.slice(0, FAULTS_SHOWN).map(issue => `${pathOf(issue)}: ${issue.message}`)
  const more = result.issues.length - lines.length
  return { ok: false, faults: lines.join('; ') + (more > 0 ? `; and ${more} more` : '') }
}

function pathOf(issue: StandardSchemaV1.Issue): string {
  const keys = (issue.path ?? []).map(part => String(typeof part === 'object' ? part.key : part))
  return keys.length > 0 ? keys.join('.') : 'payload'
}
