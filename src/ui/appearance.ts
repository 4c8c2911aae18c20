import { useEffect, useSyncExternalStore } from 'react'
import { useSettings } from './context.ts'
import type { Appearance } from './terminal-theme.ts'

const prefersLight = matchMedia('(prefers-color-scheme: light)')
const narrow = matchMedia('(max-width: 999px)')

const useMedia = (media: MediaQueryList): boolean =>
  useSyncExternalStore(
    (changed) => {
      media.addEventListener('change', changed)
      return () => media.removeEventListener('change', changed)
    },
    () => media.matches,
  )

export const useIsNarrow = (): boolean => useMedia(narrow)

/** The theme in force, written to the document for the style sheet. */
export const useAppearance = (): Appearance => {
  const systemIsLight = useMedia(prefersLight)
  const theme = useSettings((settings) => settings.theme)
  const appearance: Appearance = theme === 'system' ? (systemIsLight ? 'light' : 'dark') : theme
  useEffect(() => {
    document.documentElement.dataset['theme'] = appearance
    document
      .querySelector('meta[name="theme-color"]')
      ?.setAttribute('content', appearance === 'dark' ? '#0f1012' : '#f6f5f2')
  }, [appearance])
  return appearance
}
