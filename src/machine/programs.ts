/**
 * Which programs a guest executes, read from its memory without touching anything: the path that execve(2) or
 * posix_spawn(3) is given, and for the first program, which a kernel starts by itself, what lies on its stack (System V
 * ABI, AMD64 supplement §3.4.1: argc, argv, environment, auxiliary vector).
 */
import { ARGUMENT_SOFTWARE, CallEventKind } from './call-event.ts'
import type { Cpu } from './cpu/cpu.ts'
import { type PartState, type SavedPart, StateReader } from './part.ts'
import { CodeMode, RAX, RBX, RCX, RDI, RSI, RSP } from './state/layout.ts'
import type { TraceNotes } from './trace-notes.ts'

/** Arguments of a system call: in registers, or by their place among 32-bit words on the caller's stack. */
type Argument = { readonly register: number } | { readonly word: number }

interface Convention {
  /** SYSCALL in 64-bit mode: number to the argument that is a path. */
  readonly syscall: Readonly<Record<number, Argument>>
  /** INT 80h, which 32-bit programs use. */
  readonly interrupt: Readonly<Record<number, Argument>>
}

const CONVENTIONS: Readonly<Record<string, Convention>> = {
  // sys/kern/syscalls.master: execve(path, ...), posix_spawn(pid, path, ...). The word at ESP is the return address.
  netbsd: {
    syscall: { 59: { register: RDI }, 474: { register: RSI } },
    interrupt: { 59: { word: 1 }, 474: { word: 2 } },
  },
  // arch/x86/entry/syscalls/syscall_{64,32}.tbl: execve, execveat(directory, path, ...).
  linux: {
    syscall: { 59: { register: RDI }, 322: { register: RSI } },
    interrupt: { 11: { register: RBX }, 358: { register: RCX } },
  },
}

const PATH_MAX = 1024
/** Words of a first program's stack that are looked at. */
const WORDS_MAX = 256
const AT_NULL = 0n
/** The executed path: Linux's AT_EXECFN, NetBSD's AT_SUN_EXECNAME. */
const EXECUTED_NAME: readonly bigint[] = [31n, 2014n]

export class Programs implements SavedPart {
  readonly name = 'programs'
  readonly #cpu: Cpu
  readonly #notes: TraceNotes
  readonly #convention: Convention | undefined
  #userSeen = false

  /** `os` as the kernel's note says it. */
  constructor(cpu: Cpu, notes: TraceNotes, os: string | undefined) {
    this.#cpu = cpu
    this.#notes = notes
    this.#convention = CONVENTIONS[os ?? '']
  }

  save(): PartState {
    return { userSeen: this.#userSeen }
  }

  load(state: PartState): void {
    const s = new StateReader(state, this.name)
    this.#userSeen = s.flag('userSeen')
    s.end()
  }

  /** A call event of this kind and argument has just been recorded. */
  levelChanged(kind: CallEventKind, argument: number): void {
    switch (kind) {
      case CallEventKind.Syscall:
        this.#systemCall('syscall')
        break
      case CallEventKind.Interrupt:
        if (argument === (0x80 | ARGUMENT_SOFTWARE)) this.#systemCall('interrupt')
        break
      default:
        if (!this.#userSeen && this.#cpu.state.cpl === 3) this.#firstProgram()
    }
  }

  #systemCall(by: keyof Convention): void {
    const { state } = this.#cpu
    const argument = this.#convention?.[by][state.get32(RAX) >>> 0]
    if (argument === undefined) return
    const path = this.#text(this.#argument(argument))
    if (path !== undefined) this.#notes.exec('exec', path)
  }

  #argument(argument: Argument): bigint {
    const { state } = this.#cpu
    if ('register' in argument) return state.get64(argument.register)
    // The interrupt's frame: RIP, CS, RFLAGS, RSP, of 4 or 8 bytes each.
    const size = state.longMode ? 8 : 4
    const esp = this.#word(state.get64(RSP) + BigInt(3 * size), size) ?? 0n
    return this.#word(esp + BigInt(4 * argument.word), 4) ?? 0n
  }

  #firstProgram(): void {
    this.#userSeen = true
    const { state } = this.#cpu
    const size = state.codeMode === CodeMode.Bits64 ? 8 : 4
    const sp = state.get64(RSP)
    const word = (index: number): bigint | undefined => this.#word(sp + BigInt(index * size), size)
    const argc = Number(word(0) ?? 0n)
    if (argc < 1 || argc >= WORDS_MAX || word(1 + argc) !== 0n) return
    let at = 2 + argc
    while (at < WORDS_MAX && word(at) !== 0n) at++
    let name = word(1)
    for (at++; at < WORDS_MAX; at += 2) {
      const type = word(at)
      if (type === undefined || type === AT_NULL) break
      if (EXECUTED_NAME.includes(type)) name = word(at + 1)
    }
    const path = name === undefined ? undefined : this.#text(name)
    if (path !== undefined) this.#notes.exec('init', path)
  }

  #word(linear: bigint, size: number): bigint | undefined {
    const bytes = new Uint8Array(8)
    if (this.#cpu.memory.peek(linear, bytes.subarray(0, size)) < size) return undefined
    return new DataView(bytes.buffer).getBigUint64(0, true)
  }

  /** Bytes up to a zero, one character each; undefined where there are none. */
  #text(linear: bigint): string | undefined {
    const bytes = new Uint8Array(PATH_MAX)
    const there = bytes.subarray(0, this.#cpu.memory.peek(linear, bytes))
    const end = there.indexOf(0)
    return end > 0 ? String.fromCharCode(...there.subarray(0, end)) : undefined
  }
}
