import type { APIEmbed } from 'discord.js'
import type { CommandAnswer } from '../../commands/command.ts'
import type { ButtonRow } from './buttons.ts'
import type { CommandButtons, Issued } from './command-buttons.ts'
import { embedOf } from './embed.ts'

/** An answer's embed and buttons, where it has them. */
export interface LaidOut {
  readonly embed?: APIEmbed
  readonly buttons?: readonly ButtonRow[]
}

/**
 * Lays an answer out. The text says it all where that cannot be done: without the permission to embed links Discord drops
 * an embed without a word, and what a button cannot hold is said in words.
 */
export function layOut(
  { card, buttons = [] }: Pick<CommandAnswer, 'card' | 'buttons'>,
  where: Issued & { readonly maker: CommandButtons; readonly now: Date; readonly mayEmbed: boolean },
): LaidOut {
  const rows = where.maker.make(buttons, where)
  const isWhole = rows.flatMap(row => row.components).length === buttons.length
  return {
    ...(card && where.mayEmbed && isWhole && { embed: embedOf(card) }),
    ...(rows.length > 0 && { buttons: rows }),
  }
}
