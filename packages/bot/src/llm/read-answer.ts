import { z } from 'zod'
import { trimAtSentence, wholeSentences } from './clean-text.ts'
import { eventData } from './event-stream.ts'
import { estimateTokens, LlmError, type Completion, type CompletionRequest } from './llm-client.ts'
import { ReasoningFilter, storable } from './reasoning-filter.ts'

/** Bytes that are read of one answer. */
const LARGEST_ANSWER_BYTES = 1_000_000
/** Characters of one answer; what is longer ignores the limit it was given. A chat's longest message. */
const LONGEST_ANSWER = 4_000

const usageShape = z.object({ prompt_tokens: z.number().nullish(), completion_tokens: z.number().nullish() }).nullish()
const wordsShape = z.object({ content: z.string().nullish() }).nullish()
const choiceShape = z.object({ message: wordsShape, delta: wordsShape, finish_reason: z.string().nullish() })
/** A piece of a streamed answer; the one with the usage has no choices. */
const pieceShape = z.object({ choices: z.array(choiceShape), usage: usageShape, error: z.null().optional() })
const wholeShape = pieceShape.extend({ choices: z.array(choiceShape).min(1) })

/** One answer while it is being read. */
interface Answer {
  readonly filter: ReasoningFilter
  /** Characters of all of it, reasoning included: what a usage that is not reported is estimated from. */
  characters: number
  finishReason: string | undefined
  usage: z.infer<typeof usageShape>
}

interface Reading {
  readonly request: CompletionRequest
  /** The model thinks before it answers and never says so at the beginning: no draft until the thinking has ended. */
  readonly thinksFirst: boolean
  /** Something that is for the person, or thinking, has arrived. */
  onProgress(): void
}

/** An answer, and what it taught about the endpoint. */
export interface ReadAnswer {
  readonly completion: Completion
  readonly thinksFirst: boolean
}

/**
 * Reads a completion, streamed or not, whatever its content type says.
 * A stream that breaks after a whole sentence is an answer that ends there.
 * @throws LlmError `bad_answer`, `empty_answer`, `server_error`; what reading the body throws comes through
 */
export async function readAnswer(response: Response, reading: Reading): Promise<ReadAnswer> {
  const answer: Answer = { filter: new ReasoningFilter(), characters: 0, finishReason: undefined, usage: undefined }
  if (/^text\/event-stream\b/i.test(response.headers.get('content-type') ?? '')) {
    return readStream(bounded(response), answer, reading)
  }
  const whole = await readText(response)
  if (/^\s*(?:data|event|id|):/.test(whole)) return readStream(piecesOf(whole), answer, reading)
  take(whole, answer, wholeShape)
  return finish(answer, reading)
}

/** What an endpoint says, up to a megabyte. */
export async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of bounded(response)) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

async function* bounded(response: Response): AsyncGenerator<Uint8Array> {
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > LARGEST_ANSWER_BYTES)
      throw new LlmError('bad_answer', 'the language model answered more than a megabyte')
    yield chunk
  }
}

// oxlint-disable-next-line require-await -- stands in for a body that arrives piece by piece
async function* piecesOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}

async function readStream(bytes: AsyncIterable<Uint8Array>, answer: Answer, reading: Reading): Promise<ReadAnswer> {
  const { filter } = answer
  let isWhole = false
  let shown = ''
  try {
    for await (const data of eventData(bytes)) {
      isWhole = data.trim() === '[DONE]'
      if (isWhole) break
      if (take(data, answer, pieceShape) > 0) reading.onProgress()
      if (filter.text.length > LONGEST_ANSWER) {
        answer.finishReason = 'length'
        break
      }
      const draft = reading.thinksFirst && !filter.hadNoOpening ? '' : storable(filter.text)
      if (draft !== shown) reading.request.onDraft?.(draft)
      shown = draft
    }
  } catch (error) {
    answer.finishReason = 'cut'
    if (wholeSentences(storable(filter.text)) === '') throw error
  }
  // Some endpoints forget the last word, `[DONE]`; without a reason either, nobody knows whether this is all.
  if (!isWhole && answer.finishReason === undefined) answer.finishReason = 'cut'
  return finish(answer, reading)
}

/** Takes one JSON text into the answer; answers how many characters it brought. */
function take(text: string, answer: Answer, shape: typeof pieceShape): number {
  let parsed: z.infer<typeof pieceShape>
  try {
    parsed = shape.parse(JSON.parse(text))
  } catch {
    // The parser's own error quotes what came, and what came may quote our headers.
    throw new LlmError('bad_answer', 'the language model answered something that is no chat completion')
  }
  const [choice] = parsed.choices
  const piece = choice?.delta?.content ?? choice?.message?.content ?? ''
  answer.filter.add(piece)
  answer.characters += piece.length
  answer.finishReason = choice?.finish_reason ?? answer.finishReason
  answer.usage = parsed.usage ?? answer.usage
  return piece.length
}

function finish({ filter, characters, finishReason: reason, usage }: Answer, { request }: Reading): ReadAnswer {
  filter.end()
  const whole = storable(filter.text)
  if (whole === '') throw new LlmError('empty_answer', 'the language model answered nothing')
  const isTooLong = whole.length > LONGEST_ANSWER
  const known = reason === 'stop' || reason === 'length' || reason === 'cut' ? reason : 'other'
  const finishReason = isTooLong ? 'length' : known
  const isPartial = finishReason === 'length' || finishReason === 'cut'
  const completion: Completion = {
    text: isPartial ? trimAtSentence(whole.slice(0, LONGEST_ANSWER).toWellFormed()) : whole,
    finishReason,
    promptTokens: usage?.prompt_tokens ?? request.messages.reduce((sum, each) => sum + estimateTokens(each.content), 0),
    completionTokens: usage?.completion_tokens ?? Math.ceil(characters / 3),
  }
  return { completion, thinksFirst: filter.hadNoOpening }
}
