/** Puts an emulator on this worker's ports. The machine is injected: the real one, or a fake for tests. */
import * as Comlink from 'comlink'
import type { CreateMachine } from '../machine/machine.ts'
import { Emulator } from './emulator.ts'
import { WorkerHost } from './host.ts'
import { createPace } from './pace.ts'
import type { EmulatorControl, EmulatorEvent, PageMessage } from './protocol.ts'

export const serve = (createMachine: CreateMachine): void => {
  let events: MessagePort | undefined
  const emulator = new Emulator(createMachine, new WorkerHost(), createPace(), (event: EmulatorEvent, transfer = []) =>
    events?.postMessage(event, transfer),
  )
  const control: EmulatorControl = {
    connect: (port) => {
      events = port
      port.onmessage = ({ data }: MessageEvent<PageMessage>) => {
        if (data.type === 'input') emulator.send(data.bytes)
        else if (data.type === 'trace') emulator.sendTrace()
        else emulator.acknowledge(data.bytes)
      }
    },
    boot: (request) => emulator.boot(request),
    pause: () => emulator.pause(),
    resume: () => emulator.resume(),
    reset: () => emulator.reset(),
    resizeConsole: (columns, rows) => emulator.resizeConsole(columns, rows),
    registers: () => emulator.registers(),
  }
  Comlink.expose(control)
}
