import { describe, expect, it } from 'vitest'
import type { KeptMachineRecord } from '../storage/kept-machines.ts'
import { formFor } from './boot-form-store.ts'
import { type GuestChoice, ownGuest } from './guest-choice.ts'
import { canResume, isCurrent, promptKey, recordOf, resumedOf, type ToKeep } from './machine-keeping.ts'

const KERNEL = 'https://here.example/netbsd'
const guest: GuestChoice = {
  ...ownGuest,
  id: 'netbsd',
  name: 'NetBSD',
  kernel: { kind: 'url', name: 'netbsd', url: KERNEL },
  expected: ['# $'],
}
const form = formFor(guest)
const versions = new Map([[KERNEL, '"1" yesterday']])
const ready = { kind: 'ready', boot: 1, name: 'ready', guestNs: 63e6, wallMs: 900, instructions: 1000 } as const
const toKeep: ToKeep = {
  key: promptKey(guest.id),
  label: 'NetBSD',
  form,
  guest,
  kernelSha256: 'abc',
  ready,
  versions,
  release: 'one',
}
const kept = (change: Partial<ToKeep> = {}): KeptMachineRecord => ({
  ...recordOf({ ...toKeep, ...change }, 1e12),
  version: 1,
  parts: { state: { name: 'state-1', bytes: 1 } },
})

describe('a guest kept at its prompt', () => {
  it('is of use for the same boot by the same release, whatever the terminal', () => {
    expect(isCurrent(kept(), { ...form, columns: 132, rows: 50 }, 'one', versions)).toBe(true)
  })

  it('is of none once settings, release or a file have changed', () => {
    expect(isCurrent(kept(), { ...form, memoryMiB: 512 }, 'one', versions)).toBe(false)
    expect(isCurrent(kept(), { ...form, cpu: { xsave: false } }, 'one', versions)).toBe(false)
    expect(isCurrent(kept(), form, 'two', versions)).toBe(false)
    expect(isCurrent(kept(), form, 'one', new Map([[KERNEL, '"2" today']]))).toBe(false)
    expect(isCurrent(kept({ versions: new Map() }), form, 'one', versions)).toBe(false)
  })

  it('is of use where no server can be asked', () => {
    expect(isCurrent(kept(), form, 'one', new Map([[KERNEL, undefined]]))).toBe(true)
  })

  it('says what boots it for real, with recording, and how long its boot took', () => {
    const resumed = resumedOf({ record: kept(), files: {} }, [guest])
    expect(resumed).toMatchObject({ from: 'prompt', savedMs: 1e12, kernelSha256: 'abc', ready, form })
    // A guest that is not here any more, and one that was booted with somebody's own files, cannot be.
    expect(resumedOf({ record: kept(), files: {} }, [])?.form).toBeUndefined()
    const added = { ...form, added: [{ target: '/root', entries: [], bytes: 0 }] } as unknown as typeof form
    expect(resumedOf({ record: kept({ form: added }), files: {} }, [guest])?.form).toBeUndefined()
  })

  it('is nothing where its record says something else', () => {
    for (const about of [undefined, null, 7, {}, { kernelSha256: 5 }])
      expect(resumedOf({ record: { ...kept(), about }, files: {} }, [guest])).toBeUndefined()
  })

  it('is not kept of a boot that another could not repeat', () => {
    expect(canResume(form, guest)).toBe(true)
    expect(canResume({ ...form, changes: 'keep' }, guest)).toBe(false)
    expect(canResume({ ...form, disks: [...form.disks] }, guest)).toBe(false)
    expect(canResume(formFor(ownGuest), ownGuest)).toBe(false)
  })
})
