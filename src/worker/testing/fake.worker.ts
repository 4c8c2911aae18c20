import { serve } from '../serve.ts'
import { createFakeMachine } from './fake-machine.ts'

serve(createFakeMachine)
