/**
 * RDMSR and WRMSR as a table: SDM volume 4 (architectural MSRs, table 2-2), APM 2 appendix A for AMD's. A number that
 * is not in the table, or that the model does not have, is #GP(0) and one log line.
 */
import { hex } from '../../../base/hex.ts'
import { GP, GuestFault } from '../../state/fault.ts'
import {
  CR0,
  CR0_PG,
  EFER,
  EFER_LMA,
  EFER_LME,
  EFER_NXE,
  EFER_SCE,
  SLOT_FS_BASE,
  SLOT_GS_BASE,
} from '../../state/layout.ts'
import type { CpuCore } from '../core.ts'
import { PHYSICAL_ADDRESS_BITS, TSC_HZ } from './cpu-model.ts'
import { isCanonical, MASK32 } from './descriptors.ts'
import { privileged } from './io.ts'
import { APIC_BASE_ENABLE, MTRR_FIXED_COUNT, MTRR_VARIABLE_COUNT, type SystemState } from './system-state.ts'

interface Msr {
  /** The manual's name, for the developer. */
  readonly name: string
  /** Only for this vendor, or only with this feature. */
  readonly vendor?: 'intel' | 'amd'
  readonly feature?: string
  read(core: CpuCore): bigint
  /** Undefined: read-only, #GP(0). Throws GuestFault for values the manual forbids. */
  write?(core: CpuCore, value: bigint): void
}

const generalProtection = (): never => {
  throw new GuestFault(GP)
}
const requireThat = (fine: boolean): void => {
  if (!fine) generalProtection()
}

const PHYSICAL_RESERVED = ~((1n << BigInt(PHYSICAL_ADDRESS_BITS)) - 1n)
const APIC_BASE_BSP = 1n << 8n
const FEATURE_CONTROL_LOCK = 1n
/**
 * Nothing is speculated here, so every "not affected" bit is true: RDCL (0), L1D flush on VM entry (3), SSB (4), MDS (5),
 * IF_PSCHANGE_MC (6), TAA (8), SBDR_SSDP, FBSDP, PSDP (13-15), BHI (20), PBRSB (24), GDS (26), RFDS (27), ITS (62).
 * Not IBRS_ALL: it would promise IA32_SPEC_CTRL.
 */
const ARCH_CAPABILITIES = [0, 3, 4, 5, 6, 8, 13, 14, 15, 20, 24, 26, 27, 62].reduce(
  (v, bit) => v | (1n << BigInt(bit)),
  0n,
)
/** Maximum non-turbo ratio in bits 15:8, times 100 MHz. */
const PLATFORM_INFO = BigInt(TSC_HZ / 100_000_000) << 8n
/** A microcode revision for those who insist on one. */
const MICROCODE_REVISION = 1n << 32n
/** Write-combining, fixed ranges, and VCNT. */
const MTRRCAP = 0x500n | BigInt(MTRR_VARIABLE_COUNT)
const MTRR_DEF_TYPE_DEFINED = 0xcffn
const MTRR_MASK_VALID = 1n << 11n

/** UC, WC, WT, WP, WB (SDM 3A §12.11.2.1); PAT adds UC- (7). */
const MEMORY_TYPES = (1 << 0) | (1 << 1) | (1 << 4) | (1 << 5) | (1 << 6)
const PAT_TYPES = MEMORY_TYPES | (1 << 7)
const isType = (value: bigint, types: number): boolean => value < 8n && (types & (1 << Number(value))) !== 0
const allTypes = (value: bigint, types: number): boolean => {
  for (let i = 0n; i < 8n; i++) if (!isType((value >> (i * 8n)) & 0xffn, types)) return false
  return true
}

/** A register that is one field of SystemState. */
type Field = {
  [K in keyof SystemState]: SystemState[K] extends bigint ? K : never
}[keyof SystemState]
const field = (
  name: string,
  at: Field,
  check: (value: bigint) => boolean = () => true,
  only: Partial<Msr> = {},
): Msr => ({
  ...only,
  name,
  read: (core) => core.system[at] as bigint,
  write: (core, value) => {
    requireThat(check(value))
    ;(core.system as Record<Field, bigint>)[at] = value
  },
})
const constant = (name: string, value: bigint, only: Partial<Msr> = {}): Msr => ({ ...only, name, read: () => value })
/** Kept and given back; `reset` until written. */
const stored = (name: string, index: number, reset: bigint, only: Partial<Msr> = {}): Msr => ({
  ...only,
  name,
  read: (core) => core.system.stored.get(index) ?? reset,
  write: (core, value) => {
    core.system.stored.set(index, value)
  },
})
const stateBase = (name: string, offset: number): Msr => ({
  name,
  read: (core) => core.state.get64(offset),
  write: (core, value) => {
    requireThat(isCanonical(value))
    core.state.set64(offset, value)
    core.modeChanged()
  },
})

