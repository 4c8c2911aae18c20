export declare const findBrowser: () => string | undefined
export declare const ensureBrowser: () => string | undefined
export declare const browserArguments: () => string[]
export declare const NO_BROWSER: string
