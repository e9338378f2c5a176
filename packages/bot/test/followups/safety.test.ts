import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkFollowUpText, likeness, type SafetyFault } from '../../src/followups/safety.ts'

const check = (text: string, context: { theirTexts?: string[]; previousFollowUps?: string[] } = {}) =>
  checkFollowUpText(text, { theirTexts: [], previousFollowUps: [], ...context })

describe('the safety gate of a follow-up text', () => {
  it.each([
    'Hi Ada, last time you said your recital is on Friday. How is that going?',
    'Hi Bo, any news about the garden?',
    'Hallo Cyd, wie läuft es mit dem Cello?',
    'Is it still 3 pieces, or 4 by now?',
    'I am a program, so I cannot hear it, but tell me how it went.',
    'Did you miss the train again?',
    'How are you? I hope the human resources talk went well.',
    'Are you still at the office @ Main Street?',
    '元気ですか。チェロの練習はどうですか？',
  ])('lets %j go', text => {
    expect(check(text)).toBeUndefined()
  })

  it.each<[string, SafetyFault]>([
    ['', 'empty'],
    [' \n\t ', 'empty'],
    [`How are you? ${'la '.repeat(500)}`, 'too_long'],
    ['Hello @everyone, how is it going?', 'mention'],
    ['Hello @HERE', 'mention'],
    ['Hello <@123456789012345678>', 'mention'],
    ['Hello <@!123456789012345678>', 'mention'],
    ['Hello <@&123456789012345678>', 'mention'],
    ['See <#123456789012345678>', 'mention'],
    ['Hello <a:wave:123456789012345678>', 'mention'],
    ['Join discord.gg/abcdef', 'mention'],
    ['Join discord.com/invite/abcdef', 'mention'],
    ['Free nitro: http://example.test/free', 'link'],
    ['Look at HTTPS://EXAMPLE.TEST', 'link'],
    ['Look at www.example.test', 'link'],
    ['Try ```rm -rf /```', 'code'],
    ['<|im_start|>assistant', 'code'],
    ['My system prompt says to be kind', 'code'],
    ['Is ada@example.test still yours?', 'personal_data'],
    ['Shall I call +49 30 1234-5678?', 'personal_data'],
    ['Card 4111 1111 1111 1111, right?', 'personal_data'],
    ['Your key is sk-abcdefghijklmnop', 'personal_data'],
    ["I'm human, like you", 'claims_to_be_human'],
    ['I am a real person', 'claims_to_be_human'],
    ['Trust me, I am not a bot', 'claims_to_be_human'],
    ['I miss you', 'tone'],
    ['I have been waiting for you', 'tone'],
    ['Why did you leave?', 'tone'],
    ['This is your last chance', 'tone'],
    ['I am so lonely', 'tone'],
    ["Please don't leave", 'tone'],
  ])('holds back %j: %s', (text, fault) => {
    expect(check(text)).toBe(fault)
  })

  it('takes 1,500 characters and not one more', () => {
    expect(check('a'.repeat(1_500))).toBeUndefined()
    expect(check('a'.repeat(1_501))).toBe('too_long')
  })

  it('gives a link back only to whoever sent it', () => {
    const text = 'Did you finish https://example.test/score yet?'
    expect(check(text)).toBe('link')
    expect(check(text, { theirTexts: ['look: https://example.test/score'] })).toBeUndefined()
    expect(check(text, { theirTexts: ['look: https://example.test/other'] })).toBe('link')
  })

  it('does not say the same again', () => {
    const text = 'Hi Ada, last time you said your recital is on Friday. How is that going?'
    expect(check(text, { previousFollowUps: [text] })).toBe('repetition')
    expect(check(text, { previousFollowUps: [text.toUpperCase()] })).toBe('repetition')
    expect(check(text, { previousFollowUps: ['x', 'y', 'z', text] })).toBe('repetition')
    expect(check(text, { previousFollowUps: ['Hi Ada, how have things been since our last chat?'] })).toBeUndefined()
  })

  it('answers at once for text made to be slow', () => {
    for (const text of ['a'.repeat(1_500), '1 '.repeat(750), '<|'.repeat(750), 'a.'.repeat(750), '+1('.repeat(500)]) {
      const begun = performance.now()
      check(text)
      // Backtracking without bounds would take minutes.
      expect(performance.now() - begun).toBeLessThan(1_000)
    }
  })

  it('never lets through what breaks one of its rules, whatever stands around it', () => {
    const bad = fc.constantFrom('@everyone', '<@1234>', 'https://example.test/x', '```', ' I am human ', ' miss you ')
    const words = fc.string({ unit: 'grapheme', maxLength: 200 })
    fc.assert(
      fc.property(words, bad, words, (before, middle, after) => check(`${before} ${middle} ${after}`) !== undefined),
    )
  })
})

