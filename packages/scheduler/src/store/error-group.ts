/** Longer messages are compared by their beginning: a stack or a document in a message must not make a group of its own. */
const COMPARED_CHARACTERS = 1_000

/**
 * Expression for an error message without what differs from job to job: quoted text is `'…'`, ids are `<id>`, numbers
 * are `<n>`. Messages that come out equal are one error.
 */
export function normalisedMessage(message = 'error_message'): string {
  const steps: readonly (readonly [pattern: string, replacement: string])[] = [
    [`"[^"]*"|''[^'']*''|\`[^\`]*\``, `''…''`],
    // UUIDs, and words of eight or more hexadecimal digits with a number among them.
    ['[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}', '<id>'],
    ['\\m(?=[a-fA-F]*[0-9])[0-9a-fA-F]{8,}\\M', '<id>'],
    ['[0-9]+([.,:][0-9]+)*', '<n>'],
  ]
  return steps.reduce(
    (expression, [pattern, replacement]) => `regexp_replace(${expression}, '${pattern}', '${replacement}', 'g')`,
    `left(coalesce(${message}, ''), ${COMPARED_CHARACTERS})`,
  )
}

/** Expression for what names a group of errors: 32 hexadecimal digits of type, code and message. */
export function errorFingerprint(): string {
  return `md5(job_type || E'\\n' || coalesce(error_code, '') || E'\\n' || ${normalisedMessage()})`
}
