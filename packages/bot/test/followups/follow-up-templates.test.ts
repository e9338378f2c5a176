import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nameOf, templateFollowUps, type TemplateInput } from '../../src/followups/follow-up-templates.ts'
import { templates } from '../../src/followups/follow-up-wordings.ts'
import { checkFollowUpText, countQuestions } from '../../src/followups/safety.ts'
import { LANGUAGES } from '../../src/llm/language.ts'
import type { Line } from '../../src/llm/topic.ts'

const talk = (...texts: string[]): Line[] => texts.map(text => ({ author: 'user', text }))
const all = (lines: readonly Line[], more: Partial<TemplateInput> = {}) =>
  templateFollowUps({ language: 'en', displayName: 'friend', lines, previous: [], ...more })
const first = (lines: readonly Line[], more: Partial<TemplateInput> = {}) =>
  all(lines, more)[0] ?? { text: '', template: '' }
const check = (text: string) => checkFollowUpText(text, { theirTexts: [], previousFollowUps: [] })

describe('a follow-up from a template', () => {
  it.each([
    [
      ['hi, I am Ada', 'I play the cello', 'my recital is on Friday'],
      'Hi Ada, last time you said your recital is on Friday.',
    ],
    [['my recital is on Friday', 'thanks, bye'], 'your recital is on Friday'],
    [['my recital is on Friday', 'my teacher says I rush', 'what should I play?'], 'your recital is on Friday'],
    [['I was in Austria once'], 'you were in Austria once'],
    [['I’m looking for a new job'], "you're looking for a new job"],
    [['can you remember that my recital is on Friday?'], 'your recital'],
    [['hello', 'ok', 'lol', 'thanks'], 'we have not talked for a while'],
    [[], 'we have not talked for a while'],
    [['my dog died'], 'your dog died. How are you now?'],
  ])('to %j says %j', (texts, expected) => {
    expect(first(talk(...texts)).text).toContain(expected)
  })

  it('asks nobody for news of what weighs on them', () => {
    const texts = all(talk('hello', 'my dog died')).map(each => each.text)
    expect(texts.join(' ')).not.toMatch(/Any news|going\?|look by now/)
  })

  it.each(LANGUAGES)('in %s is worded differently every time, until all wordings have been used', language => {
    const previous: string[] = []
    const texts: string[] = []
    for (let time = 0; time < templates[language].length + 5; time += 1) {
      const { text, template } = first([], { language, displayName: 'Ada', previous, hint: 'Python' })
      expect(template).not.toBe(previous[0])
      previous.unshift(template)
      texts.push(text)
    }
    expect(new Set(texts.slice(0, 8)).size).toBe(8)
  })

  it.each([
    ['en', 'Python programming', 'about Python programming'],
    ['en', 'my cello', 'about your cello'],
    ['de', 'dein Cello', '„dein Cello“'],
    ['fr', 'le jardin', '« le jardin »'],
    ['es', 'el jardín', '«el jardín»'],
    ['pt', 'o jardim', '“o jardim”'],
  ] as const)('in %s takes up the topic %j that was handed in', (language, hint, expected) => {
    expect(first([], { language, hint }).text).toContain(expected)
  })

  it('turns a topic down that would not pass by itself', () => {
    for (const hint of ['@everyone', 'https://evil.test', 'I am human', 'how you abandon me', 'evil.com']) {
      const { text } = first([], { language: 'de', hint })
      expect(text).toMatch(/wir haben eine Weile nicht geschrieben/)
    }
  })

  it.each(LANGUAGES)('in %s opens as it is told to', language => {
    for (const hint of [undefined, 'Python']) {
      const [questions, statements] = (['question', 'statement'] as const).map(opener =>
        all([], { language, hint, opener }),
      )
      expect(questions?.length).toBeGreaterThan(2)
      expect(statements?.length).toBeGreaterThan(2)
      expect(questions?.every(({ text }) => countQuestions(text) === 1)).toBe(true)
      expect(statements?.every(({ text }) => countQuestions(text) === 0)).toBe(true)
    }
  })

  it('is the same length of list in every language, less what needs turned-around words', () => {
    expect(LANGUAGES.map(language => templates[language].length)).toEqual([14, 12, 12, 12, 12])
    expect(new Set(LANGUAGES.flatMap(language => templates[language].map(each => each.text))).size).toBe(62)
  })

  it.each([
    '',
    '  ',
    '@everyone',
    '<@123456>',
    'I am a real person',
    'https://example.test',
    '🎻',
    'a'.repeat(500) + '?',
  ])('greets somebody who calls themselves %j without harm', displayName => {
    const { text } = first([], { displayName })
    expect(check(text)).toBeUndefined()
    expect(text).toMatch(/^(?:Hello|Hi a{1,40}), /)
  })

  it('greets nobody by what is no name', () => {
    expect(['evil.com', 'miss you', 'Ada', '  Bo  '].map(name => nameOf(name, []))).toEqual([
      undefined,
      undefined,
      'Ada',
      'Bo',
    ])
  })
})

