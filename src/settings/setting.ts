/**
 * What a setting is: a row of the table in settings.ts. A row says everything about it but what the machine does with it:
 * what it may be, what it is when nobody says anything, how each source names it, and its words for people.
 */

interface Row<T> {
  readonly default: T
  /** Its name on the command line, without the dashes. Without one the command line does not know it. */
  readonly flag?: string
  /** Its name in the page's address. Without one an address does not know it. */
  readonly param?: string
  /** What it is, in a list of options: a clause with a lower-case start. */
  readonly about: string
  /** Its name in the page's form. Without one the form does not show it. */
  readonly label?: string
  /** Unless it is off or 'none', a virtio device is plugged. */
  readonly plugsVirtio?: true
}

/** One of a few words. */
export interface Choice<T extends string> extends Row<T> {
  readonly type: 'choice'
  /** Each word, and how the form says it. */
  readonly choices: Readonly<Record<T, string>>
}

/** A whole number within limits. */
export interface Whole extends Row<number> {
  readonly type: 'whole'
  /** What is counted: 'MiB', 'seconds'. */
  readonly unit: string
  readonly min: number
  readonly max: number
  /** What the form offers. */
  readonly steps?: readonly number[]
}

export interface Text extends Row<string> {
  readonly type: 'text'
}

export interface OnOff extends Row<boolean> {
  readonly type: 'on-off'
  /** How the form says on and off. */
  readonly words?: readonly [on: string, off: string]
}

/** Some of many names, each on or off; what is not named is as it would be. */
export interface Switches extends Row<Readonly<Record<string, boolean>>> {
  readonly type: 'switches'
  readonly names: readonly string[]
}

export type Setting = Choice<string> | Whole | Text | OnOff | Switches

/** What a row's setting can be. */
export type ValueOf<S> = S extends Choice<infer T> ? T : S extends { readonly default: infer T } ? T : never

// Rows are written through these, so that a choice's type is its words, not its default.
export const choice = <T extends string>(
  row: Omit<Choice<T>, 'type' | 'default'> & { readonly default: NoInfer<T> },
): Choice<T> => ({ type: 'choice', ...row })
export const whole = (row: Omit<Whole, 'type'>): Whole => ({ type: 'whole', ...row })
export const text = (row: Omit<Text, 'type'>): Text => ({ type: 'text', ...row })
export const onOff = (row: Omit<OnOff, 'type'>): OnOff => ({ type: 'on-off', ...row })
export const switches = (row: Omit<Switches, 'type'>): Switches => ({ type: 'switches', ...row })
