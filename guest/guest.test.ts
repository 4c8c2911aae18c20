import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { type BuildRecord, build, compilerVersion, elfPath, recordPath, sha256, sourcesHash } from './build.ts'

const record = JSON.parse(readFileSync(recordPath, 'utf8')) as BuildRecord
const rebuild = 'run `npx tsx guest/build.ts` and commit public/guests/embedded'

describe('the committed ELF', () => {
  it('is the one the record names', () => {
    expect(sha256(readFileSync(elfPath)), `playground.elf is not the recorded one; ${rebuild}`).toBe(record.elf)
  })

  it('was built from these sources', () => {
    expect(sourcesHash(), `guest/ changed after playground.elf was built; ${rebuild}`).toBe(record.sources)
  })

  it('stays under 200 KB', () => {
    expect(readFileSync(elfPath).length).toBeLessThan(200_000)
  })

  const here = compilerVersion()
  const why = here === record.compiler ? '' : ` (skipped: built with "${record.compiler}", here is "${here ?? 'none'}")`
  it.skipIf(why !== '')(`comes out of the same compiler byte for byte${why}`, () => {
    expect(sha256(build())).toBe(record.elf)
  })
})

/** QEMU with the guest's console on its standard input and output. */
class Qemu {
  readonly process: ChildProcessWithoutNullStreams
  readonly exited: Promise<number | null>
  text = ''
  #wake = (): void => {}

