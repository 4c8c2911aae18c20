/**
 * 16550A UART with 16-byte FIFOs (National Semiconductor PC16550D datasheet, section 8), the console.
 *
 * A byte written to THR is transmitted at once, so THR is always empty; the THRE interrupt still comes and goes by the
 * datasheet's rules. What the host sends waits in a queue without limit and enters the FIFO as the guest makes room, a
 * FIFO's worth at a time and at `InputPace`'s pace whatever the divisor says. A terminal is always there: CTS, DSR and DCD are on.
 *
 * Missing: baud rate (the divisor is stored), parity, framing errors and break, DMA mode, OUT2 as the interrupt's gate
 * (QEMU and Firecracker have none either), RTS as flow control (the queue needs none).
 */
import { joined } from '../../../base/bytes.ts'
import type { AccessSize, BusDevice } from '../../bus.ts'
import { CHARACTER_NS, InputPace } from '../../input-pace.ts'
import type { InterruptLine } from '../../interrupt-line.ts'
import { type Part, type PartState, StateReader } from '../../part.ts'
import type { Timer, Timers } from '../../timers.ts'

/** With LCR.DLAB, offsets 0 and 1 are DLL and DLM. */
export const UART = {
  RBR: 0,
  THR: 0,
  DLL: 0,
  IER: 1,
  DLM: 1,
  IIR: 2,
  FCR: 2,
  LCR: 3,
  MCR: 4,
  LSR: 5,
  MSR: 6,
  SCR: 7,
} as const

export const IER_ERBFI = 1 << 0
export const IER_ETBEI = 1 << 1
export const IER_ELSI = 1 << 2
export const IER_EDSSI = 1 << 3
const IER_WRITABLE = 0x0f

/** Interrupt identification, highest priority first. */
export const IIR_RECEIVER_LINE_STATUS = 0x6
export const IIR_RECEIVED_DATA = 0x4
export const IIR_CHARACTER_TIMEOUT = 0xc
export const IIR_THR_EMPTY = 0x2
export const IIR_MODEM_STATUS = 0x0
export const IIR_NONE = 0x1
export const IIR_FIFOS = 0xc0

export const FCR_ENABLE = 1 << 0
export const FCR_RESET_RECEIVER = 1 << 1
const TRIGGER_LEVELS = [1, 4, 8, 14] as const

export const LCR_DLAB = 1 << 7

export const MCR_DTR = 1 << 0
export const MCR_RTS = 1 << 1
export const MCR_OUT1 = 1 << 2
export const MCR_OUT2 = 1 << 3
export const MCR_LOOP = 1 << 4
const MCR_WRITABLE = 0x1f

export const LSR_DR = 1 << 0
export const LSR_OE = 1 << 1
export const LSR_THRE = 1 << 5
export const LSR_TEMT = 1 << 6

export const MSR_DCTS = 1 << 0
export const MSR_DDSR = 1 << 1
export const MSR_TERI = 1 << 2
export const MSR_DDCD = 1 << 3
export const MSR_CTS = 1 << 4
export const MSR_DSR = 1 << 5
export const MSR_RI = 1 << 6
export const MSR_DCD = 1 << 7
const MSR_DELTAS = 0x0f

const FIFO_SIZE = 16

/**
 * How long typed-ahead bytes wait after a driver begins to listen: it goes on setting up, and empties its own buffers,
 * and under the wall clock on a slow host that takes a while.
 */
const SETTLE_NS = 10_000_000

/** A driver that waits to send looks at LSR once per byte here; one that looks this often waits for input. */
const POLLS_THAT_LISTEN = 64

export interface UartBackend {
  transmit(byte: number): void
}

export class Uart16550 implements BusDevice, Part {
  readonly name = 'uart'
  DLL = 0
  DLM = 0
  IER = 0
  FCR = 0
  LCR = 0
  MCR = 0
  MSR = 0
  SCR = 0
  /** Overrun, the one error this line can have. */
  #overrun = false

  readonly #irq: InterruptLine
  readonly #backend: UartBackend
  readonly #timers: Timers
  /** The receiver FIFO, oldest first; one byte long in 16450 mode. */
  #fifo: number[] = []
  /** What the host has sent and the FIFO has not taken. */
  readonly #queue: Uint8Array[] = []
  /** Bytes of the queue's first chunk already taken. */
  #queueStart = 0
  /** THR has emptied, or ETBEI found it empty, and IIR has not said so yet. */
  #thrEmptied = false
  #timedOut = false
  /** LSR reads that found nothing received, since the last byte sent. */
  #idlePolls = 0
  readonly #characterTimer: Timer
  readonly #pace: InputPace

