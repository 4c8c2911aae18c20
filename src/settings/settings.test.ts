import { describe, expect, test } from 'vitest'
import { sentence } from '../base/problem.ts'
import {
  ADDRESS,
  COMMAND_LINE,
  checkSettings,
  firstProblem,
  readRecord,
  readSettings,
  type Source,
} from './read-settings.ts'
import type { Setting } from './setting.ts'
import { DEFAULTS, SETTING_NAMES, SETTINGS, settingsOf, virtioSlotsTaken } from './settings.ts'
import { unusualWords } from './words.ts'

/** What a row's setting may be: its ends, and each of its words. */
const legal = (setting: Setting): readonly unknown[] => {
  switch (setting.type) {
    case 'choice':
      return Object.keys(setting.choices)
    case 'whole':
      return [setting.min, setting.max, ...(setting.steps ?? [])]
    case 'text':
      return ['', 'a b = c,"d"']
    case 'on-off':
      return [true, false]
    case 'switches':
      return [{}, Object.fromEntries(setting.names.map((name, i) => [name, i % 2 === 0]))]
  }
}

const illegal = (setting: Setting): readonly unknown[] => {
  switch (setting.type) {
    case 'choice':
      return ['', 'neither', 7, null, {}]
    case 'whole':
      return [setting.min - 1, setting.max + 1, setting.min + 0.5, '', 'many', '1e2', '0x40', Number.NaN, null, []]
    case 'text':
      return [7, null, {}]
    case 'on-off':
      return ['yes', 2, null, {}]
    case 'switches':
      return [7, null, [], 'smap', 'smap=1', 'none=on', { none: true }, { smap: 'on' }]
  }
}

const written = (value: unknown): string =>
  typeof value === 'boolean'
    ? value
      ? 'on'
      : 'off'
    : typeof value === 'object'
      ? Object.entries(value as object)
          .map(([name, on]) => `${name}=${on ? 'on' : 'off'}`)
          .join(',')
      : String(value)

describe.each(SETTING_NAMES.map((name) => [name, SETTINGS[name] as Setting] as const))('%s', (name, setting) => {
  test('is legal when nobody says anything', () => {
    expect(checkSettings(DEFAULTS)).toBeUndefined()
    expect(readRecord({ [name]: setting.default })).toEqual({
      settings: { [name]: setting.default },
      refused: [],
      adjusted: [],
    })
  })

  test('is read alike from a program, a command line and an address', () => {
    for (const value of legal(setting)) {
      const expected = { settings: { [name]: value }, refused: [], adjusted: [] }
      expect(readRecord({ [name]: value })).toEqual(expected)
      for (const [source, word] of [
        [COMMAND_LINE, setting.flag],
        [ADDRESS, setting.param],
      ] as const satisfies readonly (readonly [Source, string | undefined])[])
        if (word !== undefined) expect(readSettings(source, { [word]: written(value) })).toEqual(expected)
    }
  })

  test('a value that it cannot have is a sentence that names it, and never a value out of limits', () => {
    for (const value of illegal(setting)) {
      const read = readRecord({ [name]: value })
      const wrong = firstProblem(read)
      expect(wrong && sentence(wrong), `${name}: ${String(value)}`).toMatch(/ expected: .+ Try: .+\.$/)
      expect(checkSettings({ ...DEFAULTS, ...read.settings })).toBeUndefined()
    }
  })
})

test('numbers out of their limits are the nearest within them', () => {
  expect(readSettings(ADDRESS, { memory: '99999' })).toMatchObject({
    settings: { memoryMiB: 3072 },
    refused: [],
    adjusted: [{ kind: 'bad-memory', saw: 'the address has "99999" for memory', hint: 'memory=256' }],
  })
  expect(readRecord({ memoryMiB: -3 }).settings).toEqual({ memoryMiB: 32 })
})

test('one source says a setting in one word, and no two settings share it', () => {
  for (const source of [COMMAND_LINE, ADDRESS]) {
    const words = SETTING_NAMES.flatMap((name) => source.word(name) ?? [])
    expect(new Set(words).size).toBe(words.length)
    for (const word of words) expect(word).toMatch(/^[a-z]+(-[a-z]+)*$/)
  }
})

test('a name that objects have by themselves is no setting and no feature', () => {
  const { settings } = readRecord(
    JSON.parse('{"__proto__": {"seed": 2}, "cpu": {"__proto__": true, "constructor": true}}'),
  )
  expect(settings).toEqual({ cpu: {} })
  expect(readSettings(ADDRESS, { cpu: '__proto__=on' }).settings).toEqual({ cpu: {} })
})

test('what a record leaves open stays open', () => {
  expect(settingsOf({ seed: 3, rng: false, ...({ name: 'x' } as object) })).toEqual({ seed: 3, rng: false })
})

test('what is not usual is said in a few words', () => {
  expect(unusualWords({ ...DEFAULTS, net: 'user', rng: false, seed: 7, memoryMiB: 64, cpu: { smap: true } })).toBe(
    'net user, rng off, seed 7',
  )
  expect(unusualWords(DEFAULTS)).toBe('')
})

test('slots: a disk each, and one each for card, entropy and console', () => {
  expect(virtioSlotsTaken({ net: 'none', rng: false, virtioConsole: false }, 3)).toBe(3)
  expect(virtioSlotsTaken({ net: 'user', rng: true, virtioConsole: true }, 5)).toBe(8)
})
