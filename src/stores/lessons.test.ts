import { describe, expect, test } from 'vitest'
import { NETBSD_MICROVM } from '../guests/catalogue.ts'
import { formFor, requestFrom } from './boot-form-store.ts'
import { choiceOf } from './guest-choice.ts'
import { LESSONS } from './lessons.ts'

const guest = choiceOf(NETBSD_MICROVM, 'https://example.org/')
const form = formFor(guest)

describe.each(LESSONS.map((lesson) => [lesson.id, lesson] as const))('%s', (_, lesson) => {
  test('says what the kernel does in two sentences', () => {
    expect(lesson.about.match(/[^.]+\.( |$)/g)).toHaveLength(2)
  })

  test('changes what is asked of the machine, and nothing that it was not asked to', () => {
    const change = lesson.apply(form)
    if (!change) throw new Error('nothing to change in the catalogue’s own form')
    const before = requestFrom(form, guest)
    const after = requestFrom({ ...form, ...change }, guest)
    if (!before || !after) throw new Error('no request')
    const changed = Object.keys(before).filter(
      (key) => JSON.stringify(before[key as never]) !== JSON.stringify(after[key as never]),
    )
    expect(changed.toSorted()).toEqual(CHANGES[lesson.id])
  })
})

const CHANGES: Readonly<Record<string, readonly string[]>> = {
  'tsc-leaf': ['cpu'],
  verbose: ['cmdline'],
  'no-apic': ['cpu'],
  'rtc-unset': ['epoch'],
  firecracker: ['profile'],
  'more-devices': ['disks'],
  'fewer-devices': ['net', 'rng', 'virtioConsole'],
  memory: ['memoryMiB'],
}

test('a switch that is thrown already is not offered; neither are more devices than the board has slots', () => {
  const once = LESSONS.filter(({ id }) => id !== 'memory' && id !== 'more-devices')
  for (const lesson of once) expect(lesson.apply({ ...form, ...lesson.apply(form) }), lesson.id).toBeUndefined()
  const more = LESSONS.find(({ id }) => id === 'more-devices')
  const seven = { ...form, ...more?.apply(form) }
  expect(seven.disks).toHaveLength(4)
  expect(more?.apply(seven)).toBeUndefined()
})

test('memory is not asked for beyond what the machine has', () => {
  const memory = LESSONS.find(({ id }) => id === 'memory')
  expect(memory?.apply({ ...form, memoryMiB: 256 })).toEqual({ memoryMiB: 1024 })
  expect(memory?.apply({ ...form, memoryMiB: 1024 })).toBeUndefined()
})
