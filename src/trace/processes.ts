/**
 * Who runs in user mode. A process is an address space (CR3) in which user code has run; execve's path and the pid name
 * it where the machine could read them. NetBSD reuses page tables of dead processes: an exit or exec note, or nothing,
 * tells them apart.
 */
import type { Lane } from './trace.ts'

/** Later processes share the last lane. */
const MAX_PROCESSES = 512

export interface Process {
  readonly addressSpace: number
  lane: number
  pid: number | undefined
  path: string | undefined
  ended: boolean
}

export class Processes {
  readonly #bySpace = new Map<number, Process>()
  readonly #lanes: Lane[]
  #seen = 0
  #last = 0

  /** Adds its lanes to `lanes`. */
  constructor(lanes: Lane[]) {
    this.#lanes = lanes
  }

  /** The process that runs in this address space now, met for the first time or known. */
  in(addressSpace: number): Process {
    const known = this.#bySpace.get(addressSpace)
    if (known !== undefined && !known.ended) return known
    const isLast = this.#seen >= MAX_PROCESSES
    const lane = isLast ? this.#last : this.#lanes.length
    const process: Process = { addressSpace, lane, pid: undefined, path: undefined, ended: false }
    this.#bySpace.set(addressSpace, process)
    if (isLast) return process
    this.#seen++
    this.#last = lane
    const name = this.#seen === MAX_PROCESSES ? 'more processes' : `process ${this.#seen}`
    this.#lanes.push({ kind: 'process', name, addressSpace })
    return process
  }

  known(addressSpace: number): Process | undefined {
    return this.#bySpace.get(addressSpace)
  }

  /** The process became another program: the same lane until it had a path, a new lane when it had one already. */
  exec(process: Process, path: string, pid: number | undefined): Process {
    if (process.path !== undefined && process.path !== path) {
      process.ended = true
      const next = this.in(process.addressSpace)
      next.pid = process.pid
      return this.exec(next, path, pid)
    }
    process.path = path
    process.pid = pid ?? process.pid
    if (this.#lanes[process.lane]?.name === 'more processes') return process
    const { addressSpace } = process
    const name = process.pid === undefined ? path : `${path} (${process.pid})`
    this.#lanes[process.lane] = {
      kind: 'process',
      name,
      path,
      addressSpace,
      ...(process.pid !== undefined && { pid: process.pid }),
    }
    return process
  }
}

/** NetBSD's system calls that boots and small shells make (sys/kern/syscalls.master); others keep their number. */
const NETBSD_SYSCALLS: Readonly<Record<number, string>> = {
  1: 'exit',
  2: 'fork',
  3: 'read',
  4: 'write',
  5: 'open',
  6: 'close',
  9: 'link',
  10: 'unlink',
  12: 'chdir',
  15: 'chmod',
  17: 'break',
  20: 'getpid',
  22: 'unmount',
  23: 'setuid',
  24: 'getuid',
  33: 'access',
  36: 'sync',
  37: 'kill',
  39: 'getppid',
  41: 'dup',
  42: 'pipe',
  54: 'ioctl',
  57: 'symlink',
  58: 'readlink',
  59: 'execve',
  60: 'umask',
  66: 'vfork',
  73: 'munmap',
  74: 'mprotect',
  90: 'dup2',
  92: 'fcntl',
  95: 'fsync',
  121: 'writev',
  128: 'rename',
  136: 'mkdir',
  137: 'rmdir',
  147: 'setsid',
  197: 'mmap',
  199: 'lseek',
  202: '__sysctl',
  208: 'reboot',
  209: 'poll',
  290: '__posix_chown',
  296: '__getcwd',
  317: '_lwp_setprivate',
  391: '__sigaction_sigtramp',
  410: '__mount50',
  417: '__select50',
  427: '__clock_gettime50',
  430: '__nanosleep50',
  439: '__stat50',
  440: '__fstat50',
  441: '__lstat50',
  449: '__wait450',
}

/** "write", or "system call 512" for one without a name here. */
export const syscallName = (number: number): string => NETBSD_SYSCALLS[number] ?? `system call ${number}`

const EXCEPTIONS = [
  ...['#DE', '#DB', 'NMI', '#BP', '#OF', '#BR', '#UD', '#NM', '#DF', '#9', '#TS', '#NP', '#SS', '#GP', '#PF', '#15'],
  ...['#MF', '#AC', '#MC', '#XM', '#VE', '#CP'],
] as const
/** Vectors below this are the CPU's own (SDM 3A §6.3.1). */
export const EXCEPTION_VECTORS = 32
export const vectorName = (vector: number): string =>
  vector < EXCEPTION_VECTORS ? (EXCEPTIONS[vector] ?? `#${vector}`) : `interrupt 0x${vector.toString(16)}`
