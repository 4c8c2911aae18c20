/** What the next Boot will use. Every field is the guest's own setting until it is changed. */
import { useId, useRef, useState } from 'react'
import { FORM_SETTINGS } from '../settings/words.ts'
import { urlSource } from '../stores/address.ts'
import { keepPrefix, rootOf } from '../stores/boot-form-store.ts'
import { type FileSource, OWN_GUEST_ID } from '../stores/guest-choice.ts'
import { bytesOfMachine, canResume, promptKey } from '../stores/machine-keeping.ts'
import { AddedFiles } from './added-files.tsx'
import { useForm, useLibrary, usePlayground, useSettings } from './context.ts'
import { useDropTarget } from './drop-target.ts'
import { CloseIcon } from './icons.tsx'
import { byteCount, said } from './quantity.ts'
import { SettingField } from './setting-field.tsx'

interface FileFieldProps {
  readonly label: string
  readonly value: FileSource | undefined
  readonly empty: string
  readonly onChoose: (source: FileSource) => void
  readonly onClear?: () => void
}

const FileField = ({ label, value, empty, onChoose, onClear }: FileFieldProps) => {
  const id = useId()
  const picker = useRef<HTMLInputElement>(null)
  const [asking, setAsking] = useState(false)
  const target = useDropTarget(({ files: [file] }) => {
    if (file) onChoose({ kind: 'blob', name: file.name, blob: file })
  })
  const [wrong, setWrong] = useState('')
  return (
    <fieldset className="file-field" {...target}>
      <div className="file-row">
        <span className="file-label" id={`${id}-label`}>
          {label}
        </span>
        <span
          className="file-name"
          data-empty={value === undefined}
          title={value?.kind === 'url' ? value.url : undefined}
        >
          {value?.name ?? empty}
        </span>
        <button type="button" className="button small" onClick={() => picker.current?.click()}>
          File<span className="visually-hidden"> for {label}</span>
        </button>
        <button type="button" className="button small" aria-expanded={asking} onClick={() => setAsking(!asking)}>
          URL<span className="visually-hidden"> for {label}</span>
        </button>
        {onClear && value && (
          <button type="button" className="icon-button" aria-label={`Remove ${label}`} onClick={onClear}>
            <CloseIcon />
          </button>
        )}
        <input
          ref={picker}
          type="file"
          hidden
          aria-labelledby={`${id}-label`}
          data-testid={`file-${label.toLowerCase().replace(/\s.*/, '')}`}
          onChange={(event) => {
            const file = event.target.files?.[0]
            if (file) onChoose({ kind: 'blob', name: file.name, blob: file })
            event.target.value = ''
          }}
        />
      </div>
      {asking && (
        <form
          className="url-form"
          onSubmit={(event) => {
            event.preventDefault()
            const text = String(new FormData(event.currentTarget).get('url') ?? '')
            const source = text.trim() === '' ? undefined : urlSource(text, document.baseURI)
            if (!source) {
              setWrong('An address starts with https:// or is a path on this site.')
              return
            }
            setWrong('')
            setAsking(false)
            onChoose(source)
          }}
        >
          <input
            name="url"
            type="text"
            inputMode="url"
            aria-label={`Address of the ${label.toLowerCase()}`}
            aria-describedby={`${id}-cors`}
            placeholder="https://"
            spellCheck={false}
            autoCapitalize="off"
          />
          <button type="submit" className="button small">
            Use
          </button>
          <p id={`${id}-cors`} className="hint">
            {wrong ||
              'Its server must let other pages read it (CORS: Access-Control-Allow-Origin). Most mirrors do not: then download the file and choose it here.'}
          </p>
        </form>
      )}
    </fieldset>
  )
}

/** What becomes of what the guest writes. */
const Changes = () => {
  const { form } = usePlayground()
  const id = useId()
  const changes = useForm((state) => state.changes)
  const guestId = useForm((state) => state.guestId)
  const canKeep = useLibrary((view) => view.state !== 'none')
  const disks = useLibrary((view) => view.disks)
  const kept = disks.filter(({ key }) => key.startsWith(keepPrefix(guestId)))
  const size = said(byteCount(kept.reduce((sum, { logBytes }) => sum + logBytes, 0)))
  const hint = !canKeep
    ? 'This browser keeps no files for this page, so that changes go with the machine.'
    : changes === 'keep'
      ? kept.length > 0
        ? `Goes on with what is kept: ${size} of changes.`
        : 'They survive power-off, a reload and a crash of this tab.'
      : kept.length > 0
        ? `Boots the disk as it was at first; ${size} of kept changes stay as they are.`
        : 'They last as long as the machine.'
  return (
    <label className="field">
      <span>Changes to disks</span>
      <select
        value={changes}
        aria-describedby={id}
        data-testid="changes"
        onChange={(event) => form.setState({ changes: event.target.value === 'keep' ? 'keep' : 'discard' })}
      >
        <option value="discard">Discard</option>
        <option value="keep" disabled={!canKeep}>
          Keep in this browser
        </option>
      </select>
      <span id={id} className="hint">
        {hint}
      </span>
    </label>
  )
}

