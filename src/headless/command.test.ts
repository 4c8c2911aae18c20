/**
 * The command as a process: signals, pipes, files and terminals as a shell gives them. Guests are a few instructions long.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { buildElf } from '../machine/boot/testing/elf-builder.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const COMMAND = join(ROOT, 'scripts', 'boot.mjs')
const posix = process.platform === 'linux'

/** Entered in 32-bit protected mode, flat. */
const guest = (...code: number[]): Uint8Array => {
  const bytes = new Uint8Array(4096)
  bytes.set(code)
  return buildElf({ segments: [{ paddr: 0x200000, bytes }] })
}
/** mov edx, 0x3f8; then al and out for each byte. */
const says = (text: string): number[] => [
  ...[0xba, 0xf8, 0x03, 0, 0],
  ...Array.from(text).flatMap((c) => [0xb0, c.charCodeAt(0), 0xee]),
]
/** mov edx, 0xf4; out of al = 0: isa-debug-exit's success. */
const EXIT = [0xba, 0xf4, 0, 0, 0, 0xb0, 0, 0xee]
const SPIN = [0xeb, 0xfe]
/**
 * Says columns and rows of the virtio console, a character each, whenever they change. They stand at 0x100 of its registers
 * (virtio 1.2 §4.2.2, §5.3.4), which are the first device's on profile firecracker.
 *
 *   xor ebx, ebx; mov edx, 0x3f8
 *   again: mov eax, [0xd0000100]; cmp eax, ebx; je again
 *   mov ebx, eax; out dx, al; shr eax, 16; out dx, al; mov al, 10; out dx, al; jmp again
 */
const SIZE = guest(
  ...[0x31, 0xdb, 0xba, 0xf8, 0x03, 0, 0],
  ...[0xa1, 0x00, 0x01, 0x00, 0xd0, 0x39, 0xd8, 0x74, 0xf7],
  ...[0x89, 0xc3, 0xee, 0xc1, 0xe8, 0x10, 0xee, 0xb0, 0x0a, 0xee, 0xeb, 0xeb],
)
const character = (columns: number, rows: number): string => String.fromCharCode(columns, rows)
const KERNELS = {
  hello: guest(...says('hello\n'), ...EXIT),
  spin: guest(...says('hello\n'), ...SPIN),
  // mov al, 'x'; out; mov al, '\n'; out; and again.
  flood: guest(0xba, 0xf8, 0x03, 0, 0, 0xb0, 0x78, 0xee, 0xb0, 0x0a, 0xee, 0xeb, 0xf8),
  halt: guest(0xfa, 0xf4),
}

let dir: string
const running: ChildProcess[] = []
beforeAll(() => {
  // Bundled once, before anything is timed.
  spawnSync(process.execPath, [COMMAND, '--help'])
})
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'command-'))
  for (const [name, bytes] of Object.entries(KERNELS)) writeFileSync(join(dir, name), bytes)
})
afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL')
  rmSync(dir, { recursive: true })
})
afterAll(() => {
  expect(running).toEqual([])
})

type Stdio = 'pipe' | 'ignore' | number

const start = (argv: readonly string[], stdout: Stdio = 'pipe', stdin: Stdio = 'ignore', stderr: Stdio = 'pipe') => {
  const child = spawn(process.execPath, [COMMAND, ...argv], { cwd: dir, stdio: [stdin, stdout, stderr] })
  running.push(child)
  const said = { stdout: '', stderr: '' }
  child.stdout?.setEncoding('latin1').on('data', (text) => (said.stdout += text))
  child.stderr?.setEncoding('latin1').on('data', (text) => (said.stderr += text))
  const ended = once(child, 'close').then(([status, signal]) => ({ status: status ?? signal, ...said }))
  return { child, said, ended }
}
const run = (argv: readonly string[], stdout?: Stdio, stdin?: Stdio) => start(argv, stdout, stdin).ended

const inDir = (name: string): string => join(dir, name)
const json = (name: string) => JSON.parse(readFileSync(inDir(name), 'utf8'))
const left = () => readdirSync(dir).filter((name) => !(name in KERNELS))

/** Resolves when the guest has spoken. */
const spoken = async ({ child }: { child: ChildProcess }): Promise<void> => {
  if (child.stdout) await once(child.stdout, 'data')
}

