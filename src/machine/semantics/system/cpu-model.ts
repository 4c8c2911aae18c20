/**
 * What CPUID says (SDM 2A CPUID, APM 3 appendix E), as data: a model, and features that `--cpu NAME=on|off` switches.
 * Why this model: docs/decisions/0010-cpu-model.md. CPUID the instruction is cpuid.ts.
 */
import { type Problem, problem } from '../../../base/problem.ts'
import type { CpuFeature } from '../../../settings/cpu-features.ts'
import type { CpuSwitches } from '../../../settings/settings.ts'

/**
 * The TSC's nominal rate and the local APIC timer's input clock, both 1 GHz. Leaf 0x15 calls the latter the core
 * crystal clock, which SDM 3A §10.5.4 makes the APIC timer's; leaf 0x40000010 calls it the bus.
 */
export const TSC_HZ = 1_000_000_000
export const APIC_TIMER_HZ = 1_000_000_000
export const PHYSICAL_ADDRESS_BITS = 40
export const LINEAR_ADDRESS_BITS = 48

/** Highest basic leaf with and without the frequency leaves, highest extended and hypervisor leaves. */
const MAX_LEAF_INTEL = 0x16
const MAX_LEAF = 0x0d
export const MAX_EXTENDED_LEAF = 0x80000008
export const MAX_HYPERVISOR_LEAF = 0x40000010

export interface CpuidResult {
  readonly eax: number
  readonly ebx: number
  readonly ecx: number
  readonly edx: number
}

type Register = 'eax' | 'ebx' | 'ecx' | 'edx'
interface Bits {
  readonly leaf: number
  readonly register: Register
  /** Bit of the leaf's register; undefined when the feature is leaves, not a bit. */
  readonly bit?: number
  readonly subleaf?: number
  readonly default: boolean
  /** Features it cannot be offered without. */
  readonly needs?: readonly CpuFeature[]
}
type Feature = Bits &
  (
    | { readonly name: CpuFeature; readonly fixed?: false }
    /** Present in every model and not a switch. */
    | { readonly name: string; readonly fixed: true }
  )

const base = (name: string, bit: number, register: Register = 'edx', leaf = 1): Feature => ({
  name,
  leaf,
  register,
  bit,
  default: true,
  fixed: true,
})