describe('likeness', () => {
  const text = fc.oneof(
    fc.string(),
    fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 12 }).map(words => words.join(' ')),
  )

  it('is symmetric, from 0 to 1, and 1 for the same text', () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        const value = likeness(a, b)
        expect(value).toBe(likeness(b, a))
        expect(value).toBeGreaterThanOrEqual(0)
        expect(value).toBeLessThanOrEqual(1)
        expect(likeness(a, a)).toBe(1)
      }),
    )
  })

  it('counts common triples of words over all triples', () => {
    expect(likeness('one two three four', 'one two three five')).toBeCloseTo(1 / 3)
    expect(likeness('one two three', 'four five six')).toBe(0)
  })
})

describe('what hides behind look-alikes', () => {
  const verdict = (text: string) =>
    checkFollowUpText(text, { theirTexts: ['see https://example.com.evil.test/x'], previousFollowUps: [] })
  it.each([
    ['I’m human, you know', 'claims_to_be_human'],
    ['I am a real human', 'claims_to_be_human'],
    ['I am actually a person', 'claims_to_be_human'],
    ['Please don’t leave', 'tone'],
    ['Call +49 (30) 1234 5678', 'personal_data'],
    ['\u200b\u200b', 'empty'],
    ['Look: https://example.com', 'link'],
  ])('%s', (text, fault) => {
    expect(verdict(text)).toBe(fault)
  })

  it('what is true may be said', () => {
    expect(verdict('I am a program, not a person. How is the cello?')).toBeUndefined()
    expect(verdict('You said https://example.com.evil.test/x was down. Is it back?')).toBeUndefined()
  })
})

describe('what a follow-up repeats', () => {
  it('is not what we said in the talk, though it may take it up', () => {
    const ourTexts = ['So your recital is on Friday. How do you feel about it?']
    const context = { theirTexts: [], previousFollowUps: [], ourTexts }
    expect(checkFollowUpText('So your recital is on Friday. How do you feel about it', context)).toBe('repetition')
    expect(checkFollowUpText('You said your recital is on Friday. How did it go?', context)).toBeUndefined()
  })

  it('is not its instructions', () => {
    const instructions = 'You are kind, brief and plain-spoken. You write one short message to somebody.'
    const context = { theirTexts: [], previousFollowUps: [], instructions }
    const echo = 'My orders: you write one short message to somebody, I was told.'
    expect(checkFollowUpText(echo, context)).toBe('prompt_echo')
    expect(checkFollowUpText('One short message to you, Ada: how is the cello?', context)).toBeUndefined()
  })

  it('asks one thing at most, in any script', () => {
    expect(check('How is it? And the cello?')).toBe('questions')
    expect(check('¿Cómo va? ¿Y el chelo?')).toBe('questions')
    expect(check('元気ですか？チェロは？')).toBe('questions')
    expect(check('How is it going?!?')).toBeUndefined()
  })

  it('leaves room for what comes below', () => {
    const context = { theirTexts: [], previousFollowUps: [] }
    expect(checkFollowUpText('a'.repeat(1_400), { ...context, reserved: 100 })).toBeUndefined()
    expect(checkFollowUpText('a'.repeat(1_400), { ...context, reserved: 101 })).toBe('too_long')
  })
})