describe.skipIf(!posix)('a signal', () => {
  test.each([
    ['SIGHUP', 129],
    ['SIGINT', 130],
    ['SIGALRM', 142],
    ['SIGTERM', 143],
  ] as const)('%s writes what was asked for and ends with %i', async (signal, status) => {
    const files = ['--json', 'j', '--trace', 't', '--trace-format', 'folded', '--save-disk', 'd']
    const one = start(['--kernel', 'spin', ...files])
    await spoken(one)
    one.child.kill(signal)
    expect(await one.ended).toMatchObject({ status, stdout: 'hello\n', stderr: `The run was ended by ${signal}.\n` })
    expect(json('j')).toMatchObject({ exit: 'interrupted', consoleBytes: 6 })
    // ext2's magic number.
    expect(readFileSync(inDir('d')).readUInt16LE(0x438)).toBe(0xef53)
    expect(left().sort()).toEqual(['d', 'j', 't'])
  })

  test('wakes a guest that sleeps for good, and comes twice from npm', async () => {
    const one = start(['--send', '', '--clock', 'wall', '--json', 'j'])
    await spoken(one)
    one.child.kill('SIGINT')
    one.child.kill('SIGINT')
    expect((await one.ended).status).toBe(130)
    expect(json('j').exit).toBe('interrupted')
  })
})

describe.skipIf(!posix)('standard output', () => {
  test('whose reader goes away ends the run: no success, and files are written', async () => {
    const one = start(['--kernel', 'flood', '--until', 'NEVER', '--json', 'j'])
    await spoken(one)
    one.child.stdout?.destroy()
    expect(await one.ended).toMatchObject({ status: 141, stderr: '' })
    expect(json('j').exit).toBe('output-failed')
  })

  test('in a pipeline is success only with the pattern', () => {
    const pipeline = (kernel: string, until: string): number | null =>
      spawnSync('bash', [
        '-c',
        `set -o pipefail; "$0" "$1" --kernel ${inDir(kernel)} --until '${until}' --timeout 20 | head -c 1 >&2`,
        process.execPath,
        COMMAND,
      ]).status
    expect(pipeline('flood', 'NEVER')).toBe(141)
    expect(pipeline('hello', 'hello')).toBe(0)
  })

  test('that nobody reads holds the guest, and neither the timeout nor a signal', async () => {
    const fifo = inDir('fifo')
    execFileSync('mkfifo', [fifo])
    const pipe = openSync(fifo, constants.O_RDWR)
    const timed = await run(['--kernel', 'flood', '--timeout', '0.5', '--json', 'j'], pipe)
    expect(timed.status).toBe(3)
    // A pipe's 64 KiB, and what one slice may print.
    expect(json('j').consoleBytes).toBeLessThan(4e6)
    const another = inDir('another')
    execFileSync('mkfifo', [another])
    const file = await open(another, constants.O_RDWR)
    const one = start(['--kernel', 'flood', '--json', 'j'], file.fd)
    // It has begun, and nobody reads on.
    await file.read(Buffer.alloc(1), 0, 1)
    await new Promise((later) => setTimeout(later, 200))
    one.child.kill('SIGTERM')
    expect((await one.ended).status).toBe(143)
    expect(json('j').exit).toBe('interrupted')
    closeSync(pipe)
    await file.close()
    // Node's own pipes between processes are sockets.
    const socket = spawn(process.execPath, [COMMAND, '--kernel', 'flood', '--timeout', '0.5'], { cwd: dir })
    running.push(socket)
    expect(await once(socket, 'exit')).toEqual([3, null])
  })

  test('that is full is a sentence and status 2, whatever was seen', async () => {
    const full = openSync('/dev/full', 'w')
    const { status, stderr } = await run(['--kernel', 'hello', '--until', 'hello'], full)
    expect(status).toBe(2)
    expect(stderr).toMatch(/^Standard output cannot be written, no space .*\(ENOSPC\).*\n$/)
    expect((await run(['--help'], full)).status).toBe(2)
    closeSync(full)
  })

  test('keeps all of a long output in order, however slowly it is read', async () => {
    const text = Array.from({ length: 200 }, (_, i) => `${i}\n`).join('')
    writeFileSync(inDir('long'), guest(...says(text.slice(0, 650)), ...EXIT))
    const slow = spawnSync('bash', [
      '-c',
      `"$0" "$1" --kernel ${inDir('long')} | (sleep 1; cat)`,
      process.execPath,
      COMMAND,
    ])
    expect(slow.stdout.toString()).toBe(text.slice(0, 650))
  })

  test('of errors may be gone or full', async () => {
    const full = openSync('/dev/full', 'w')
    const one = start(['--kernel', 'halt'], 'pipe', 'ignore', full)
    expect((await one.ended).status).toBe(0)
    closeSync(full)
    const gone = start(['--nonsense'])
    gone.child.stderr?.destroy()
    expect((await gone.ended).status).toBe(2)
  })
})

