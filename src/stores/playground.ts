/** The page's whole model: the stores and the verbs that act on them. React and the automation API are its two users. */

import { createStore, type StoreApi } from 'zustand/vanilla'
import { type Problem, problem, type Result } from '../base/problem.ts'
import { readRecord } from '../settings/read-settings.ts'
import type { MachineSettings, TerminalSize } from '../settings/settings.ts'
import type { Trace } from '../trace/model/trace.ts'
import type { EmulatorClient } from '../worker/client.ts'
import type { BootRequest, EmulatorEvent } from '../worker/protocol.ts'
import { addTo, type Gathered, HOME } from './added-files.ts'
import {
  type BootForm,
  type BootFormStore,
  type BootOnce,
  createBootFormStore,
  formFor,
  keepPrefix,
  LIVE_NS,
  requestFrom,
  rootOf,
} from './boot-form-store.ts'
import { ConsoleStream } from './console-stream.ts'
import { DiskBrowser, type DiskReader } from './disk-browser.ts'
import { lookAtDrop } from './dropped-file.ts'
import {
  type DiskSource,
  type FileSource,
  type GuestChoice,
  type InitSources,
  OWN_GUEST_ID,
  ownGuest,
} from './guest-choice.ts'
import { GuestFiles } from './guest-files.ts'
import type { Lesson } from './lessons.ts'
import { Library } from './library.ts'
import { canResume, LAST, promptKey, type Versions } from './machine-keeping.ts'
import { type KeptAndOpen, MachineShelf } from './machine-shelf.ts'
import {
  createMachineStore,
  type DiskSummary,
  fold,
  isOn,
  type MachineState,
  type MachineStore,
  phaseOf,
} from './machine-store.ts'
import { formOfKernel, noKernel, type Resumed } from './resumed.ts'
import { saveFile } from './save-file.ts'
import { createSettingsStore, type SettingsStore } from './settings-store.ts'
import { type Run, TraceDesk } from './trace-store.ts'

/** What went wrong beside the boot, until somebody has read it. */
export interface Complaint {
  readonly problem: Problem | undefined
}

/** What would end a machine with somebody's work in it, until they have said yes or no. */
export interface Asking {
  readonly act: (() => void) | undefined
}

export interface Playground {
  /** The catalogue's, those kept in this browser, and the one that a person puts together. */
  readonly guests: readonly GuestChoice[]
  readonly machine: MachineStore
  readonly form: BootFormStore
  readonly settings: SettingsStore
  readonly console: ConsoleStream
  readonly trace: TraceDesk
  readonly files: GuestFiles
  readonly complaint: StoreApi<Complaint>
  readonly library: Library
  readonly browser: DiskBrowser
  readonly reader: DiskReader
  /** Boots what the form says, replacing the machine there is. Without a kernel it does nothing. */
  boot(once?: BootOnce): void
  /** Resolves when it is clear whether that boots or goes on. */
  readonly decided: Promise<void>
  /** Boots again with one thing different, and compares when it is over; another boot in between takes that back. */
  bootWith(lesson: Lesson): Promise<void>
  /** Boots what the shown trace says was booted. */
  bootShown(): void
  /** The machine at hand as a file, to go on from anywhere. */
  save(): Promise<Result<Blob>>
  /** Hands that file to the browser's downloads. */
  saveToFile(): Promise<void>
  /** Goes on with a saved machine, in place of the one there is; says why not. */
  open(file: FileSource): Promise<Problem | undefined>
  /** Goes on with what this browser keeps under that key; says why not. */
  goOn(key: string): Promise<Problem | undefined>
  /** Goes on with the last state of a machine, where one is kept and no other tab has it. Says whether. */
  goOnLast(): Promise<boolean>
  /** Boots the guest of the machine at hand, which was resumed, as it is booted first. */
  bootForReal(): Promise<void>
  /** Keeps the last state of the machine from now on, or forgets it. */
  keepLastState(keep: boolean): void
  /** All that the machine at hand is would be there after a reload. */
  readonly isSafe: boolean
  /** Shows a link's trace; where no machine is on, its guest is what Boot boots. Says whether it was a link. */
  openLink(fragment: string): boolean
  /** Does it now, or after the person agreed, where a machine is on that they typed at. */
  replacing(act: () => void): void
  /** What waits for that. */
  readonly asking: StoreApi<Asking>
  pause(): void
  resume(): void
  reset(): void
  powerOff(): void
  resizeConsole(columns: number, rows: number): void
  registers(): Promise<Readonly<Record<string, bigint>>>
  /** Of all that the machine is, as `--json` has it; empty without one. */
  stateHash(): Promise<string>
  chooseGuest(id: string): void
  chooseKernel(source: FileSource): void
  addDisk(source: FileSource): void
  /** A disk with our init and shell, made for the boot. */
  addRoot(): void
  /** Puts files on the root that the next boot makes; says what is wrong with them. */
  addFiles(files: readonly Gathered[], target?: string): Problem | undefined
  /** Remembers what the form says as a guest of that name, and chooses it. */
  keepGuest(name: string): Promise<void>
  deleteGuest(id: string): Promise<void>
  /** Forgets a machine that is kept here. */
  forgetMachine(key: string): Promise<void>
  /** Throws the kept changes of a disk away; a machine that has stopped with it goes too. */
  discardDisk(key: string): Promise<void>
  /** The guest's kept changes are what the next boot goes on with, if it has any. */
  goOnKept(): void
  /** Takes what was dropped, each file for what it is; what is none of a boot's files goes on its root. */
  drop(files: readonly Gathered[]): Promise<void>
}

