import { readFile } from 'node:fs/promises'

/** The kernel's unit of processor time in /proc, fixed at 100 per second for every Linux user space. */
const TICKS_PER_SECOND = 100

/** Processor seconds used so far by these processes; one that is gone counts nothing. */
export async function processorSeconds(pids: readonly number[]): Promise<number> {
  const all = await Promise.all(pids.map(pid => ticks(pid, false)))
  return sum(all) / TICKS_PER_SECOND
}

/** Processor seconds used so far by a process and by every child it has or had. */
export async function familySeconds(pid: number): Promise<number> {
  const living = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '')).split(' ')
  const children = living.filter(text => text !== '').map(Number)
  const all = await Promise.all([ticks(pid, true), ...children.map(child => ticks(child, true))])
  return sum(all) / TICKS_PER_SECOND
}

/** Processor seconds the whole machine was busy since it started. */
export async function machineSeconds(): Promise<number> {
  const [line = ''] = (await readFile('/proc/stat', 'utf8')).split('\n')
  const [user = 0, nice = 0, system = 0, , , irq = 0, softIrq = 0] = line.trim().split(/\s+/).slice(1).map(Number)
  return (user + nice + system + irq + softIrq) / TICKS_PER_SECOND
}

/** Memory of a process that lies in RAM, in MB; 0 when it is gone. */
export async function residentMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1024
}

async function ticks(pid: number, withReaped: boolean): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  // The name, in brackets, may hold spaces; utime is the 12th field after it, then stime, cutime, cstime.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return sum(fields.slice(11, withReaped ? 15 : 13).map(Number))
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