/** SDM 3A §2.2.1: LME may not change while paging is on; LMA is the processor's; reserved bits are #GP(0). */
function writeEfer(core: CpuCore, value: bigint): void {
  const { state, system } = core
  const nx = system.model.has('nx') ? EFER_NXE : 0
  const defined = BigInt(EFER_SCE | EFER_LME | EFER_LMA | nx)
  requireThat((value & ~defined) === 0n)
  const from = state.get32(EFER)
  const to = (Number(value) & ~EFER_LMA) | (from & EFER_LMA)
  if (((from ^ to) & EFER_LME) !== 0) requireThat((state.get32(CR0) & CR0_PG) === 0)
  state.set64(EFER, BigInt(to))
  if (((from ^ to) & EFER_NXE) !== 0) core.flushTlb(true)
  if (((from ^ to) & EFER_LME) !== 0) core.modeChanged()
}

/** SDM 3A §10.4.4. x2APIC (bit 10) is not offered, so it is reserved like bits 7:0 and 9. */
function writeApicBase(core: CpuCore, value: bigint): void {
  const reserved = PHYSICAL_RESERVED | 0xfffn
  requireThat((value & reserved & ~(APIC_BASE_ENABLE | APIC_BASE_BSP)) === 0n)
  core.system.apicBase = value
  core.outside.apicBaseChanged(core.system.apicBase)
}

const canonicalUnlessAmd = (name: string, at: Field): Msr => {
  const plain = field(name, at)
  return {
    ...plain,
    write: (core, value) => {
      if (core.system.model.vendor === 'intel') requireThat(isCanonical(value))
      core.system[at as 'sysenterEsp'] = value
    },
  }
}

const TABLE = new Map<number, Msr>([
  [0x10, { name: 'IA32_TIME_STAMP_COUNTER', read: (core) => core.outside.readTsc(), write: writeTsc }],
  [0x17, constant('IA32_PLATFORM_ID', 0n, { vendor: 'intel' })],
  [0x1b, { name: 'IA32_APIC_BASE', feature: 'apic', read: (core) => core.system.apicBase, write: writeApicBase }],
  [0x3a, constant('IA32_FEATURE_CONTROL', FEATURE_CONTROL_LOCK, { vendor: 'intel' })],
  [
    0x3b,
    { name: 'IA32_TSC_ADJUST', feature: 'tsc-adjust', read: (core) => core.system.tscAdjust, write: writeTscAdjust },
  ],
  [0x79, { name: 'IA32_BIOS_UPDT_TRIG', vendor: 'intel', read: generalProtection, write: () => {} }],
  [0x8b, { name: 'IA32_BIOS_SIGN_ID', read: () => MICROCODE_REVISION, write: () => {} }],
  [0xce, constant('MSR_PLATFORM_INFO', PLATFORM_INFO, { vendor: 'intel' })],
  [0xfe, constant('IA32_MTRRCAP', MTRRCAP, { feature: 'mtrr' })],
  [0x10a, constant('IA32_ARCH_CAPABILITIES', ARCH_CAPABILITIES, { feature: 'arch-capabilities' })],
  [0x174, field('IA32_SYSENTER_CS', 'sysenterCs')],
  [0x175, canonicalUnlessAmd('IA32_SYSENTER_ESP', 'sysenterEsp')],
  [0x176, canonicalUnlessAmd('IA32_SYSENTER_EIP', 'sysenterEip')],
  // No banks of machine-check registers.
  [0x179, constant('IA32_MCG_CAP', 0n)],
  [0x17a, field('IA32_MCG_STATUS', 'mcgStatus', (v) => v >> 3n === 0n)],
  [0x1a0, field('IA32_MISC_ENABLE', 'miscEnable', undefined, { vendor: 'intel' })],
  [0x1d9, stored('IA32_DEBUGCTL', 0x1d9, 0n)],
  [0x277, field('IA32_PAT', 'pat', (v) => allTypes(v, PAT_TYPES))],
  [
    0x2ff,
    field(
      'IA32_MTRR_DEF_TYPE',
      'mtrrDefType',
      (v) => (v & ~MTRR_DEF_TYPE_DEFINED) === 0n && isType(v & 0xffn, MEMORY_TYPES),
      { feature: 'mtrr' },
    ),
  ],
  [
    0x6e0,
    {
      name: 'IA32_TSC_DEADLINE',
      feature: 'tsc-deadline',
      read: (core) => core.outside.readTscDeadline(),
      write: (core, value) => core.outside.writeTscDeadline(value),
    },
  ],
  [0xc0000080, { name: 'IA32_EFER', read: (core) => core.state.get64(EFER), write: writeEfer }],
  [0xc0000081, field('IA32_STAR', 'star')],
  [0xc0000082, field('IA32_LSTAR', 'lstar', isCanonical)],
  [0xc0000083, field('IA32_CSTAR', 'cstar', isCanonical)],
  [0xc0000084, { name: 'IA32_FMASK', read: (core) => core.system.sfmask, write: writeSfmask }],
  [0xc0000100, stateBase('IA32_FS_BASE', SLOT_FS_BASE)],
  [0xc0000101, stateBase('IA32_GS_BASE', SLOT_GS_BASE)],
  [0xc0000102, field('IA32_KERNEL_GS_BASE', 'kernelGsBase', isCanonical)],
  [0xc0000103, field('IA32_TSC_AUX', 'tscAux', (v) => v <= MASK32, { feature: 'rdtscp' })],
  // AMD's, read by kernels that take family 15 at its word.
  [0xc0010010, stored('SYSCFG', 0xc0010010, 0n, { vendor: 'amd' })],
  [0xc0010015, stored('HWCR', 0xc0010015, 0n, { vendor: 'amd' })],
  [0xc001001f, stored('NB_CFG', 0xc001001f, 0n, { vendor: 'amd' })],
  [0xc0010055, stored('INT_PENDING_MSG', 0xc0010055, 0n, { vendor: 'amd' })],
  [0xc0010114, constant('VM_CR', 0n, { vendor: 'amd' })],
  [0xc0011020, stored('LS_CFG', 0xc0011020, 0n, { vendor: 'amd' })],
  [0xc0011021, stored('IC_CFG', 0xc0011021, 0n, { vendor: 'amd' })],
  [0xc0011022, stored('DC_CFG', 0xc0011022, 0n, { vendor: 'amd' })],
  [0xc0011023, stored('BU_CFG', 0xc0011023, 0n, { vendor: 'amd' })],
  [0xc0011029, stored('DE_CFG', 0xc0011029, 0n, { vendor: 'amd' })],
])

