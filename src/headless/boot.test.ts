import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { linkSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { problem } from '../base/problem.ts'
import type { CrashReport, MachineConfig } from '../machine/index.ts'
import { bootMain } from './boot.ts'
import { openDisk } from './file-disk.ts'
import { nodeHost } from './node-host.ts'
import { EscapeKey } from './terminal.ts'
import { fakeMachine, idle, type Step, stopped } from './testing/fake-machine.ts'
import type { ExportTrace, TraceInput } from './trace.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'boot-'))
  writeFileSync(join(dir, 'kernel'), 'kernel')
})
afterEach(() => rmSync(dir, { recursive: true }))

interface Extra {
  readonly input?: (data: (bytes: Uint8Array) => void, quit: () => void) => void
  readonly trace?: ExportTrace
  readonly refuse?: ReturnType<typeof problem>
  readonly atTerminal?: boolean
}

const boot = async (argv: string[], steps: Step[], extra: Extra = {}) => {
  let stdout = ''
  let stderr = ''
  const seen: { config?: MachineConfig } = {}
  const status = await bootMain(argv, {
    createMachine: fakeMachine(steps, seen, extra.refuse),
    host: nodeHost(),
    now: () => performance.now(),
    stdout: (bytes) => (stdout += Buffer.from(bytes).toString('latin1')),
    stderr: (text) => (stderr += text),
    input: (data, quit) => {
      extra.input?.(data, quit)
      return () => {}
    },
    atTerminal: extra.atTerminal ?? false,
    embedded: join(dir, 'kernel'),
    ...(extra.trace === undefined ? {} : { exportTrace: extra.trace }),
  })
  return { status, stdout, stderr, config: seen.config }
}

const json = (file: string) => JSON.parse(readFileSync(file, 'utf8'))
const off = stopped({ reason: 'halt' })

describe('ends', () => {
  test('with the pattern: status 0, output up to the match, figures at the match', async () => {
    const file = join(dir, 'j')
    const { status, stdout } = await boot(
      ['--until', 'hel+o$', '--json', file],
      [(g) => void g.print('boot\r\nhe'), (g) => void g.print('llo world\n')],
    )
    expect(status).toBe(0)
    expect(stdout).toBe('boot\r\nhello')
    expect(json(file)).toMatchObject({
      exit: 'until',
      guestExitCode: null,
      instructions: 2000,
      untilInstructions: 2000,
      guestNs: 2000,
      consoleBytes: 11,
      engine: { slices: 2 },
    })
    for (const field of ['wallMs', 'mips', 'firstConsoleByteMs', 'untilMs'])
      expect(json(file)[field]).toBeTypeOf('number')
  })

  test('by itself: halt and reset are success, a pattern unseen is not', async () => {
    expect((await boot([], [() => off])).status).toBe(0)
    expect((await boot([], [() => stopped({ reason: 'reset' })])).status).toBe(0)
    const unseen = await boot(['--until', 'x'], [() => off])
    expect(unseen.status).toBe(1)
    expect(unseen.stderr).toBe('The guest ended (halt) before the pattern of --until was seen.\n')
  })

  test('by isa-debug-exit: 0 written is success', async () => {
    const file = join(dir, 'j')
    expect((await boot([], [() => stopped({ reason: 'guest-exit', code: 1 })])).status).toBe(0)
    expect((await boot(['--json', file], [() => stopped({ reason: 'guest-exit', code: 33 })])).status).toBe(1)
    expect(json(file)).toMatchObject({ exit: 'guest-exit', guestExitCode: 33, untilMs: null, firstConsoleByteMs: null })
  })

  test('at the timeout: status 3, though the guest is idle', async () => {
    const file = join(dir, 'j')
    const { status, stderr } = await boot(['--timeout', '0.05', '--json', file], [() => idle()])
    expect(status).toBe(3)
    expect(stderr).toBe('The guest was still running after 0.05 s.\n')
    expect(json(file).exit).toBe('timeout')
  })

  test('in a crash: status 4, registers and stack', async () => {
    const crash: CrashReport = {
      cause: '#GP(0x10) while delivering #PF(0x2)',
      registers: { rip: 0xffffffff80200000n, rsp: 0n, rax: 1n, rbx: 2n },
      stack: ['main+0x12', 'start+0x4'],
    }
    const { status, stderr } = await boot([], [() => stopped({ reason: 'triple-fault', crash })])
    expect(status).toBe(4)
    expect(stderr).toContain('#GP(0x10) while delivering')
    expect(stderr).toMatch(/rip ffffffff80200000 {2}.*rsp .*\n/)
    expect(stderr).toMatch(/main\+0x12\n {2}start\+0x4/)
  })
})

