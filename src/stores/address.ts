/** What the page's address asks for: `?boot=embedded&autostart`. Documented in docs/automation.md. */
import type { Problem } from '../base/problem.ts'
import { ADDRESS, firstProblem, readSettings } from '../settings/read-settings.ts'
import { type BootForm, formFor } from './boot-form-store.ts'
import { type FileSource, type GuestChoice, OWN_GUEST_ID } from './guest-choice.ts'
import type { ThemeChoice } from './settings-store.ts'

export interface Address {
  readonly form: BootForm
  readonly autostart: boolean
  /** At its prompt, where that is kept. */
  readonly resume: boolean
  /** A saved machine to go on with. */
  readonly snapshot: FileSource | undefined
  readonly theme: ThemeChoice | undefined
  /** What was said of settings and could not be taken as it was. */
  readonly problem: Problem | undefined
}

const nameOf = (url: string): string => url.split(/[?#]/)[0]?.split('/').filter(Boolean).at(-1) ?? url

/** Undefined for what is no http(s) address. */
export const urlSource = (text: string, base: string): FileSource | undefined => {
  try {
    const url = new URL(text.trim(), base)
    if (url.protocol !== 'http:' && url.protocol !== 'https:') return undefined
    return { kind: 'url', name: nameOf(url.pathname) || url.host, url: url.href }
  } catch {
    return undefined
  }
}

/** A guest by its id; `embedded` is the first one, which needs no network. */
export const findGuest = (id: string, guests: readonly GuestChoice[]): GuestChoice | undefined =>
  id === 'embedded' ? guests[0] : guests.find((guest) => guest.id === id)

export const readAddress = (href: string, guests: readonly GuestChoice[], own: GuestChoice): Address => {
  const { searchParams } = new URL(href)
  const text = (name: string) => searchParams.get(name) ?? undefined
  const source = (value: string) => urlSource(value, href)
  const isSet = (name: string) => searchParams.has(name) && searchParams.get(name) !== '0'

  const kernel = text('kernel')
  const named = findGuest(text('boot') ?? '', guests)
  const guest = named ?? (kernel !== undefined ? own : (guests[0] ?? own))
  const kernelSource = kernel === undefined ? undefined : source(kernel)
  const initrd = text('initrd')
  const snapshot = text('snapshot')
  const disks = searchParams.getAll('disk').flatMap((value) => {
    const readOnly = value.endsWith(',ro')
    const found = source(readOnly ? value.slice(0, -3) : value)
    return found ? [{ kind: 'image' as const, source: found, readOnly }] : []
  })
  const base = formFor(guest)
  const said = readSettings(
    ADDRESS,
    Object.fromEntries([...searchParams.keys()].map((word) => [word, searchParams.get(word)])),
  )
  const theme = text('theme')
  return {
    form: {
      ...base,
      ...said.settings,
      guestId: kernelSource ? OWN_GUEST_ID : base.guestId,
      kernel: kernelSource ?? base.kernel,
      initrd: initrd === undefined ? base.initrd : source(initrd),
      disks: disks.length > 0 ? disks : base.disks,
      changes: isSet('keep') ? 'keep' : base.changes,
    },
    snapshot: snapshot === undefined ? undefined : source(snapshot),
    autostart: isSet('autostart') || isSet('resume'),
    resume: isSet('resume'),
    theme: theme === 'light' || theme === 'dark' || theme === 'system' ? theme : undefined,
    problem: firstProblem(said),
  }
}
