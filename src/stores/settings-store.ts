/** How a person likes the page; remembered by the browser where it allows that. */
import { createStore, type StoreApi } from 'zustand/vanilla'

export type ThemeChoice = 'system' | 'light' | 'dark'

export interface Settings {
  readonly theme: ThemeChoice
  readonly detailsOpen: boolean
  /** Height of the timeline in CSS pixels; undefined until dragged. */
  readonly timelineHeight: number | undefined
  /** Booted last. */
  readonly guestId: string | undefined
  /** Boot opens a guest at its prompt, where that was kept, and keeps it where it was not. */
  readonly resumesAtPrompt: boolean
  /** The last state of the machine that runs is kept, so that a reload goes on. */
  readonly keepsLastState: boolean
}

const KEY = 'playground.settings'

const initial: Settings = {
  theme: 'system',
  detailsOpen: true,
  timelineHeight: undefined,
  guestId: undefined,
  resumesAtPrompt: false,
  keepsLastState: false,
}

const themes: readonly unknown[] = ['system', 'light', 'dark']

const recall = (): Settings => {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? '{}') as Record<string, unknown>
    const { theme, detailsOpen, timelineHeight, guestId, resumesAtPrompt, keepsLastState } = kept
    return {
      theme: themes.includes(theme) ? (theme as ThemeChoice) : initial.theme,
      detailsOpen: typeof detailsOpen === 'boolean' ? detailsOpen : initial.detailsOpen,
      timelineHeight: typeof timelineHeight === 'number' ? timelineHeight : undefined,
      guestId: typeof guestId === 'string' ? guestId : undefined,
      resumesAtPrompt: resumesAtPrompt === true,
      keepsLastState: keepsLastState === true,
    }
  } catch {
    return initial
  }
}

export type SettingsStore = StoreApi<Settings>

export const createSettingsStore = (): SettingsStore => {
  const store = createStore<Settings>(recall)
  store.subscribe((settings) => {
    try {
      localStorage.setItem(KEY, JSON.stringify(settings))
    } catch {
      // Storage full or forbidden: the setting lasts as long as the page.
    }
  })
  return store
}