describe('input', () => {
  test('--send is typed ahead', async () => {
    let typed = ''
    await boot(['--send', 'a\\n', '--send', 'b'], [(g) => void (typed = g.typed()), () => off])
    expect(typed).toBe('a\nb')
  })

  test('standard input wakes an idle guest', async () => {
    const echo: Step = (g) => {
      const typed = g.typed()
      g.print(typed)
      return typed === '' ? idle() : off
    }
    const { status, stdout } = await boot([], [echo], {
      input: (data) => setTimeout(() => data(Buffer.from('hi')), 20),
    })
    expect([status, stdout]).toEqual([0, 'hi'])
  })

  test('Ctrl-A x ends the run', async () => {
    expect((await boot([], [() => idle()], { input: (_, quit) => setTimeout(quit, 20) })).status).toBe(0)
    const keys = new EscapeKey()
    expect(keys.feed(Buffer.from('ab\x01'))).toEqual({ send: Uint8Array.from([97, 98]), quit: false })
    expect(keys.feed(Buffer.from('\x01c\x01d'))).toEqual({ send: Uint8Array.from([1, 99, 1, 100]), quit: false })
    expect(keys.feed(Buffer.from('e\x01xf'))).toEqual({ send: Uint8Array.from([101]), quit: true })
  })
})

describe('configuration', () => {
  test('of the machine', async () => {
    const disk = join(dir, 'd')
    writeFileSync(disk, Buffer.alloc(1024))
    const argv = ['--kernel', join(dir, 'kernel'), '--disk', `${disk},ro`, '--memory', '64', '--cpu', 'smap=off']
    const { config } = await boot(argv, [() => off])
    expect(config).toMatchObject({
      cmdline: 'console=com root=ld0a -z',
      memoryMiB: 64,
      clock: 'icount',
      cpu: { smap: false },
      trace: false,
    })
    expect(config?.disks[0]).toMatchObject({ size: 1024, readOnly: true, id: 'd' })
    expect((await boot([], [() => off], { atTerminal: true })).config?.clock).toBe('wall')
  })

  test('files that are missing or wrong are one sentence and status 2', async () => {
    const odd = join(dir, 'odd')
    writeFileSync(odd, 'x')
    const link = join(dir, 'link')
    linkSync(odd, link)
    const empty = join(dir, 'empty')
    writeFileSync(empty, '')
    const packed = join(dir, 'packed.gz')
    writeFileSync(packed, gzipSync('x'))
    const cases: [string[], RegExp][] = [
      [['--kernel', join(dir, 'none')], /^There is no kernel .*none; expected/],
      [['--kernel', dir], /is a directory/],
      [['--initrd', join(dir, 'none')], /^There is no initrd/],
      [['--disk', join(dir, 'none')], /^There is no disk image/],
      [['--disk', empty], /is empty; expected/],
      [
        ['--disk', packed],
        /packed\.gz is gzip-compressed; expected: a raw image.*gzip -dc .*packed\.gz > .*packed\.raw/,
      ],
      [['--disk', `${packed},ro`], /is gzip-compressed/],
      [['--disk', odd, '--disk', `${odd},ro`], /is two disks of this run; .*,ro for both/],
      [['--disk', `${odd},ro`, '--disk', link], /is two disks of this run, as .*odd too/],
      [['--disk', '/dev/null'], /not a regular file/],
      [['--disk', dir], /is a folder; .*--add/],
      [['--disk', `${dir},ro`], /is a folder/],
      [['--json', join(dir, 'none', 'j')], /cannot be written/],
      [['--trace', join(dir, 't')], /cannot export traces yet/],
      [['--nonsense'], /--nonsense/],
    ]
    for (const [argv, words] of cases) {
      const { status, stderr, stdout } = await boot(argv, [() => off])
      if (argv[0] === '--trace' && status === 0) continue
      expect([argv, status, stdout]).toEqual([argv, 2, ''])
      expect(stderr).toMatch(words)
      expect(stderr.split('\n').length).toBe(2)
    }
  })

  test("the machine's own refusal is a sentence", async () => {
    const { status, stderr } = await boot([], [() => off], { refuse: problem('not-elf', 'a', 'b', 'c') })
    expect([status, stderr]).toEqual([2, 'A; expected: b. Try: c.\n'])
  })

  test('--help', async () => {
    const { status, stdout } = await boot(['--help'], [])
    expect(status).toBe(0)
    expect(stdout).toMatch(/--trace-format/)
  })
})

