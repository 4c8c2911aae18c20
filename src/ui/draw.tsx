/** The page drawn: React and the terminal, which come after what starts the machine. */
import { createRoot } from 'react-dom/client'
import type { Playground } from '../stores/playground.ts'
import { App } from './app.tsx'

export const draw = (root: HTMLElement, playground: Playground, supported: boolean): void =>
  createRoot(root).render(<App playground={playground} supported={supported} />)
