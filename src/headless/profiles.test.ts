/** NetBSD on both boards: every device the page can plug, little and much memory, and a shell on either console. */
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { cacheRoot, kernelPath } from '../../scripts/guest-cache.ts'
import { initPath } from '../../userland/build.ts'
import { netbsdRoot } from '../disk/netbsd-root.ts'
import { createMachine, OverlayDisk } from '../machine/index.ts'
import { DEFAULTS, type ProfileName } from '../settings/settings.ts'
import { nodeHost } from './node-host.ts'

const kernel = kernelPath(cacheRoot(), 'netbsd-microvm')
const PROMPT = /# $/
const SECONDS = 60

/** A machine to talk to: `say` answers with what the console printed until the pattern. */
const boot = (profile: ProfileName, memoryMiB: number) => {
  const root = netbsdRoot(readFileSync(initPath('amd64')), { time: 1_767_225_600 })
  if (!root.ok) throw new Error(root.problem.saw)
  let text = ''
  const blank = (readOnly = false) => new OverlayDisk(new Uint8Array(1024 * 1024), { readOnly })
  const created = createMachine(
    {
      ...DEFAULTS,
      profile,
      memoryMiB,
      kernel: readFileSync(kernel),
      cmdline: 'console=com root=ld0a',
      disks: [new OverlayDisk(root.value), blank(), blank(true)],
      net: 'user',
      clock: 'icount',
      trace: false,
    },
    nodeHost(),
    {
      console: (bytes) => {
        text += Buffer.from(bytes).toString('latin1')
      },
      log: () => {},
    },
  )
  if (!created.ok) throw new Error(created.problem.saw)
  const machine = created.value
  const say = (line: string, until: RegExp = PROMPT): string => {
    text = ''
    if (line !== '') machine.send(Buffer.from(line))
    const deadline = performance.now() + SECONDS * 1000
    while (!until.test(text)) {
      const { state, exit } = machine.run(50)
      if (state === 'stopped') throw new Error(`it stopped (${exit?.reason}) after: ${text.slice(-300)}`)
      if (performance.now() > deadline) throw new Error(`no ${until} in: ${text.slice(-300)}`)
    }
    return text
  }
  return say
}

describe.skipIf(!existsSync(kernel))(`NetBSD’s boards (skipped unless there is a kernel: ${kernel})`, () => {
  test.each([
    ['microvm', 128],
    ['microvm', 3072],
    ['firecracker', 128],
    ['firecracker', 3072],
  ] as const)(
    '%s with %i MiB',
    (profile, memoryMiB) => {
      const say = boot(profile, memoryMiB)
      const printed = say('')
      for (const line of [
        /^\[[^\]]*\] total memory = \d+ [KM]B/m,
        /\] com0: console/,
        /\] ld0 at virtio\d/,
        /\] ld1 at virtio\d/,
        /\] ld2 at virtio\d/,
        /\] vioif0 at virtio\d/,
        /\] viornd0 at virtio\d/,
        /\] viocon0 at virtio\d/,
        /\] root file system type: ext2fs/,
      ])
        expect(printed).toMatch(line)
      const megabytes = Number(/total memory = (\d+) MB/.exec(printed)?.[1])
      expect(megabytes).toBeGreaterThan(memoryMiB - 4)
      // Both boards put virtio-mmio where they say, and nowhere else.
      expect(printed).toMatch(profile === 'microvm' ? /512@0xfeb0/ : /4096@0xd000|4K@0xd000/)

      const first = (file: string, to: string): string => `dd if=${file} of=${to} bs=512 count=8`
      const copies = [first('/sbin/init', '/dev/rld1d'), first('/dev/rld1d', '/root/x'), first('/sbin/init', '/root/y')]
      expect(say(`${copies.join(' && ')} && cmp /root/x /root/y && echo sa"me"\n`)).toContain('same')
      expect(say('dd if=/sbin/init of=/dev/rld2d bs=512 count=1 || echo re"fused"\n')).toContain('refused')
    },
    2 * SECONDS * 1000,
  )

  test.each(['microvm', 'firecracker'] as const)(
    '%s: a shell on the virtio console',
    (profile) => {
      const say = boot(profile, 128)
      say('')
      say('sh -i </dev/ttyVI00 >/dev/ttyVI00 2>&1 &\n', /# [^#]*# $/)
      expect(say('tty; echo over vir"tio"\n')).toContain('over virtio')
      expect(say('exec echo by"e"\n', /bye/)).toContain('bye')
    },
    2 * SECONDS * 1000,
  )
})