/** Whether Boot boots, or opens a guest where its boot once ended. */
const Start = () => {
  const playground = usePlayground()
  const { settings } = playground
  const id = useId()
  const form = useForm((state) => state)
  const resumes = useSettings((state) => state.resumesAtPrompt)
  const canKeep = useLibrary((view) => view.state !== 'none')
  const kept = useLibrary((view) => view.machines.find(({ key }) => key === promptKey(form.guestId)))
  const guest = playground.guests.find((other) => other.id === form.guestId)
  const hint = !resumes
    ? 'Resumed at its prompt, a guest is there at once: it is kept in this browser for that.'
    : !guest || !canResume(form, guest)
      ? 'This one boots: with files of one’s own or kept disks, its prompt would be another each time.'
      : kept
        ? `Kept since its last boot: ${said(byteCount(bytesOfMachine(kept)))}. It boots where settings or files have changed.`
        : 'Boots once, and the machine at its prompt is kept in this browser: about 20 MB.'
  return (
    <label className="field">
      <span>Start</span>
      <select
        value={resumes ? 'prompt' : 'power-on'}
        aria-describedby={id}
        data-testid="start"
        onChange={(event) => settings.setState({ resumesAtPrompt: event.target.value === 'prompt' })}
      >
        <option value="power-on">Boot from power-on</option>
        <option value="prompt" disabled={!canKeep}>
          Resume at the prompt
        </option>
      </select>
      <span id={id} className="hint">
        {hint}
      </span>
    </label>
  )
}

/** A kernel or disks of one's own, and how they are booted, for the next visit. */
const KeepGuest = () => {
  const playground = usePlayground()
  const form = useForm((state) => state)
  const isKept = useLibrary((view) => view.guests.some(({ guest }) => guest.id === form.guestId))
  const saving = useLibrary((view) => view.saving)
  const canKeep = useLibrary((view) => view.state === 'ready')
  const sources = [form.kernel, form.initrd, ...form.disks.map(({ source }) => source)]
  const isOwn = form.guestId === OWN_GUEST_ID || isKept || sources.some((source) => source?.kind === 'blob')
  if (!canKeep || !form.kernel || !isOwn) return null
  const { name } = form.kernel
  return (
    <div>
      <button
        type="button"
        className="button small"
        disabled={saving !== undefined}
        onClick={() => void playground.keepGuest(name)}
      >
        {isKept ? 'Save these settings' : 'Keep this guest'}
      </button>
      <p className="hint" role="status">
        {saving
          ? `Storing ${said(byteCount(saving.done))} of ${said(byteCount(saving.total))}`
          : isKept
            ? 'For this guest, in this browser.'
            : 'Its files and settings stay in this browser, in the menu of guests. Files by address are fetched each time.'}
      </p>
    </div>
  )
}

export const BootFormPanel = () => {
  const playground = usePlayground()
  const form = useForm((state) => state)
  const id = useId()
  const update = playground.form.setState
  const isOwn = useLibrary(
    (view) => form.guestId === OWN_GUEST_ID || view.guests.some(({ guest }) => guest.id === form.guestId),
  )
  return (
    <section className="details-section" aria-labelledby={`${id}-title`}>
      <h3 id={`${id}-title`}>Next boot</h3>
      <div className="fields">
        <FileField
          label="Kernel"
          value={form.kernel}
          empty="PVH ELF, may be gzip’d"
          onChoose={(source) => playground.chooseKernel(source)}
        />
        <FileField
          label="Initrd"
          value={form.initrd}
          empty="none"
          onChoose={(initrd) => update({ initrd })}
          onClear={() => update({ initrd: undefined })}
        />
        {form.disks.map((disk, index) => (
          <FileField
            // biome-ignore lint/suspicious/noArrayIndexKey: a disk is its slot, ld0 and up
            key={index}
            label={`ld${index}`}
            value={disk.kind === 'netbsd-root' ? { ...disk.source, name: 'root, made here' } : disk.source}
            empty="none"
            onChoose={(source) =>
              update({
                disks: form.disks.map((other, at) =>
                  at === index ? { ...disk, kind: 'image' as const, source } : other,
                ),
              })
            }
            onClear={() => update({ disks: form.disks.filter((_, at) => at !== index) })}
          />
        ))}
        {form.disks.length < 4 && (
          <FileField label="Disk" value={undefined} empty="add one" onChoose={(source) => playground.addDisk(source)} />
        )}
        {rootOf(form) >= 0 ? (
          <AddedFiles />
        ) : (
          isOwn && (
            <button type="button" className="button small" onClick={() => playground.addRoot()}>
              Add our root as ld0
            </button>
          )
        )}
        {form.disks.some(({ readOnly }) => !readOnly) && <Changes />}
        <Start />
        <div className="field-pair">
          {FORM_SETTINGS.slice(0, 2).map((name) => (
            <SettingField key={name} name={name} />
          ))}
        </div>
        {FORM_SETTINGS.slice(2).map((name) => (
          <SettingField key={name} name={name} />
        ))}
        <KeepGuest />
      </div>
    </section>
  )
}
