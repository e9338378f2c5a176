/** An instant as sentences for people name it. */
export function say(time: Date): string {
  return `${time.toISOString().slice(0, 19).replace('T', ' ')} UTC`
}
