import type { FollowUpComposer } from '../followups/compose-follow-up.ts'
import { explainFollowUp, sayGates, type ExplainParts } from '../followups/explain.ts'
import type { FollowUpPayload } from '../job-catalog.ts'
import { voiceOf } from '../messaging/voice.ts'
import { cardAnswer, type Command } from './command.ts'
import { findPerson, nameOf } from './find-person.ts'
import { sayNext, standingOf } from './followup-explain.ts'
import { isOwner } from './owner.ts'

/** `!followup_preview @user`: the whole way of a follow-up but its last step. Nothing is stored, nothing is sent. */
export function followUpPreviewCommand(
  parts: ExplainParts & { ownerIds: readonly string[]; previewComposer: () => FollowUpComposer },
): Command {
  return {
    name: 'followup_preview',
    group: 'followup',
    usage: '@user',
    about: 'A follow-up without sending it: the gates, and for owners the text.',
    adminOnly: true,
    options: [{ name: 'user', about: 'Whom it would be written to.', kind: 'person', required: true }],
    async run({ message, args }) {
      const person = await findPerson(parts.database, nameOf(args), message)
      const { report, payload, next, now } = await explainFollowUp(parts, person.userId)
      const text = isOwner(message, parts.ownerIds)
        ? await draft(parts.previewComposer(), payload)
        : ['The text is shown to owners only (ADMIN_USER_IDS): it comes from a private talk.']
      const { when, quote } = voiceOf(message.platform, now)
      return cardAnswer({
        title: `Preview of a follow-up to ${quote(person.displayName || person.userId)}; nothing is stored or sent.`,
        standing: standingOf(report),
        lines: [sayNext({ next }, when), ...sayGates(report, when), ...text],
      })
    },
  }
}

async function draft(composer: FollowUpComposer, payload: FollowUpPayload): Promise<string[]> {
  const composed = await composer.compose({ payload, signal: new AbortController().signal, isPreview: true })
  if (composed === 'unsafe')
    return ['Text: none that may be sent (nothing to write about, or somebody who needs people, not a program).']
  const by = composed.source === 'model' ? 'the language model' : `template ${composed.template ?? ''}`.trim()
  return [`Text (${by}; another try may read differently):`, composed.text]
}