describe('whatever people are called and talked about', () => {
  const shard = fc.constantFrom(
    'miss',
    'you',
    'I',
    'am',
    'human',
    'Ada',
    'evil.com',
    '@here',
    '<@123>',
    'http://x.test',
    '?',
    '\u202e',
    '\u200b',
    'lonely',
    'sin',
    'ti',
    'sem',
    'ohne',
    'dich',
    'sans',
    'toi',
    'without',
    '```',
    '4111 1111 1111 1111',
    'te',
    'me',
    'letzte',
    'Chance',
    "d'Arc",
    'é',
    '{hi}',
    '{topic}',
    '$&',
    'wait',
    'for',
    'no',
    'soy',
    'persona',
    'bin',
    'ein',
    'Mensch',
    'ma@x.test',
    'my',
    'recital',
    'is',
    'on',
    'Friday',
  )
  const words = fc.oneof(
    fc.array(shard, { maxLength: 5 }).map(parts => parts.join(' ')),
    fc.string({ unit: 'grapheme', maxLength: 60 }),
    fc.string({ unit: 'binary', maxLength: 60 }),
  )

  it('there is always a template that passes the safety gate, and every template passes but for a word that spoils it', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...LANGUAGES),
        fc.constantFrom('question' as const, 'statement' as const, undefined),
        words,
        words,
        fc.array(words, { maxLength: 3 }),
        (language, opener, displayName, hint, said) => {
          for (const topic of [hint, undefined]) {
            const found = all(talk(...said), { language, opener, displayName, hint: topic })
            const passing = found.filter(({ text }) => check(text) === undefined)
            expect(passing.length).toBeGreaterThan(0)
            for (const { text } of passing) {
              expect(text.length).toBeLessThanOrEqual(400)
              expect(text).not.toMatch(/\{(?:hi|topic|said)\}/)
              expect(text).not.toContain('\n')
            }
          }
        },
      ),
      { numRuns: 1_500 },
    )
  })

  it('every template passes for a plain name and topic', () => {
    const plain = fc.constantFrom(
      'Ada',
      'Jo Ann',
      'Émile',
      'Łukasz',
      'Zoë',
      '李雷',
      'Ann-Kathrin',
      'Bo the 3rd',
      'Иван',
    )
    const topic = fc.constantFrom(
      'Python',
      'dein Garten',
      'le tournoi d’échecs',
      'el niño',
      'a maçã',
      '第九',
      'Op. 38',
      'my 2nd cello',
    )
    fc.assert(
      fc.property(fc.constantFrom(...LANGUAGES), plain, topic, (language, displayName, hint) => {
        for (const { text } of all([], { language, displayName, hint }))
          expect([text, check(text)]).toEqual([text, undefined])
      }),
    )
  })
})
