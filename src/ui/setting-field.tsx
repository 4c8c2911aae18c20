/** A field of the boot form for one setting, as its row in src/settings says it. */
import { useId } from 'react'
import type { Setting } from '../settings/setting.ts'
import { type MachineSettings, SETTINGS, type SettingName } from '../settings/settings.ts'
import { rangeWords, valueWords } from '../settings/words.ts'
import { useForm, usePlayground } from './context.ts'

interface Option {
  readonly key: string
  readonly value: unknown
  readonly words: string
}

const optionsOf = (setting: Setting, now: unknown): readonly Option[] => {
  switch (setting.type) {
    case 'choice':
      return Object.entries(setting.choices).map(([key, words]) => ({ key, value: key, words }))
    case 'on-off':
      return [true, false].map((value) => ({ key: value ? 'on' : 'off', value, words: valueWords(setting, value) }))
    case 'whole':
      // What an address or a program asked for is among them.
      return [...new Set([...(setting.steps ?? []), now as number])]
        .sort((a, b) => a - b)
        .map((value) => ({ key: `${value}`, value, words: valueWords(setting, value) }))
    default:
      return []
  }
}

/** NetBSD's, xen_parse_cmdline of sys/arch/xen/xen/xen_machdep.c; said at the boot too, where the kernel is known. */
const NETBSD_OPTIONS_BYTES = 255

const bytesOf = (text: unknown): number => new TextEncoder().encode(`${text}`.trim()).length

export const SettingField = ({ name }: { readonly name: SettingName }) => {
  const id = useId()
  const setting: Setting = SETTINGS[name]
  const value = useForm((form) => form[name])
  const { form } = usePlayground()
  const set = (next: unknown) => form.setState({ [name]: next } as Partial<MachineSettings>)
  const options = optionsOf(setting, value)
  const range = rangeWords(setting)
  const bytes = name === 'cmdline' ? bytesOf(value) : 0
  return (
    <div className="field">
      <label htmlFor={`${id}-value`}>{setting.label}</label>
      {setting.type === 'text' ? (
        <input
          id={`${id}-value`}
          type="text"
          className="mono"
          value={value as string}
          spellCheck={false}
          autoCapitalize="off"
          autoComplete="off"
          {...(bytes > NETBSD_OPTIONS_BYTES && { 'aria-describedby': `${id}-long` })}
          onChange={(event) => set(event.target.value)}
        />
      ) : (
        <select
          id={`${id}-value`}
          value={options.find((option) => option.value === value)?.key}
          {...(range && { 'aria-describedby': `${id}-range` })}
          data-testid={`setting-${name}`}
          onChange={(event) => set(options.find(({ key }) => key === event.target.value)?.value)}
        >
          {options.map(({ key, words }) => (
            <option key={key} value={key}>
              {words}
            </option>
          ))}
        </select>
      )}
      {bytes > NETBSD_OPTIONS_BYTES && (
        <span id={`${id}-long`} className="hint" role="status">
          {bytes} bytes long; NetBSD reads its options out of the first {NETBSD_OPTIONS_BYTES}.
        </span>
      )}
      {range && (
        <span id={`${id}-range`} className="visually-hidden">
          {range}
        </span>
      )}
    </div>
  )
}