export interface PlaygroundParts {
  readonly guests: readonly GuestChoice[]
  /** Our init, for the roots that this page makes. */
  readonly init: InitSources
  /** Tells this release of the page from others. */
  readonly release: string
  /** Makes the worker's client; the events come back here. */
  readonly connect: (onEvent: (event: EmulatorEvent) => void) => EmulatorClient
}

const NO_ROOT = problem(
  'no-root',
  'files were dropped, and this guest has no disk that this page makes',
  'a NetBSD of the list, or your own kernel with our root',
  'choose such a guest first, or add our root under Next boot',
)

const KEPT_GONE = problem(
  'machine-not-kept',
  'the machine is not kept in this browser any more',
  'what was listed under Kept in this browser',
  'boot the guest',
)

/** Above this share of host time a guest works, and is another machine afterwards. */
const BUSY = 0.3
/** A trace takes the page a moment to make ready. */
const TRACE_AFTER_MS = 400

/** A saved machine's request. Its settings are its own; a recording begins with a boot. */
const snapshotRequest = (label: string, guest: string, settings: MachineSettings, blob: Blob): BootRequest => ({
  ...settings,
  trace: false,
  label,
  kernel: { kind: 'blob', name: label, blob },
  disks: [],
  snapshot: { kind: 'blob', name: label, blob },
  entryStage: 'resumed',
  stages: [],
  stageMarks: [],
  guest,
  liveNs: LIVE_NS,
  expected: [],
})

const DIM_LINE = '\r\n\x1b[0m\x1b[2m-- reset --\x1b[0m\r\n'

/** Files are the same when they are one object; everything else by value. */
const byValue = (form: BootForm): string => JSON.stringify({ ...form, kernel: 0, initrd: 0, disks: 0, added: 0 })
const isSameForm = (a: BootForm, b: BootForm): boolean =>
  a.kernel === b.kernel &&
  a.initrd === b.initrd &&
  a.disks === b.disks &&
  a.added === b.added &&
  byValue(a) === byValue(b)

/** A trace says what was booted and how; files are the guest's own. */
const formOfTrace = ({ meta }: Trace, guests: readonly GuestChoice[]): BootForm => {
  const guest = guests.find(({ id }) => id === meta.guest) ?? ownGuest
  const base = formFor(guest)
  return {
    ...base,
    ...readRecord(meta).settings,
    // What the board added, it adds again.
    ...(meta.cmdline !== undefined && { cmdline: meta.cmdline.replace(/\s*virtio_mmio\.device=\S+/g, '').trim() }),
    trace: true,
  }
}

