import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkFollowUpText } from '../../src/followups/safety.ts'
import { quotable, trimAtSentence } from '../../src/llm/clean-text.ts'
import { templateReply } from '../../src/llm/template.ts'
import { givenName, lastTopic, substance, topicOf, turnAround, type Line } from '../../src/llm/topic.ts'

/** Says each line in turn; answers the whole conversation with the bot's replies. */
function talk(...texts: string[]): Line[] {
  const lines: Line[] = []
  for (const text of texts) {
    lines.push({ author: 'user', text })
    lines.push({ author: 'bot', text: templateReply({ botName: 'Belfry', displayName: 'friend', lines }) })
  }
  return lines
}

const answerTo = (...texts: string[]) => talk(...texts).at(-1)?.text ?? ''
const questionsIn = (text: string) => text.match(/[?？؟]/g)?.length ?? 0

describe('a reply of the built-in writer', () => {
  it.each([
    ['I play the cello', /cello/],
    ['my recital is on Friday', /recital is on Friday/],
    ['we were in Berlin before', /you were in Berlin/],
    ['me and my wife are saving up', /you and your wife are saving up/],
    ["I'm nervous about the second movement", /hear you|hard|coping|most right now/],
    ['thanks!', /welcome|Gladly|Any time/],
    ['thanks, bye', /Take care|Until next time|Good talking/],
    ['how are you?', /How about you\?/],
    ['are you a human?', /I am a program called Belfry/],
    ['r u real', /I am a program called Belfry/],
    ['who are you', /I am Belfry, a chat program/],
    ['do you remember my name?', /You have not told me yet/],
    ['what is my name', /You have not told me yet/],
    ['I want to learn Rust', /draws you|first step|holding you back/],
  ])('to %j matches %s', (said, expected) => {
    expect(answerTo('hello', said)).toMatch(expected)
  })

  it('calls people by the name they gave, and by nothing else', () => {
    expect(answerTo('hi, I am Ada')).toContain('Ada')
    expect(answerTo('my name is bo')).toContain('Bo')
    expect(answerTo('hi, I am Ada', 'do you remember my name?')).toContain('Ada')
    expect(answerTo('hello', "I'm nervous")).not.toContain('Nervous')
    expect(answerTo('hello', 'I am German')).not.toMatch(/meet you, German|Hello German|Hi German/)
  })

  it('says once per conversation how to connect a model', () => {
    for (const first of ['hello', 'hi, I am Ada', 'why is the sky blue?', 'my recital is on Friday', 'xyzzy']) {
      const told = talk(
        first,
        'what is a fugue?',
        'I play the cello',
        'and who wrote the most?',
        'hello',
        'who are you?',
      )
        .filter(line => line.author === 'bot')
        .filter(line => line.text.includes('LLM_BASE_URL') && line.text.includes('LLM_MODEL'))
      expect(told, `after ${first}`).toHaveLength(1)
    }
  })

  it('does not ask the same thing twice while it can ask something else', () => {
    const said = ['the piece is long', 'the piece is slow', 'the piece is in D']
    const replies = talk('hello', ...said).filter(line => line.author === 'bot')
    const asked = replies.map(line => line.text.split(/(?<=[.!]) /).at(-1))
    expect(new Set(asked).size).toBe(asked.length)
  })

  it('is always the same for the same conversation', () => {
    expect(talk('hi, I am Ada', 'I play the cello')).toEqual(talk('hi, I am Ada', 'I play the cello'))
  })
})

describe('turning words around', () => {
  it.each([
    ['my recital is on Friday', 'your recital is on Friday'],
    ['I was late', 'you were late'],
    ["we weren't there, was I", "you weren't there, were you"],
    ["I'm glad", "you're glad"],
    ['I’ve practised, I’ll go', "you've practised, you'll go"],
    ['The cello is mine', 'the cello is yours'],
    ['Ada and I play', 'Ada and you play'],
    ['UNESCO likes us', 'UNESCO likes you'],
    ['constructor __proto__ toString', 'constructor __proto__ toString'],
  ])('%j becomes %j', (text, turned) => {
    expect(turnAround(text)).toBe(turned)
  })

  it.each([
    ['my recital is on Friday', 'your recital'],
    ['I play the cello', 'the cello'],
    ['I have an interview tomorrow at the library', 'the interview'],
    ['my boss yelled at me', 'your boss'],
    ["my dad's workshop burned down", "your dad's workshop"],
    ["I've got a new job and I start tomorrow", 'the new job'],
    ['I want to visit Vienna', undefined],
    ['it is the Brahms double', undefined],
  ])('the heart of %j is %j', (text, thing) => {
    expect(topicOf(text)?.thing).toBe(thing)
  })

  it.each(['thanks, bye', 'ok lol', 'not much', 'hi there', '!!!', '42 17', '', 'hi, I am Ada'])(
    '%j has no substance',
    text => {
      expect(substance(text)).toBe('')
    },
  )
})

