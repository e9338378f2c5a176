import type { APIEmbed } from 'discord.js'
import type { Card } from '../../commands/card.ts'
import { calm } from './text.ts'

/** Most characters of each part, of all together, and most fields [Discord's reference, Embed Limits]. */
const MOST = { title: 256, description: 4_096, name: 256, value: 1_024, fields: 25, all: 6_000 } as const

const COLOURS = { good: 0x2e_cc_71, warning: 0xe6_7e_22, bad: 0xe7_4c_3c } as const

/** A card as Discord shows it. What does not fit is cut, fields at the end first; an ellipsis says so. */
export function embedOf({ title, standing, lines = [], fields = [] }: Card): APIEmbed {
  const room = { left: MOST.all }
  const embed: APIEmbed = { title: take(title, MOST.title, room) || '…' }
  if (standing) embed.color = COLOURS[standing]
  const description = take(lines.join('\n'), MOST.description, room)
  if (description !== '') embed.description = description
  const shown = []
  for (const { name, value, short = false } of fields.filter(each => each.value.trim() !== '').slice(0, MOST.fields)) {
    // A field without a value is refused.
    if (room.left < MOST.name + 1) break
    shown.push({ name: take(name, MOST.name, room) || '…', value: take(value, MOST.value, room) || '…', inline: short })
  }
  if (shown.length > 0) embed.fields = shown
  return embed
}

/** As much of a text as there is room for, counted in characters as Discord does. */
function take(text: string, most: number, room: { left: number }): string {
  const characters = Array.from(calm(text).trim())
  const limit = Math.min(most, room.left)
  const fits = characters.length <= limit
  const taken = fits ? characters : limit > 0 ? [...characters.slice(0, limit - 1), '…'] : []
  room.left -= taken.length
  return taken.join('')
}
