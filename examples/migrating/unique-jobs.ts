import type { Scheduler } from 'belfry'

/** At most one unfinished rebuild per index, however many ask; each caller gets that job's id. */
export function rebuildOnce(scheduler: Scheduler, index: string) {
  return scheduler.scheduleJob('rebuild_index', { payload: { index }, uniqueKey: index })
}

/** Saves five seconds after the last change, but no later than a minute after the first. */
export function saveSoon(scheduler: Scheduler, documentId: string, text: string) {
  return scheduler.scheduleJob('save_document', {
    payload: { documentId, text },
    delay: '5s',
    uniqueKey: documentId,
    onConflict: 'replace',
    maxWait: '1m',
  })
}
