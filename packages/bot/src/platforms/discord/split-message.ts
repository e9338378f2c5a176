/** Longest content of one message [Discord's reference, Create Message]. */
const LIMIT = 2_000

const FENCE = '```'
/** What closes a code block that goes on in the next message. */
const CLOSE = `\n${FENCE}`
/** A fence, and the language it may name. */
const FENCES = /```([\w+#.-]{0,20}\n)?/g
/** Below this share of a message a better place to cut is not worth its emptiness. */
const FULL_ENOUGH = 0.5

/**
 * Cuts a text into messages Discord takes: at paragraphs, lines or words where it can, with code blocks closed at the end
 * of one message and opened again in the next. Nothing but the white space at a cut is lost.
 */
export function splitMessage(text: string, limit = LIMIT): string[] {
  const parts: string[] = []
  let rest = text
  let fence = ''
  while (fence.length + rest.length > limit) {
    const at = placeToCut(rest, limit - fence.length - CLOSE.length, fence)
    const piece = rest.slice(0, at)
    const open = fenceAfter(piece, fence)
    parts.push(`${fence}${piece}${open === '' ? '' : CLOSE}`)
    // In a code block the next line keeps its indentation.
    rest = open === '' ? rest.slice(at).replace(/^\s+/, '') : rest.slice(at).replace(/^\n/, '')
    fence = open
  }
  return [...parts, fence + rest].filter(part => part.trim() !== '')
}

function placeToCut(rest: string, room: number, fence: string): number {
  const window = rest.slice(0, room)
  const least = room * FULL_ENOUGH
  const best = ['\n\n', '\n', ' '].map(gap => window.lastIndexOf(gap)).find(at => at >= least) ?? room
  return beforeFence(rest, beforeHalf(rest, best), fence)
}

/** Neither a character of two halves nor a run of backticks is cut through. */
function beforeHalf(rest: string, at: number): number {
  let cut = at
  if (/[\uD800-\uDBFF]/.test(rest.charAt(cut - 1)) && cut > 1) cut -= 1
  const backticks = /`{1,8}$/.exec(rest.slice(0, cut))?.[0].length ?? 0
  return rest.charAt(cut) === '`' && backticks > 0 && cut > backticks ? cut - backticks : cut
}

/** A code block that would open at the very end opens in the next message instead. */
function beforeFence(rest: string, at: number, fence: string): number {
  // Fences are told apart from the left, as they are everywhere here: a run of seven backticks is two of them and a backtick.
  const last = [...rest.slice(0, at).matchAll(FENCES)].at(-1)
  if (!last || last.index === 0 || !/^[\w+#.-]{0,20}\s*$/.test(rest.slice(last.index + FENCE.length, at))) return at
  const opens = fenceAfter(rest.slice(0, at), fence) !== '' && fenceAfter(rest.slice(0, last.index), fence) === ''
  return opens ? last.index : at
}

/** The fence that is open after a piece, to be opened again; empty: none. */
function fenceAfter(piece: string, before: string): string {
  let open = before
  for (const [, language = '\n'] of piece.matchAll(FENCES)) open = open === '' ? `${FENCE}${language}` : ''
  return open
}