describe.skipIf(!posix)('a file that the run writes', () => {
  const HELLO = ['--kernel', 'hello', '--until', 'hello']

  test('is not there before, and not at all when the run is refused', async () => {
    const files = ['--json', 'j', '--trace', 't', '--save-disk', 'd']
    expect((await run(['--kernel', 'none', ...files])).status).toBe(2)
    expect(left()).toEqual([])
    const one = start(['--kernel', 'spin', ...files])
    await spoken(one)
    expect(left()).toEqual([])
    one.child.kill('SIGKILL')
    await one.ended
    expect(left()).toEqual([])
  })

  test('that cannot be written at the end is a sentence and status 2; the others are written', async () => {
    const { status, stdout, stderr } = await run([...HELLO, '--save-disk', '/dev/full', '--json', 'j', '--trace', 't'])
    expect([status, stdout]).toEqual([2, 'hello'])
    expect(stderr).toMatch(
      /^The file \/dev\/full cannot be written, no space is left there \(ENOSPC\); expected: .*\n$/,
    )
    for (const name of ['j', 't']) expect(statSync(inDir(name)).size).toBeGreaterThan(100)
  })

  test('may be standard output, by any of its names, after the console', async () => {
    for (const name of ['-', '/dev/stdout']) {
      const { status, stdout } = await run([...HELLO, '--json', name])
      expect([name, status, stdout.slice(0, 5)]).toEqual([name, 0, 'hello'])
      expect(JSON.parse(stdout.slice(5)).exit).toBe('until')
    }
    // A file that standard output goes to is written on, not begun anew.
    const file = openSync(inDir('out'), 'w')
    await run([...HELLO, '--json', '/dev/stdout'], file)
    closeSync(file)
    expect(readFileSync(inDir('out'), 'utf8')).toMatch(/^hello\{/)
  })

  test('may be a pipe with a name: its reader is waited for, unless a signal comes', async () => {
    execFileSync('mkfifo', [inDir('fifo')])
    const one = start([...HELLO, '--json', 'fifo'])
    await spoken(one)
    const reader = spawn('cat', [inDir('fifo')])
    const read = once(reader, 'close')
    let text = ''
    reader.stdout.on('data', (chunk) => (text += chunk))
    expect((await one.ended).status).toBe(0)
    await read
    expect(JSON.parse(text).exit).toBe('until')
    const lonely = start([...HELLO, '--json', 'fifo'])
    await spoken(lonely)
    await new Promise((later) => setTimeout(later, 300))
    lonely.child.kill('SIGTERM')
    expect(await lonely.ended).toMatchObject({ status: 2, stderr: expect.stringMatching(/nobody reads from it/) })
  })
})

describe.skipIf(!posix)('a file that the run reads', () => {
  const through = (command: string, ...argv: string[]) =>
    spawnSync('bash', ['-c', `${command} | "$0" "$@"`, process.execPath, COMMAND, ...argv, '--timeout', '10'], {
      cwd: dir,
      encoding: 'latin1',
    })

  test('may be standard input or a pipe', async () => {
    writeFileSync(inDir('hello.gz'), gzipSync(KERNELS.hello))
    for (const name of ['-', '/dev/stdin'])
      expect(through('cat hello', '--kernel', name)).toMatchObject({ status: 0, stdout: 'hello\n' })
    expect(through('(cat hello.gz; sleep 0.1)', '--kernel', '-')).toMatchObject({ status: 0, stdout: 'hello\n' })
    expect(through('echo data', '--kernel', 'hello', '--initrd', '-')).toMatchObject({ status: 0 })
    execFileSync('mkfifo', [inDir('fifo')])
    expect(through('(cat hello > fifo &)', '--kernel', 'fifo')).toMatchObject({ status: 0, stdout: 'hello\n' })
  })

  test('without an end is refused', async () => {
    for (const [argv, words] of [
      [['--kernel', '/dev/zero'], /The kernel file starts with 00 00 00 00/],
      [['--kernel', '/dev/null'], /The kernel file is empty/],
      [
        ['--kernel', 'hello', '--initrd', '/dev/zero', '--memory', '64'],
        /initrd \/dev\/zero does not end within 64 MiB/,
      ],
    ] as const) {
      const { status, stderr } = await run(argv)
      expect([argv, status]).toEqual([argv, 2])
      expect(stderr).toMatch(words)
    }
    expect(through('yes', '--kernel', '-')).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/starts with 79 0a/),
    })
    // It looks like a kernel for as long as anybody reads.
    const endless = through('(cat hello; cat /dev/zero)', '--kernel', '-')
    expect(endless).toMatchObject({ status: 2, stderr: expect.stringMatching(/does not end within 512 MiB/) })
  })
})