  constructor(irq: InterruptLine, timers: Timers, backend: UartBackend) {
    this.#irq = irq
    this.#timers = timers
    this.#backend = backend
    this.#characterTimer = timers.create(() => this.#characterTimeout())
    this.#pace = new InputPace(timers, () => this.#carry())
    this.reset()
  }

  /** The host sends. */
  receive(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.#queue.push(bytes.slice())
    this.#carry()
  }

  /** What the host sent and no driver was there to take; nothing while one listens. */
  takeUnheard(): Uint8Array {
    if (this.#listening) return new Uint8Array(0)
    const unheard = joined(this.#queue.map((chunk, i) => (i === 0 ? chunk.subarray(this.#queueStart) : chunk)))
    this.#queue.length = 0
    this.#queueStart = 0
    this.#pace.cancel()
    return unheard
  }

  /** The guest has nothing more to do: it has dealt with what it was sent. */
  guestWaits(): void {
    this.#pace.guestWaits()
  }

  read(offset: number, _size: AccessSize): number {
    switch (offset) {
      case UART.RBR:
        return this.#dlab ? this.DLL : this.#readRbr()
      case UART.IER:
        return this.#dlab ? this.DLM : this.IER
      case UART.IIR:
        return this.#readIir()
      case UART.LCR:
        return this.LCR
      case UART.MCR:
        return this.MCR
      case UART.LSR:
        return this.#readLsr()
      case UART.MSR:
        return this.#readMsr()
      default:
        return this.SCR
    }
  }

  write(offset: number, _size: AccessSize, value: number): void {
    const byte = value & 0xff
    switch (offset) {
      case UART.THR:
        if (this.#dlab) this.DLL = byte
        else this.#writeThr(byte)
        break
      case UART.IER:
        if (this.#dlab) this.DLM = byte
        else this.#writeIer(byte & IER_WRITABLE)
        break
      case UART.FCR:
        this.#writeFcr(byte)
        break
      case UART.LCR:
        this.LCR = byte
        break
      case UART.MCR:
        this.#writeMcr(byte & MCR_WRITABLE)
        break
      case UART.LSR:
      case UART.MSR:
        break // factory test and read only
      case UART.SCR:
        this.SCR = byte
    }
  }

  /** Power-on. What was typed at the machine as it was is not for the one that starts. */
  reset(): void {
    this.DLL = 12 // 9600 bit/s
    this.DLM = 0
    this.IER = 0
    this.FCR = 0
    this.LCR = 0
    this.MCR = 0
    this.MSR = this.#modemLines()
    this.SCR = 0
    this.#overrun = false
    this.#thrEmptied = false
    this.#idlePolls = 0
    this.#queue.length = 0
    this.#queueStart = 0
    this.#pace.reset()
    this.#fifo = []
    this.#clearFifo()
    this.#carry()
    this.#update()
  }

  save(): PartState {
    const queue = joined(this.#queue.map((chunk, i) => (i === 0 ? chunk.subarray(this.#queueStart) : chunk)))
    return {
      DLL: this.DLL,
      DLM: this.DLM,
      IER: this.IER,
      FCR: this.FCR,
      LCR: this.LCR,
      MCR: this.MCR,
      MSR: this.MSR,
      SCR: this.SCR,
      overrun: this.#overrun,
      fifo: Uint8Array.from(this.#fifo),
      queue,
      thrEmptied: this.#thrEmptied,
      timedOut: this.#timedOut,
      idlePolls: Math.min(this.#idlePolls, POLLS_THAT_LISTEN),
      characterTimer: this.#characterTimer.deadline,
      ...this.#pace.save(),
    }
  }

  load(state: PartState): void {
    const s = new StateReader(state, this.name)
    this.DLL = s.u8('DLL')
    this.DLM = s.u8('DLM')
    this.IER = s.u8('IER') & IER_WRITABLE
    this.FCR = s.u8('FCR')
    this.LCR = s.u8('LCR')
    this.MCR = s.u8('MCR') & MCR_WRITABLE
    this.MSR = s.u8('MSR')
    this.SCR = s.u8('SCR')
    this.#overrun = s.flag('overrun')
    this.#fifo = [...s.bytesUpTo('fifo', FIFO_SIZE)]
    const queue = s.bytesUpTo('queue', Infinity)
    this.#queue.length = 0
    if (queue.length > 0) this.#queue.push(queue.slice())
    this.#queueStart = 0
    this.#thrEmptied = s.flag('thrEmptied')
    this.#timedOut = s.flag('timedOut')
    this.#idlePolls = s.integer('idlePolls', 0, POLLS_THAT_LISTEN)
    this.#characterTimer.load(s.nsOrNever('characterTimer'))
    this.#pace.load(s)
    s.end()
  }

  get #dlab(): boolean {
    return (this.LCR & LCR_DLAB) !== 0
  }

  get #fifoEnabled(): boolean {
    return (this.FCR & FCR_ENABLE) !== 0
  }

  // Receiver.

  #readRbr(): number {
    const byte = this.#fifo.shift() ?? 0
    this.#timedOut = false
    this.#restartCharacterTimer()
    this.#carry()
    this.#update()
    return byte
  }

  /**
   * Whether anybody reads: with receive interrupts on, or by looking at LSR again and again. Until then the host's bytes
   * wait: what is typed ahead of a kernel's driver would only be lost when the driver empties the FIFO.
   */
  get #listening(): boolean {
    return (this.IER & IER_ERBFI) !== 0 || this.#idlePolls >= POLLS_THAT_LISTEN
  }

  #startListening(): void {
    if (this.#queue.length === 0) return
    this.#pace.hold(SETTLE_NS)
    this.#carry()
  }

  /** Takes what the line can bring by now: a FIFO's worth at once. */
  #carry(): void {
    if (this.#queue.length === 0 || (this.MCR & MCR_LOOP) !== 0 || !this.#listening) return
    const room = (this.#fifoEnabled ? FIFO_SIZE : 1) - this.#fifo.length
    if (room <= 0 || !this.#pace.ask()) return
    let carried = 0
    for (; carried < room && this.#queue.length > 0; carried++) this.#fifo.push(this.#dequeue())
    this.#pace.carried(carried)
    this.#restartCharacterTimer()
    this.#update()
  }

  #dequeue(): number {
    const chunk = this.#queue[0]
    const byte = chunk[this.#queueStart++]
    if (this.#queueStart === chunk.length) {
      this.#queue.shift()
      this.#queueStart = 0
    }
    return byte
  }

  /** Four character times with bytes in the FIFO, none coming and none read. */
  #restartCharacterTimer(): void {
    if (this.#fifoEnabled && this.#fifo.length > 0) this.#characterTimer.arm(this.#timers.now() + 4 * CHARACTER_NS)
    else this.#characterTimer.cancel()
  }

  #characterTimeout(): void {
    this.#timedOut = true
    this.#update()
  }

  /**
   * Bytes that the host sent and nobody read go back to its queue: a driver that sets the chip up clears noise, not what
   * a person typed. They come again a while later.
   */
  #clearFifo(): void {
    if (this.#fifo.length > 0 && (this.MCR & MCR_LOOP) === 0) {
      const left = this.#queue[0]
      if (left !== undefined && this.#queueStart > 0) this.#queue[0] = left.subarray(this.#queueStart)
      this.#queueStart = 0
      this.#queue.unshift(Uint8Array.from(this.#fifo))
      this.#pace.reset()
      this.#pace.hold(SETTLE_NS)
    }
    this.#fifo = []
    this.#timedOut = false
    this.#characterTimer.cancel()
  }

  /** Loopback: what THR sends arrives at once, and overruns a full receiver. */
  #loopBack(byte: number): void {
    if (this.#fifoEnabled && this.#fifo.length >= FIFO_SIZE) {
      this.#overrun = true // the FIFO keeps its bytes, the new one is lost
    } else if (!this.#fifoEnabled && this.#fifo.length > 0) {
      this.#overrun = true // RBR is overwritten
      this.#fifo[0] = byte
    } else {
      this.#fifo.push(byte)
    }
    this.#restartCharacterTimer()
  }

  // Transmitter.

  #writeThr(byte: number): void {
    if ((this.MCR & MCR_LOOP) !== 0) this.#loopBack(byte)
    else this.#backend.transmit(byte)
    this.#idlePolls = 0
    this.#thrEmptied = true
    this.#update()
  }

  /** ETBEI raises THRE at once when it finds THR empty, as it always does here. */
  #writeIer(value: number): void {
    if ((value & ~this.IER & IER_ETBEI) !== 0) this.#thrEmptied = true
    const starts = (value & ~this.IER & IER_ERBFI) !== 0
    this.IER = value
    if (starts) this.#startListening()
    this.#update()
  }

  /** Changing the enable bit empties the FIFOs; the other bits count only while it is set. */
  #writeFcr(value: number): void {
    const changes = ((value ^ this.FCR) & FCR_ENABLE) !== 0
    if (changes || (value & FCR_RESET_RECEIVER) !== 0) this.#clearFifo()
    this.FCR = (value & FCR_ENABLE) !== 0 ? value & 0xc9 : 0
    this.#carry()
    this.#update()
  }

  // Modem.

  #writeMcr(value: number): void {
    const was = this.MSR
    this.MCR = value
    const lines = this.#modemLines()
    const changed = was ^ lines
    let deltas = was & MSR_DELTAS
    if ((changed & MSR_CTS) !== 0) deltas |= MSR_DCTS
    if ((changed & MSR_DSR) !== 0) deltas |= MSR_DDSR
    if ((changed & MSR_DCD) !== 0) deltas |= MSR_DDCD
    if ((was & ~lines & MSR_RI) !== 0) deltas |= MSR_TERI
    this.MSR = lines | deltas
    this.#carry()
    this.#update()
  }

