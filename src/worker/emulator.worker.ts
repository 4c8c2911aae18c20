import { createMachine } from '../machine/microvm.ts'
import { serve } from './serve.ts'

serve(createMachine)
