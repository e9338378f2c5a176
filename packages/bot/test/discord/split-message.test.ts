import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { splitMessage } from '../../src/platforms/discord/split-message.ts'

/**
 * What is left of a text when white space, fences and the languages of code blocks are taken away: that much must survive
 * any cut. Only a fence that opens has a language.
 */
function essence(text: string): string {
  let open = false
  const bare = text.replaceAll(/```([\w+#.-]{0,20}\n)?/g, (_, language?: string) => {
    open = !open
    return open ? '' : (language ?? '')
  })
  return bare.replaceAll(/\s/g, '')
}
const fences = (text: string) => text.match(/```/g)?.length ?? 0

describe('a long answer', () => {
  it('that fits is left as it is', () => {
    expect(splitMessage('hello')).toEqual(['hello'])
    expect(splitMessage('x'.repeat(2_000))).toEqual(['x'.repeat(2_000)])
    expect(splitMessage('')).toEqual([])
    expect(splitMessage(' \n ')).toEqual([])
  })

  it('is cut between paragraphs, else lines, else words, else anywhere', () => {
    expect(splitMessage('aaaa aaaa\n\nbbbb bbbb', 17)).toEqual(['aaaa aaaa', 'bbbb bbbb'])
    expect(splitMessage('aaaa aaaa\nbbbb bbbb', 17)).toEqual(['aaaa aaaa', 'bbbb bbbb'])
    expect(splitMessage('aaaa bbbb cccc dddd', 17)).toEqual(['aaaa bbbb', 'cccc dddd'])
    expect(splitMessage('a'.repeat(20), 14)).toEqual(['a'.repeat(10), 'a'.repeat(10)])
  })

  it('closes a code block at the end of one message and opens it again, with its language and its indentation', () => {
    const code = Array.from({ length: 6 }, (_, index) => `  line(${index})`).join('\n')
    const parts = splitMessage(`Look:\n\`\`\`ts\n${code}\n\`\`\`\nDone.`, 60)
    expect(parts.length).toBeGreaterThan(1)
    for (const part of parts) expect(fences(part) % 2).toBe(0)
    expect(parts[1]).toMatch(/^```ts\n {2}line/)
    expect(parts.at(-1)).toMatch(/Done\.$/)
  })

  it('makes no fence of what was none: seven backticks are two fences and a backtick', () => {
    const parts = splitMessage(`\`\`\` ${'x'.repeat(14)} \`\`\`\`\`\`\`ts\n${'y'.repeat(40)}`, 60)
    expect(essence(parts.join('\n'))).toContain('`ts')
  })

  it('does not cut through a character', () => {
    for (const part of splitMessage('🔔'.repeat(30), 21)) expect(part.isWellFormed()).toBe(true)
  })

  it('whatever it is: no message is too long, none is empty, code blocks are whole, nothing is lost', () => {
    const piece = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 120 }),
      fc.constantFrom('```', '```ts\n', '\n', '\n\n', ' ', '`', '``', '````', 'word ', '\u200B', '🔔'),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), fc.integer({ min: 60, max: 200 }), (pieces, limit) => {
        const text = pieces.join('')
        const parts = splitMessage(text, limit)
        for (const part of parts) {
          expect(part.length).toBeLessThanOrEqual(limit)
          expect(part.trim()).not.toBe('')
        }
        for (const part of parts.slice(0, -1)) expect(fences(part) % 2).toBe(0)
        expect(essence(parts.join('\n'))).toBe(essence(text))
      }),
      { numRuns: 2_000 },
    )
  })
})
