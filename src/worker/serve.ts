/** Puts an emulator on this worker's ports. The machine is injected: the real one, or a fake for tests. */
import * as Comlink from 'comlink'
import type { CreateMachine, RestoreMachine } from '../machine/index.ts'
import { DiskShelf } from './disk-shelf.ts'
import { Emulator } from './emulator.ts'
import { EventRing } from './event-ring.ts'
import { WorkerHost } from './host.ts'
import { createPace } from './pace.ts'
import type { EmulatorControl, EmulatorEvent, MachineToTrace, PageMessage, Problem } from './protocol.ts'
import { lookAtSnapshot } from './saved-machine.ts'
import { TraceFeed } from './trace-feed.ts'

export const serve = (
  createMachine: CreateMachine,
  makeEngine: (traced: boolean) => Promise<void> = async () => {},
  restoreMachine?: RestoreMachine,
): void => {
  let events: MessagePort | undefined
  const post = (event: EmulatorEvent, transfer: Transferable[] = []): void => events?.postMessage(event, transfer)
  const emulator = new Emulator(createMachine, new WorkerHost(makeEngine), createPace(), post, restoreMachine)
  const shelf = new DiskShelf((index) => emulator.disk(index))
  const control: EmulatorControl = {
    connect: (port, trace) => {
      events = port
      const toTrace = (message: MachineToTrace) => trace.port.postMessage(message)
      const onLost = (problem: Problem) => post({ type: 'trace-lost', problem })
      emulator.traceTo(new TraceFeed(new EventRing(trace.ring), trace.eager, toTrace, onLost))
      port.onmessage = ({ data }: MessageEvent<PageMessage>) => {
        if (data.type === 'input') emulator.send(data.bytes)
        else emulator.acknowledge(data.bytes)
      }
    },
    warm: (traced) => void makeEngine(traced),
    boot: (request) => {
      shelf.forget()
      return emulator.boot(request)
    },
    pause: () => emulator.pause(),
    resume: () => emulator.resume(),
    reset: () => emulator.reset(),
    resizeConsole: (columns, rows) => emulator.resizeConsole(columns, rows),
    registers: () => emulator.registers(),
    listFolder: (disk, path) => shelf.list(disk, path),
    takeFrom: (disk, part) => shelf.take(disk, part),
    forgetDisk: () => shelf.forget(),
    save: () => emulator.save(),
    keep: () => emulator.keep(),
    stateHash: () => emulator.stateHash(),
    lookAtSnapshot,
  }
  Comlink.expose(control)
}
