/**
 * Who runs in user mode: processes, told apart by the system calls that make and end them.
 *
 * A kernel thread that enters user mode for the first time is somebody new. Where it enters tells who: a forked child
 * comes back from its parent's call, at the same instruction and stack pointer; a spawned one begins another program;
 * anything else is a further thread of the process whose page tables it runs on. Page tables alone tell little, because
 * vfork shares them and kernels use those of the dead again.
 *
 * A pid is what a call returned: fork and vfork to the parent, getpid to the process, wait4 to whoever reaps it. The first
 * program is process 1. Of children of one parent that wait for their first instruction, the oldest is taken to run first;
 * getpid corrects that. What no call ever told stays unknown.
 */

import type { GuestSystem, ProcessCall } from '../../guests/systems/system.ts'
import { cleanText } from '../model/text.ts'
import type { Lane } from '../model/trace.ts'
import { ARGUMENT_CARRY, ARGUMENT_RAX_SHIFT } from './call-events.ts'

/** Later processes share the last lane. */
const MAX_PROCESSES = 512
/** Children that have not been seen in user mode. */
const MAX_CHILDREN = 256

export interface Process {
  readonly lane: number
  pid: number | undefined
  /** Of the program it runs: execve's, its parent's until then. */
  path: string | undefined
  ended: boolean
}

interface Child {
  readonly parent: Process
  readonly by: 'fork' | 'clone' | 'spawn'
  readonly site: number
  readonly rsp: number
  readonly space: number
  /** Of a spawned program. */
  readonly path: string | undefined
  pid: number | undefined
  process: Process | undefined
}

/** A system call under way. */
export interface SystemCall {
  readonly kind: ProcessCall | undefined
  readonly path: string | undefined
  readonly child: Child | undefined
}

/** Where user mode is entered. */
export interface UserEntry {
  /** CR3. */
  readonly space: number
  readonly address: number
  readonly rsp: number
}

/** What a system call came back with. */
interface Outcome {
  readonly failed: boolean
  /** undefined: above 65534, or negative. */
  readonly value: number | undefined
}

export class Processes {
  readonly #lanes: Lane[]
  readonly #system: GuestSystem
  readonly #all: Process[] = []
  /** The living, by the page tables they run on. */
  readonly #bySpace = new Map<number, Process>()
  #children: Child[] = []
  #init: string | undefined

  /** Adds its lanes to `lanes`. */
  constructor(lanes: Lane[], system: GuestSystem) {
    this.#lanes = lanes
    this.#system = system
  }

