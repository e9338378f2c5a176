import type { AutocompleteInteraction } from 'discord.js'
import { suggestJobs } from '../../commands/find-job.ts'
import { suggestZones } from '../../commands/followup-settings-input.ts'
import { userIdOf } from './ids.ts'
import type { SeenMembers } from './members.ts'
import type { DiscordApp, DiscordOptions } from './parts.ts'
import { optionsOf, usedCommand } from './slash-commands.ts'

/** Most suggestions, and longest text of one [Discord's reference, Autocomplete]. */
const MOST_CHOICES = 25
const LONGEST = 100
/** People Discord is asked about for one list: it wants an answer within three seconds. */
const MOST_LOOKS = 10

interface Choice {
  readonly name: string
  readonly value: string
}

/** What may be meant by what is typed into an option. */
export async function suggest(
  { app, options, seen }: { app: DiscordApp; options: DiscordOptions; seen: SeenMembers },
  interaction: AutocompleteInteraction,
): Promise<void> {
  try {
    await interaction.respond(await choicesOf({ app, options, seen }, interaction))
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    options.logger.warn({ event: 'discord_suggest_failed', reason }, 'no suggestions could be given')
  }
}

async function choicesOf(
  { app, options, seen }: { app: DiscordApp; options: DiscordOptions; seen: SeenMembers },
  interaction: AutocompleteInteraction,
): Promise<Choice[]> {
  const focused = interaction.options.getFocused(true)
  const used = usedCommand(app.commands, {
    name: interaction.commandName,
    subcommand: interaction.options.getSubcommand(false) ?? undefined,
  })
  const kind = used && optionsOf(used.form).find(({ name }) => name === focused.name)?.kind
  const typed = focused.value.trim().slice(0, LONGEST)
  if (kind === 'zone') return suggestZones(typed, MOST_CHOICES).map(zone => ({ name: zone, value: zone }))
  if (kind !== 'job' || !app.scheduler) return []
  const isOwner = options.adminUserIds.includes(userIdOf(interaction.user.id))
  if (!isOwner && interaction.guildId === null) return []
  const reaches = isOwner ? undefined : seen.reachesIn(interaction.client.rest, interaction.guildId ?? '', MOST_LOOKS)
  const jobs = await suggestJobs(app.scheduler, typed, { most: MOST_CHOICES, ...(reaches && { reaches }) })
  return jobs
    .filter(({ jobId }) => jobId.length <= LONGEST)
    .map(({ jobId, jobType, status }) => ({
      name: `${jobId} · ${jobType} · ${status}`.slice(0, LONGEST),
      value: jobId,
    }))
}