export const createPlayground = ({ guests: catalogue, init, release, connect }: PlaygroundParts): Playground => {
  const library = new Library(init)
  const guests = () => [...catalogue, ...library.view.guests.map(({ choice }) => choice), ownGuest]
  const guestOf = (id: string) => guests().find((guest) => guest.id === id) ?? ownGuest
  const machine = createMachineStore()
  const form = createBootFormStore(catalogue[0] ?? ownGuest)
  const settings = createSettingsStore()
  const complaint = createStore<Complaint>(() => ({ problem: undefined }))
  const asking = createStore<Asking>(() => ({ act: undefined }))
  let terminal: TerminalSize | undefined
  let decided: Promise<void> = Promise.resolve()
  /** It is being looked whether this is to be booted or resumed. */
  let undecided: BootRequest | undefined

  const client = connect((event) => {
    machine.setState(fold(machine.getState(), event), true)
    switch (event.type) {
      case 'console':
        stream.feed(event.bytes)
        shelf.touched()
        break
      case 'trace':
        trace.update(event.update)
        break
      case 'trace-lost':
        trace.lost(event.problem)
        break
      case 'disk-failed':
        complaint.setState({ problem: event.problem })
        break
      case 'kernel':
        if (event.kernel.warnings[0]) complaint.setState({ problem: event.kernel.warnings[0] })
        break
      case 'mark':
        if (event.mark.kind !== 'power-on') break
        stream.skip()
        shelf.begin()
        trace.powerOn(event.mark.boot)
        break
      case 'disks':
      case 'state':
        if (machine.getState().request?.disks.some(({ keep }) => keep)) void library.refresh()
        if (event.type === 'state') onState(event.state)
        break
      case 'figures':
        if (machine.getState().disks.some(({ kept }) => kept)) library.refreshSoon()
        if (event.figures.busy > BUSY) shelf.worked()
        break
      case 'kept':
        void shelf.take(event.as, event.file)
        break
      case 'loading':
      case 'log':
        break
      default:
        event satisfies never
    }
  })
  const stream: ConsoleStream = new ConsoleStream({
    send: (bytes) => {
      client.send(bytes)
      shelf.touched()
      if (!machine.getState().typedAt) machine.setState({ typedAt: true })
    },
    acknowledge: (bytes) => client.acknowledge(bytes),
  })

  const shelf = new MachineShelf({
    library,
    console: stream,
    release,
    guests,
    view: () => machine.getState(),
    keepsLast: () => settings.getState().keepsLastState,
    ask: () => client.keep(),
    complain: (problem) => complaint.setState({ problem }),
  })

  const trace = new TraceDesk(() => client.askTrace())
  const files = new GuestFiles(() => machine.getState().state.name === 'loading')

  /** A kernel chosen in place of one that boots our root has that root too: who builds kernels wants a shell. */
  const chooseKernel = (source: FileSource) => {
    const current = form.getState()
    if (current.guestId === OWN_GUEST_ID) {
      form.setState({ kernel: source })
      return
    }
    const { memoryMiB, added, disks, net } = current
    form.setState({
      ...formFor(ownGuest),
      kernel: source,
      memoryMiB,
      added,
      ...(rootOf(current) >= 0 && { disks, net }),
    })
  }
  const addDisk = (source: FileSource) =>
    form.setState(({ disks }) => ({ disks: [...disks, { kind: 'image', source, readOnly: false }] }))

  const browser = new DiskBrowser(client)
  const root: DiskSource = { kind: 'netbsd-root', ...init, readOnly: false }
  const addFiles = (gathered: readonly Gathered[], target = HOME): Problem | undefined => {
    const added = addTo(form.getState().added, gathered, target, Date.now())
    if (!added.ok) return added.problem
    form.setState({ added: added.value })
    return undefined
  }

  /** A guest whose changes are kept goes on with them, unless somebody says otherwise. */
  const isKept = (id: string) => library.view.disks.some(({ key }) => key.startsWith(keepPrefix(id)))
  const chooseGuest = (id: string) => {
    const { added } = form.getState()
    form.setState({ ...formFor(guestOf(id)), added, changes: isKept(id) ? 'keep' : 'discard' }, true)
  }

  /** Undefined where there is nothing to boot. */
  const boot = (once: BootOnce = {}): Promise<Run | undefined> | undefined => {
    const current = form.getState()
    const guest = guestOf(current.guestId)
    const liveNs = trace.liveNs(current.guestId)
    const request = requestFrom({ ...current, ...terminal }, guest, { liveNs, ...once })
    if (!request) return undefined
    if (current.changes === 'keep') void library.persist()
    const resumes = (once.resume ?? settings.getState().resumesAtPrompt) && canResume(current, guest)
    const recorded = resumes ? undefined : start(request, current)
    if (resumes) decided = resumeOrBoot(request, current, guest)
    settings.setState({ guestId: current.guestId === OWN_GUEST_ID ? undefined : current.guestId })
    void files.refresh()
    return recorded
  }

  /** At its prompt, if that is kept and would be the same today; else it boots, and is kept when it comes there. */
  const resumeOrBoot = async (request: BootRequest, from: BootForm, guest: GuestChoice): Promise<void> => {
    client.leave(false)
    void prepare(request, from)
    undecided = request
    const { found, versions } = await shelf.atPrompt(from, guest)
    if (undecided !== request) return
    if (found) resume(found)
    else void start({ ...request, keepAtPrompt: true }, from, undefined, versions)
  }

  /** Below what it had said. Its boot's trace comes once the machine runs: a person waits for that first. */
  const resume = ({ label, guest, state, printed, trace: recording, resumed }: KeptAndOpen): void => {
    const from = resumed.form ?? { ...formFor(ownGuest), ...resumed.settings }
    const request = snapshotRequest(label, guest, resumed.settings, state)
    void start(request, from, resumed)
    stream.replay(printed)
    if (!recording) return
    void settled(request).then(() => {
      if (machine.getState().request === request) client.adoptTrace(recording)
    })
  }

  /** Resolves a moment after that machine runs. */
  const settled = (request: BootRequest): Promise<void> =>
    new Promise((resolve) => {
      const look = () => {
        const { state, request: now } = machine.getState()
        if ((state.name === 'loading' || state.name === 'warming') && now === request) return
        unsubscribe()
        setTimeout(resolve, TRACE_AFTER_MS)
      }
      const unsubscribe = machine.subscribe(look)
      look()
    })

  const start = (
    request: BootRequest,
    from: BootForm,
    resumed?: Resumed,
    versions: Versions = new Map(),
  ): Promise<Run | undefined> => {
    if (resumed?.from !== 'last') shelf.forgetLast()
    const recorded = prepare(request, from, resumed)
    shelf.made = { form: from, recorded, versions }
    client.boot(request)
    return recorded
  }

  /** The page is about that machine from here on. */
  const prepare = (request: BootRequest, from: BootForm, resumed?: Resumed): Promise<Run | undefined> => {
    undecided = undefined
    browser.close()
    complaint.setState({ problem: undefined })
    stream.clear()
    const recorded = trace.begin(request.label, from, request.liveNs)
    machine.setState(({ powerOns }) => ({
      state: { name: 'loading' },
      request,
      resumed,
      loading: [],
      kernel: undefined,
      disks: [],
      figures: undefined,
      marks: [],
      log: [],
      powerOns,
      typedAt: false,
    }))
    return recorded
  }

  /** The saved machine's settings are its own; what the form says stays for the next boot. */
  const open = async (source: FileSource): Promise<Problem | undefined> => {
    const looked = await client.lookAtSnapshot(source)
    if (!looked.ok) {
      complaint.setState({ problem: looked.problem })
      return looked.problem
    }
    const { settings, kernelSha256, file } = looked.value
    const request = snapshotRequest(source.name, OWN_GUEST_ID, settings, file)
    void start(request, { ...formFor(ownGuest), ...settings }, { from: 'file', settings, kernelSha256 })
    return undefined
  }

  /** Boots this once; what the person chose stays chosen. */
  const bootForm = (once: BootForm): Promise<Run | undefined> | undefined => {
    const chosen = form.getState()
    form.setState(once, true)
    const recorded = boot({ resume: false })
    form.setState(chosen, true)
    return recorded
  }

  /** A saved machine has no kernel in it: where it was reset, its guest is booted with its settings and its disks as they are. */
  const bootAnew = async (resumed: Resumed): Promise<void> => {
    const { request, disks } = machine.getState()
    const found = resumed.form ?? (await formOfKernel(resumed, guests()))
    const images = await Promise.all(
      disks.map((_, index) => client.takeFrom({ kind: 'machine', index }, { kind: 'image' })),
    )
    if (machine.getState().request !== request) return
    const taken = images.flatMap((image, index): DiskSource[] => {
      const { name, readOnly } = disks[index] as DiskSummary
      return image.ok ? [{ kind: 'image', source: { kind: 'blob', name, blob: image.value }, readOnly }] : []
    })
    const problem = found ? images.find((image) => !image.ok)?.problem : noKernel
    if (found && !problem) void bootForm({ ...found, disks: taken })
    else complaint.setState({ problem })
  }

  const onState = (state: MachineState) => {
    const { resumed } = machine.getState()
    // A kept state that cannot be gone on from is none: the guest boots.
    if (state.name === 'refused' && resumed && resumed.from !== 'file') {
      void library.forgetMachine(resumed.from === 'last' ? LAST : promptKey(resumed.form?.guestId ?? ''))
      if (resumed.form) void bootForm(resumed.form)
    }
    if (state.name !== 'stopped') return
    if (state.exit.reason === 'guest-exit') shelf.forgetLast()
    if (state.exit.reason === 'reset' && resumed) void bootAnew(resumed)
  }

  const goOn = async (key: string): Promise<Problem | undefined> => {
    const found = await shelf.open(key)
    if (found) {
      resume(found)
      return undefined
    }
    complaint.setState({ problem: KEPT_GONE })
    await library.refresh()
    return KEPT_GONE
  }

  /** A machine that is over still holds its kept disks: it goes. One that runs is somebody's work, and stays. */
  const letGo = (keys: readonly string[]) => {
    const view = machine.getState()
    const holds = view.request?.disks.some(({ keep }) => keep && keys.includes(keep.key)) ?? false
    browser.close()
    if (holds && !isOn(phaseOf(view))) client.powerOff()
  }

  return {
    get guests() {
      return guests()
    },
    machine,
    form,
    settings,
    console: stream,
    trace,
    files,
    complaint,
    library,
    browser,
    reader: client,
    boot: (once) => void boot(once),
    bootWith: async (lesson) => {
      const last = trace.view.runs.find((run) => run.form !== undefined)
      // What is changed is what was booted, not what the form has become since. Counting instructions, the host's speed
      // is in neither run: two boots are compared, not two moments of this computer, and both begin with the same disks.
      const base: BootForm = {
        ...(last?.form ?? form.getState()),
        clock: 'icount',
        trace: true,
        changes: 'discard',
      }
      const change = lesson.apply(base)
      if (!change) return
      const isBefore = (run: Run) => run.form !== undefined && isSameForm(run.form, base)
      const before = trace.view.runs.find(isBefore) ?? (await bootForm(base))
      const after = before && (await bootForm({ ...base, ...change }))
      if (before && after) trace.compare(before, after, `${lesson.name}: ${lesson.about}`)
    },
    openLink: (fragment) => {
      if (!trace.openLink(fragment)) return false
      const { shown, problem } = trace.view
      if (shown && !problem && !isOn(phaseOf(machine.getState())))
        form.setState(formOfTrace(shown.trace, guests()), true)
      return true
    },
    asking,
    replacing: (act) => {
      const view = machine.getState()
      if (isOn(phaseOf(view)) && view.typedAt) asking.setState({ act })
      else act()
    },
    get decided() {
      return decided
    },
    bootShown: () => {
      const run = trace.view.shown
      if (!run) return
      if (run.form) form.setState(run.form, true)
      else form.setState(formOfTrace(run.trace, guests()), true)
      if (form.getState().kernel) void boot({ resume: false })
    },
    save: () => client.save(),
    saveToFile: async () => {
      const saved = await client.save()
      const name = (machine.getState().request?.label ?? 'machine').replace(/\.microvm$/, '')
      if (saved.ok) saveFile(saved.value, `${name.replace(/[^\w.-]+/g, '-')}.microvm`)
      else complaint.setState({ problem: saved.problem })
    },
    open,
    goOn,
    goOnLast: async () => {
      const found = await shelf.openLast()
      if (found) resume(found)
      return found !== undefined
    },
    bootForReal: async () => {
      const { resumed } = machine.getState()
      const found = resumed && (resumed.form ?? (await formOfKernel(resumed, guests())))
      if (found) void bootForm(found)
      else complaint.setState({ problem: noKernel })
    },
    keepLastState: (keepsLastState) => {
      settings.setState({ keepsLastState })
      if (keepsLastState) shelf.begin()
      else shelf.forgetLast()
    },
    get isSafe() {
      return shelf.isSafe
    },
    pause: () => client.pause(),
    resume: () => client.resume(),
    reset: () => {
      const { resumed } = machine.getState()
      if (resumed) void bootAnew(resumed)
      else if (isOn(phaseOf(machine.getState())) || machine.getState().state.name === 'stopped') {
        stream.note(DIM_LINE)
        stream.deafen()
        client.reset()
      }
    },
    powerOff: () => {
      shelf.forgetLast()
      if (undecided) {
        undecided = undefined
        machine.setState({ state: { name: 'off' } })
      } else client.powerOff()
    },
    resizeConsole: (columns, rows) => {
      terminal = { columns, rows }
      client.resizeConsole(columns, rows)
    },
    registers: () => client.registers(),
    stateHash: () => client.stateHash(),
    chooseGuest,
    chooseKernel,
    addDisk,
    addRoot: () => form.setState(({ disks }) => ({ disks: [root, ...disks] })),
    addFiles,
    keepGuest: async (name) => {
      const current = form.getState()
      const kept = await library.keepGuest(current, name)
      if (kept) form.setState({ ...formFor(kept.choice), added: current.added, changes: current.changes }, true)
    },
    deleteGuest: async (id) => {
      const kept = library.view.guests.find(({ guest }) => guest.id === id)
      if (!kept) return
      letGo(library.view.disks.map(({ key }) => key).filter((key) => key.startsWith(keepPrefix(id))))
      await library.deleteGuest(kept.guest)
      const isGone = !library.view.guests.some(({ guest }) => guest.id === id)
      if (isGone && form.getState().guestId === id) chooseGuest(catalogue[0]?.id ?? OWN_GUEST_ID)
    },
    forgetMachine: async (key) => {
      await library.forgetMachine(key)
    },
    discardDisk: async (key) => {
      letGo([key])
      await library.discardDisk(key)
    },
    goOnKept: () => {
      if (isKept(form.getState().guestId)) form.setState({ changes: 'keep' })
    },
    drop: async (gathered) => {
      const onRoot: Gathered[] = []
      let wrong: Problem | undefined
      for (const found of gathered) {
        const { file, path } = found
        // A folder belongs on a disk, with all in it.
        if (!file || path.includes('/')) {
          onRoot.push(found)
          continue
        }
        const source: FileSource = { kind: 'blob', name: file.name, blob: file }
        const seen = await lookAtDrop(file)
        if (seen.kind === 'trace') await trace.openFile(file)
        else if (seen.kind === 'snapshot') wrong ??= await open(source)
        else if (seen.kind === 'kernel') chooseKernel(source)
        else if (seen.kind === 'disk') addDisk(source)
        else if (seen.kind === 'other' && rootOf(form.getState()) >= 0) onRoot.push(found)
        else if ('problem' in seen) wrong ??= seen.problem
      }
      if (onRoot.length > 0) wrong ??= rootOf(form.getState()) >= 0 ? addFiles(onRoot) : NO_ROOT
      complaint.setState({ problem: wrong })
    },
  }
}
