import { describe, expect, test } from 'vitest'
import { CPU_FEATURES } from '../../../settings/cpu-features.ts'
import { CR4, CR4_OSXSAVE } from '../../state/layout.ts'
import { checkCpuSwitches, createCpuModel } from './cpu-model.ts'
import { cpuid } from './cpuid.ts'
import { FakeCore } from './testing/fake-core.ts'

const text = (...words: readonly number[]): string =>
  words.map((w) => String.fromCharCode(w & 0xff, (w >> 8) & 0xff, (w >> 16) & 0xff, w >>> 24)).join('')

describe('the default model', () => {
  const model = createCpuModel({})

  test('is GenuineIntel and describes a 1 GHz TSC', () => {
    const l0 = model.leaf(0, 0)
    expect([text(l0.ebx, l0.edx, l0.ecx), l0.eax]).toEqual(['GenuineIntel', 0x16])
    const l15 = model.leaf(0x15, 0)
    expect((l15.ecx * l15.ebx) / l15.eax).toBe(1e9)
    expect(model.leaf(0x40000010, 0)).toEqual({ eax: 1_000_000, ebx: 1_000_000, ecx: 0, edx: 0 })
    expect(model.leaf(0x80000007, 0).edx & 0x100).toBe(0x100)
  })

  test('has a hypervisor that is nobody NetBSD knows', () => {
    const l = model.leaf(0x40000000, 0)
    expect([text(l.ebx, l.ecx, l.edx), l.eax]).toEqual(['uVMuVMuVMuVM', 0x40000010])
  })

  test('advertises little: the qemu64 baseline, SSE3, CX16, RDRAND', () => {
    expect(model.leaf(1, 0).edx).toBe(0x078bfbfd)
    expect(model.leaf(1, 0).ecx).toBe(((1 << 0) | (1 << 13) | (1 << 30) | (1 << 31)) >>> 0)
    expect(model.leaf(7, 0)).toEqual({ eax: 0, ebx: 0, ecx: 0, edx: 0x20000000 })
  })

  test('its caches give a page colour each', () => {
    const l1 = model.leaf(4, 0)
    const ways = (l1.ebx >>> 22) + 1
    const line = (l1.ebx & 0xfff) + 1
    expect([ways * line * (l1.ecx + 1), line * (l1.ecx + 1)]).toEqual([32768, 4096])
    expect(model.leaf(4, 2).eax).toBe(0)
  })

  test('its brand carries the frequency and fits 48 bytes', () => {
    const brand = [0x80000002, 0x80000003, 0x80000004]
      .map((leaf) => model.leaf(leaf, 0))
      .map((l) => text(l.eax, l.ebx, l.ecx, l.edx))
      .join('')
    expect(brand.replace(/\0+$/, '')).toBe('NetBSD microVM playground CPU @ 1.00GHz')
  })

  test('beyond the highest leaf it answers with the highest, as Intel does', () => {
    expect(model.leaf(0x17, 0)).toEqual(model.leaf(0x16, 0))
    expect(model.leaf(0x80000009, 0)).toEqual(model.leaf(0x16, 0))
  })
})

describe('switches', () => {
  test('AMD loses the leaves and capabilities that only Intel has', () => {
    const amd = createCpuModel({ 'vendor-intel': false })
    const l0 = amd.leaf(0, 0)
    expect([text(l0.ebx, l0.edx, l0.ecx), l0.eax]).toEqual(['AuthenticAMD', 0x0d])
    expect([amd.has('tsc-leaf'), amd.leaf(0x15, 0).eax, amd.leaf(7, 0).edx]).toEqual([false, 0, 0])
    // As QEMU's qemu64, and 1 GiB pages.
    expect(amd.leaf(0x80000001, 0).edx).toBe(0x2193fbfd | (1 << 26))
  })

  test('a bit appears with its switch', () => {
    expect(createCpuModel({ smap: true }).leaf(7, 0).ebx).toBe(1 << 20)
    const xsave = createCpuModel({ xsave: true, xsaveopt: true })
    expect([xsave.leaf(0xd, 0).eax, xsave.leaf(0xd, 0).ebx, xsave.leaf(0xd, 1).eax]).toEqual([3, 576, 1])
  })

  test('every feature that the settings name can be offered', () => {
    const all = createCpuModel(Object.fromEntries(CPU_FEATURES.map((name) => [name, true])))
    expect(CPU_FEATURES.filter((name) => !all.has(name))).toEqual([])
  })

  test('what a feature needs is asked for', () => {
    expect(checkCpuSwitches({ 'tsc-leaf': true, 'vendor-intel': false })?.kind).toBe('cpu-feature-needs')
    expect(checkCpuSwitches({ 'sse4.1': true })?.kind).toBe('cpu-feature-needs')
    expect(checkCpuSwitches({ 'sse4.1': true, ssse3: true })).toBeUndefined()
    expect(checkCpuSwitches({ 'vendor-intel': false })).toBeUndefined()
  })

  test('every switch can be switched either way alone or is told what it needs', () => {
    for (const name of CPU_FEATURES) {
      expect(checkCpuSwitches({ [name]: false })).toBeUndefined()
      const kind = checkCpuSwitches({ [name]: true })?.kind
      expect([undefined, 'cpu-feature-needs']).toContain(kind)
    }
  })
})

test('CPUID shows OSXSAVE and APIC as they are now', () => {
  const core = new FakeCore({ xsave: true })
  expect(cpuid(core, 1, 0).ecx & (1 << 27)).toBe(0)
  core.state.set32(CR4, CR4_OSXSAVE)
  core.system.apicBase = 0xfee00100n
  expect([cpuid(core, 1, 0).ecx & (1 << 27), cpuid(core, 1, 0).edx & (1 << 9)]).toEqual([1 << 27, 0])
})
