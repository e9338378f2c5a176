import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readPlainWord } from '../../src/followups/stop-words.ts'

describe('a whole message of a known word', () => {
  it.each([
    ['stop', 'stop', 'en'],
    [' STOP! ', 'stop', 'en'],
    ['Opt out.', 'stop', 'en'],
    ['unsubscribe', 'stop', 'en'],
    ['Stopp', 'stop', 'de'],
    ['Hör auf!', 'stop', 'de'],
    ['Ho\u0308r auf', 'stop', 'de'],
    ['arrête', 'stop', 'fr'],
    ['¡Alto!', 'stop', 'es'],
    ['parar', 'stop', 'pt'],
    ['later', 'later', 'en'],
    ['„Später“', 'later', 'de'],
    ['plus  tard', 'later', 'fr'],
    ['ahora no', 'later', 'es'],
    ['agora não', 'later', 'pt'],
    ['why?', 'why', 'en'],
    ['Warum?', 'why', 'de'],
    ['pourquoi ?', 'why', 'fr'],
    ['¿Por qué?', 'why', 'es'],
    ['por quê?', 'why', 'pt'],
    ['Yes, please!', 'yes', 'en'],
    ['ja', 'yes', 'de'],
    ['d’accord', 'yes', 'fr'],
    ['sí', 'yes', 'es'],
    ['sim', 'yes', 'pt'],
    ['no', 'no', 'en'],
    ['Nein, danke.', 'no', 'de'],
    ['non merci', 'no', 'fr'],
    ['no, gracias', 'no', 'es'],
    ['não', 'no', 'pt'],
  ])('%j means %s, in %s', (text, meaning, language) => {
    expect(readPlainWord(text)).toEqual({ meaning, language })
  })

  it.each([
    'please stop the music',
    'stop by on Friday',
    'I stopped',
    'nonstop',
    'why not',
    'later today',
    '',
    '...',
    'yes and no',
    'constructor',
    '__proto__',
    'stop'.repeat(20),
  ])('%j is talk', text => {
    expect(readPlainWord(text)).toBeUndefined()
  })

  it('is talk as soon as another word comes with it', () => {
    const word = fc.constantFrom('stop', 'later', 'why', 'unsubscribe', 'später', 'parar', 'yes')
    const more = fc.constantFrom('cello', 'recital', 'Freitag', '7')
    fc.assert(
      fc.property(word, more, fc.boolean(), (known, other, before) => {
        expect(readPlainWord(before ? `${other} ${known}` : `${known} ${other}`)).toBeUndefined()
      }),
    )
  })
})