  /** The first program's path has been found. */
  first(path: string): void {
    if (this.#all.length === 0) this.#init = cleanText(path)
  }

  /** A kernel thread enters user mode that was never there before. */
  entered(entry: UserEntry): Process {
    if (this.#all.length === 0) return this.#born(entry.space, this.#init, this.#init === undefined ? undefined : 1)
    const child = this.#childAt(entry)
    if (child !== undefined) {
      // vfork's child runs on its parent's page tables until it executes something.
      if (child.space !== entry.space) this.#bySpace.delete(entry.space)
      child.process = this.#born(entry.space, child.path ?? child.parent.path, child.pid)
      if (child.pid !== undefined) this.#drop(child)
      return child.process
    }
    const known = this.#bySpace.get(entry.space)
    return known !== undefined && !known.ended ? known : this.#born(entry.space, undefined, undefined)
  }

  /** The process has other page tables now. */
  moved(process: Process, space: number): void {
    this.#bySpace.set(space, process)
  }

  /** `path`: what the call was given to execute. */
  called(process: Process, number: number, path: string | undefined, entry: UserEntry): SystemCall {
    const kind = this.#system.processCalls.get(number)
    let child: Child | undefined
    if (kind === 'fork' || kind === 'clone' || kind === 'spawn') {
      child = {
        parent: process,
        by: kind,
        site: entry.address,
        rsp: entry.rsp,
        space: entry.space,
        path: kind === 'spawn' && path !== undefined ? cleanText(path) : undefined,
        pid: undefined,
        process: undefined,
      }
      this.#children.push(child)
      if (this.#children.length > MAX_CHILDREN) this.#children.shift()
    } else if (kind === 'exit') process.ended = true
    return { kind, path, child }
  }

  /** `argument`: of the event of the return. Answers whether the process runs another program now. */
  returned(process: Process, call: SystemCall, argument: number): boolean {
    const { failed, value } = this.#outcome(argument)
    switch (call.kind) {
      case 'fork':
      case 'clone':
      case 'spawn':
        if (call.child !== undefined) this.#forked(call.child, call.kind, failed, value)
        return false
      case 'exec':
        if (failed || value !== 0 || call.path === undefined) return false
        process.path = cleanText(call.path)
        this.#name(process)
        return true
      case 'getpid':
        if (!failed && value !== undefined) this.#setPid(process, value)
        return false
      case 'wait':
        if (!failed && value !== undefined && value > 0) this.#reaped(value)
        return false
      default:
        return false
    }
  }

  #outcome(argument: number): Outcome {
    const rax = argument >>> ARGUMENT_RAX_SHIFT
    const value = rax === 0 ? undefined : rax - 1
    return { failed: this.#system.failsByCarry ? (argument & ARGUMENT_CARRY) !== 0 : value === undefined, value }
  }

  #forked(child: Child, by: Child['by'], failed: boolean, value: number | undefined): void {
    if (failed) {
      if (child.process === undefined) this.#drop(child)
      return
    }
    // posix_spawn answers an error number, and leaves the pid in memory.
    if (by === 'spawn' || value === undefined || value === 0) return
    child.pid = value
    if (child.process === undefined) return
    this.#setPid(child.process, value)
    this.#drop(child)
  }

  #childAt({ space, address, rsp }: UserEntry): Child | undefined {
    const waiting = this.#children.filter((c) => c.process === undefined)
    return (
      waiting.find((c) => c.by !== 'spawn' && c.site === address && (c.by === 'clone' || c.rsp === rsp)) ??
      (this.#bySpace.get(space)?.ended === false ? undefined : waiting.find((c) => c.by === 'spawn'))
    )
  }

  #drop(child: Child): void {
    this.#children = this.#children.filter((c) => c !== child)
  }

  #born(space: number, path: string | undefined, pid: number | undefined): Process {
    const isLast = this.#all.length >= MAX_PROCESSES
    const lane = isLast ? this.#all.at(-1)!.lane : this.#lanes.length
    const process: Process = { lane, pid, path, ended: false }
    const known = this.#bySpace.get(space)
    if (known === undefined || known.ended) this.#bySpace.set(space, process)
    if (isLast) return process
    this.#all.push(process)
    this.#lanes.push({ kind: 'process', name: '', addressSpace: space })
    this.#name(process)
    return process
  }

  /** A pid belongs to one living process: who had it by the order of forks gets the other's. */
  #setPid(process: Process, pid: number): void {
    if (process.pid === pid) return
    const other = this.#all.find((p) => p !== process && !p.ended && p.pid === pid)
    if (other !== undefined) {
      other.pid = process.pid
      this.#name(other)
    }
    process.pid = pid
    this.#name(process)
  }

  #reaped(pid: number): void {
    let process = this.#all.findLast((p) => p.pid === pid)
    if (process === undefined) {
      // The only one it can be.
      const nameless = this.#all.filter((p) => p.ended && p.pid === undefined)
      if (nameless.length !== 1) return
      process = nameless[0]!
      this.#setPid(process, pid)
    }
    process.ended = true
  }

  #name(process: Process): void {
    const { lane, path, pid } = process
    const place = this.#lanes[lane]!
    if (lane === this.#all[MAX_PROCESSES - 1]?.lane) {
      this.#lanes[lane] = { kind: 'process', name: 'more processes' }
      return
    }
    const name = path ?? (pid === undefined ? `process ${this.#all.indexOf(process) + 1}` : 'process')
    this.#lanes[lane] = {
      ...place,
      name: pid === undefined ? name : `${name} (${pid})`,
      ...(path !== undefined && { path }),
      ...(pid !== undefined && { pid }),
    }
  }
}

const EXCEPTIONS = [
  ...['#DE', '#DB', 'NMI', '#BP', '#OF', '#BR', '#UD', '#NM', '#DF', '#9', '#TS', '#NP', '#SS', '#GP', '#PF', '#15'],
  ...['#MF', '#AC', '#MC', '#XM', '#VE', '#CP'],
] as const
/** Vectors below this are the CPU's own (SDM 3A §6.3.1). */
export const EXCEPTION_VECTORS = 32
export const vectorName = (vector: number): string =>
  vector < EXCEPTION_VECTORS ? (EXCEPTIONS[vector] ?? `#${vector}`) : `interrupt 0x${vector.toString(16)}`