describe('text fit to be quoted', () => {
  it.each([
    ['a\u0000b\u202Ec\u2028d', 'a b c d'],
    ['call +49 (30) 1234 5678 now', 'call now'],
    ['write to ada@example.test now', 'write to now'],
    ['see https://example.test/x and www.example.test now', 'see and now'],
    ['@everyone <@123> hello', 'hello'],
    ['**bold** `code`', 'bold code'],
    ['one two three four five', 'one two three four'],
  ])('%j becomes %j', (text, quoted) => {
    expect(quotable(text, 20)).toBe(quoted)
  })

  it('is quick with text made to be slow', () => {
    const lines = Array.from({ length: 24 }, (_, index): Line => {
      return { author: 'user', text: ['a', '1 ', 'a.', '@', 'my ', 'you '][index % 6]?.repeat(4_000) ?? '' }
    })
    const begun = performance.now()
    templateReply({ botName: 'Belfry', displayName: 'a'.repeat(4_000), lines })
    // A second is a hundred times what it takes; without bounds it is minutes.
    expect(performance.now() - begun).toBeLessThan(1_000)
  })

  it.each([
    ['One. Two thr', 'One.'],
    ['One! Two thr', 'One!'],
    ['One.', 'One.'],
    ['one two thr', 'one two…'],
    ['word', 'word'],
    ['', ''],
    [' word', 'word'],
  ])('an answer cut off as %j is trimmed to %j', (text, trimmed) => {
    expect(trimAtSentence(text)).toBe(trimmed)
  })
})

describe('whatever people say', () => {
  const shards = fc.constantFrom(
    'I am human',
    "I'm a real person",
    'my',
    'I',
    'you',
    'recital?',
    '@everyone',
    '<@12345678>',
    'https://example.test/x',
    'www.example.test',
    '\u202E',
    '\u0000',
    '\uD800',
    '？',
    'ʼm',
    'tomorrow',
    'my name is',
    'I miss you',
    'ada@example.test',
    '`',
    '\n',
  )
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.string({ unit: 'grapheme', maxLength: 300 }),
    fc.array(fc.oneof(shards, fc.lorem({ maxCount: 2 })), { maxLength: 12 }).map(words => words.join(' ')),
  )
  const conversation = fc.array(fc.record({ author: fc.constantFrom('user' as const, 'bot' as const), text }), {
    maxLength: 12,
  })

  /** Lets no harm through, whoever is quoted. Tone and repetition are judged by the safety gate, which then takes another text. */
  function expectHarmless(written: string): void {
    expect(written.isWellFormed()).toBe(true)
    expect(written.replaceAll('\n', ' ')).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
    expect(questionsIn(written)).toBeLessThanOrEqual(1)
    const fault = checkFollowUpText(written, { theirTexts: [], previousFollowUps: [] })
    expect(['mention', 'link', 'code', 'personal_data', 'claims_to_be_human', 'empty', 'too_long']).not.toContain(fault)
  }

  it('a reply never fails, is not empty, and carries nothing harmful', () => {
    fc.assert(
      fc.property(conversation, text, (lines, said) => {
        const written = templateReply({
          botName: 'Belfry',
          displayName: 'friend',
          lines: [...lines, { author: 'user', text: said }],
        })
        expect(written.length).toBeLessThanOrEqual(600)
        expectHarmless(written)
      }),
      { numRuns: 1_500 },
    )
  })

  it('topics and names have no question in them', () => {
    fc.assert(
      fc.property(conversation, lines => {
        const topic = lastTopic(lines)
        expect(questionsIn(`${topic?.said} ${topic?.thing} ${givenName(lines)}`)).toBe(0)
      }),
    )
  })
})
