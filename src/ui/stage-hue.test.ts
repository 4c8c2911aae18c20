import { expect, test } from 'vitest'
import { NETBSD_STAGES, PLAYGROUND_STAGES } from '../guests/stages.ts'
import { STAGE_HUES, stageHue } from './stage-hue.ts'

test.each([
  ['NetBSD/amd64', NETBSD_STAGES.filter(({ name }) => name !== 'init386')],
  ['NetBSD/i386', NETBSD_STAGES.filter(({ name }) => name !== 'init_x86_64')],
  ['our guest', PLAYGROUND_STAGES],
])('neighbours in the boot of %s have different hues', (_, stages) => {
  const hues = stages.map(({ name }) => stageHue(name))
  expect(hues.filter((hue, index) => hue === hues[index + 1])).toEqual([])
})

test('a stage that both kernels have has one hue, and any name has one', () => {
  const shared = PLAYGROUND_STAGES.filter(({ name }) => NETBSD_STAGES.some((other) => other.name === name))
  expect(shared.length).toBeGreaterThan(2)
  for (const name of ['', 'kern_init', '<b>', '\u{1f600}']) {
    expect(stageHue(name)).toBe(stageHue(name))
    expect(stageHue(name)).toBeLessThan(STAGE_HUES)
  }
})
