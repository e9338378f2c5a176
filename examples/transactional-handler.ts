import { defineJob } from 'belfry'

/** Money moves once: the booking and the end of the job are one commit. */
export const transfer = defineJob<{ from: string; to: string; cents: number }>({
  type: 'transfer',
  transactional: true,
  handler: async ({ from, to, cents }, { tx, schedule }) => {
    const move = 'update accounts set cents = cents + $2::int where name = $1::text'
    await tx.query(move, [from, -cents])
    await tx.query(move, [to, cents])
    await schedule('send_receipt', { from, to, cents })
  },
})
