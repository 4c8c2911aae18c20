/** A disk's folders and files, as the guest's file system has them at this moment. */
import { sentence } from '../base/problem.ts'
import type { DiskView, FolderEntry } from '../stores/disk-browser.ts'
import { isOn } from '../stores/machine-store.ts'
import { useDisk, usePhase, usePlayground } from './context.ts'
import { DownloadIcon } from './icons.tsx'
import { byteCount, said } from './quantity.ts'
import { Sheet } from './sheet.tsx'

const below = (path: string, name: string): string => `${path === '/' ? '' : path}/${name}`

const dated = (seconds: number): string =>
  new Date(seconds * 1000).toLocaleString('sv', { dateStyle: 'short', timeStyle: 'short' })

const WORDS: Readonly<Partial<Record<FolderEntry['kind'], string>>> = {
  char: 'device',
  block: 'device',
  fifo: 'pipe',
  socket: 'socket',
  symlink: 'link',
  unknown: 'unknown',
}

const Entry = ({ entry, path }: { readonly entry: FolderEntry; readonly path: string }) => {
  const { browser } = usePlayground()
  const { name, kind, size, mtime, target } = entry
  const full = below(path, name)
  return (
    <tr>
      <th scope="row" className="mono folder-name">
        {kind === 'directory' ? (
          <button type="button" className="row-button" onClick={() => void browser.go(full)}>
            {name}/
          </button>
        ) : (
          <span>
            {name}
            {target !== undefined && <span className="muted"> to {target}</span>}
          </span>
        )}
      </th>
      <td className="num muted">{kind === 'file' ? said(byteCount(size)) : (WORDS[kind] ?? '')}</td>
      <td className="num muted wide-only">{dated(mtime)}</td>
      <td className="num">
        {(kind === 'file' || kind === 'directory') && (
          <button
            type="button"
            className="icon-button"
            aria-label={kind === 'file' ? `Download ${name}` : `Download ${name} as a tar archive`}
            title={kind === 'file' ? 'Download' : 'Download as .tar'}
            onClick={() => void browser.save(kind === 'file' ? 'file' : 'folder', full)}
          >
            <DownloadIcon />
          </button>
        )}
      </td>
    </tr>
  )
}

const Crumbs = ({ path }: { readonly path: string }) => {
  const { browser } = usePlayground()
  const names = path.split('/').filter(Boolean)
  return (
    <nav className="crumbs mono" aria-label="Folder">
      <button type="button" className="row-button" aria-label="/, the disk’s root" onClick={() => void browser.go('/')}>
        /
      </button>
      {names.map((name, index) => {
        const to = `/${names.slice(0, index + 1).join('/')}`
        return (
          <button
            key={to}
            type="button"
            className="row-button"
            aria-current={index === names.length - 1 ? 'location' : undefined}
            onClick={() => void browser.go(to)}
          >
            {name}/
          </button>
        )
      })}
    </nav>
  )
}

const Contents = ({ view }: { readonly view: DiskView }) => {
  const { folder, problem, path } = view
  if (problem)
    return (
      <p className="overlay-text" role="alert" data-testid="disk-problem">
        {sentence(problem)}
      </p>
    )
  if (!folder || folder.path !== path) return null
  if (folder.entries.length === 0) return <p className="muted">Nothing is in this folder.</p>
  return (
    <div className="folder-frame">
      <table className="table" aria-label={`Contents of ${folder.path}`} data-testid="folder">
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col" className="num">
              Size
            </th>
            <th scope="col" className="num wide-only">
              Changed
            </th>
            <th scope="col">
              <span className="visually-hidden">Download</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {folder.entries.map((entry) => (
            <Entry key={entry.name} entry={entry} path={folder.path} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

export const FileBrowser = () => {
  const { browser } = usePlayground()
  const view = useDisk((state) => state)
  const on = isOn(usePhase())
  const { shown, path, busy, folder } = view
  if (!shown) return null
  return (
    <Sheet title={shown.title} id="disk-title" onClose={() => browser.close()}>
      <div className="section-bar">
        <Crumbs path={path} />
        <button
          type="button"
          className="button small"
          disabled={!folder}
          onClick={() => void browser.save('folder', path)}
        >
          Download folder
        </button>
      </div>
      <p className="hint" role="status">
        {busy !== undefined
          ? `Reading ${busy}`
          : on && shown.ref.kind === 'machine'
            ? 'As it is on the disk now. What the guest has in memory only comes with sync.'
            : 'As it was last written.'}
      </p>
      <Contents view={view} />
    </Sheet>
  )
}
