/** What this browser keeps of machines: how it comes to be kept, and how it is found again. */
import { type Problem, problem, type Result } from '../base/problem.ts'
import { type KeptMachineRecord, openKeptMachine } from '../storage/kept-machines.ts'
import { packText } from '../storage/packed-text.ts'
import { writeTrace } from '../trace/formats/trace-file.ts'
import type { KeptAs, KeptFile } from '../worker/protocol.ts'
import type { BootForm } from './boot-form-store.ts'
import type { ConsoleStream } from './console-stream.ts'
import type { GuestChoice } from './guest-choice.ts'
import { LastState } from './last-state.ts'
import type { Library } from './library.ts'
import { isCurrent, LAST, promptKey, recordOf, resumedOf, type Versions, versionsOf } from './machine-keeping.ts'
import { type MachineView, phaseOf, readyMark } from './machine-store.ts'
import type { Resumed } from './resumed.ts'
import type { Run } from './trace-store.ts'

/** What the machine at hand was made of. */
export interface Made {
  readonly form: BootForm
  /** All of its boot, if it was recorded. */
  readonly recorded: Promise<Run | undefined>
  /** As asked when it was booted. */
  readonly versions: Versions
}

/** A kept machine to go on with. */
export interface KeptAndOpen {
  readonly label: string
  readonly guest: string
  /** A .microvm file. */
  readonly state: File
  /** On its console until then. */
  readonly printed: Uint8Array
  /** Its boot's trace, packed, where that was kept too. */
  readonly trace: File | undefined
  readonly resumed: Resumed
  readonly record: KeptMachineRecord
}

export interface MachineShelfParts {
  readonly library: Library
  readonly console: ConsoleStream
  readonly release: string
  readonly guests: () => readonly GuestChoice[]
  readonly view: () => MachineView
  /** The person wants the last state kept. */
  readonly keepsLast: () => boolean
  /** Asks the machine for its state; it comes to `take`. */
  readonly ask: () => void
  readonly complain: (problem: Problem | undefined) => void
}

const LAST_TAKEN = problem(
  'last-state-taken',
  'another tab keeps the last state of its machine, and this one’s is not kept',
  'one machine whose last state is kept',
  'power that one off, or close its tab, and switch it on here again',
)

export class MachineShelf {
  readonly #parts: MachineShelfParts
  readonly #last: LastState
  /** Undefined before the first machine. */
  made: Made | undefined

  constructor(parts: MachineShelfParts) {
    this.#parts = parts
    this.#last = new LastState({
      isWanted: () => parts.keepsLast() && canKeepLast(parts.view()),
      ask: parts.ask,
      onTaken: () => parts.complain(LAST_TAKEN),
    })
  }

  /** All that the machine at hand is would be there after a reload. */
  get isSafe(): boolean {
    return this.#last.isSafe
  }

  /** A machine was switched on, or is to be kept from now on. */
  begin(): void {
    this.#last.begin()
  }

  /** It said or was told something. */
  touched(): void {
    this.#last.touched()
  }

  /** It works in silence. */
  worked(): void {
    this.#last.worked()
  }

  /** If it is this tab's. */
  forgetLast(): void {
    if (this.#last.isHolder) void this.#parts.library.forgetMachine(LAST)
  }

  /** The machine at hand, as it was when the console had said what it has by now. */
  async take(as: KeptAs, file: Result<KeptFile>): Promise<void> {
    const { library, console, guests, release, complain, view } = this.#parts
    const { request } = view()
    const { made } = this
    if (!request || !made) return
    if (!file.ok) {
      if (as === 'last') this.#last.took(false)
      complain(file.problem)
      return
    }
    const guest = guests().find(({ id }) => id === made.form.guestId)
    if (!guest) return
    const { form, versions } = made
    const { blob, kernelSha256 } = file.value
    const key = as === 'last' ? LAST : promptKey(guest.id)
    const ready = readyMark(view())
    const record = recordOf(
      { key, label: request.label, form, guest, kernelSha256, ready, versions, release },
      Date.now(),
    )
    const printed = console.transcript()
    const run = as === 'prompt' && request.trace ? await made.recorded : undefined
    const isStored = await library.keepMachine(record, {
      state: blob,
      console: printed,
      ...(run && { trace: await packText(writeTrace(run.trace)) }),
    })
    if (as === 'last') this.#last.took(isStored === true)
    if (isStored) void library.persist()
    else complain(library.view.problem)
  }

  /** The guest at its prompt, where that would be the same today; and what servers say of its files. */
  async atPrompt(
    form: BootForm,
    guest: GuestChoice,
  ): Promise<{ readonly found: KeptAndOpen | undefined; readonly versions: Versions }> {
    const [found, versions] = await Promise.all([this.open(promptKey(guest.id)), versionsOf(guest)])
    const isUseful = found && isCurrent(found.record, form, this.#parts.release, versions)
    return { found: isUseful ? found : undefined, versions }
  }

  async open(key: string): Promise<KeptAndOpen | undefined> {
    const kept = await openKeptMachine(key).catch(() => undefined)
    const resumed = kept && resumedOf(kept, this.#parts.guests())
    if (!kept?.files.state || !resumed) return undefined
    const { record, files } = kept
    const { state, console, trace } = files
    const printed = new Uint8Array((await console?.arrayBuffer()) ?? new ArrayBuffer(0))
    return { label: record.label, guest: record.guest, state: state as File, printed, trace, resumed, record }
  }

  /** Undefined too where another tab has it. */
  async openLast(): Promise<KeptAndOpen | undefined> {
    const found = await this.open(LAST)
    return found && (await this.#last.hold()) ? found : undefined
  }
}

/** It has booted, as far as is known, and its disks are not kept by themselves: those are newer than any state. */
const canKeepLast = (view: MachineView): boolean => {
  const phase = phaseOf(view)
  const isThere = phase === 'running' || phase === 'idle' || phase === 'paused'
  return isThere && !view.disks.some(({ kept }) => kept !== undefined)
}