/** IA32_MTRR_PHYSBASEn and PHYSMASKn: SDM 3A §12.11.2.3. */
for (let i = 0; i < MTRR_VARIABLE_COUNT * 2; i++) {
  const mask = (i & 1) !== 0
  TABLE.set(0x200 + i, {
    name: `IA32_MTRR_PHYS${mask ? 'MASK' : 'BASE'}${i >> 1}`,
    feature: 'mtrr',
    read: (core) => core.system.mtrrVariable[i],
    write: (core, value) => {
      requireThat((value & PHYSICAL_RESERVED) === 0n)
      const low = value & 0xfffn
      requireThat(mask ? (low & ~MTRR_MASK_VALID) === 0n : low < 0x100n && isType(low, MEMORY_TYPES))
      core.system.mtrrVariable[i] = value
    },
  })
}

/** IA32_MTRR_FIX64K_00000, FIX16K_80000 and A0000, FIX4K_C0000..F8000: SDM 3A §12.11.2.2. */
const FIXED_MTRRS = [0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f]
for (let i = 0; i < MTRR_FIXED_COUNT; i++)
  TABLE.set(FIXED_MTRRS[i], {
    name: `IA32_MTRR_FIX ${hex(FIXED_MTRRS[i])}`,
    feature: 'mtrr',
    read: (core) => core.system.mtrrFixed[i],
    write: (core, value) => {
      requireThat(allTypes(value, MEMORY_TYPES))
      core.system.mtrrFixed[i] = value
    },
  })

/** Writing the TSC moves IA32_TSC_ADJUST by as much (SDM 3B §18.17.3). */
function writeTsc(core: CpuCore, value: bigint): void {
  const { system } = core
  system.tscAdjust = BigInt.asUintN(64, system.tscAdjust + value - core.outside.readTsc())
  core.outside.writeTsc(value)
}

function writeTscAdjust(core: CpuCore, value: bigint): void {
  const { system } = core
  const moved = value - system.tscAdjust
  system.tscAdjust = value
  core.outside.writeTsc(BigInt.asUintN(64, core.outside.readTsc() + moved))
}

function writeSfmask(core: CpuCore, value: bigint): void {
  requireThat(value <= MASK32)
  core.system.sfmask = value
}

function find(core: CpuCore, index: number, verb: string): Msr {
  const msr = TABLE.get(index)
  const { model } = core.system
  if (
    msr === undefined ||
    (msr.vendor !== undefined && msr.vendor !== model.vendor) ||
    (msr.feature !== undefined && !model.has(msr.feature))
  ) {
    core.log(`${verb} ${hex(index)}${msr === undefined ? '' : ` (${msr.name})`}: no such MSR here, #GP(0)`)
    throw new GuestFault(GP)
  }
  return msr
}

/** RDMSR of ECX, privilege checked. */
export function readMsr(core: CpuCore, index: number): bigint {
  privileged(core)
  return find(core, index >>> 0, 'rdmsr').read(core)
}

/** WRMSR of ECX. */
export function writeMsr(core: CpuCore, index: number, value: bigint): void {
  privileged(core)
  const msr = find(core, index >>> 0, 'wrmsr')
  if (msr.write === undefined) {
    core.log(`wrmsr ${hex(index >>> 0)} (${msr.name}) = ${hex(value)}: read-only, #GP(0)`)
    throw new GuestFault(GP)
  }
  msr.write(core, value)
}
