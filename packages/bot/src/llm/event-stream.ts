/**
 * Reads the data of server-sent events out of bytes that may be split anywhere: inside a character, a line, an event.
 * Comments, other fields and events without data are passed over. An event that ends with the stream counts too: some
 * endpoints forget the last empty line.
 */
export async function* eventData(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let data: string[] = []
  for await (const line of lines(bytes)) {
    if (line === '') {
      if (data.length > 0) yield data.join('\n')
      data = []
    } else {
      const field = /^data(?:: ?|$)/.exec(line)
      if (field) data.push(line.slice(field[0].length))
    }
  }
  if (data.length > 0) yield data.join('\n')
}

/** Lines end with LF, CR or both; a CR at the end of a piece may have its LF in the next one. */
async function* lines(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const piece of bytes) {
    rest += decoder.decode(piece, { stream: true })
    const whole = rest.endsWith('\r') ? rest.slice(0, -1) : rest
    const found = whole.split(/\r\n|\n|\r/)
    const open = found.pop() ?? ''
    rest = open + rest.slice(whole.length)
    yield* found
  }
  rest += decoder.decode()
  yield* rest.split(/\r\n|\n|\r/)
}
