export declare const findBrowser: () => string | undefined
export declare const ensureBrowser: () => string | undefined
export declare const browserArguments: () => string[]
export declare const NO_BROWSER: string
export declare const findFirefox: () => string | undefined
export declare const findWebKit: () =>
  | { readonly browser: string; readonly driver: string; readonly xvfb: string }
  | undefined
export declare const ensureOtherBrowsers: () => string[]