/** Every feature the engine can offer. A bit that is not here reads 0. */
const FEATURES: readonly Feature[] = [
  // Leaf 1 EDX: what the x86-64 baseline has, and the board's APIC.
  base('fpu', 0),
  base('de', 2),
  base('pse', 3),
  base('tsc', 4),
  base('msr', 5),
  base('pae', 6),
  base('mce', 7),
  base('cx8', 8),
  { name: 'apic', leaf: 1, register: 'edx', bit: 9, default: true },
  base('sep', 11),
  { name: 'mtrr', leaf: 1, register: 'edx', bit: 12, default: true },
  base('pge', 13),
  base('mca', 14),
  base('cmov', 15),
  base('pat', 16),
  base('pse36', 17),
  base('clfsh', 19),
  base('mmx', 23),
  base('fxsr', 24),
  base('sse', 25),
  base('sse2', 26),
  // Leaf 1 ECX.
  { name: 'sse3', leaf: 1, register: 'ecx', bit: 0, default: true },
  { name: 'mwait', leaf: 1, register: 'ecx', bit: 3, default: false },
  { name: 'ssse3', leaf: 1, register: 'ecx', bit: 9, default: false, needs: ['sse3'] },
  { name: 'cx16', leaf: 1, register: 'ecx', bit: 13, default: true },
  { name: 'pcid', leaf: 1, register: 'ecx', bit: 17, default: false },
  { name: 'sse4.1', leaf: 1, register: 'ecx', bit: 19, default: false, needs: ['ssse3'] },
  { name: 'sse4.2', leaf: 1, register: 'ecx', bit: 20, default: false, needs: ['sse4.1'] },
  { name: 'popcnt', leaf: 1, register: 'ecx', bit: 23, default: false },
  { name: 'tsc-deadline', leaf: 1, register: 'ecx', bit: 24, default: false, needs: ['apic'] },
  { name: 'xsave', leaf: 1, register: 'ecx', bit: 26, default: false },
  { name: 'rdrand', leaf: 1, register: 'ecx', bit: 30, default: true },
  { name: 'hypervisor', leaf: 1, register: 'ecx', bit: 31, default: true },
  // Leaf 7.
  { name: 'fsgsbase', leaf: 7, register: 'ebx', bit: 0, default: false },
  { name: 'tsc-adjust', leaf: 7, register: 'ebx', bit: 1, default: false },
  { name: 'smep', leaf: 7, register: 'ebx', bit: 7, default: false },
  { name: 'erms', leaf: 7, register: 'ebx', bit: 9, default: false },
  { name: 'invpcid', leaf: 7, register: 'ebx', bit: 10, default: false, needs: ['pcid'] },
  { name: 'rdseed', leaf: 7, register: 'ebx', bit: 18, default: false },
  { name: 'smap', leaf: 7, register: 'ebx', bit: 20, default: false },
  { name: 'umip', leaf: 7, register: 'ecx', bit: 2, default: false },
  // Nothing is speculated here, and IA32_ARCH_CAPABILITIES says so: kernels skip their mitigations.
  { name: 'arch-capabilities', leaf: 7, register: 'edx', bit: 29, default: true, needs: ['vendor-intel'] },
  // Leaf 0xd, subleaf 1.
  { name: 'xsaveopt', leaf: 0xd, subleaf: 1, register: 'eax', bit: 0, default: false, needs: ['xsave'] },
  // Leaves 0x15 and 0x16.
  { name: 'tsc-leaf', leaf: 0x15, register: 'eax', default: true, needs: ['vendor-intel'] },
  // Extended leaves.
  base('lahf', 0, 'ecx', 0x80000001),
  base('syscall', 11, 'edx', 0x80000001),
  { name: 'nx', leaf: 0x80000001, register: 'edx', bit: 20, default: true },
  { name: '1gb-pages', leaf: 0x80000001, register: 'edx', bit: 26, default: true },
  { name: 'rdtscp', leaf: 0x80000001, register: 'edx', bit: 27, default: false },
  base('lm', 29, 'edx', 0x80000001),
  { name: 'invariant-tsc', leaf: 0x80000007, register: 'edx', bit: 8, default: true },
  // On: GenuineIntel. Off: AuthenticAMD.
  { name: 'vendor-intel', leaf: 0, register: 'ebx', default: true },
]

export interface CpuModel {
  readonly vendor: 'intel' | 'amd'
  /** Whether a feature is offered, by its switch name or by the name of an unswitchable one. */
  has(feature: string): boolean
  /** A leaf as at reset: cpuid.ts adds the bits that follow CR4, XCR0 and IA32_APIC_BASE. */
  leaf(leaf: number, subleaf: number): CpuidResult
}

/** The first feature that is switched on without what it needs, as a person's error. Names are known ones by now. */
export function checkCpuSwitches(switches: CpuSwitches): Problem | undefined {
  for (const [name, on] of Object.entries(switches)) {
    if (!on) continue
    for (const needed of FEATURES.find((f) => f.name === name)?.needs ?? []) {
      const given = switches[needed] ?? FEATURES.find((f) => f.name === needed)?.default ?? false
      if (!given)
        return problem(
          'cpu-feature-needs',
          `the CPU feature "${name}" is switched on without "${needed}"`,
          `"${name}" only together with "${needed}"`,
          `switch "${needed}" on, or leave "${name}" out`,
        )
    }
  }
  return undefined
}

interface Identity {
  readonly vendor: string
  /** Leaf 1 EAX: stepping, model, family and their extensions. */
  readonly signature: number
  readonly brand: string
}

const IDENTITIES: Readonly<Record<'intel' | 'amd', Identity>> = {
  // 06_5FH. With "@ 1.00GHz": some kernels take the TSC's rate from the brand.
  intel: { vendor: 'GenuineIntel', signature: 0x506f1, brand: 'NetBSD microVM playground CPU @ 1.00GHz' },
  // Family 15 model 107 stepping 1, QEMU's qemu64.
  amd: { vendor: 'AuthenticAMD', signature: 0x60fb1, brand: 'NetBSD microVM playground CPU' },
}
/** Ours, after the pattern of "TCGTCGTCGTCG". Kernels that know no such hypervisor use no paravirtual interface. */
const HYPERVISOR_SIGNATURE = 'uVMuVMuVMuVM'