test('names of files are relative to where the person is, not to where npm has gone', () => {
  const npm = (...argv: string[]) =>
    spawnSync('npm', ['--prefix', ROOT, 'run', '-s', 'boot', '--', ...argv], { cwd: dir, encoding: 'latin1' })
  const files = [
    '--json',
    'j',
    '--trace',
    't',
    '--save-disk',
    'd',
    '--initrd',
    'initrd',
    '--disk',
    'disk',
    '--add',
    'added',
  ]
  for (const name of ['initrd', 'disk', 'added']) writeFileSync(inDir(name), Buffer.alloc(512))
  expect(npm('--kernel', 'hello', ...files)).toMatchObject({ status: 0, stdout: 'hello\n' })
  for (const name of ['j', 't', 'd']) expect(existsSync(inDir(name))).toBe(true)
  expect(npm('--kernel', 'none').stderr).toBe(
    `There is no kernel none in ${dir}; expected: a file that can be read. Try: check its name and permissions.\n`,
  )
})

test('a guest that ends without a word gets a sentence', async () => {
  expect(await run(['--kernel', 'halt'])).toEqual({
    status: 0,
    stdout: '',
    stderr: 'The guest halted with interrupts off at 0x200002 after 2 instructions, without having said a word.\n',
  })
})

/** Runs a command on a terminal of 120 x 40, does what is read from standard input, and says what the terminal did. */
const TERMINAL = `
import fcntl, json, os, pty, select, signal, struct, sys, termios, time
size = lambda fd, rows, cols: fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, cols, 0, 0))
master, slave = pty.openpty()
size(slave, 40, 120)
before = termios.tcgetattr(slave)
pid = os.fork()
if pid == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in (0, 1, 2): os.dup2(slave, fd)
    os.execvp(sys.argv[2], sys.argv[2:])
said, what, status, steps, deadline = b'', '', None, json.loads(sys.argv[1]), time.time() + 20
while status is None and time.time() < deadline:
    if select.select([master], [], [], .05)[0]: said += os.read(master, 65536)
    if steps and steps[0][0].encode('latin1') in said:
        _, what, *args = steps.pop(0)
        if what == 'size': size(slave, *args); os.kill(pid, signal.SIGWINCH)
        if what == 'kill': os.kill(pid, getattr(signal, args[0]))
        if what == 'type': os.write(master, args[0].encode())
        if what == 'hang up': os.close(slave); os.close(master); status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]); break
        said += ('<%s>' % what).encode()
    done, code = os.waitpid(pid, os.WNOHANG)
    if done: status = os.waitstatus_to_exitcode(code)
if status is None: os.kill(pid, 9)
if what == 'hang up': print(json.dumps({'status': status})); sys.exit()
while select.select([master], [], [], 0)[0]: said += os.read(master, 65536)
print(json.dumps({'said': said.decode('latin1'), 'status': status, 'restored': termios.tcgetattr(slave) == before}))
`
const python = spawnSync('python3', ['-c', 'import os; os.waitstatus_to_exitcode']).status === 0
describe.skipIf(!posix || !python)('a terminal', () => {
  const onTerminal = (steps: readonly (readonly [string, string, ...unknown[]])[], ...argv: string[]) => {
    const { stdout } = spawnSync(
      'python3',
      ['-c', TERMINAL, JSON.stringify(steps), process.execPath, COMMAND, ...argv],
      { cwd: dir, encoding: 'utf8' },
    )
    return JSON.parse(stdout) as { said: string; status: number; restored: boolean }
  }

  test.each(['SIGTERM', 'SIGHUP'])('is as it was after %s', (signal) => {
    const { status, restored } = onTerminal([['hello', 'kill', signal]], '--kernel', 'spin', '--json', 'j')
    expect([status, restored]).toEqual([128 + { SIGHUP: 1, SIGTERM: 15 }[signal]!, true])
    expect(json('j').exit).toBe('interrupted')
  })

  test('that hangs up ends the run as SIGHUP does, with what was asked for', () => {
    expect(onTerminal([['hello', 'hang up']], '--kernel', 'spin', '--json', 'j').status).toBe(-1)
    expect(json('j').exit).toBe('interrupted')
  })

  test('gives the guest every key but its own', () => {
    const keys = onTerminal(
      [
        ['hello', 'type', '\x03'],
        ['<type>', 'type', '\x01x'],
      ],
      '--kernel',
      'spin',
    )
    expect([keys.status, keys.restored]).toEqual([0, true])
  })

  test('tells the guest its size, at power-on and when it changes', () => {
    writeFileSync(inDir('size'), SIZE)
    const steps = [
      [character(120, 40), 'size', 50, 132],
      [character(132, 50), 'type', '\x01x'],
    ] as const
    expect(onTerminal(steps, '--kernel', 'size', '--profile', 'firecracker')).toMatchObject({
      status: 0,
      restored: true,
    })
    const fixed = [[character(90, 30), 'type', '\x01x']] as const
    const words = ['--columns', '90', '--rows', '30']
    expect(onTerminal(fixed, '--kernel', 'size', '--profile', 'firecracker', ...words).status).toBe(0)
  })
})
