import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkFollowUpText } from '../../src/followups/safety.ts'
import { DistressGuard } from '../../src/llm/distress.ts'
import { LANGUAGES } from '../../src/llm/language.ts'

const guard = new DistressGuard()

describe('somebody who may be in danger', () => {
  it.each([
    'I want to kill myself',
    'i don’t want to live any more',
    'thinking about suicide?',
    'SUICIDAL thoughts again',
    'my name is Bo and I cut myself',
    'everyone would be better off without me',
    'I want\nto  die',
    'I want to d\u200bie',
    'sometimes I think about self-harm',
    'Ich will nicht mehr leben',
    'ich will mich umbringen',
    'ich möchte sterben',
    'ICH DENKE AN SUIZID',
    'j’ai envie de mourir',
    'je veux me suicider',
    'je n’ai plus envie de vivre',
    'quiero morirme',
    'no quiero vivir más',
    'pienso en el suicidio',
    'quero morrer',
    'não quero mais viver',
    'penso em suicídio',
  ])('is recognised by %j', said => {
    expect(guard.isDistress(said)).toBe(true)
  })

  it.each([
    'I am killing it at work',
    'my battery is dead',
    'my phone died',
    'the deadline is killing me',
    'I am dying to see the show',
    'this chord progression slays',
    'we watched Suicide Squad',
    'I cut myself some slack',
    'I laughed so hard, I want to die laughing',
    'der Stress bringt mich noch um',
    'die Pflanze ist gestorben',
    'das ist zum Totlachen',
    'je suis mort de rire',
    'quiero morirme de risa',
    'quero morrer de rir',
    'tengo una razón para vivir',
    'encontrei um motivo para viver',
    'I live to play the cello',
  ])('is not seen in %j', said => {
    expect(guard.isDistress(said)).toBe(false)
  })

  it.each(LANGUAGES)('is told in %s where help is, by a program, without a question, a link or a number', language => {
    const text = guard.referral(language)
    expect(text).not.toMatch(/[?\d]/)
    expect(text).toMatch(/program/i)
    expect(text).not.toMatch(/therap/i)
    expect(checkFollowUpText(text, { theirTexts: [], previousFollowUps: [] })).toBeUndefined()
  })

  it('is looked for in no time, whatever is said', () => {
    for (const part of ['want to ', 'a', 'suicid', 'no quiero ', '  ']) {
      const begun = performance.now()
      guard.isDistress(part.repeat(4_000))
      expect(performance.now() - begun).toBeLessThan(1_000)
    }
  })
})

describe('words of the operator', () => {
  it('are added, replace the built-in ones, or let a phrase pass; languages are added too', () => {
    const own = new DistressGuard({
      en: { add: ['the black dog', 'hopeless*'], except: ['suicide awareness'] },
      de: { replace: ['Notfall'], referral: 'Bitte ruf jetzt die Telefonseelsorge an, ich bin nur ein Programm.' },
      it: { add: ['voglio morire'] },
    })
    expect(
      ['The Black Dog is back', 'such hopelessness', 'ein Notfall!', 'VOGLIO  morire'].every(said =>
        own.isDistress(said),
      ),
    ).toBe(true)
    expect(['a black doggy', 'suicide awareness week', 'ich möchte sterben'].some(said => own.isDistress(said))).toBe(
      false,
    )
    expect(own.isDistress('I want to die')).toBe(true)
    expect(own.referral('de')).toMatch(/Telefonseelsorge an/)
    expect(own.referral('en')).toBe(guard.referral('en'))
  })

  it('are words, never patterns', () => {
    const text = fc.string({ minLength: 3, maxLength: 20 })
    fc.assert(
      fc.property(text, said => {
        expect(() => new DistressGuard({ en: { add: [said], except: [said] } }).isDistress(said)).not.toThrow()
      }),
    )
    expect(new DistressGuard({ en: { add: ['a.c'] } }).isDistress('abc')).toBe(false)
  })
})