/** Four characters, little endian. */
const word = (text: string, at: number): number => {
  let value = 0
  for (let i = 3; i >= 0; i--) value = (value << 8) | (at + i < text.length ? text.charCodeAt(at + i) : 0)
  return value >>> 0
}

const ZERO: CpuidResult = { eax: 0, ebx: 0, ecx: 0, edx: 0 }

/** L1 caches of 32 KiB, 8 ways, 64-byte lines: one page a way, so that page colouring has nothing to do. */
const L1_WAYS = 8
const LINE_BYTES = 64
const L1_SETS = 64
const deterministicCache = (type: 1 | 2): CpuidResult => ({
  // Type, level 1, self-initialising; one core, one thread.
  eax: type | (1 << 5) | (1 << 8),
  ebx: (((L1_WAYS - 1) << 22) | (LINE_BYTES - 1)) >>> 0,
  ecx: L1_SETS - 1,
  edx: 0,
})
/** AMD's form: KiB, ways, lines per tag, line size. */
const AMD_L1 = ((32 << 24) | (L1_WAYS << 16) | (1 << 8) | LINE_BYTES) >>> 0
/** AMD's form: 64 fully associative entries of data and instruction TLB. */
const AMD_TLB = 0xff40ff40

/** XSAVE area: legacy region and header. */
const XSAVE_BYTES = 512 + 64
/** x87 and SSE. */
export const XCR0_SUPPORTED = 3

