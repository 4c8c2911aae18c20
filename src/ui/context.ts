import { createContext, useContext } from 'react'
import { useStore } from 'zustand'
import type { BootForm } from '../stores/boot-form-store.ts'
import type { DiskView } from '../stores/disk-browser.ts'
import type { GuestStatus } from '../stores/guest-files.ts'
import type { LibraryView } from '../stores/library.ts'
import { type MachineView, type Phase, phaseOf } from '../stores/machine-store.ts'
import type { Playground } from '../stores/playground.ts'
import type { Settings } from '../stores/settings-store.ts'
import type { Run, TraceDesk, TraceView } from '../stores/trace-store.ts'

export const PlaygroundContext = createContext<Playground | undefined>(undefined)

export const usePlayground = (): Playground => {
  const playground = useContext(PlaygroundContext)
  if (!playground) throw new Error('no playground around this component')
  return playground
}

export const useMachine = <T>(select: (view: MachineView) => T): T => useStore(usePlayground().machine, select)
export const usePhase = (): Phase => useMachine(phaseOf)
export const useGuestFiles = (): GuestStatus => useStore(usePlayground().files.store)
export const useLibrary = <T>(select: (view: LibraryView) => T): T => useStore(usePlayground().library.store, select)
export const useDisk = <T>(select: (view: DiskView) => T): T => useStore(usePlayground().browser.store, select)
export const useForm = <T>(select: (form: BootForm) => T): T => useStore(usePlayground().form, select)
export const useSettings = <T>(select: (settings: Settings) => T): T => useStore(usePlayground().settings, select)
export const useDesk = (): TraceDesk => usePlayground().trace
export const useTrace = <T>(select: (view: TraceView) => T): T => useStore(useDesk().store, select)
/** A trace that came by link or file, where it is what the page is about: no machine is there. */
export const useOpened = (): Run | undefined => {
  const phase = usePhase()
  const shown = useTrace((view) => view.shown)
  return shown && shown.origin !== 'boot' && (phase === 'first-visit' || phase === 'off') ? shown : undefined
}
