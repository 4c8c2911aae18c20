/** Twenty-pixel line icons, drawn in the text's colour. */
const Icon = ({ d }: { readonly d: string }) => (
  <svg className="icon" viewBox="0 0 20 20" width="20" height="20" aria-hidden="true" focusable="false">
    <path d={d} fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinecap="round" strokeLinejoin="round" />
  </svg>
)

export const SearchIcon = () => <Icon d="M9 15A6 6 0 1 0 9 3a6 6 0 0 0 0 12ZM13.5 13.5 17 17" />
export const CopyIcon = () => <Icon d="M7.5 7.5h9v9h-9zM12.5 7.5V3.5h-9v9h4" />
export const PasteIcon = () => <Icon d="M7 4H4.5v13h11V4H13M7 2.5h6v3H7z" />
export const CloseIcon = () => <Icon d="m5 5 10 10M15 5 5 15" />
export const UpIcon = () => <Icon d="m5 12 5-5 5 5" />
export const DownIcon = () => <Icon d="m5 8 5 5 5-5" />
export const DetailsIcon = () => <Icon d="M3 4h14v12H3zM12 4v12" />
export const PlusIcon = () => <Icon d="M10 4v12M4 10h12" />
export const MinusIcon = () => <Icon d="M4 10h12" />
export const FitIcon = () => <Icon d="M3 4v12M17 4v12M6 10h8M8 7.5 5.5 10 8 12.5M12 7.5l2.5 2.5-2.5 2.5" />
export const HelpIcon = () => (
  <Icon d="M10 17.5a7.5 7.5 0 1 0 0-15 7.5 7.5 0 0 0 0 15ZM7.8 7.8a2.2 2.2 0 1 1 3.2 2c-.7.4-1 .8-1 1.6M10 14v.2" />
)
export const DownloadIcon = () => <Icon d="M10 3v9M6 8.5l4 4 4-4M4 16.5h12" />
export const KeyboardIcon = () => (
  <Icon d="M2.5 5h15v10h-15zM5.5 8h.1M8.5 8h.1M11.5 8h.1M14.5 8h.1M5.5 10.2h.1M8.5 10.2h.1M11.5 10.2h.1M14.5 10.2h.1M7 12.6h6" />
)
export const SunIcon = () => (
  <Icon d="M10 13a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM10 2v2M10 16v2M2 10h2M16 10h2M4.3 4.3l1.4 1.4M14.3 14.3l1.4 1.4M4.3 15.7l1.4-1.4M14.3 5.7l1.4-1.4" />
)
export const MoonIcon = () => <Icon d="M16.5 12A7 7 0 0 1 8 3.5a7 7 0 1 0 8.5 8.5Z" />
export const SystemIcon = () => (
  <svg className="icon" viewBox="0 0 20 20" width="20" height="20" aria-hidden="true" focusable="false">
    <circle cx="10" cy="10" r="7" fill="none" stroke="currentColor" strokeWidth="1.5" />
    <path d="M10 3a7 7 0 0 1 0 14Z" fill="currentColor" />
  </svg>
)

/** The mark is a chip; its core is lit while a machine runs. */
export const Mark = ({ lit }: { readonly lit: boolean }) => (
  <svg className="mark" viewBox="0 0 28 28" width="28" height="28" aria-hidden="true" focusable="false">
    <path
      d="M7 7h14v14H7zM10.5 7V3M17.5 7V3M10.5 25v-4M17.5 25v-4M3 10.5h4M3 17.5h4M21 10.5h4M21 17.5h4"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.5"
      strokeLinecap="round"
      strokeLinejoin="round"
    />
    <rect x="11" y="11" width="6" height="6" className={lit ? 'mark-core lit' : 'mark-core'} />
  </svg>
)