/** Switches are expected to have passed checkCpuSwitches. A default that lacks what it needs is silently off. */
export function createCpuModel(switches: CpuSwitches): CpuModel {
  const offered = new Set<string>()
  const wanted = (f: Feature): boolean => f.fixed === true || (switches[f.name] ?? f.default)
  for (const f of FEATURES) if (wanted(f)) offered.add(f.name)
  for (;;) {
    const lacking = FEATURES.find((f) => offered.has(f.name) && f.needs?.some((n) => !offered.has(n)))
    if (lacking === undefined) break
    offered.delete(lacking.name)
  }
  const vendor = offered.has('vendor-intel') ? 'intel' : 'amd'
  const identity = IDENTITIES[vendor]
  const maxLeaf = offered.has('tsc-leaf') ? MAX_LEAF_INTEL : MAX_LEAF

  const bits = (leaf: number, register: Register, subleaf = 0): number => {
    let value = 0
    for (const f of FEATURES)
      if (f.leaf === leaf && f.register === register && (f.subleaf ?? 0) === subleaf && offered.has(f.name))
        if (f.bit !== undefined) value |= 1 << f.bit
    return value >>> 0
  }
  const brandLeaf = (leaf: number): CpuidResult => {
    const at = (leaf - 0x80000002) * 16
    const { brand } = identity
    return { eax: word(brand, at), ebx: word(brand, at + 4), ecx: word(brand, at + 8), edx: word(brand, at + 12) }
  }
  const vendorLeaf = (eax: number): CpuidResult => ({
    eax,
    ebx: word(identity.vendor, 0),
    edx: word(identity.vendor, 4),
    ecx: word(identity.vendor, 8),
  })

  const compute = (leaf: number, subleaf: number): CpuidResult | undefined => {
    switch (leaf) {
      case 0:
        return vendorLeaf(maxLeaf)
      case 1:
        return {
          eax: identity.signature,
          // CLFLUSH line in 8-byte units, one logical processor, initial APIC ID 0.
          ebx: ((LINE_BYTES / 8) << 8) | (1 << 16),
          ecx: bits(1, 'ecx'),
          edx: bits(1, 'edx'),
        }
      case 2:
        // One call; descriptor 0xff: the caches are in leaf 4.
        return vendor === 'intel' ? { ...ZERO, eax: 0x0000ff01 } : ZERO
      case 4:
        if (vendor !== 'intel') return ZERO
        return subleaf === 0 ? deterministicCache(1) : subleaf === 1 ? deterministicCache(2) : ZERO
      case 5:
        return offered.has('mwait') ? { ...ZERO, eax: LINE_BYTES, ebx: LINE_BYTES } : ZERO
      case 6:
        // ARAT: the APIC timer never stops.
        return vendor === 'intel' && offered.has('apic') ? { ...ZERO, eax: 1 << 2 } : ZERO
      case 7:
        return subleaf === 0 ? { eax: 0, ebx: bits(7, 'ebx'), ecx: bits(7, 'ecx'), edx: bits(7, 'edx') } : ZERO
      case 0xd:
        if (!offered.has('xsave')) return ZERO
        if (subleaf === 0) return { eax: XCR0_SUPPORTED, ebx: XSAVE_BYTES, ecx: XSAVE_BYTES, edx: 0 }
        return subleaf === 1 ? { ...ZERO, eax: bits(0xd, 'eax', 1) } : ZERO
      case 0x15:
        // TSC = crystal * EBX / EAX.
        return { eax: 1, ebx: TSC_HZ / APIC_TIMER_HZ, ecx: APIC_TIMER_HZ, edx: 0 }
      case 0x16:
        // Base, maximum and bus MHz.
        return { eax: TSC_HZ / 1_000_000, ebx: TSC_HZ / 1_000_000, ecx: 100, edx: 0 }
      case 0x40000000:
        return {
          eax: MAX_HYPERVISOR_LEAF,
          ebx: word(HYPERVISOR_SIGNATURE, 0),
          ecx: word(HYPERVISOR_SIGNATURE, 4),
          edx: word(HYPERVISOR_SIGNATURE, 8),
        }
      case 0x40000010:
        // VMware's convention, which NetBSD and FreeBSD read from any hypervisor: TSC kHz, APIC timer kHz.
        return { eax: TSC_HZ / 1000, ebx: APIC_TIMER_HZ / 1000, ecx: 0, edx: 0 }
      case 0x80000000:
        return vendor === 'amd' ? vendorLeaf(MAX_EXTENDED_LEAF) : { ...ZERO, eax: MAX_EXTENDED_LEAF }
      case 0x80000001: {
        const edx = bits(0x80000001, 'edx')
        if (vendor === 'intel') return { eax: 0, ebx: 0, ecx: bits(0x80000001, 'ecx'), edx }
        // AMD repeats the features of leaf 1 EDX that both have.
        const shared = bits(1, 'edx') & 0x0183f3ff
        return { eax: identity.signature, ebx: 0, ecx: bits(0x80000001, 'ecx'), edx: (edx | shared) >>> 0 }
      }
      case 0x80000002:
      case 0x80000003:
      case 0x80000004:
        return brandLeaf(leaf)
      case 0x80000005:
        return vendor === 'amd' ? { eax: AMD_TLB, ebx: AMD_TLB, ecx: AMD_L1, edx: AMD_L1 } : ZERO
      case 0x80000006:
        // No second-level cache.
        return { ...ZERO, ecx: LINE_BYTES }
      case 0x80000007:
        return { ...ZERO, edx: bits(0x80000007, 'edx') }
      case 0x80000008:
        return { ...ZERO, eax: PHYSICAL_ADDRESS_BITS | (LINEAR_ADDRESS_BITS << 8) }
      default:
        return undefined
    }
  }

  const inRange = (leaf: number): boolean => {
    if (leaf <= maxLeaf) return true
    if (leaf >= 0x80000000 && leaf <= MAX_EXTENDED_LEAF) return true
    return leaf >= 0x40000000 && leaf <= MAX_HYPERVISOR_LEAF && offered.has('hypervisor')
  }

  return {
    vendor,
    has: (feature) => offered.has(feature),
    leaf: (leaf, subleaf) => {
      if (inRange(leaf)) return compute(leaf, subleaf) ?? ZERO
      // SDM 2A CPUID: beyond the maximum, Intel gives the highest basic leaf. AMD gives zeroes.
      return vendor === 'intel' ? (compute(maxLeaf, subleaf) ?? ZERO) : ZERO
    },
  }
}
