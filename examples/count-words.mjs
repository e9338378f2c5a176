/** The five words that come most often. Runs in a thread: it may compute for as long as it likes. */
export async function countWords({ text }, { signal, log, progress }) {
  const counts = new Map()
  const words = text.toLowerCase().match(/\p{L}+/gu) ?? []
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1)
  log(`${words.length} words, ${counts.size} different ones`)
  await progress({ percent: 50 })
  signal.throwIfAborted()
  return [...counts].toSorted(([, one], [, other]) => other - one).slice(0, 5)
}
