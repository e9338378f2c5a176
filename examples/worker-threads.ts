import { defineJob, isolated } from 'belfry'

const module = new URL('./count-words.mjs', import.meta.url)

/** Counts the words of whole books without this process standing still. End its threads with `countWords.close()`. */
export const countWords = isolated<{ text: string }>(module, {
  export: 'countWords',
  memoryLimitMb: 256,
  maxWorkers: 2,
})

export const wordCount = defineJob<{ text: string }>({
  type: 'word_count',
  timeout: '2m',
  concurrency: 2,
  handler: countWords,
})
