import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { checkSettings } from '../settings/read-settings.ts'
import { DEFAULTS, settingsOf } from '../settings/settings.ts'
import { findGuest, GUESTS, PLAYGROUND, publishedFiles } from './catalogue.ts'
import type { PublishedFile } from './guest.ts'

const PUBLIC = join(import.meta.dirname, '../../public')
const SUM = /^([0-9a-f]{64}|pin on first use)$/
const FILES = [...new Set(GUESTS.flatMap(publishedFiles))]

test('ids are distinct, file-name safe, and found', () => {
  expect(new Set(GUESTS.map((g) => g.id)).size).toBe(GUESTS.length)
  for (const g of GUESTS) {
    expect(g.id).toMatch(/^[a-z0-9-]+$/)
    expect(findGuest(g.id)).toBe(g)
  }
  expect(findGuest('none')).toBeUndefined()
})

test('the first guest needs no network', () => {
  expect(GUESTS[0]).toBe(PLAYGROUND)
  expect(publishedFiles(PLAYGROUND)).toEqual([])
})

describe.each(GUESTS)('$id is complete', (g) => {
  test('who, what and under which licence', () => {
    for (const text of [g.name, g.about, g.publisher]) expect(text).toMatch(/\S/)
    expect(g.licence).toMatch(/^[\w.-]+( AND [\w.-]+)*$/)
    if (g !== PLAYGROUND) expect(new URL(g.homepage ?? '').protocol).toBe('https:')
  })

  test('a kernel, disks, and files that are there', () => {
    if (g.kernel.kind === 'bundled') expect(existsSync(join(PUBLIC, g.kernel.path))).toBe(true)
    else expect(g.kernel.file.kind).toBe('kernel')
    for (const disk of g.disks)
      if (disk.kind === 'netbsd-root')
        for (const init of [disk.init, disk.init32]) expect(existsSync(join(PUBLIC, init))).toBe(true)
      else expect(disk.file.kind).toBe('disk')
    if (g.cmdline.includes('root=')) expect(g.disks.length).toBeGreaterThan(0)
  })

  test('a machine it fits', () => {
    expect(checkSettings({ ...DEFAULTS, ...settingsOf(g) })).toBeUndefined()
    // NetBSD keeps 255 bytes of command line: a guest's own part leaves room for four devices.
    expect(g.cmdline.length + 4 * ' virtio_mmio.device=512@0xfeb00e00:12'.length).toBeLessThan(255)
  })

  test('stages from the entry to the prompt, and patterns that are regular expressions', () => {
    expect(g.expected.length).toBeGreaterThanOrEqual(2)
    for (const pattern of g.expected) new RegExp(pattern, 'm')
    for (const stage of g.stages)
      for (const mark of stage.marks) if (mark.kind === 'console') new RegExp(mark.pattern, 'm')
    expect(g.stages[0]?.marks).toEqual([{ kind: 'entry' }])
    expect(g.stages.at(-1)?.name).toBe('prompt')
    expect(new Set(g.stages.map((s) => s.name)).size).toBe(g.stages.length)
    expect(g.bye).toMatch(/\n$/)
  })
})

describe.each(FILES)('$path is complete', (file: PublishedFile) => {
  test('a path of its own, with a guest of the catalogue in front', () => {
    expect(file.path).toMatch(/^[a-z0-9-]+\/[a-z0-9.-]+$/)
    expect(findGuest(file.path.split('/')[0] ?? '')).toBeDefined()
    expect(FILES.filter(({ path }) => path === file.path)).toEqual([file])
  })

  test('an address over https, or a registry, and a sum', () => {
    expect(file.sha256).toMatch(SUM)
    if (file.from.kind === 'https') {
      expect(file.from.urls.length).toBeGreaterThan(0)
      for (const url of [...file.from.urls, file.from.sums?.url ?? 'https://none'])
        expect(new URL(url).protocol).toBe('https:')
    } else {
      expect(file.from.registry).toMatch(/^[a-z0-9.-]+$/)
      expect(file.from.repository).toMatch(/^[a-z0-9._/-]+$/)
      expect(file.from.reference).toMatch(/^(sha256:[0-9a-f]{64}|[\w][\w.-]{0,127})$/)
    }
  })
})
