import { createMachine, prepareEngine } from '../machine/microvm.ts'
import { serve } from './serve.ts'

serve(createMachine)
// While the person reads: what Boot would otherwise wait for. The page boots traced.
setTimeout(() => prepareEngine(true), 0)
