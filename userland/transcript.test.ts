/**
 * The transcript on real NetBSD kernels, on our own machine: for each architecture one boot, then scene after scene. The
 * kernels are no part of the repository: without one in the cache its part is skipped.
 */
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { cacheRoot, kernelPath } from '../scripts/guest-cache.ts'
import { netbsdRoot } from '../src/disk/netbsd-root.ts'
import { GuestSession, value } from '../src/headless/testing/guest-session.ts'
import { OverlayDisk } from '../src/machine/devices/virtio/overlay-disk.ts'
import { DEFAULTS } from '../src/settings/settings.ts'
import { type Architecture, initPath } from './build.ts'
import { PROMPT, play, SCENES } from './transcript.ts'

const EPOCH = Date.UTC(2026, 0, 2, 3, 4, 5) / 1000
const KERNELS: readonly (readonly [Architecture, string])[] = [
  ['amd64', kernelPath(cacheRoot(), 'netbsd-microvm')],
  ['i386', kernelPath(cacheRoot(), 'netbsd-smol386')],
]

const boot = (architecture: Architecture, path: string): GuestSession =>
  new GuestSession({
    ...DEFAULTS,
    memoryMiB: 64,
    kernel: readFileSync(path),
    cmdline: 'console=com root=ld0a',
    disks: [new OverlayDisk(value(netbsdRoot(readFileSync(initPath(architecture)), { time: EPOCH })))],
    net: 'user',
    virtioConsole: false,
    clock: 'icount',
    trace: false,
    epoch: EPOCH,
  })

for (const [architecture, path] of KERNELS)
  describe.skipIf(!existsSync(path))(
    `our shell on NetBSD/${architecture} (skipped unless there is a kernel: ${path})`,
    () => {
      const session = existsSync(path) ? boot(architecture, path) : undefined!

      test('is reached, after the line that tests wait for', () => {
        const shown = session.until(PROMPT)
        expect(shown.match(/INIT: hello from NetBSD userland\n/g)).toHaveLength(1)
        expect(shown).toContain('`help` lists the commands')
      })

      for (const { name, steps } of SCENES)
        test(name, async () => {
          for (const step of steps) {
            const shown = await play(session, step)
            if (typeof step.shows === 'string') expect(shown).toBe(step.shows)
            else expect(shown).toMatch(step.shows)
          }
        })

      test('reboot syncs and resets the machine', () => {
        session.type('reboot\r')
        session.until(/(?!)/)
        expect(session.exit).toEqual({ reason: 'reset' })
      })
    },
  )
