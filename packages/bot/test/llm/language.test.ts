import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { detectLanguage, languageOf } from '../../src/llm/language.ts'

describe('the language somebody writes in', () => {
  it.each([
    ['hi, I am Ada|I play the cello|my recital is on Friday', 'en'],
    ['what do you think about it?', 'en'],
    ['hallo, ich bin Bo|ich lerne gerade Cello|am Freitag ist mein Konzert', 'de'],
    ['Ich weiß nicht, wie ich das üben soll', 'de'],
    ['salut, je suis Ana|je joue du violoncelle|mon concert est vendredi', 'fr'],
    ["c'est très difficile aujourd'hui", 'fr'],
    ['hola, soy Leo|toco el violonchelo|mi concierto es el viernes', 'es'],
    ['¿cómo puedo practicar más?', 'es'],
    ['oi, eu sou o Rui|eu toco violoncelo|meu concerto é na sexta', 'pt'],
    ['não sei como fazer isso, você sabe?', 'pt'],
    ['ja ja ja the cello|ich spiele das Cello und the piano', 'de'],
  ])('of %j is %s', (said, language) => {
    expect(detectLanguage(said.split('|'))).toBe(language)
  })

  it.each([
    '',
    'ok',
    'lol',
    '42',
    '🎻',
    'Python',
    'Это моя виолончель',
    '私はチェロを弾きます',
    'czy mogę grać na wiolonczeli',
  ])('cannot be told from %j', said => {
    expect(detectLanguage([said])).toBeUndefined()
  })

  it('is never an error, whatever is written', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' })), texts => {
        expect([undefined, 'en', 'de', 'fr', 'es', 'pt']).toContain(detectLanguage(texts))
      }),
    )
  })

  it('of a locale is its first part, English of all we do not write', () => {
    expect(['pt-BR', 'de', 'EN-us', 'pl', '', undefined].map(languageOf)).toEqual(['pt', 'de', 'en', 'en', 'en', 'en'])
  })
})