  /** The four inputs: a terminal's, or in loopback our own outputs. */
  #modemLines(): number {
    if ((this.MCR & MCR_LOOP) === 0) return MSR_CTS | MSR_DSR | MSR_DCD
    return (
      ((this.MCR & MCR_RTS) !== 0 ? MSR_CTS : 0) |
      ((this.MCR & MCR_DTR) !== 0 ? MSR_DSR : 0) |
      ((this.MCR & MCR_OUT1) !== 0 ? MSR_RI : 0) |
      ((this.MCR & MCR_OUT2) !== 0 ? MSR_DCD : 0)
    )
  }

  #readMsr(): number {
    const value = this.MSR
    this.MSR &= ~MSR_DELTAS
    this.#update()
    return value
  }

  // Status and interrupts.

  #readLsr(): number {
    if (this.#fifo.length === 0 && ++this.#idlePolls >= POLLS_THAT_LISTEN) {
      if (this.#idlePolls === POLLS_THAT_LISTEN) this.#startListening()
      if ((this.IER & IER_ERBFI) === 0) this.#pace.guestWaits()
    }
    const value = LSR_THRE | LSR_TEMT | (this.#fifo.length > 0 ? LSR_DR : 0) | (this.#overrun ? LSR_OE : 0)
    if (this.#overrun) {
      this.#overrun = false
      this.#update()
    }
    return value
  }

  /** Reading IIR while it says THR empty answers that interrupt. */
  #readIir(): number {
    const cause = this.#cause()
    if (cause === IIR_THR_EMPTY) {
      this.#thrEmptied = false
      this.#update()
    }
    return cause | (this.#fifoEnabled ? IIR_FIFOS : 0)
  }

  /** Datasheet table III. */
  #cause(): number {
    const ier = this.IER
    if ((ier & IER_ELSI) !== 0 && this.#overrun) return IIR_RECEIVER_LINE_STATUS
    if ((ier & IER_ERBFI) !== 0) {
      const trigger = this.#fifoEnabled ? TRIGGER_LEVELS[(this.FCR >> 6) as 0 | 1 | 2 | 3] : 1
      if (this.#fifo.length >= trigger) return IIR_RECEIVED_DATA
      if (this.#timedOut) return IIR_CHARACTER_TIMEOUT
    }
    if ((ier & IER_ETBEI) !== 0 && this.#thrEmptied) return IIR_THR_EMPTY
    if ((ier & IER_EDSSI) !== 0 && (this.MSR & MSR_DELTAS) !== 0) return IIR_MODEM_STATUS
    return IIR_NONE
  }

  #update(): void {
    this.#irq.set(this.#cause() !== IIR_NONE)
  }
}
