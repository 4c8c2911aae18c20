/**
 * Settings as somebody says them: on a command line, in an address, in a program, a kept file, a trace. One way for all:
 * the sources differ in what they call a setting, and in what they do with what is wrong. A value out of its limits is
 * taken as the nearest within them and is a Problem too, so that a command line can refuse what a page makes the best of.
 */
import { nearest } from '../base/nearest.ts'
import { type Problem, problem } from '../base/problem.ts'
import type { Setting, Switches, Whole } from './setting.ts'
import { type MachineSettings, SETTING_NAMES, SETTINGS, type SettingName } from './settings.ts'

/** How one kind of source speaks. */
export interface Source {
  /** What it calls a setting; undefined where it has no word for it. */
  word(name: SettingName): string | undefined
  /** "--memory is "12x"", a clause. */
  saw(word: string, value: string): string
  /** What a person writes there. */
  say(word: string, value: string): string
}

/** `--memory 256`. */
export const COMMAND_LINE: Source = {
  word: (name) => (SETTINGS[name] as Setting).flag,
  saw: (word, value) => `--${word} is ${value}`,
  say: (word, value) => `--${word} ${value}`,
}

/** `?memory=256`. */
export const ADDRESS: Source = {
  word: (name) => (SETTINGS[name] as Setting).param,
  saw: (word, value) => `the address has ${value} for ${word}`,
  say: (word, value) => `${word}=${value}`,
}

/** By its name here, in a program or in JSON. */
export const RECORD: Source = {
  word: (name) => name,
  saw: (word, value) => `${word} is ${value}`,
  say: (word, value) => `${word}: ${value}`,
}

export interface ReadSettings {
  /** As near to what was said as can be; what says nothing of a setting leaves it out. */
  readonly settings: Partial<MachineSettings>
  /** What could not be taken. */
  readonly refused: readonly Problem[]
  /** Numbers out of their limits, which were taken as the nearest within them. */
  readonly adjusted: readonly Problem[]
}

/** Reads those of `values`, by the source's words, that are settings; the rest is somebody else's. */
export const readSettings = (source: Source, values: Readonly<Record<string, unknown>>): ReadSettings => {
  const settings: Record<string, unknown> = {}
  const refused: Problem[] = []
  const adjusted: Problem[] = []
  for (const name of SETTING_NAMES) {
    const word = source.word(name)
    if (word === undefined || !Object.hasOwn(values, word) || values[word] === undefined) continue
    const { value, wrong } = read(SETTINGS[name], values[word])
    if (value !== undefined) settings[name] = value
    if (wrong !== undefined) {
      const { kind = kindOf(name), saw, expected, instead } = wrong
      const hint = typeof instead === 'string' ? source.say(word, instead) : instead.hint
      const problems = value !== undefined && SETTINGS[name].type === 'whole' ? adjusted : refused
      problems.push(problem(kind, saw ?? source.saw(word, shown(values[word])), expected, hint))
    }
  }
  return { settings: settings as Partial<MachineSettings>, refused, adjusted }
}

/** The same whatever the source. */
export const kindOf = (name: SettingName): string => {
  const { flag, param, type }: Setting = SETTINGS[name]
  return type === 'choice' || type === 'on-off' ? 'bad-choice' : `bad-${flag ?? param ?? name}`
}

/** The first thing wrong with settings that are there, at the machine's door. */
export const checkSettings = (settings: MachineSettings): Problem | undefined => firstProblem(readRecord(settings))

/** Of a source that takes nothing but what is right. */
export const firstProblem = ({ refused, adjusted }: ReadSettings): Problem | undefined => refused[0] ?? adjusted[0]

/** Out of an object whose other fields are something else: what a program asks for, a kept guest, what a trace says of itself. */
export const readRecord = (record: object): ReadSettings =>
  readSettings(RECORD, record as Readonly<Record<string, unknown>>)

interface Reading {
  readonly value?: unknown
  readonly wrong?: {
    readonly kind?: string
    readonly saw?: string
    readonly expected: string
    /** A value that would do, or what to do about it. */
    readonly instead: string | { readonly hint: string }
  }
}

/** What a person sees of a value that may be anything. */
const shown = (said: unknown): string => {
  const text = typeof said === 'string' ? `"${said}"` : (JSON.stringify(said) ?? String(said))
  return text.length > 80 ? `${text.slice(0, 80)}...` : text
}

const read = (setting: Setting, said: unknown): Reading => {
  switch (setting.type) {
    case 'choice': {
      const words = Object.keys(setting.choices)
      if (typeof said === 'string' && words.includes(said)) return { value: said }
      const instead = nearest(String(said), words) ?? setting.default
      return { wrong: { expected: words.join(' or '), instead } }
    }
    case 'whole':
      return readWhole(setting, said)
    case 'text':
      return typeof said === 'string'
        ? { value: said }
        : { wrong: { expected: 'text', instead: shown(setting.default) } }
    case 'on-off':
      // An address says yes by naming it.
      if (said === true || said === 'on' || said === '1' || said === '') return { value: true }
      if (said === false || said === 'off' || said === '0') return { value: false }
      return { wrong: { expected: 'on or off', instead: setting.default ? 'on' : 'off' } }
    case 'switches':
      return readSwitches(setting, said)
  }
}

const readWhole = ({ min, max, unit, default: usual }: Whole, said: unknown): Reading => {
  const number = typeof said === 'string' && /^-?\d+$/.test(said) ? Number(said) : said
  const wrong = {
    expected: `a whole number${unit === '' ? '' : ` of ${unit}`} from ${min} to ${max}`,
    instead: `${usual}`,
  }
  if (typeof number !== 'number' || !Number.isFinite(number)) return { wrong }
  const value = Math.min(max, Math.max(min, Math.round(number)))
  return value === number ? { value } : { value, wrong }
}

/** `smap=off,rdrand=on`, or those as a record of booleans. */
const readSwitches = ({ names }: Switches, said: unknown): Reading => {
  const value: Record<string, boolean> = {}
  let wrong: Reading['wrong']
  const take = (name: string, on: boolean): void => {
    if (names.includes(name)) {
      value[name] = on
      return
    }
    const near = nearest(name, names)
    wrong ??= {
      kind: 'unknown-cpu-feature',
      saw: `the CPU feature "${name}" is not known`,
      expected: `one of ${names.join(' ')}`,
      instead: { hint: near === undefined ? 'leave it out' : `${near}=${on ? 'on' : 'off'}` },
    }
  }
  const expected = 'FEATURE=on or FEATURE=off, separated by commas'
  const instead = `${names[0]}=off`
  if (typeof said === 'string') {
    for (const word of said === '' ? [] : said.split(',')) {
      const match = /^([^=]+)=(on|off)$/.exec(word)
      if (match === null)
        wrong ??= {
          saw: `among the CPU features is "${word}"`,
          expected,
          instead: `${nearest(word, names) ?? names[0]}=off`,
        }
      else take(match[1]!.toLowerCase(), match[2] === 'on')
    }
  } else if (typeof said === 'object' && said !== null && !Array.isArray(said)) {
    for (const [name, on] of Object.entries(said))
      if (typeof on === 'boolean') take(name, on)
      else wrong ??= { saw: `the CPU feature "${name}" is ${shown(on)}`, expected: 'true or false', instead }
  } else return { wrong: { expected, instead } }
  return wrong === undefined ? { value } : { value, wrong }
}
