import { defineJob, type Scheduler } from 'belfry'

/** Questions to a language model: 100,000 tokens a day for everybody together, and nobody waits behind a thousand others. */
export const ask = defineJob<{ customer: string; question: string }, { customer: string; question: string }>({
  type: 'ask_model',
  cost: 500,
  limits: {
    concurrency: 10,
    budget: { amount: 100_000, per: '1d' },
    rate: { limit: 50_000, per: '1m', burst: 100 },
    perKey: { fair: true, budget: { amount: 20_000, per: '1d' } },
  },
  handler: async ({ question }, { spend }) => {
    const { answer, tokens } = await model(question)
    spend(tokens)
    return answer
  },
})

export async function schedule(scheduler: Scheduler, customer: string, question: string): Promise<void> {
  const cost = 200 + question.length
  await scheduler.scheduleJob(ask, { customer, question }, { concurrencyKey: customer, cost })
}

function model(question: string): Promise<{ answer: string; tokens: number }> {
  return Promise.resolve({ answer: `You asked: ${question}`, tokens: 40 + question.length })
}
