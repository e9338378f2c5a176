import { writeFile } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import type { Attachment } from '../../commands/command.ts'

/** Above this many of one name somebody should tidy up first. */
const MOST_OF_A_NAME = 1_000

/**
 * Saves a file for the person at the terminal, readable by them alone, under a name that is free: nothing is overwritten.
 * Answers what to tell them, also when it cannot be saved.
 */
export async function saveAttachment(folder: string, { name, content }: Attachment): Promise<string> {
  const plain = basename(name)
  const ending = extname(plain)
  for (let number = 1; number <= MOST_OF_A_NAME; number += 1) {
    const path = join(folder, number === 1 ? plain : `${basename(plain, ending)}-${number}${ending}`)
    try {
      await writeFile(path, content, { flag: 'wx', mode: 0o600 })
      return `Saved as ${path}, readable by you alone.`
    } catch (error) {
      if (!(error instanceof Error && 'code' in error)) throw error
      if (error.code !== 'EEXIST')
        return `It could not be saved as ${path} (${String(error.code)}). Start me in a folder of yours.`
    }
  }
  return `It could not be saved: ${folder} holds too many files named ${plain}. Move some away.`
}
