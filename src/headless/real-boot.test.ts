/** What a trace of a real NetBSD boot says, against the console and the kernel's own tables. Without a kernel: skipped. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { cacheRoot, kernelPath } from '../../scripts/guest-cache.ts'
import { initPath } from '../../userland/build.ts'
import { netbsdRoot } from '../disk/netbsd-root.ts'
import { netbsdSyscallName } from '../guests/systems/netbsd.ts'
import { type CreateMachine, createMachine, OverlayDisk } from '../machine/index.ts'
import { readTrace } from '../trace/formats/trace-file.ts'
import type { Trace } from '../trace/model/trace.ts'
import { bootMain } from './boot.ts'
import { nodeHost } from './node-host.ts'

const KERNELS = [
  { architecture: 'amd64', kernel: kernelPath(cacheRoot(), 'netbsd-microvm'), machineStart: 'init_x86_64' },
  { architecture: 'i386', kernel: kernelPath(cacheRoot(), 'netbsd-smol386'), machineStart: 'init386' },
] as const
const EPOCH = 1_767_225_600

for (const { architecture, kernel, machineStart } of KERNELS)
  describe.skipIf(!existsSync(kernel))(
    `a traced NetBSD/${architecture} boot (skipped unless there is a kernel: ${kernel})`,
    () => {
      let trace: Trace
      let text = ''

      beforeAll(async () => {
        const dir = mkdtempSync(join(tmpdir(), 'real-boot-'))
        const root = netbsdRoot(readFileSync(initPath(architecture)), { time: EPOCH })
        if (!root.ok) throw new Error(root.problem.saw)
        const withRoot: CreateMachine = (config, host, events) =>
          createMachine({ ...config, disks: [new OverlayDisk(root.value)] }, host, events)
        const file = join(dir, 'trace.json')
        const status = await bootMain(
          [
            ...[
              '--kernel',
              kernel,
              '--memory',
              '128',
              '--cmdline',
              'console=com root=ld0a',
              '--clock',
              'icount',
              '--net',
              'user',
            ],
            ...['--send', 'sleep 9 & ps\\n', '--until', ' ps\\r?\\n[^#]*# $', '--timeout', '100', '--trace', file],
          ],
          {
            createMachine: withRoot,
            host: nodeHost(),
            now: () => performance.now(),
            stdout: (bytes) => {
              text += Buffer.from(bytes).toString('latin1')
            },
            stderr: (said) => {
              text += said
            },
            input: () => () => {},
            atTerminal: false,
            embedded: '',
          },
        )
        expect(status, text.slice(-500)).toBe(0)
        const read = readTrace(readFileSync(file, 'utf8'))
        if (!read.ok) throw new Error(read.problem.saw)
        trace = read.value
        rmSync(dir, { recursive: true })
      }, 120_000)

      const spansOf = (name: string): { start: number; end: number }[] => {
        const func = trace.functions.names.indexOf(name)
        const spans: { start: number; end: number }[] = []
        for (let i = 0; i < trace.spans.length; i++)
          if (trace.spans.func[i] === func) spans.push({ start: trace.spans.start[i]!, end: trace.spans.end[i]! })
        return spans
      }

      test('has the stages of the kernel, in their order', () => {
        expect(trace.stages.map((stage) => stage.name)).toEqual([
          ...['start_pvh', machineStart, 'main', 'configure', 'mainbus0', 'isa0', 'pv0', 'ubc_init', 'initclocks'],
          ...['configure2', 'domaininit', 'module_init_class', 'vfs_mountroot', 'start_init', 'init', 'prompt'],
        ])
        const shares = trace.stages.reduce((sum, stage) => sum + stage.share, 0)
        expect(shares).toBeCloseTo(1, 6)
      })

      test('names the first function, which runs before paging', () => {
        expect(spansOf('start_pvh')[0]).toMatchObject({ start: 0 })
      })

      test('shows each device attach, inside configure', () => {
        const configure = spansOf('cpu_configure')[0]!
        for (const name of ['com_isa_attach', 'ld_virtio_attach', 'vioif_attach', 'viornd_attach']) {
          const spans = spansOf(name)
          expect(spans, name).toHaveLength(1)
          expect(spans[0]!.start, name).toBeGreaterThan(configure.start)
          expect(spans[0]!.end, name).toBeLessThan(configure.end)
        }
      })

      test('names processes as ps does', () => {
        const listed = [...text.matchAll(/^ +(\d+) \S+ +\d+:\d\d\.\d\d +-?(\S+)/gm)].map(
          ([, pid, name]) => `${name} ${pid}`,
        )
        expect(listed.length).toBeGreaterThanOrEqual(3)
        const lanes = trace.lanes.filter((lane) => lane.kind === 'process')
        const named = lanes.map((lane) => `${lane.path?.split('/').at(-1)} ${lane.pid}`)
        for (const process of listed) expect(named).toContain(process)
        expect(lanes[0]).toMatchObject({ path: '/sbin/init', pid: 1 })
      })

      test('has the disk and the console as devices, requests among its marks', () => {
        const devices = trace.lanes.filter((lane) => lane.kind === 'devices').map((lane) => lane.name)
        expect(devices).toEqual(expect.arrayContaining(['com0', 'ld0', 'viornd0']))
        const requests = trace.marks.filter((mark) => mark.kind === 'device').map((mark) => mark.text)
        expect(requests).toContain('ld0 read sector 0, 512 bytes')
      })

      // The numbers are the same in both; the table is read as 64 bits have it.
      test.runIf(architecture === 'amd64')('names system calls as the kernel’s table does', () => {
        const elf = readFileSync(kernel)
        const named = sysentNames(elf)
        expect(named.size).toBeGreaterThan(250)
        const others = [...named].filter(([number, symbols]) => !symbols.includes(`sys_${netbsdSyscallName(number)}`))
        // Where a function's name says more than its call's, or the language has the word.
        expect(Object.fromEntries(others)).toEqual({
          17: ['sys_obreak'],
          20: ['sys_getpid_with_ppid'],
          24: ['sys_getuid_with_euid'],
          47: ['sys_getgid_with_egid'],
          72: ['sys_ovadvise'],
        })
      })
    },
  )

/** sys_* by number out of `sysent` (sys/sys/systm.h, struct sysent: 24 bytes, sy_call at 8). */
const sysentNames = (elf: Buffer): Map<number, readonly string[]> => {
  const u64 = (at: number): number => Number(elf.readBigUInt64LE(at) & 0xffff_ffffn)
  const sections = Array.from({ length: elf.readUInt16LE(60) }, (_, i) => u64(40) + i * 64)
  const table = sections.find((at) => elf.readUInt32LE(at + 4) === 2)!
  const strings = u64(sections[elf.readUInt32LE(table + 40)]! + 24)
  const byAddress = new Map<number, string[]>()
  let sysent = 0
  for (let at = u64(table + 24); at < u64(table + 24) + u64(table + 32); at += 24) {
    const from = strings + elf.readUInt32LE(at)
    const name = elf.toString('latin1', from, elf.indexOf(0, from))
    if (name === 'sysent') sysent = u64(at + 8)
    if (/^sys_/.test(name)) byAddress.set(u64(at + 8), [...(byAddress.get(u64(at + 8)) ?? []), name])
  }
  const home = sections.find((at) => u64(at + 16) <= sysent && sysent < u64(at + 16) + u64(at + 32))!
  const first = u64(home + 24) + sysent - u64(home + 16)
  const names = new Map<number, readonly string[]>()
  for (let number = 0; number < 512; number++) {
    const found = byAddress.get(u64(first + number * 24 + 8))
    // What the kernel was built without is one function under many names.
    if (found !== undefined && !found.some((name) => /^sys_no(sys|module)$/.test(name))) names.set(number, found)
  }
  return names
}
