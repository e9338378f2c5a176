import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { dormancyLine, isDormant, isLastBeforeDormant } from '../../src/followups/dormancy.ts'
import { LANGUAGES, languageOf } from '../../src/llm/language.ts'
import { checkFollowUpText } from '../../src/followups/safety.ts'
import { POLICY } from '../support/gate-facts.ts'

describe('falling silent', () => {
  it.each([
    [1, 0, false, true],
    [1, 1, true, false],
    [2, 0, false, false],
    [2, 1, false, true],
    [2, 2, true, false],
    [3, 1, false, false],
    [3, 2, false, true],
  ])(
    'after %i unanswered: with %i it is %s, and the next is the last: %s',
    (maxUnanswered, unanswered, dormant, last) => {
      const policy = { ...POLICY, maxUnanswered }
      expect(isDormant({ unanswered }, policy)).toBe(dormant)
      expect(isLastBeforeDormant({ unanswered }, policy)).toBe(last)
    },
  )

  it('is announced exactly once in a row of unanswered follow-ups', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), maxUnanswered => {
        const policy = { ...POLICY, maxUnanswered }
        let announced = 0
        let unanswered = 0
        for (; !isDormant({ unanswered }, policy); unanswered += 1)
          if (isLastBeforeDormant({ unanswered }, policy)) announced += 1
        expect([announced, unanswered]).toEqual([1, maxUnanswered])
      }),
    )
  })

  it.each(LANGUAGES)('is announced without guilt or need, in %s', language => {
    const line = dormancyLine(language)
    expect(checkFollowUpText(line, { theirTexts: [], previousFollowUps: [] })).toBeUndefined()
    expect(LANGUAGES.filter(other => dormancyLine(other) === line)).toEqual([language])
  })

  it.each([
    ['pt-BR', 'pt'],
    ['DE', 'de'],
    ['es_MX', 'es'],
    ['sv-SE', 'en'],
    ['', 'en'],
    [undefined, 'en'],
  ])('the locale %j is answered in %s', (locale, language) => {
    expect(languageOf(locale)).toBe(language)
  })
})
