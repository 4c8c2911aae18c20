/**
 * Browsers that Playwright's own builds stand for but are not: the Firefox and the WebKit that people have. Firefox is driven
 * by WebDriver BiDi (Puppeteer), WebKitGTK by classic WebDriver, which is all that its driver speaks
 * (https://www.w3.org/TR/webdriver1/). Each can open a page and evaluate a function in it: window.playground does the rest.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import puppeteer from 'puppeteer-core'

export interface OtherBrowser {
  open(url: string): Promise<void>
  /** `work` is carried into the page as text: it sees nothing but its argument and the page. */
  evaluate<A, T>(work: (argument: A) => T | Promise<T>, argument: A): Promise<T>
  close(): Promise<void>
}

const call = (work: (argument: never) => unknown, argument: unknown): string =>
  `(${work})(${JSON.stringify(argument) ?? 'undefined'})`

export const openFirefox = async (executablePath: string): Promise<OtherBrowser> => {
  const browser = await puppeteer.launch({ browser: 'firefox', executablePath, headless: true })
  const page = await browser.newPage()
  return {
    open: async (url) => void (await page.goto(url)),
    evaluate: <A, T>(work: (argument: A) => T | Promise<T>, argument: A) =>
      page.evaluate(call(work, argument)) as Promise<T>,
    close: () => browser.close(),
  }
}

const SCRIPT_MS = 60_000
/** Until the driver listens. */
const START_MS = 20_000

/** Xvfb chooses a free display and tells it on a descriptor. */
const openDisplay = async (xvfb: string): Promise<{ readonly process: ChildProcess; readonly name: string }> => {
  const process = spawn(xvfb, ['-displayfd', '3', '-screen', '0', '1440x900x24', '-nolisten', 'tcp'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  })
  const [number] = await once(process.stdio[3] as NodeJS.ReadableStream, 'data')
  return { process, name: `:${String(number).trim()}` }
}

export const openWebKit = async (
  places: { readonly browser: string; readonly driver: string; readonly xvfb: string },
  port: number,
): Promise<OtherBrowser> => {
  const display = await openDisplay(places.xvfb)
  const driver = spawn(places.driver, [`--port=${port}`], {
    stdio: 'ignore',
    // WebKitGTK has shared memory only when it is asked for.
    env: { ...process.env, DISPLAY: display.name, JSC_useSharedArrayBuffer: 'true' },
  })
  const command = async (method: string, path: string, body?: object): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      ...(body && { body: JSON.stringify(body) }),
    })
    const { value } = (await response.json()) as { readonly value: unknown }
    if (!response.ok) throw new Error(`WebDriver: ${method} ${path}: ${JSON.stringify(value)}`)
    return value
  }
  const end = () => {
    driver.kill()
    display.process.kill()
  }
  try {
    const until = Date.now() + START_MS
    while (!(await command('GET', '/status').catch(() => undefined))) {
      if (Date.now() > until) throw new Error(`${places.driver} does not listen on port ${port}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    const options = { binary: places.browser, args: ['--automation'] }
    const capabilities = { alwaysMatch: { 'webkitgtk:browserOptions': options } }
    const { sessionId } = (await command('POST', '/session', { capabilities })) as { readonly sessionId: string }
    const session = `/session/${sessionId}`
    await command('POST', `${session}/timeouts`, { script: SCRIPT_MS, pageLoad: SCRIPT_MS })
    return {
      open: async (url) => void (await command('POST', `${session}/url`, { url })),
      evaluate: async <A, T>(work: (argument: A) => T | Promise<T>, argument: A): Promise<T> => {
        const script = `const done = arguments[0]
          Promise.resolve(${call(work, argument)}).then((value) => done({ value }), (error) => done({ error: String(error) }))`
        const answer = await command('POST', `${session}/execute/async`, { script, args: [] })
        const { value, error } = answer as { readonly value: T; readonly error?: string }
        if (error !== undefined) throw new Error(error)
        return value
      },
      close: async () => {
        await command('DELETE', session).catch(() => undefined)
        end()
      },
    }
  } catch (error) {
    end()
    throw error
  }
}
