import type { AnswerButton } from './command.ts'

/** Entries of a list that are shown at once. */
export const PAGE = 10
/** Who looks for something further back asks for it more closely. */
export const LAST_PAGE = 100

/** Back and on through a list; those there are. */
export function pageButtons({ says, page, more }: { says: string; page: number; more: boolean }): AnswerButton[] {
  return [
    ...(page > 1 ? [{ label: 'Previous', says: `${says} ${page - 1}`, kind: 'turn' } as const] : []),
    ...(more && page < LAST_PAGE ? [{ label: 'Next', says: `${says} ${page + 1}`, kind: 'turn' } as const] : []),
  ]
}
