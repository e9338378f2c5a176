/** Something to tell the person at the terminal, without a stack. */
export class BenchError extends Error {
  override readonly name = 'BenchError'
}
