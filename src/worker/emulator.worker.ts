import urls from 'virtual:engine-urls'
import { createMachine, prepareEngine, restoreMachine } from '../machine/index.ts'
import { fetchEngine } from './engine-file.ts'
import { serve } from './serve.ts'

const engines = new Map<boolean, Promise<void>>()
/** Makes the engine of that flavour, once. */
const makeEngine = (traced: boolean): Promise<void> => {
  let made = engines.get(traced)
  if (made === undefined) {
    const url = traced ? urls.traced : urls.plain
    const file = url === undefined ? Promise.resolve(undefined) : fetchEngine(url)
    made = file.then((found) => prepareEngine(traced, found))
    engines.set(traced, made)
  }
  return made
}

serve(createMachine, makeEngine, restoreMachine)
