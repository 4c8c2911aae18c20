/** `window.playground`, for Playwright and other drivers. The contract is docs/automation.md. */

import { type Result, sentence } from '../base/problem.ts'
import { registerText } from '../base/registers.ts'
import { readRecord } from '../settings/read-settings.ts'
import type { MachineSettings } from '../settings/settings.ts'
import { exportTrace, type TraceFormat } from '../trace/formats/export.ts'
import type { StageRow } from '../trace/model/trace.ts'
import { findGuest, urlSource } from './address.ts'
import type { DiskPart, DiskRef, FolderEntry } from './disk-browser.ts'
import { bytesOfMachine } from './machine-keeping.ts'
import { type BootMark, type LiveFigures, type Phase, phaseOf, readyMark } from './machine-store.ts'
import type { Playground } from './playground.ts'
import type { Axis, Mode, Run } from './trace-store.ts'

/** A setting that is left out is the guest's own. */
export interface BootOptions extends Partial<MachineSettings> {
  /** A guest of the catalogue by its id; the form's own choice when left out. */
  readonly guest?: string
  /** Address or bytes of a kernel, instead of a guest. */
  readonly kernel?: string | Uint8Array
  readonly initrd?: string | Uint8Array
  readonly disks?: readonly (string | Uint8Array)[]
  /** At its prompt, where this browser keeps that; else it boots, and is kept there. */
  readonly resume?: boolean
  /** Pauses once so many instructions have retired since power-on, exactly. */
  readonly stopAfter?: number
  /** Keep what the guest writes to its disks in this browser, and go on with what was kept. */
  readonly keep?: boolean
}

export interface AutomationKept {
  readonly key: string
  readonly guest: string
  /** Of the kept changes. */
  readonly bytes: number
}

export interface AutomationMachine extends AutomationKept {
  readonly savedMs: number
}

export interface AutomationFigures extends LiveFigures {
  /** Guest and wall time of the boot once the guest is ready, else undefined. */
  readonly ready: BootMark | undefined
  readonly marks: readonly BootMark[]
}

/** What the timeline shows. */
export interface AutomationTrace {
  readonly origin: 'boot' | 'link' | 'file'
  readonly title: string
  readonly live: boolean
  /** Everything recorded is there, not only what shows while it grows. */
  readonly full: boolean
  readonly spans: number
  readonly endNs: number
  readonly lanes: readonly string[]
  readonly stages: readonly StageRow[]
  readonly notes: readonly string[]
  readonly mode: Mode
  readonly axis: Axis
  /** Visible range, in the axis' unit. */
  readonly from: number
  readonly to: number
  readonly following: boolean
  /** Name of the selected function, and its console lines. */
  readonly selected: string | undefined
  readonly selectedLines: readonly string[]
  /** Spans that the search found. */
  readonly found: number
  readonly comparing: boolean
  /** Names of the runs this tab remembers, newest first. */
  readonly runs: readonly string[]
}

export interface Automation {
  readonly version: 1
  /** Puts files, by absolute path, on the root disk that the next boots make. */
  addFiles(files: Readonly<Record<string, string | Uint8Array>>): void
  /** A disk of the machine by its number, or a kept one by its key, as it is now. */
  diskImage(disk?: number | string): Promise<Blob>
  listFolder(path: string, disk?: number | string): Promise<readonly FolderEntry[]>
  readFile(path: string, disk?: number | string): Promise<Uint8Array>
  /** What this browser keeps of disks. */
  kept(): Promise<readonly AutomationKept[]>
  discardKept(key: string): Promise<void>
  /** Machines that this browser keeps: at the prompt of a guest, `prompt.<guest>`, and the last state of one, `last`. */
  keptMachines(): Promise<readonly AutomationMachine[]>
  /** Undefined of a machine that was booted. */
  resumed(): { readonly from: 'file' | 'prompt' | 'last'; readonly savedMs: number | undefined } | undefined
  boot(options?: string | BootOptions): Promise<void>
  pause(): void
  /** The machine as a file, as it is now. */
  save(): Promise<Blob>
  /** Goes on after `pause`; with a saved machine, its bytes or its address, goes on with that one. */
  resume(file?: Blob | Uint8Array | string): Promise<void>
  reset(): void
  powerOff(): void
  send(text: string | Uint8Array): void
  waitForText(pattern: string | RegExp, options?: { readonly timeoutMs?: number }): Promise<string>
  /** Resolves when the machine is in one of these states. */
  waitForState(states: Phase | readonly Phase[], options?: { readonly timeoutMs?: number }): Promise<Phase>
  text(): string
  state(): Phase
  figures(): AutomationFigures | undefined
  registers(): Promise<Readonly<Record<string, string>>>
  /** Of all that the machine is between two slices: the same as `--json` has it, for the same run. */
  stateHash(): Promise<string>
  guests(): readonly string[]
  /** Undefined while nothing is shown. */
  trace(): AutomationTrace | undefined
  /** Resolves when the trace of the boot is complete. */
  waitForTrace(options?: { readonly timeoutMs?: number }): Promise<AutomationTrace>
  /** Chooses a function in the timeline: its longest span. */
  selectFunction(name: string): void
  /** The shown trace as a file's text. */
  exportTrace(format: TraceFormat): string
  /** The shown trace and view as a link's fragment. */
  link(): string
  /** Shows a link's trace; a link that cannot be read rejects with the sentence a person would see. */
  openLink(fragment: string): Promise<void>
}

