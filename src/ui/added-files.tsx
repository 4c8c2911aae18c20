/** Files and folders for the root disk of the next boot. */
import { useId, useRef, useState } from 'react'
import { type Problem, sentence } from '../base/problem.ts'
import { type Addition, type Gathered, gatherDropped, gatherPicked, HOME } from '../stores/added-files.ts'
import { useForm, usePlayground } from './context.ts'
import { useDropTarget } from './drop-target.ts'
import { CloseIcon } from './icons.tsx'
import { byteCount, said } from './quantity.ts'

const counted = (files: number): string => (files === 1 ? '1 file' : `${files.toLocaleString('en')} files`)

const filesOf = ({ entries }: Addition): number => entries.filter(({ blob }) => blob).length

export const addedWords = (added: readonly Addition[]): string => {
  const files = added.reduce((total, addition) => total + filesOf(addition), 0)
  return `${counted(files)}, ${said(byteCount(added.reduce((total, { bytes }) => total + bytes, 0)))}`
}

export const AddedFiles = () => {
  const playground = usePlayground()
  const added = useForm((form) => form.added)
  const id = useId()
  const files = useRef<HTMLInputElement>(null)
  const folder = useRef<HTMLInputElement>(null)
  const [target, setTarget] = useState(HOME)
  const [wrong, setWrong] = useState<Problem>()
  const add = (gathered: readonly Gathered[]) => setWrong(playground.addFiles(gathered, target))
  const dropTarget = useDropTarget(({ items }) => {
    void gatherDropped(items).then((found) => (found.ok ? add(found.value) : setWrong(found.problem)))
  })
  return (
    <fieldset className="file-field" aria-label="Files for the root disk" data-testid="added-files" {...dropTarget}>
      <div className="file-row">
        <span className="file-label">Add</span>
        <span className="file-name" data-empty={added.length === 0} role="status">
          {added.length === 0 ? 'no files' : addedWords(added)}
        </span>
        <button type="button" className="button small" onClick={() => files.current?.click()}>
          Files
        </button>
        <button type="button" className="button small" onClick={() => folder.current?.click()}>
          Folder
        </button>
        <input
          ref={files}
          type="file"
          hidden
          multiple
          aria-label="Files for the root disk"
          data-testid="add-files"
          onChange={(event) => {
            add(gatherPicked(event.target.files ?? []))
            event.target.value = ''
          }}
        />
        <input
          ref={folder}
          type="file"
          hidden
          aria-label="A folder for the root disk"
          data-testid="add-folder"
          {...{ webkitdirectory: '' }}
          onChange={(event) => {
            add(gatherPicked(event.target.files ?? []))
            event.target.value = ''
          }}
        />
      </div>
      <label className="file-row">
        <span className="file-label">Into</span>
        <input
          type="text"
          className="mono"
          value={target}
          spellCheck={false}
          autoCapitalize="off"
          autoComplete="off"
          aria-describedby={`${id}-hint`}
          onChange={(event) => setTarget(event.target.value)}
        />
      </label>
      {wrong ? (
        <p className="hint bad" role="alert" data-testid="added-problem">
          {sentence(wrong)}
        </p>
      ) : (
        <p id={`${id}-hint`} className="hint">
          Put on a new root disk, with their times; programs and scripts that begin with #! can be run.
        </p>
      )}
      {added.length > 0 && (
        <ul className="items" aria-label="Added files">
          {added.map((addition) => {
            const { path, kind, bytes } = addition
            return (
              <li key={path} className="item-row">
                <span className="item-name mono" title={path}>
                  {path}
                  {kind === 'folder' ? '/' : ''}
                </span>
                <span className="muted">
                  {kind === 'folder' && `${counted(filesOf(addition))}, `}
                  {said(byteCount(bytes))}
                </span>
                <button
                  type="button"
                  className="icon-button"
                  aria-label={`Remove ${path}`}
                  onClick={() => {
                    setWrong(undefined)
                    playground.form.setState({ added: added.filter((other) => other !== addition) })
                  }}
                >
                  <CloseIcon />
                </button>
              </li>
            )
          })}
        </ul>
      )}
    </fieldset>
  )
}
