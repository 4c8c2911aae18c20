/** What cannot be recorded in user mode, or would not be the same twice, by mnemonic; and why. */
import { type Descriptor, mnemonicOf } from './descriptor.ts'
import type { Vendor } from './vendor.ts'

const EXCLUDED: readonly (readonly [reason: string, mnemonics: string])[] = [
  ['reads a clock, a counter or entropy', 'RDTSC RDTSCP RDPMC RDRAND RDSEED'],
  ['describes the host, not the model', 'CPUID XGETBV'],
  ['enters the kernel', 'SYSCALL SYSENTER INT'],
  ['the hypervisor below reports it as a fault, at its own address', 'INT1'],
  ['the kernel emulates it (UMIP)', 'SGDT SIDT SMSW SLDT STR'],
  ['asks about descriptors of the host', 'LAR LSL VERR VERW'],
]

/** Why a row has no vectors of a vendor; undefined when it has. */
export const exclusion = (d: Descriptor, vendor: Vendor): string | undefined => {
  const mnemonic = mnemonicOf(d)
  for (const [reason, mnemonics] of EXCLUDED) if (mnemonics.split(' ').includes(mnemonic)) return reason
  // Where the manuals differ, the model follows Intel's, and no vector can be recorded on AMD.
  if (vendor === 'amd') {
    if (/^(LSS|LFS|LGS|JMP m|CALL m)/.test(d.text) && d.osize === 64)
      return 'AMD has no far pointers with 64-bit offsets'
    if (/^X(SAVE|RSTOR)/.test(mnemonic)) return 'not recorded on AMD'
    if (mnemonic === 'SYSRET' && d.osize !== 64) return 'outside 64-bit mode AMD #GP(0), Intel #UD'
  }
  // asize 16 needs 32-bit mode; operands of 64 bits need 64-bit mode.
  if (d.asize === 16 && d.mode === '64') return 'does not exist: no 16-bit addresses in 64-bit mode'
  if (d.asize === 64 && d.mode === 'legacy') return 'does not exist: no 64-bit addresses in legacy modes'
  if (d.asize === 16 && d.osize === 64) return 'does not exist: no 16-bit addresses in 64-bit mode'
  return undefined
}

/** Privileged at CPL 3: #GP or #UD whatever the operands. */
export const PRIVILEGED = new Set(
  (
    'LLDT LTR LGDT LIDT LMSW INVLPG SWAPGS MONITOR MWAIT CLAC STAC XSETBV INVPCID CLTS INVD WBINVD WRMSR RDMSR RSM ' +
    'CLI STI HLT IN OUT SYSRET SYSEXIT'
  ).split(' '),
)
