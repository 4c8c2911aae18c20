import { isOn } from '../stores/machine-store.ts'
import type { ThemeChoice } from '../stores/settings-store.ts'
import { BootNumber } from './boot-number.tsx'
import { useMachine, useOpened, usePhase, usePlayground, useSettings } from './context.ts'
import { Controls, GuestSelect } from './controls.tsx'
import { DetailsIcon, Mark, MoonIcon, SunIcon, SystemIcon } from './icons.tsx'
import { PHASE_WORDS } from './phase-words.ts'

const NEXT_THEME: Readonly<Record<ThemeChoice, ThemeChoice>> = { system: 'light', light: 'dark', dark: 'system' }
const THEME_WORD: Readonly<Record<ThemeChoice, string>> = { system: 'as the system', light: 'light', dark: 'dark' }

const ThemeButton = () => {
  const { settings } = usePlayground()
  const theme = useSettings((state) => state.theme)
  const next = NEXT_THEME[theme]
  return (
    <button
      type="button"
      className="icon-button"
      aria-label={`Theme: ${THEME_WORD[theme]}. Switch to ${THEME_WORD[next]}`}
      title={`Theme: ${THEME_WORD[theme]}`}
      onClick={() => settings.setState({ theme: next })}
    >
      {theme === 'system' ? <SystemIcon /> : theme === 'light' ? <SunIcon /> : <MoonIcon />}
    </button>
  )
}

export const StateChip = () => {
  const phase = usePhase()
  const opened = useOpened()
  const resumed = useMachine((view) => view.resumed !== undefined)
  return (
    <span className="chip" data-phase={phase} data-testid="state">
      <span className="chip-dot" aria-hidden="true" />
      {opened ? (opened.origin === 'link' ? 'From a link' : 'From a file') : PHASE_WORDS[phase].chip}
      {resumed && !opened && (
        <span className="chip-resumed" data-testid="resumed">
          resumed
        </span>
      )}
    </span>
  )
}

interface HeaderProps {
  readonly supported: boolean
  readonly detailsOpen: boolean
  readonly onDetails: () => void
}

export const Header = ({ supported, detailsOpen, onDetails }: HeaderProps) => {
  const phase = usePhase()
  return (
    <header className="header">
      <h1 className="brand">
        <Mark lit={isOn(phase)} />
        <span className="brand-name">
          <span>NetBSD</span> <span className="brand-rest">microVM playground</span>
        </span>
      </h1>
      <div className="header-actions">
        <GuestSelect />
        <Controls supported={supported} />
      </div>
      <div className="header-figures">
        <StateChip />
        <BootNumber />
      </div>
      <div className="header-tools">
        <ThemeButton />
        <button
          type="button"
          className="icon-button"
          aria-label="Details"
          title="Details"
          aria-expanded={detailsOpen}
          aria-controls="details"
          onClick={onDetails}
        >
          <DetailsIcon />
        </button>
      </div>
    </header>
  )
}
