/** Which published files the page's server has, and which are on their way: `guests/status.json`, asked again while it changes. */
import { createStore, type StoreApi } from 'zustand/vanilla'
import type { GuestStatus } from '../guests/status.ts'
import type { GuestChoice } from './guest-choice.ts'

export type { GuestStatus }

const AGAIN_MS = 300

export class GuestFiles {
  readonly store: StoreApi<GuestStatus> = createStore<GuestStatus>(() => ({ files: {}, fetches: false }))
  readonly #isLoading: () => boolean
  #address: URL | undefined
  #timer: ReturnType<typeof setTimeout> | undefined

  /** `isLoading`: the machine waits for files, which a server may be fetching for it. */
  constructor(isLoading: () => boolean) {
    this.#isLoading = isLoading
  }

  /** Resolves when the server has answered, or could not. */
  watch(address: URL): Promise<void> {
    this.#address = address
    return this.refresh()
  }

  /** Asks now, and until nothing is on its way. A server that cannot say leaves everything as it was. */
  async refresh(): Promise<void> {
    if (!this.#address) return
    clearTimeout(this.#timer)
    try {
      const response = await fetch(this.#address, { cache: 'no-store' })
      if (response.ok) this.store.setState((await response.json()) as GuestStatus, true)
    } catch {
      return
    }
    const { files, fetches } = this.store.getState()
    const isComing = Object.values(files).some(({ state }) => state === 'coming')
    if (fetches && (isComing || this.#isLoading())) this.#timer = setTimeout(() => void this.refresh(), AGAIN_MS)
  }
}

/** Its server has said that all of its files are there. */
export const isHere = ({ files: paths }: Pick<GuestChoice, 'files'>, { files }: GuestStatus): boolean =>
  paths.every((path) => files[path]?.state === 'here')

/** What is left to get before `guest` can boot: nothing, a share that has come, a fetch that Boot begins, or not to be had. */
export const standing = (
  { files: paths }: Pick<GuestChoice, 'files'>,
  { files, fetches }: GuestStatus,
): { readonly state: 'here' | 'coming' | 'to fetch' | 'not here'; readonly share?: number; readonly why?: string } => {
  const known = paths.flatMap((path) => files[path] ?? [])
  const coming = known.find((file) => file.state === 'coming')
  if (coming) return { state: 'coming', ...(coming.total && { share: coming.received / coming.total }) }
  const absent = known.find((file) => file.state === 'absent')
  if (!absent) return { state: 'here' }
  return { state: fetches ? 'to fetch' : 'not here', ...(absent.why !== undefined && { why: absent.why }) }
}
