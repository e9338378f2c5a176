/** Reads the stream of turns of an answer: each as `id text`. */
export function eventsOf(response: Response): {
  /** All turns so far, once there are so many. */
  next: (count: number) => Promise<string[]>
  /** Resolves when the stream ends. */
  ended: () => Promise<true>
} {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  const read = async (): Promise<boolean> => {
    const { value, done } = (await reader?.read()) ?? { done: true, value: undefined }
    text += value ?? ''
    return !done
  }
  return {
    next: async count => {
      for (;;) {
        const found = [...text.matchAll(/event: turn\ndata: (.*)\nid: (\d+)\n\n/g)]
        if (found.length >= count)
          return found.map(([, data = '', id]) => `${id} ${(JSON.parse(data) as { text: string }).text}`)
        if (!(await read())) throw new Error(`the stream ended after ${found.length} of ${count} turns: ${text}`)
      }
    },
    ended: async () => {
      while (await read());
      return true
    },
  }
}
