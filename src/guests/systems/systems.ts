/** Guest systems by what a kernel's ELF note says it is (XEN_ELFNOTE_GUEST_OS): a new one is a file and a row. */
import { LINUX } from './linux.ts'
import { NETBSD } from './netbsd.ts'
import { type GuestSystem, PLAIN } from './system.ts'

const SYSTEMS: Readonly<Record<string, GuestSystem>> = { netbsd: NETBSD, linux: LINUX }
export const guestSystem = (os: string | undefined): GuestSystem => SYSTEMS[os ?? ''] ?? PLAIN