test('a trace is written from all call events', async () => {
  const file = join(dir, 't')
  let input: TraceInput | undefined
  const record: Step = (g) => {
    g.callEvents(Uint8Array.of(g.instructions / 1000))
    return undefined
  }
  await boot(['--trace', file, '--trace-format', 'folded'], [record, record, () => off], {
    trace: (given, format) => {
      input = given
      return `as ${format}`
    },
  })
  expect(readFileSync(file, 'utf8')).toBe('as folded')
  expect(Array.from(input!.callEvents)).toEqual([1, 2])
})

test('a disk keeps what was written, and read-only ones cannot be', () => {
  const file = join(dir, 'disk with a long name.img')
  writeFileSync(file, '')
  truncateSync(file, 4096)
  const disk = openDisk({ file, readOnly: false })
  if (!disk.ok) throw new Error('refused')
  disk.value.write(1024, Uint8Array.of(1, 2, 3, 4))
  disk.value.zero(1025, 2)
  disk.value.flush()
  const back = new Uint8Array(new SharedArrayBuffer(4))
  disk.value.read(1024, back)
  disk.value.close()
  expect(Array.from(back)).toEqual([1, 0, 0, 4])
  expect(Array.from(readFileSync(file).subarray(1024, 1028))).toEqual([1, 0, 0, 4])
  expect(disk.value.id).toBe('disk with a long nam')
})

test('a disk whose last sector is not whole reads as zeros from there on, and is made whole by a write', async () => {
  const file = join(dir, 'ragged')
  writeFileSync(file, Buffer.alloc(1030, 7))
  const { status, config } = await boot(['--disk', file], [() => off])
  expect([status, config?.disks[0]?.size]).toEqual([0, 1536])
  const disk = openDisk({ file, readOnly: false })
  if (!disk.ok) throw new Error('refused')
  const sector = new Uint8Array(512)
  disk.value.read(1024, sector)
  expect(Array.from(sector.subarray(4, 9))).toEqual([7, 7, 0, 0, 0])
  expect(readFileSync(file).length).toBe(1030)
  disk.value.write(1024, sector.fill(9))
  disk.value.close()
  expect(readFileSync(file).length).toBe(1536)
})

test('what looks like another format is a disk where somebody says so', async () => {
  const file = join(dir, 'tape')
  writeFileSync(file, gzipSync('x'))
  for (const words of ['raw', 'ro,raw', 'raw,ro'])
    expect((await boot(['--disk', `${file},${words}`], [() => off])).config?.disks[0]).toMatchObject({
      size: 512,
      readOnly: words !== 'raw',
    })
})

