import { tasks, type Asked } from './tasks.ts'

/** The program of an actor's process: does what it is asked and answers. */
process.on('message', message => {
  const { id, task, input } = message as Asked
  const work = tasks[task] as (input: unknown) => Promise<unknown>
  work(input).then(
    value => process.send?.({ id, value }),
    (error: unknown) => process.send?.({ id, error: error instanceof Error ? (error.stack ?? error.message) : error }),
  )
})
// Ctrl-C goes to the whole group of processes; the bench decides who ends, and when it dies so do we.
process.on('SIGINT', () => {})
process.on('disconnect', () => process.exit())
