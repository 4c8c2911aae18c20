/// <reference types="vite/client" />
/** Opens the door: puts worker, stores and page together. */
import { createRoot } from 'react-dom/client'
import { GUESTS, NETBSD_INIT, NETBSD_INIT32 } from './guests/catalogue.ts'
import { findGuest, readAddress } from './stores/address.ts'
import { createAutomation } from './stores/automation.ts'
import { bundledSource, choiceOf, ownGuest } from './stores/guest-choice.ts'
import { createPlayground } from './stores/playground.ts'
import { App } from './ui/app.tsx'
import { EmulatorClient } from './worker/client.ts'

const ISOLATE_TRIED = 'playground.isolate'

/** On a static host that sends no headers, a service worker adds them; the page must then load once more. */
const isolate = async (): Promise<boolean> => {
  if (import.meta.env.DEV || !isSecureContext || !('serviceWorker' in navigator)) return false
  try {
    if (sessionStorage.getItem(ISOLATE_TRIED)) return false
    sessionStorage.setItem(ISOLATE_TRIED, '1')
    await navigator.serviceWorker.register(new URL('isolate.js', document.baseURI))
    await navigator.serviceWorker.ready
    location.reload()
    return true
  } catch {
    return false
  }
}

const spawnMachine = (): Worker =>
  new Worker(new URL('./worker/emulator.worker.ts', import.meta.url), { type: 'module', name: 'microvm' })
const spawnTrace = (): Worker =>
  new Worker(new URL('./worker/trace.worker.ts', import.meta.url), { type: 'module', name: 'trace' })

const open = async (): Promise<void> => {
  const supported = crossOriginIsolated && typeof SharedArrayBuffer !== 'undefined'
  if (!supported && (await isolate())) return

  let machine = spawnMachine
  if (import.meta.env.DEV && new URLSearchParams(location.search).get('machine') === 'fake') {
    // Every state of the page, tried without an engine.
    ;({ spawnFake: machine } = await import('./worker/testing/spawn-fake.ts'))
  }

  const guests = GUESTS.map((guest) => choiceOf(guest, document.baseURI))
  const playground = createPlayground({
    guests,
    init: {
      source: bundledSource(NETBSD_INIT, document.baseURI),
      source32: bundledSource(NETBSD_INIT32, document.baseURI),
    },
    connect: (onEvent) => {
      const client = new EmulatorClient({ machine, trace: spawnTrace }, onEvent)
      if (supported) client.standBy()
      return client
    },
  })
  playground.files.watch(new URL('guests/status.json', document.baseURI))
  // An address may name a guest that is kept here.
  const looked = playground.library.looked()
  const named = new URLSearchParams(location.search).get('boot') ?? ''
  if (named !== '' && !findGuest(named, guests)) await looked
  const address = readAddress(location.href, playground.guests, ownGuest)
  playground.form.setState(address.form, true)
  if (!address.autostart) void looked.then(() => playground.goOnKept())
  playground.complaint.setState({ problem: address.problem })
  if (address.theme) playground.settings.setState({ theme: address.theme })

  const root = document.getElementById('root')
  if (!root) throw new Error('index.html has no #root')
  createRoot(root).render(<App playground={playground} supported={supported} />)
  Object.assign(window, { playground: createAutomation(playground) })
  const linked = playground.trace.openLink(location.hash)
  window.addEventListener('hashchange', () => playground.trace.openLink(location.hash))
  if (address.snapshot && supported) void playground.open(address.snapshot)
  else if (address.autostart && supported && !linked) playground.boot()
}

void open()
