import { expect, test } from 'vitest'
import { findGuest, GUESTS, PLAYGROUND } from './catalogue.ts'

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
  expect(PLAYGROUND.kernel.kind).toBe('bundled')
})

test('published kernels come over https, with a pinned sum or none yet', () => {
  for (const { kernel } of GUESTS) {
    if (kernel.kind !== 'published') continue
    expect(kernel.urls.length).toBeGreaterThan(0)
    for (const url of kernel.urls) expect(new URL(url).protocol).toBe('https:')
    expect(kernel.sha256).toMatch(/^([0-9a-f]{64}|pin on first use)$/)
  }
})

test('every pattern is a regular expression and every guest has stages up to its prompt', () => {
  for (const g of GUESTS) {
    for (const pattern of g.expected) new RegExp(pattern, 'm')
    for (const stage of g.stages)
      for (const mark of stage.marks) if (mark.kind === 'console') new RegExp(mark.pattern, 'm')
    expect(g.stages[0]?.marks).toEqual([{ kind: 'entry' }])
    expect(g.stages.at(-1)?.name).toBe('prompt')
    expect(new Set(g.stages.map((s) => s.name)).size).toBe(g.stages.length)
  }
})

test("NetBSD keeps 255 bytes of command line: a guest's own part leaves room for four devices", () => {
  for (const g of GUESTS)
    expect(g.cmdline.length + 4 * ' virtio_mmio.device=512@0xfeb00e00:12'.length).toBeLessThan(255)
})
