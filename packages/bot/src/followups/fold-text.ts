/** Letters of other scripts that look like Latin ones, after compatibility forms are gone. */
const LOOK_ALIKES: Readonly<Record<string, string>> = {
  а: 'a', е: 'e', о: 'o', р: 'p', с: 'c', у: 'y', х: 'x', і: 'i', ї: 'i', ј: 'j', ѕ: 's', һ: 'h', ԁ: 'd', ԛ: 'q', ԝ: 'w',
  в: 'b', к: 'k', м: 'm', н: 'h', т: 't', г: 'r', ь: 'b', ӏ: 'l',
  α: 'a', β: 'b', ε: 'e', η: 'n', ι: 'i', κ: 'k', ν: 'v', ο: 'o', ρ: 'p', τ: 't', υ: 'u', χ: 'x', γ: 'y', ω: 'w', σ: 'o',
  ı: 'i', ł: 'l', ø: 'o', đ: 'd', ħ: 'h', ŧ: 't', ß: 'ss', æ: 'ae', œ: 'oe', ɡ: 'g', ɑ: 'a', ʜ: 'h', ʏ: 'y', ɪ: 'i', ʀ: 'r',
  ɴ: 'n', ᴀ: 'a', ᴇ: 'e', ᴏ: 'o', ᴠ: 'v', ʙ: 'b', ᴄ: 'c', ᴅ: 'd', ᴊ: 'j', ᴋ: 'k', ʟ: 'l', ᴍ: 'm', ᴘ: 'p', ꜱ: 's', ᴛ: 't',
  ᴜ: 'u', ᴡ: 'w', ᴢ: 'z', օ: 'o', ո: 'n', ս: 'u', ց: 'g',
  '’': "'", '‘': "'", '´': "'", 'ʼ': "'", '′': "'", '＇': "'", '․': '.', '。': '.', '∕': '/', '⁄': '/', '։': ':', '꞉': ':',
  '‐': '-', '‑': '-', '–': '-', '—': '-',
}
const FOLDED = new RegExp(`[${Object.keys(LOOK_ALIKES).join('')}]`, 'gu')
/** Invisible: formats, variation selectors, and letters that are blank. */
const INVISIBLE = /[\p{Cf}\p{M}\u115f\u1160\u3164\uffa0\u2800]/gu

/**
 * A text as it looks, for patterns to be matched against: small letters, no accents, nothing invisible, compatibility
 * forms and look-alikes of other scripts replaced by plain Latin. Never shown to anybody.
 */
export function foldText(text: string): string {
  return text
    .normalize('NFKD')
    .replace(INVISIBLE, '')
    .toLowerCase()
    .normalize('NFKD')
    .replace(INVISIBLE, '')
    .replace(FOLDED, letter => LOOK_ALIKES[letter] ?? letter)
    .replace(/[^\S\n]+/g, ' ')
}
