/**
 * What is kept of machines in this browser, as records: a guest at its prompt, which the next visit opens at once, and the
 * last state of the machine that runs, from which a reload goes on.
 *
 * A state at the prompt is of use only while a boot would come to the same: release, settings and files are its identity.
 * Files are told apart by what their server says of them (RFC 9110 section 8.8, validators), so that a kernel of 9 MB need not be
 * fetched to be resumed.
 */
import { readRecord } from '../settings/read-settings.ts'
import { DEFAULTS, type MachineSettings, settingsOf } from '../settings/settings.ts'
import { bytesOfMachine, type KeptMachine, type KeptMachineRecord } from '../storage/kept-machines.ts'
import type { BootMark } from '../worker/protocol.ts'
import { type BootForm, formFor } from './boot-form-store.ts'
import type { GuestChoice } from './guest-choice.ts'
import { hexSha256, type Resumed } from './resumed.ts'

export { bytesOfMachine }

export const LAST = 'last'
export const promptKey = (guestId: string): string => `prompt.${guestId}`

/** What a record tells this page. Written by an earlier one, perhaps: read with care. */
interface About {
  readonly kernelSha256: string
  /** As booted: with recording, where that was on. */
  readonly settings: MachineSettings
  /** Its files are the guest's own, nothing was added and no disk is kept elsewhere: the guest can be booted anew. */
  readonly isPlain: boolean
  readonly ready?: BootMark
  /** What is said of each file by its server, by address. */
  readonly versions: Readonly<Record<string, string>>
}

export interface ToKeep {
  readonly key: string
  readonly label: string
  readonly form: BootForm
  readonly guest: GuestChoice
  readonly kernelSha256: string
  readonly ready: BootMark | undefined
  readonly versions: Versions
  readonly release: string
}

/** By address; undefined for a server that says nothing at the moment. */
export type Versions = ReadonlyMap<string, string | undefined>

/** Nothing about it is a person's own, so that it can be opened again by the guest's name. */
export const isPlain = (form: BootForm, guest: GuestChoice): boolean =>
  form.kernel === guest.kernel &&
  form.initrd === guest.initrd &&
  form.disks === guest.disks &&
  form.added.length === 0 &&
  form.changes === 'discard'

/** It has a prompt that is known, and booting it again would come there again. */
export const canResume = (form: BootForm, guest: GuestChoice): boolean =>
  guest.expected.length > 0 && isPlain(form, guest)

/** The terminal is whatever it is when the machine goes on. */
const identityOf = (release: string, form: BootForm): string =>
  JSON.stringify([release, form.guestId, { ...settingsOf(form), columns: 0, rows: 0 }])

const addressesOf = ({ kernel, initrd, disks }: GuestChoice): readonly string[] => [
  ...new Set(
    [kernel, initrd, ...disks.flatMap(({ source, source32 }) => [source, source32])].flatMap((source) =>
      source?.kind === 'url' ? [source.url] : [],
    ),
  ),
]

/** Asked of each file's server, all at once. */
export const versionsOf = async (guest: GuestChoice): Promise<Versions> =>
  new Map(await Promise.all(addressesOf(guest).map(async (url) => [url, await versionOf(url)] as const)))

const versionOf = async (url: string): Promise<string | undefined> => {
  try {
    const { ok, headers } = await fetch(url, { method: 'HEAD', credentials: 'omit', cache: 'no-cache' })
    if (!ok) return undefined
    const said = [headers.get('ETag'), headers.get('Last-Modified')]
    if (said.some((value) => value !== null)) return said.join(' ')
    return await hexSha256(await (await fetch(url, { credentials: 'omit' })).blob())
  } catch {
    // No network: what is here is what there is.
    return undefined
  }
}

export const recordOf = (kept: ToKeep, savedMs: number): Omit<KeptMachineRecord, 'version' | 'parts'> => {
  const { key, label, form, guest, kernelSha256, ready, versions, release } = kept
  const about: About = {
    kernelSha256,
    settings: settingsOf(form),
    isPlain: isPlain(form, guest),
    ...(ready && { ready }),
    versions: Object.fromEntries(
      [...versions].flatMap(([url, version]) => (version === undefined ? [] : [[url, version]])),
    ),
  }
  return { key, label, guest: guest.id, savedMs, identity: identityOf(release, form), about }
}

/** Whether booting `form` would come to what the record is of. */
export const isCurrent = (record: KeptMachineRecord, form: BootForm, release: string, versions: Versions): boolean => {
  const { versions: before = {} } = record.about as Partial<About>
  return (
    record.identity === identityOf(release, form) &&
    [...versions].every(([url, version]) => version === undefined || version === before[url])
  )
}

/** Undefined for a record that says too little. */
export const resumedOf = ({ record }: KeptMachine, guests: readonly GuestChoice[]): Resumed | undefined => {
  const about = record.about as Partial<About> | undefined
  if (typeof about?.kernelSha256 !== 'string') return undefined
  const settings: MachineSettings = { ...DEFAULTS, ...readRecord(about.settings ?? {}).settings }
  const guest = guests.find(({ id }) => id === record.guest)
  const { ready } = about
  return {
    from: record.key === LAST ? 'last' : 'prompt',
    settings,
    kernelSha256: about.kernelSha256,
    savedMs: record.savedMs,
    ...(typeof ready?.guestNs === 'number' && { ready }),
    ...(guest?.kernel && about.isPlain === true && { form: { ...formFor(guest), ...settings } }),
  }
}
