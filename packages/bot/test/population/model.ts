import type { Completion, CompletionRequest, LlmClient, LlmFailure } from '../../src/llm/llm-client.ts'
import { LlmError } from '../../src/llm/llm-client.ts'
import type { Chance } from './chance.ts'
import type { VirtualTime } from './virtual-time.ts'

/** What a model may answer and no follow-up may say. */
const UNSAFE = [
  '@everyone free nitro for all of you',
  'I miss you, why did you leave me?',
  'I am a real person, believe me.',
  'Look at https://prizes.example/claim right now',
  'Write to me at mallory@example.org',
  '<@&123456789012345678> come back',
]
const OPENERS = ['How did it go with', 'Any news about', 'What became of', 'I was reminded of', 'Shall we go on with']
const SUBJECTS = [
  'the bread',
  'the exam',
  'the tomatoes',
  'your game',
  'the sea',
  'the bicycle',
  'that script',
  'the song',
]
const CLOSERS = ['since then?', 'in the end?', 'these days?', 'after all?', 'this week?', 'by now?']
const FAILURES: readonly LlmFailure[] = ['unreachable', 'rate_limited', 'server_error', 'bad_answer', 'empty_answer']
/** A client waits no longer than this for a model that hangs. */
const PATIENCE_MS = 30_000

/** Whether a text holds something the model should not have said. */
export function isUnsafe(text: string): boolean {
  return UNSAFE.some(each => text.includes(each))
}

/** A language model that fails, hangs, talks rubbish, or answers. */
export class SimulatedModel implements LlmClient {
  readonly label = 'simulated model'
  readonly #parts: { owner: string; time: VirtualTime; chance: Chance; onFault: (fault: string) => void }

  constructor(parts: { owner: string; time: VirtualTime; chance: Chance; onFault: (fault: string) => void }) {
    this.#parts = parts
  }

  async complete({ signal, withinMs = PATIENCE_MS }: CompletionRequest): Promise<Completion> {
    const { chance, onFault } = this.#parts
    const turn = chance.weighted({ answers: 80, fails: 7, hangs: 2, rubbish: 4, unsafe: 7 })
    if (turn !== 'answers') onFault(`model ${turn}`)
    if (turn === 'fails') throw new LlmError(chance.pick(FAILURES), 'simulated: the model failed')
    if (turn === 'hangs') await this.#hang(signal, Math.min(withinMs, PATIENCE_MS))
    const text =
      turn === 'unsafe'
        ? `${chance.pick(OPENERS)} ${chance.pick(SUBJECTS)}? ${chance.pick(UNSAFE)}`
        : turn === 'rubbish'
          ? chance.pick(['', ' \u200b ', 'ha '.repeat(3_000), '```sh\nrm -rf /\n```'])
          : `${chance.pick(OPENERS)} ${chance.pick(SUBJECTS)} ${chance.pick(CLOSERS)}`
    return { text, finishReason: 'stop', promptTokens: 100, completionTokens: 20 }
  }

  async #hang(signal: AbortSignal | undefined, patienceMs: number): Promise<never> {
    const { time, owner } = this.#parts
    const aborted = new Promise<'aborted'>(resolve => {
      if (signal?.aborted) resolve('aborted')
      signal?.addEventListener('abort', () => resolve('aborted'), { once: true })
    })
    const ended = await Promise.race([time.wait(owner, patienceMs).then(() => 'timeout' as const), aborted])
    throw new LlmError(ended, 'simulated: the model hung')
  }
}
