/** A NetBSD to measure with: the kernel in the cache, and our init on a root of its own. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cacheRoot, kernelPath } from '../scripts/guest-cache.ts'
import { sentence } from '../src/base/problem.ts'
import { netbsdRoot } from '../src/disk/netbsd-root.ts'
import { NETBSD_INIT } from '../src/guests/catalogue.ts'
import { REPOSITORY } from './headless.ts'

export const NETBSD_SEEN = 'INIT: hello from NetBSD userland'
export const NETBSD_CMDLINE = 'console=com root=ld0a -z'

/** Where the kernel is, or would be. */
export const NETBSD_KERNEL = kernelPath(cacheRoot(), 'netbsd-microvm')
export const hasNetbsd = (): boolean => existsSync(NETBSD_KERNEL)

let root: Uint8Array | undefined

/** A boot writes to its root: every run gets its own. */
export const writeNetbsdRoot = (disk: string): void => {
  if (root === undefined) {
    const made = netbsdRoot(readFileSync(join(REPOSITORY, 'public', NETBSD_INIT)))
    if (!made.ok) throw new Error(sentence(made.problem))
    root = made.value
  }
  writeFileSync(disk, root)
}
