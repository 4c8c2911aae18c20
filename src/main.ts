/// <reference types="vite/client" />
/** Opens the door: puts worker, stores and page together. */
import { GUESTS, NETBSD_INIT, NETBSD_INIT32 } from './guests/catalogue.ts'
import { findGuest, readAddress } from './stores/address.ts'
import { createAutomation } from './stores/automation.ts'
import { bundledSource, choiceOf, ownGuest } from './stores/guest-choice.ts'
import { isHere } from './stores/guest-files.ts'
import { isOn, phaseOf } from './stores/machine-store.ts'
import { createPlayground, type Playground } from './stores/playground.ts'
import { EmulatorClient } from './worker/client.ts'

/** What draws is most of the page's code: the machine's worker starts, and a kept machine is found, while it comes. */
const drawing = import('./ui/draw.tsx')

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

/** A server that is slow to say which guests it has is not waited for. */
const FIRST_LOOK_MS = 1000
/** A store that is slow to open is not waited for. */
const FIND_MS = 600
const BEST_GUEST = 'netbsd-microvm'

/** The address says itself what is to be booted or seen. */
const isAsked = ({ search, hash }: Location): boolean => {
  const asked = new URLSearchParams(search)
  return asked.has('boot') || asked.has('kernel') || asked.has('snapshot') || hash !== ''
}

const isReload = (): boolean =>
  (performance.getEntriesByType('navigation')[0] as PerformanceNavigationTiming | undefined)?.type === 'reload'

/** The last one booted, else NetBSD, where its files are here; else the one that is in the page. */
const firstGuest = ({ guests, files, settings }: Playground): string => {
  const status = files.store.getState()
  const found = [settings.getState().guestId, BEST_GUEST]
    .flatMap((id) => guests.find((guest) => guest.id === id) ?? [])
    .find((guest) => guest.kernel && isHere(guest, status))
  return found?.id ?? guests[0]?.id ?? ownGuest.id
}

const open = async (): Promise<void> => {
  const supported = crossOriginIsolated && typeof SharedArrayBuffer !== 'undefined'
  if (!supported && (await isolate())) return

  let machine = spawnMachine
  if (import.meta.env.DEV && new URLSearchParams(location.search).get('machine') === 'fake') {
    // Every state of the page, tried without an engine.
    ;({ spawnFake: machine } = await import('./worker/testing/spawn-fake.ts'))
  }

  const guests = GUESTS.map((guest) => choiceOf(guest, document.baseURI))
  let client: EmulatorClient | undefined
  const playground = createPlayground({
    guests,
    init: {
      source: bundledSource(NETBSD_INIT, document.baseURI),
      source32: bundledSource(NETBSD_INIT32, document.baseURI),
    },
    // Named by what is in it, and by the names of the workers it starts.
    release: import.meta.env.PROD ? (import.meta.url.split('/').at(-1) ?? '') : 'development',
    connect: (onEvent) => {
      client = new EmulatorClient({ machine, trace: spawnTrace }, onEvent)
      return client
    },
  })
  // A machine that goes on is not recorded.
  const mayGoOn = playground.settings.getState().keepsLastState && isReload()
  if (supported) client?.standBy(!mayGoOn && !new URLSearchParams(location.search).has('resume'))
  const filesKnown = playground.files.watch(new URL('guests/status.json', document.baseURI))
  // An address may name a guest that is kept here.
  const looked = () => playground.library.looked()
  const named = new URLSearchParams(location.search).get('boot') ?? ''
  if (named !== '' && !findGuest(named, guests)) await looked()
  const address = readAddress(location.href, playground.guests, ownGuest)
  playground.form.setState(address.form, true)
  if (!isAsked(location)) {
    await Promise.race([
      Promise.all([filesKnown, looked()]),
      new Promise((resolve) => setTimeout(resolve, FIRST_LOOK_MS)),
    ])
    playground.chooseGuest(firstGuest(playground))
  }
  if (!address.autostart) void looked().then(() => playground.goOnKept())
  playground.complaint.setState({ problem: address.problem })
  if (address.theme) playground.settings.setState({ theme: address.theme })

  const linked = playground.openLink(location.hash)
  const { keepsLastState } = playground.settings.getState()
  const goesOn = keepsLastState && !linked && (isReload() || !isAsked(location))
  const begin = async (): Promise<void> => {
    if (goesOn && (await playground.goOnLast())) return
    if (address.snapshot) void playground.open(address.snapshot)
    else if (address.autostart && !linked) playground.boot(address.resume ? { resume: true } : {})
    await playground.decided
  }
  // A machine that goes on is found in less time than the page is drawn in, and runs by then.
  const isFirst = supported && (goesOn || address.resume)
  if (isFirst) await Promise.race([begin(), new Promise((resolve) => setTimeout(resolve, FIND_MS))])

  const root = document.getElementById('root')
  if (!root) throw new Error('index.html has no #root')
  const { draw } = await drawing
  draw(root, playground, supported)
  void looked()
  Object.assign(window, { playground: createAutomation(playground) })
  window.addEventListener('hashchange', () => {
    if (!playground.openLink(location.hash)) playground.trace.closeLink()
  })
  window.addEventListener('beforeunload', (event) => {
    const view = playground.machine.getState()
    if (view.typedAt && isOn(phaseOf(view)) && !playground.isSafe) event.preventDefault()
  })
  if (supported && !isFirst) void begin()
}

void open()
