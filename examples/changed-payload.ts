import { defineJob } from 'belfry'
import { z } from 'zod'

/** Invitations were one language for all; since the second version each says its own. Stored ones are read as English. */
export const invite = defineJob({
  type: 'invite',
  payload: z.object({ name: z.string(), language: z.enum(['de', 'en']) }),
  payloadVersion: 2,
  upcast: { 1: payload => ({ ...(payload as { name: string }), language: 'en' }) },
  handler: ({ name, language }) => `${language === 'de' ? 'Komm vorbei' : 'Come over'}, ${name}`,
})