describe.skipIf(process.platform !== 'linux')('an image that another machine has', () => {
  const others: ChildProcess[] = []
  afterEach(() => {
    for (const other of others.splice(0)) other.kill('SIGKILL')
  })
  const image = (): string => {
    const file = join(dir, 'image')
    writeFileSync(file, Buffer.alloc(65536))
    return file
  }
  const refusal = async (...disks: string[]) =>
    (
      await boot(
        disks.flatMap((disk) => ['--disk', disk]),
        [() => off],
      )
    ).stderr

  test('is refused while it writes, or while this one would; readers share it', async () => {
    const file = image()
    const during = async (held: string, disk: string): Promise<string> => {
      let stderr = ''
      await boot(['--disk', held], [() => idle(), () => off], {
        input: async (_, quit) => {
          stderr = await refusal(disk)
          quit()
        },
      })
      return stderr
    }
    expect(await during(file, file)).toMatch(/is in use by another machine; expected/)
    expect(await during(file, `${file},ro`)).toMatch(/in use by another machine, which writes to it/)
    expect(await during(`${file},ro`, file)).toMatch(/in use by another machine; expected/)
    expect(await during(`${file},ro`, `${file},ro`)).not.toMatch(/in use/)
    expect(await refusal(file)).not.toMatch(/in use/)
    expect(await refusal(`${file},ro`, `${file},ro`)).not.toMatch(/in use|twice/)
  })

  test('is free again when that was killed', async () => {
    const file = image()
    const { dev, ino } = statSync(file)
    const hold = `require('net').createServer().listen('\\0netbsd-microvm-playground/${dev}:${ino}/writes', () => console.log('held'))`
    const other = spawn(process.execPath, ['-e', hold])
    others.push(other)
    await once(other.stdout, 'data')
    expect(await refusal(file)).toMatch(/in use/)
    other.kill('SIGKILL')
    await once(other, 'exit')
    expect(await refusal(file)).not.toMatch(/in use/)
  })

  test.skipIf(spawnSync('qemu-system-x86_64', ['--version']).status !== 0)('may be QEMU', async () => {
    const file = image()
    const qemu = async (readOnly: boolean): Promise<ChildProcess> => {
      const drive = `if=none,id=d,format=raw,file=${file},read-only=${readOnly ? 'on' : 'off'}`
      const devices = ['-drive', drive, '-device', 'virtio-blk-device,drive=d']
      const other = spawn('qemu-system-x86_64', [
        '-M',
        'microvm',
        '-S',
        '-display',
        'none',
        '-qmp',
        'stdio',
        ...devices,
      ])
      others.push(other)
      // It answers when its disks are open.
      other.stdin.write('{"execute":"qmp_capabilities"}\n')
      for await (const said of other.stdout) if (`${said}`.includes('"return"')) break
      return other
    }
    const writer = await qemu(false)
    expect(await refusal(file)).toMatch(/in use/)
    expect(await refusal(`${file},ro`)).toMatch(/which writes to it/)
    writer.kill('SIGKILL')
    await once(writer, 'exit')
    const reader = await qemu(true)
    expect(await refusal(file)).toMatch(/in use/)
    expect(await refusal(`${file},ro`)).not.toMatch(/in use/)
    reader.kill()
  })
})

test('the host gives shared memory and fills it with entropy', () => {
  const host = nodeHost()
  const { buffer } = host.createMemory(2)
  expect(buffer).toBeInstanceOf(SharedArrayBuffer)
  expect(buffer.byteLength).toBe(2 * 65536)
  const bytes = new Uint8Array(buffer, 0, 64)
  host.entropy(bytes)
  expect(bytes.some((byte) => byte !== 0)).toBe(true)
  const empty = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)
  expect(Object.keys(host.instantiate(empty, {}))).toEqual([])
})
