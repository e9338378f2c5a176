export function runDemo(_output: unknown): Promise<number> {
  return Promise.resolve(0)
}
