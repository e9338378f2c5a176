import { lstat, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Removes what lies in the bot's own folder for temporary files and was last changed before an instant; answers how many
 * entries. Links are removed, never followed. A folder that is not there is empty.
 */
export async function removeTempFiles(folder: string, before: Date): Promise<number> {
  let removed = 0
  for (const name of await namesIn(folder)) {
    const path = join(folder, name)
    const changedAt = await changeOf(path)
    if (changedAt === undefined || changedAt >= before) continue
    await rm(path, { recursive: true, force: true })
    removed += 1
  }
  return removed
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    // A link in the folder's place could lead anywhere.
    return (await lstat(folder)).isDirectory() ? await readdir(folder) : []
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

/** Undefined: somebody else removed it meanwhile. */
async function changeOf(path: string): Promise<Date | undefined> {
  try {
    return (await lstat(path)).mtime
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
