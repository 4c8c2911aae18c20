/** Settings in words: the command line's help, the documentation's tables, the page's figures. */
import type { Setting } from './setting.ts'
import { SETTING_NAMES, SETTINGS, type SettingName } from './settings.ts'

const rowOf = (name: SettingName): Setting => SETTINGS[name]

/** What may stand behind the option. */
const operand = (setting: Setting): string => {
  switch (setting.type) {
    case 'choice':
      return Object.keys(setting.choices).join('|')
    case 'whole':
      return setting.unit === '' ? 'N' : setting.unit.toUpperCase()
    case 'text':
      return 'S'
    case 'on-off':
      return 'on|off'
    case 'switches':
      return 'FEATURE=on|off'
  }
}

/** Limits that a person may come near. */
const limits = (setting: Setting): string =>
  setting.type === 'whole' && setting.max <= 0xffff ? `, ${setting.min} to ${setting.max}` : ''

const defaultOf = (setting: Setting): string | undefined => {
  switch (setting.type) {
    case 'on-off':
      return setting.default ? 'on' : 'off'
    case 'switches':
      return undefined
    default:
      return `${setting.default}`
  }
}

const COLUMN = 25
const WIDTH = 118

/** One option of a `--help`: its name and operand, then what it is, both columns wrapped for a terminal. */
export const optionLines = (option: string, about: string): string => {
  const lines: string[] = []
  let line = ''
  for (const word of about.split(' ')) {
    if (line !== '' && COLUMN + line.length + 1 + word.length > WIDTH) {
      lines.push(line)
      line = ''
    }
    line += line === '' ? word : ` ${word}`
  }
  lines.push(line)
  const left = `  --${option}`
  if (left.length >= COLUMN - 1) lines.unshift('')
  return lines
    .map((text, i) => `${(i === 0 ? left : '').padEnd(COLUMN)}${text}`.trimEnd())
    .map((text) => `${text}\n`)
    .join('')
}

/** The settings' part of a `--help`. `defaults` says those that a host chooses otherwise. */
export const settingOptions = (defaults: Partial<Record<SettingName, string>>): string =>
  SETTING_NAMES.flatMap((name) => {
    const setting = rowOf(name)
    if (setting.flag === undefined) return []
    const usual = defaults[name] ?? defaultOf(setting)
    return optionLines(
      `${setting.flag} ${operand(setting)}`,
      `${setting.about}${limits(setting)}${usual === undefined ? ', may be repeated' : ` (default: ${usual})`}`,
    )
  }).join('')

/** Rows of Markdown, `| parameter | value | left out |`, for docs/automation.md. */
export const parameterRows = (): string =>
  SETTING_NAMES.flatMap((name) => {
    const setting = rowOf(name)
    if (setting.param === undefined) return []
    const values =
      setting.type === 'choice'
        ? `${Object.keys(setting.choices)
            .map((word) => `\`${word}\``)
            .join(' or ')}: `
        : setting.type === 'on-off'
          ? '`1` or `0`: '
          : setting.type === 'switches'
            ? '`FEATURE=on` or `FEATURE=off`: '
            : setting.type === 'whole' && setting.unit !== ''
              ? `${setting.unit}${limits(setting)}: `
              : setting.type === 'whole'
                ? `a number${limits(setting)}: `
                : 'URL-encoded: '
    const usual = defaultOf(setting)
    const leftOut = usual === undefined ? "the guest's own" : `the guest's own, or \`${usual}\``
    return [`| \`${setting.param}\` | ${values}${setting.about} | ${leftOut} |\n`]
  }).join('')

const count = (value: number, unit: string): string =>
  unit === 'MiB' && value >= 1024 ? `${value / 1024} GiB` : `${value} ${unit}`.trim()

/** A setting's value as the form says it. */
export const valueWords = (setting: Setting, value: unknown): string => {
  switch (setting.type) {
    case 'choice':
      return setting.choices[value as string] ?? `${value}`
    case 'on-off':
      return setting.words?.[value ? 0 : 1] ?? (value ? 'on' : 'off')
    case 'whole':
      return count(value as number, setting.unit)
    default:
      return `${value}`
  }
}

/** "From 32 MiB to 3 GiB". */
export const rangeWords = (setting: Setting): string | undefined =>
  setting.type === 'whole'
    ? `From ${count(setting.min, setting.unit)} to ${count(setting.max, setting.unit)}`
    : undefined

/** "net user, seed 7": what was said of settings beyond the form's, where it is not the usual. */
export const unusualWords = (said: { readonly [K in SettingName]?: unknown }): string =>
  SETTING_NAMES.filter((name) => {
    const { type, label, default: usual } = rowOf(name)
    return label === undefined && type !== 'switches' && said[name] !== undefined && said[name] !== usual
  })
    .map(
      (name) =>
        `${rowOf(name).flag ?? name} ${typeof said[name] === 'boolean' ? (said[name] ? 'on' : 'off') : said[name]}`,
    )
    .join(', ')

/** Settings whose values people read in the page's form. */
export const FORM_SETTINGS = SETTING_NAMES.filter((name) => rowOf(name).label !== undefined)
