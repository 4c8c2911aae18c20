/** Keyboard focus from pane to pane: the console has Tab for its guest, so that these are the ways out of it and back. */
const visible = (selector: string): HTMLElement | undefined =>
  [...document.querySelectorAll<HTMLElement>(selector)].find((element) => element.checkVisibility())

/** The chart, or what stands in its place; on a narrow page the tabs. */
export const focusChart = (): void => {
  const next =
    visible('.flame-canvas') ??
    visible('.timeline button:not(:disabled)') ??
    visible('.tab') ??
    visible('.header button')
  next?.focus()
}

export const focusConsole = (): void => visible('.console .xterm')?.querySelector('textarea')?.focus()
