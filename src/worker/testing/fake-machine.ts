/**
 * A machine that is no machine: it prints a boot, prompts, and knows a few words, so that the page and the emulator can
 * be tried in each of their states without an engine. Time and instructions are made up at 1 GHz.
 */
import { type Problem, problem } from '../../base/problem.ts'
import type { CreateMachine, Machine, MachineExit, Slice } from '../../machine/index.ts'

const PROMPT = 'playground> '
const BOOT_LINES = [
  'NetBSD microVM playground: embedded guest, a fake of it',
  'command line: console=com',
  'memory: 00100000-03ffffff RAM',
  'mptable: at 0x9fc00, version 1.4, LAPIC at 0xfee00000',
  'virtio0: block device (id 2)',
  'selftest long mode: ok',
  'selftest: 1 tests, 0 failed',
  'boot: 63000 us',
]
const NS_PER_LINE = 9e6

const registers = {
  rip: 0xffffffff80f3a210n,
  rsp: 0xffffc00012345e80n,
  rax: 0n,
  rbx: 0x6000n,
  rflags: 0x10246n,
  cr0: 0x80010033n,
  cr2: 0x10n,
  cr3: 0xa01000n,
}

const notElf: Problem = problem(
  'not-elf',
  'the kernel file starts with 0x6e 0x6f',
  'an ELF file starts with 0x7f 0x45 0x4c 0x46',
  'choose the uncompressed kernel, often named netbsd',
)

export const createFakeMachine: CreateMachine = (config, host, events) => {
  if (config.kernel[0] === 0x6e) return { ok: false, problem: notElf }
  const encoder = new TextEncoder()
  const decoder = new TextDecoder()
  const print = (text: string) => events.console(encoder.encode(text))
  let guestNs = 0
  let printed = 0
  let line = ''
  let exit: MachineExit | undefined
  let fault = false
  let spinning = false
  let flooding = 0
  let startedNs = host.monotonicNs()

  const words: Record<string, () => void> = {
    halt: () => (exit = { reason: 'halt' }),
    poweroff: () => (exit = { reason: 'guest-exit', code: 1 }),
    reboot: () => (exit = { reason: 'reset' }),
    'crash triple': () =>
      (exit = {
        reason: 'triple-fault',
        crash: {
          cause: '#GP(0x10) while delivering #PF(0x2)',
          registers,
          stack: ['uvm_fault_internal+0x1f2', 'trap+0x4a', 'alltraps+0x98', 'main+0x3c1', 'start_pvh+0x120'],
        },
      }),
    fault: () => (fault = true),
    spin: () => (spinning = true),
    flood: () => (flooding = 2000),
    link: () => print('see https://www.netbsd.org/\r\n'),
  }

  const type = (text: string) => {
    for (const char of text) {
      if (char === '\x03') {
        spinning = false
        flooding = 0
        line = ''
        print(`^C\r\n${PROMPT}`)
      } else if (char === '\r' || char === '\n') {
        print('\r\n')
        const word = words[line.trim()]
        if (word) word()
        else if (line.startsWith('echo ')) print(`${line.slice(5)}\r\n`)
        else if (line !== '') print(`There is no command "${line}"; help lists them.\r\n`)
        line = ''
        if (!exit && !fault && !spinning && !flooding) print(PROMPT)
      } else {
        line += char
        print(char)
      }
    }
  }

  const machine: Machine = {
    kernel: { entry: 0x100000, elfClass: 64, bytes: config.kernel.length, cmdline: config.cmdline, symbols: [] },
    disks: config.disks,
    run: (maxMs): Slice => {
      if (fault) throw new Error('invariant broken: rip is canonical (0x8000000000000000)')
      const until = host.monotonicNs() + maxMs * 1e6
      guestNs = host.monotonicNs() - startedNs
      if (printed <= BOOT_LINES.length) {
        while (host.monotonicNs() < until) {
          // Burns what a machine would.
        }
        guestNs = host.monotonicNs() - startedNs
        while (printed < BOOT_LINES.length && guestNs > printed * NS_PER_LINE) print(`${BOOT_LINES[printed++]}\r\n`)
        if (printed === BOOT_LINES.length) {
          printed++
          print(PROMPT)
        }
        return { state: 'running', sleepNs: 0 }
      }
      while (flooding > 0 && host.monotonicNs() < until) {
        flooding--
        print(`${'0123456789abcdef'.repeat(4)} ${flooding}\r\n`)
        if (flooding === 0) print(PROMPT)
      }
      if (exit) {
        const stopped: Slice = { state: 'stopped', sleepNs: 0, exit }
        exit = undefined
        return stopped
      }
      if (spinning) {
        while (host.monotonicNs() < until) {
          // Burns what a machine would.
        }
        return { state: 'running', sleepNs: 0 }
      }
      return flooding > 0 ? { state: 'running', sleepNs: 0 } : { state: 'idle', sleepNs: 10e9 }
    },
    send: (bytes) => type(decoder.decode(bytes, { stream: true })),
    reset: () => {
      guestNs = 0
      printed = 0
      line = ''
      spinning = false
      flooding = 0
      startedNs = host.monotonicNs()
    },
    figures: () => ({ instructions: Math.floor(guestNs * 0.2), guestNs, engine: {} }),
    registers: () => registers,
    yield: () => {},
    stopAfter: () => {},
    save: () => {
      throw new Error('a fake machine has no state')
    },
    resizeConsole: () => {},
  }
  return { ok: true, value: machine }
}
