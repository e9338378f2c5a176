import { BelfryError, show } from '../errors.ts'
import type { PayloadCipher } from '../job/payload-cipher.ts'
import { parsePayload, serializePayload, upcastPayload } from '../job/payload.ts'
import { openValue, sealedAs, sealValue } from '../job/sealed-value.ts'
import type { KeyHolder } from '../store/lock-holder.ts'
import type { JobRequest } from './check-job.ts'

/**
 * The payload of a waiting job with the elements of a call behind its own, as it is stored. What the job's own definition
 * would refuse is refused here: the whole must fit its schema and its size.
 * @throws BelfryError `BELFRY_CANNOT_APPEND`, `BELFRY_PAYLOAD_TOO_LARGE`, `BELFRY_INVALID_PAYLOAD`, `BELFRY_UNKNOWN_PAYLOAD_KEY`,
 *   `BELFRY_PAYLOAD_UNREADABLE`
 */
export async function appendPayload(
  { definition, payload }: JobRequest,
  holder: KeyHolder,
  limits: { maxPayloadBytes: number; payloadCipher: PayloadCipher | undefined },
): Promise<string> {
  const { type, payloadVersion } = definition
  const refused = (why: string, cause?: unknown) =>
    new BelfryError(
      'BELFRY_CANNOT_APPEND',
      `payload of ${show(type)}, job ${show(holder.job_id)}, which waits under the same unique key: ${why}; nothing was changed`,
      { cause },
    )
  if (holder.payload_version > payloadVersion) {
    throw refused(
      `it has version ${holder.payload_version}, this process knows version ${payloadVersion}. Append in a process with the newer definition`,
    )
  }
  const stored = openValue(limits.payloadCipher, holder.payload, sealedAs.payload(type))
  let waiting: unknown
  try {
    waiting = upcastPayload(definition, stored, holder.payload_version)
  } catch (error) {
    throw refused(`it cannot be brought to version ${payloadVersion}`, error)
  }
  if (!Array.isArray(waiting)) throw refused('expected an array, which elements can be appended to')
  const text = serializePayload([...(waiting as unknown[]), ...(payload as unknown[])], type, limits.maxPayloadBytes)
  if (definition.payload) await parsePayload(definition, JSON.parse(text), payloadVersion)
  return sealValue(limits.payloadCipher, text, sealedAs.payload(type))
}
