/** Each state in words: a chip's word and a sentence for the live region. */
import type { Phase } from '../stores/machine-store.ts'

export interface PhaseWords {
  readonly chip: string
  readonly spoken: string
}

export const PHASE_WORDS: Readonly<Record<Phase, PhaseWords>> = {
  'first-visit': { chip: 'Ready', spoken: 'Ready to boot' },
  off: { chip: 'Off', spoken: 'Machine powered off' },
  loading: { chip: 'Loading', spoken: 'Loading the kernel' },
  warming: { chip: 'Warming', spoken: 'Warming the engine' },
  booting: { chip: 'Booting', spoken: 'Booting' },
  running: { chip: 'Running', spoken: 'Running' },
  idle: { chip: 'Idle', spoken: 'Waiting for input' },
  paused: { chip: 'Paused', spoken: 'Paused' },
  'powered-off': { chip: 'Powered off', spoken: 'The guest powered off' },
  halted: { chip: 'Halted', spoken: 'The guest halted' },
  reset: { chip: 'Stopped', spoken: 'The guest asked for a reset' },
  crashed: { chip: 'Crashed', spoken: 'The guest crashed' },
  refused: { chip: 'Refused', spoken: 'The machine could not be built' },
  fault: { chip: 'Engine fault', spoken: 'The emulator failed' },
}
