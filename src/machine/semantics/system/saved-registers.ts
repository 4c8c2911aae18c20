/**
 * The registers of a processor as its manual names them, out of the state block and back (SDM 1 chapter 3, 3A chapter 2): what a
 * snapshot keeps. Which they are is a column of the block's table (state/block.ts). Flags are kept as RFLAGS: how the engine holds
 * them between instructions is its own affair, and differs between two ways to the same place.
 */
import type { PartState, StateReader, StateValue } from '../../part.ts'
import { KEPT, type KeptField } from '../../state/block.ts'
import type { CpuState } from '../../state/cpu-state.ts'
import { FLAGS_ARITHMETIC, FLAGS_FIXED, FLAGS_SYSTEM } from '../../state/flags.ts'
import {
  CR0,
  CR0_PE,
  CR0_PG,
  CR3,
  CR4,
  CR4_PAE,
  EFER,
  EFER_LMA,
  EFER_LME,
  EFER_NXE,
  EFER_SCE,
  XCR0,
} from '../../state/layout.ts'
import { CR0_DEFINED, CR4_DEFINED } from './control.ts'
import { PHYSICAL_ADDRESS_BITS, XCR0_SUPPORTED } from './cpu-model.ts'
import type { SystemState } from './system-state.ts'

const SEGMENT_NAMES = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS', 'TR', 'LDTR'] as const
/** Descriptor bits 48-51 are the limit's. */
const ATTRIBUTES = 0xf0ff

/** MSRs in fields of their own. */
const MSRS = {
  IA32_STAR: 'star',
  IA32_LSTAR: 'lstar',
  IA32_CSTAR: 'cstar',
  IA32_FMASK: 'sfmask',
  IA32_KERNEL_GS_BASE: 'kernelGsBase',
  IA32_SYSENTER_CS: 'sysenterCs',
  IA32_SYSENTER_ESP: 'sysenterEsp',
  IA32_SYSENTER_EIP: 'sysenterEip',
  IA32_TSC_AUX: 'tscAux',
  IA32_TSC_ADJUST: 'tscAdjust',
  IA32_PAT: 'pat',
  IA32_APIC_BASE: 'apicBase',
  IA32_MISC_ENABLE: 'miscEnable',
  IA32_MCG_STATUS: 'mcgStatus',
  IA32_MTRR_DEF_TYPE: 'mtrrDefType',
} as const
/** More MSRs than any model has. */
const STORED_MAX = 64

type State = Record<string, StateValue>

const save = (state: State, s: CpuState, { name, at, bytes, kept }: KeptField): void => {
  switch (kept) {
    case 'u64':
      state[name] = s.get64(at)
      break
    case 'u16':
      state[name] = s.view.getUint16(at, true)
      break
    case 'level':
      state[name] = s.get32(at)
      break
    case 'flag':
      state[name] = s.get32(at) !== 0
      break
    case 'bytes':
      state[name] = s.u8.slice(at, at + bytes)
      break
    case 'rflags':
      state[name] = s.rflags >>> 0
      break
    case 'segments':
      SEGMENT_NAMES.forEach((segment, i) => {
        state[segment] = { selector: s.selector(i), attributes: s.attributes(i), limit: s.limit(i), base: s.base(i) }
      })
  }
}
/** Into a block that is all zero. */
const load = (from: StateReader, s: CpuState, { name, at, bytes, kept }: KeptField): void => {
  switch (kept) {
    case 'u64':
      s.set64(at, from.u64(name))
      break
    case 'u16':
      s.view.setUint16(at, from.u16(name), true)
      break
    case 'level':
      s.set32(at, from.integer(name, 0, 3))
      break
    case 'flag':
      s.set32(at, from.flag(name) ? 1 : 0)
      break
    case 'bytes':
      s.u8.set(from.bytes(name, bytes), at)
      break
    case 'rflags':
      s.rflags = (from.u32(name) & (FLAGS_SYSTEM | FLAGS_ARITHMETIC)) | FLAGS_FIXED
      break
    case 'segments':
      SEGMENT_NAMES.forEach((name, i) => {
        const segment = from.group(name)
        const attributes = segment.u16('attributes') & ATTRIBUTES
        s.setSegment(i, segment.u16('selector'), attributes, segment.u32('limit'), segment.u64('base'))
        segment.end()
      })
  }
}

export const saveRegisters = (s: CpuState, system: SystemState): PartState => {
  const state: State = {}
  for (const field of KEPT) save(state, s, field)

  for (const [name, field] of Object.entries(MSRS)) state[name] = system[field]
  state['MTRR_FIXED'] = [...system.mtrrFixed]
  state['MTRR_VARIABLE'] = [...system.mtrrVariable]
  const stored = [...system.stored].sort(([a], [b]) => a - b)
  state['storedMsrs'] = stored.map(([index, value]) => ({ index, value }))
  state['nmiBlocked'] = system.nmiBlocked
  if (system.monitored !== undefined) state['monitored'] = system.monitored
  return state
}

export const loadRegisters = (from: StateReader, s: CpuState, system: SystemState): void => {
  for (const field of KEPT) load(from, s, field)
  checkModes(from, s)

  for (const [name, field] of Object.entries(MSRS)) system[field] = from.u64(name)
  system.mtrrFixed.set(from.u64s('MTRR_FIXED', system.mtrrFixed.length))
  system.mtrrVariable.set(from.u64s('MTRR_VARIABLE', system.mtrrVariable.length))
  system.stored.clear()
  for (const msr of from.groups('storedMsrs', STORED_MAX)) {
    system.stored.set(msr.u32('index'), msr.u64('value'))
    msr.end()
  }
  system.nmiBlocked = from.flag('nmiBlocked')
  system.monitored = from.has('monitored') ? from.u64('monitored') : undefined
}

/** Combinations that no MOV to a control register and no WRMSR can bring about. */
const checkModes = (from: StateReader, s: CpuState): void => {
  const cr0 = s.get64(CR0)
  const cr4 = s.get64(CR4)
  const efer = s.get64(EFER)
  const paging = (cr0 & BigInt(CR0_PG)) !== 0n
  if ((cr0 & ~CR0_DEFINED) !== 0n || (paging && (cr0 & BigInt(CR0_PE)) === 0n)) from.refuse('CR0', 'defined bits')
  if ((cr4 & ~CR4_DEFINED) !== 0n) from.refuse('CR4', 'defined bits')
  if (s.get64(CR3) >> BigInt(PHYSICAL_ADDRESS_BITS) !== 0n) from.refuse('CR3', 'a physical address')
  const long = (efer & BigInt(EFER_LMA)) !== 0n
  if (
    (efer & ~BigInt(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)) !== 0n ||
    long !== (paging && (efer & BigInt(EFER_LME)) !== 0n) ||
    (long && (cr4 & BigInt(CR4_PAE)) === 0n)
  )
    from.refuse('EFER', 'a mode that there is')
  const xcr0 = s.get64(XCR0)
  if ((xcr0 & ~BigInt(XCR0_SUPPORTED)) !== 0n || (xcr0 & 1n) === 0n) from.refuse('XCR0', 'x87, and perhaps SSE')
}