const orThrow = <T>(result: Result<T>): T => {
  if (!result.ok) throw new Error(sentence(result.problem))
  return result.value
}

const TIMEOUT_MS = 30_000

export const createAutomation = (playground: Playground): Automation => {
  const source = (name: string, file: string | Uint8Array) => {
    if (typeof file !== 'string') return { kind: 'blob', name, blob: new Blob([new Uint8Array(file)]) } as const
    const found = urlSource(file, document.baseURI)
    if (!found) throw new Error(`${name}: ${file} is no http address`)
    return found
  }
  const state = () => phaseOf(playground.machine.getState())

  const waitForState: Automation['waitForState'] = (states, { timeoutMs = TIMEOUT_MS } = {}) => {
    const wanted: readonly Phase[] = typeof states === 'string' ? [states] : states
    return new Promise((resolve, reject) => {
      const check = (): boolean => {
        const phase = state()
        if (!wanted.includes(phase)) return false
        unsubscribe()
        clearTimeout(timer)
        resolve(phase)
        return true
      }
      const timer = setTimeout(() => {
        unsubscribe()
        reject(new Error(`the machine was ${state()} after ${timeoutMs} ms, not ${wanted.join(' or ')}`))
      }, timeoutMs)
      const unsubscribe = playground.machine.subscribe(() => check())
      check()
    })
  }

  /** Resolves once the machine that was asked for runs; rejects with the sentence why it does not. */
  const started = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const settle = () => {
        const now = playground.machine.getState().state
        if (now.name === 'loading' || now.name === 'warming') return
        unsubscribe()
        if (now.name === 'refused') reject(new Error(sentence(now.problem)))
        else if (now.name === 'fault') reject(new Error(now.report.message))
        else resolve()
      }
      const unsubscribe = playground.machine.subscribe(settle)
      settle()
    })

  const describe = (run: Run | undefined): AutomationTrace | undefined => {
    const { mode, axis, from, to, following, found, comparing, runs, selected, func } = playground.trace.view
    if (!run) return undefined
    const { trace: data, origin, name, live, full } = run
    return {
      origin,
      title: name,
      live,
      full,
      spans: data.spans.length,
      endNs: data.end,
      lanes: data.lanes.map((lane) => lane.name),
      stages: data.stages,
      notes: data.meta.notes,
      mode,
      axis,
      from,
      to,
      following,
      selected: selected < 0 ? undefined : data.functions.names[func],
      selectedLines: playground.trace.selectedMarks().map((mark) => data.marks[mark]?.text ?? ''),
      found: found?.spans.length ?? 0,
      comparing: comparing !== undefined,
      runs: runs.map((run) => run.name),
    }
  }
  const shownTrace = () => {
    const { shown } = playground.trace.view
    if (!shown?.full) throw new Error('there is no whole trace to take: boot a guest and wait for its prompt')
    return shown.trace
  }

  const refOf = (disk: number | string): DiskRef =>
    typeof disk === 'number' ? { kind: 'machine', index: disk } : { kind: 'kept', key: disk }
  const take = async (disk: number | string, part: DiskPart): Promise<Blob> =>
    orThrow(await playground.reader.takeFrom(refOf(disk), part))

  return {
    version: 1,
    addFiles: (files) => {
      for (const [path, bytes] of Object.entries(files)) {
        const slash = path.lastIndexOf('/')
        const name = path.slice(slash + 1)
        const file = new File([typeof bytes === 'string' ? bytes : new Uint8Array(bytes)], name)
        const wrong = playground.addFiles([{ path: name, file }], path.slice(0, slash))
        if (wrong) throw new Error(sentence(wrong))
      }
    },
    diskImage: (disk = 0) => take(disk, { kind: 'image' }),
    listFolder: async (path, disk = 0) => orThrow(await playground.reader.listFolder(refOf(disk), path)).entries,
    readFile: async (path, disk = 0) => new Uint8Array(await (await take(disk, { kind: 'file', path })).arrayBuffer()),
    kept: async () => {
      await playground.library.refresh()
      return playground.library.view.disks.map(({ key, guest, logBytes }) => ({ key, guest, bytes: logBytes }))
    },
    keptMachines: async () => {
      await playground.library.refresh()
      return playground.library.view.machines.map((record) => ({
        key: record.key,
        guest: record.label,
        bytes: bytesOfMachine(record),
        savedMs: record.savedMs,
      }))
    },
    resumed: () => {
      const { resumed } = playground.machine.getState()
      return resumed && { from: resumed.from, savedMs: resumed.savedMs }
    },
    discardKept: async (key) => {
      const isMachine = playground.library.view.machines.some((record) => record.key === key)
      await (isMachine ? playground.forgetMachine(key) : playground.discardDisk(key))
      const { problem } = playground.library.view
      if (problem) throw new Error(sentence(problem))
    },
    boot: async (options = {}) => {
      const asked: BootOptions = typeof options === 'string' ? { guest: options } : options
      const { settings, refused } = readRecord(asked)
      if (refused[0]) throw new Error(sentence(refused[0]))
      await playground.library.looked()
      if (asked.guest !== undefined) {
        const guest = findGuest(asked.guest, playground.guests)
        if (!guest) throw new Error(`no guest is called ${asked.guest}`)
        playground.chooseGuest(guest.id)
      }
      if (asked.kernel !== undefined) playground.chooseKernel(source('kernel', asked.kernel))
      playground.form.setState({
        ...(asked.initrd !== undefined && { initrd: source('initrd', asked.initrd) }),
        ...(asked.disks && {
          disks: asked.disks.map((disk, index) => ({
            kind: 'image' as const,
            source: source(`disk${index}`, disk),
            readOnly: false,
          })),
        }),
        ...settings,
        ...(asked.keep !== undefined && { changes: asked.keep ? ('keep' as const) : ('discard' as const) }),
      })
      if (!playground.form.getState().kernel) throw new Error('there is no kernel to boot: choose a guest or a kernel')
      const { resume, stopAfter } = asked
      playground.boot({ ...(resume !== undefined && { resume }), ...(stopAfter !== undefined && { stopAfter }) })
      await started()
    },
    pause: () => playground.pause(),
    save: async () => orThrow(await playground.save()),
    resume: async (file) => {
      if (file === undefined) {
        playground.resume()
        return
      }
      const named =
        file instanceof Blob ? ({ kind: 'blob', name: 'machine', blob: file } as const) : source('machine', file)
      const wrong = await playground.open(named)
      if (wrong) throw new Error(sentence(wrong))
      await started()
    },
    reset: () => playground.reset(),
    powerOff: () => playground.powerOff(),
    send: (text) => playground.console.send(text),
    waitForText: (pattern, { timeoutMs = TIMEOUT_MS } = {}) => playground.console.waitForText(pattern, timeoutMs),
    waitForState,
    text: () => playground.console.text(),
    state,
    figures: () => {
      const view = playground.machine.getState()
      return view.figures && { ...view.figures, ready: readyMark(view), marks: view.marks }
    },
    registers: async () => registerText(await playground.registers()),
    stateHash: () => playground.stateHash(),
    guests: () => playground.guests.map(({ id }) => id),
    trace: () => describe(playground.trace.view.shown),
    waitForTrace: ({ timeoutMs = TIMEOUT_MS } = {}) =>
      new Promise((resolve, reject) => {
        const check = () => {
          // Without a boot, a link's or a file's. With one, its own: an older run is not what is waited for.
          const now = describe(playground.trace.hasBooted ? playground.trace.recorded : playground.trace.view.shown)
          if (!now?.full || now.live) return
          unsubscribe()
          clearTimeout(timer)
          resolve(now)
        }
        const timer = setTimeout(() => {
          unsubscribe()
          reject(new Error(`the trace was not complete after ${timeoutMs} ms`))
        }, timeoutMs)
        const unsubscribe = playground.trace.store.subscribe(check)
        check()
      }),
    selectFunction: (name) => {
      const func = shownTrace().functions.names.indexOf(name)
      if (func < 0) throw new Error(`no function is called ${name}`)
      playground.trace.chooseFunction(func)
    },
    exportTrace: (format) => exportTrace(shownTrace(), format),
    link: () => {
      shownTrace()
      return playground.trace.link()?.fragment ?? ''
    },
    openLink: async (fragment) => {
      if (!playground.openLink(fragment)) throw new Error('a link begins with #v=')
      const { problem } = playground.trace.view
      if (problem) throw new Error(sentence(problem))
    },
  }
}
