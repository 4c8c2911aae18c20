/**
 * How much of a command line a kernel reads, where the rest is lost without a word: what a host tells people before the boot.
 *
 * NetBSD 11: options out of 255 bytes (sys/arch/xen/xen/xen_machdep.c, xen_parse_cmdline), devices out of 1,023
 * (sys/arch/xen/xen/hypervisor.c, init_xen_early's xen_start_info.cmd_line). Linux on x86: 2,047 (arch/x86/include/asm/setup.h,
 * COMMAND_LINE_SIZE).
 */
import { type Problem, problem } from '../../base/problem.ts'
import { utf8Encode } from '../../base/utf8.ts'

/** `os` as the kernel's note says it, `cmdline` the person's, `whole` as the guest sees it. */
export const cmdlineWarnings = (os: string | undefined, cmdline: string, whole: string): readonly Problem[] => {
  const [own, all] = [utf8Encode(cmdline.trim()).length, utf8Encode(whole).length]
  const warnings: Problem[] = []
  if (os === 'netbsd' && own > 255)
    warnings.push(
      problem(
        'cmdline-options-lost',
        `the command line is ${own} bytes long, and NetBSD reads its options out of the first 255`,
        'at most 255 bytes',
        'shorten it, or put what matters first',
      ),
    )
  const limit = { netbsd: 1023, linux: 2047 }[os ?? '']
  if (limit !== undefined && all > limit)
    warnings.push(
      problem(
        'cmdline-devices-lost',
        `the command line is ${all} bytes long with its devices, and the kernel reads ${limit} of them`,
        `at most ${limit} bytes, or it does not see its disks`,
        'shorten it',
      ),
    )
  return warnings
}