  constructor(args: readonly string[]) {
    this.process = spawn('qemu-system-x86_64', args)
    this.exited = new Promise((resolve) => this.process.on('close', resolve))
    const take = (chunk: Buffer): void => {
      this.text += chunk.toString('latin1')
      this.#wake()
    }
    this.process.stdout.on('data', take)
    this.process.stderr.on('data', take)
    this.process.on('close', () => this.#wake())
  }

  /** Everything up to and with the match, taken off the text. */
  async until(pattern: RegExp, timeoutMs = 20_000): Promise<string> {
    const deadline = Date.now() + timeoutMs
    for (;;) {
      const match = pattern.exec(this.text)
      if (match) {
        const end = match.index + match[0].length
        const taken = this.text.slice(0, end)
        this.text = this.text.slice(end)
        return taken
      }
      const left = deadline - Date.now()
      if (left <= 0 || this.process.exitCode !== null)
        throw new Error(`${pattern} did not come; the console says:\n${this.text}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  async command(line: string): Promise<string> {
    this.process.stdin.write(`${line}\r`)
    return (await this.until(/playground> /)).replaceAll('\r', '')
  }
}

const qemuVersion = spawnSync('qemu-system-x86_64', ['--version'], { encoding: 'utf8' }).stdout?.split('\n')[0]
const qemuTitle = qemuVersion
  ? `under ${qemuVersion}`
  : 'under QEMU (skipped: qemu-system-x86_64 is not installed, so the guest was compared with nothing)'

describe.skipIf(!qemuVersion)(qemuTitle, () => {
  const directory = mkdtempSync(join(tmpdir(), 'playground-qemu-'))
  const disk = join(directory, 'disk.img')
  const virtioConsole = join(directory, 'vcons.txt')
  let running: Qemu | undefined

  const board = (memory: number, append: string): string[] => [
    ...['-M', 'microvm,x-option-roms=off,rtc=on,acpi=off', '-accel', 'tcg', '-m', `${memory}`, '-kernel', elfPath],
    ...['-append', append, '-display', 'none', '-monitor', 'none', '-no-reboot', '-nodefaults'],
    ...['-device', 'isa-debug-exit,iobase=0xf4', '-global', 'virtio-mmio.force-legacy=false'],
  ]
  const devices = [
    ...[
      '-drive',
      `if=none,id=d,format=raw,file=${disk}`,
      '-device',
      'virtio-blk-device,drive=d,serial=playground-disk',
    ],
    ...['-device', 'virtio-rng-device', '-netdev', 'user,id=n', '-device', 'virtio-net-device,netdev=n'],
  ]
  const consoleTo = (chardev: string): string[] => [
    ...['-chardev', chardev, '-device', 'virtio-serial-device', '-device', 'virtconsole,chardev=v'],
  ]
  const boot = (args: readonly string[]): Qemu => {
    writeFileSync(disk, Buffer.alloc(1 << 20))
    running = new Qemu(args)
    return running
  }

  afterEach(() => {
    running?.process.kill('SIGKILL')
    running = undefined
  })
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))

  it('finds every device, passes its tests, and answers at the prompt', async () => {
    const qemu = boot([
      ...board(256, 'console=com hello=world'),
      ...['-serial', 'stdio', '-fw_cfg', 'name=opt/playground/greeting,string=hello'],
      ...devices,
      ...consoleTo(`file,id=v,path=${virtioConsole}`),
    ])
    const log = await qemu.until(/playground> /)
    expect(log).toContain('pvh: start info version 1')
    expect(log).toContain('command line: console=com hello=world virtio_mmio.device=')
    expect(log).toContain('interrupts irq>pin: 0>2')
    expect(log).toMatch(/i8254: 1193182 Hz/)
    expect(log).toMatch(/rtc: 20\d\d-\d\d-\d\d/)
    expect(log).toContain('opt/playground/greeting, 5 bytes: "hello"')
    expect(log).toContain('ld0: 2048 sectors of 512 bytes, flush, id "playground-disk"')
    expect(log).toMatch(/rng0: 8 bytes/)
    expect(log).toMatch(/vioif0: mac 52:54:00:/)
    expect(log).toContain('vcons0: port 0 open, multiport')
    expect(log).toContain('hello from ring 3')
    expect(log).not.toContain('FAILED')
    expect(log).not.toContain('skipped')
    expect(log).toMatch(/selftest: \d+ tests, 0 failed/)
    expect(log).toMatch(/boot: \d+ us/)
    expect(readFileSync(virtioConsole, 'latin1')).toContain('hello from the virtio console')

    expect(await qemu.command('help')).toContain('blk [ldN] read N')
    expect(await qemu.command('blk write 3 written by the guest')).toContain('sector 3 written')
    expect(await qemu.command('blk read 3')).toContain('|written by the g|')
    expect(await qemu.command('blk flush')).toContain('flushed')
    expect(
      readFileSync(disk)
        .subarray(3 * 512, 3 * 512 + 20)
        .toString(),
    ).toBe('written by the guest')
    expect(await qemu.command('blk read 2048')).toContain('past the end of the disk')
    expect(await qemu.command('rand')).toMatch(/[0-9a-f]{32}/)
    expect(await qemu.command('net dhcp')).toContain('address 10.0.2.15')
    expect(await qemu.command('net ping')).toContain('bytes from 10.0.2.2')
    expect(await qemu.command('bench alu')).toContain('check 086e8fa3e27c1c0a')
    expect(await qemu.command('nonsense')).toContain('There is no command "nonsense"; help lists them.')
    // Backspace twice, then a line taken back with ctrl-U, then one given up with ctrl-C.
    expect(await qemu.command('echo helXX\x7f\x7flo')).toContain('\nhello\n')
    expect(await qemu.command('garbage\x15echo again')).toContain('\nagain\n')
    qemu.process.stdin.write('give up\x03')
    expect(await qemu.until(/playground> /)).toContain('^C')
    qemu.process.stdin.write('poweroff\r')
    expect(await qemu.exited).toBe(1)
  })

  it('boots in 32 MiB with a module and no virtio device, and crashes legibly', async () => {
    const qemu = boot([...board(32, 'run="mem;crash pf"'), '-initrd', recordPath, '-serial', 'stdio'])
    const log = await qemu.until(/panic: [^\n]*\n/)
    expect(log).toContain(`module 0: 0x`)
    expect(log).toContain('virtio: none')
    expect(log).toMatch(/selftest: \d+ tests, 0 failed/)
    expect(log).toContain('exception 14 (#PF page fault), error code 0x2, cr2 00005ead00000000')
    expect(log).toMatch(/stack trace:\r\n {2}[0-9a-f]{16} command_crash\+0x/)
    expect(log).toMatch(/panic: #PF page fault at command_crash/)
  })

  it('boots in 3 GiB and runs commands before the prompt', async () => {
    const qemu = boot([...board(3072, 'selftest=0 run="bench fib;poweroff"'), '-serial', 'stdio', ...devices])
    expect(await qemu.exited).toBe(1)
    expect(qemu.text).not.toContain('selftest long mode')
    expect(qemu.text).toMatch(/bench fib iterations 300 tsc \d+ check 63a7774d1791ded8/)
  })

  it('does without RTC, i8254 and i8259', async () => {
    const machine = board(64, 'firecracker').map((a) => (a.startsWith('microvm,') ? `${a},pit=off,pic=off` : a))
    const args = machine.map((a) => a.replace('rtc=on', 'rtc=off'))
    const log = await boot([...args, '-serial', 'stdio', ...devices]).until(/playground> /)
    expect(log).toContain('rtc: none')
    expect(log).toContain('i8254: none')
    expect(log).toContain('i8259: none')
    expect(log).toMatch(/selftest: \d+ tests, 0 failed/)
  })

  it('moves the prompt to the virtio console when told to', async () => {
    const serial = join(directory, 'serial.txt')
    const qemu = boot([
      ...board(64, 'console=virtio selftest=0'),
      ...['-serial', `file:${serial}`],
      ...consoleTo('stdio,id=v'),
    ])
    await qemu.until(/playground> /)
    expect(await qemu.command('echo over virtio')).toContain('\nover virtio\n')
    expect(readFileSync(serial, 'latin1')).toContain('the prompt moves to the virtio console')
    expect(readFileSync(serial, 'latin1')).not.toContain('playground>')
  })

  it('resets the machine', async () => {
    const qemu = boot([...board(64, 'selftest=0 run=reboot'), '-serial', 'stdio'])
    expect(await qemu.exited).toBe(0)
    expect(qemu.text).toContain('rebooting')
  })
})
