/**
 * A session at our shell on a real NetBSD kernel, on our own machine: one boot, then line after line, each with what it must
 * print. The kernel is no part of the repository: without one in the cache this is skipped.
 */
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { cacheRoot, kernelPath } from '../scripts/guest-cache.ts'
import { type Result, sentence } from '../src/base/problem.ts'
import { netbsdRoot } from '../src/disk/netbsd-root.ts'
import { nodeHost } from '../src/headless/node-host.ts'
import { MemoryDisk } from '../src/machine/devices/virtio/memory-disk.ts'
import type { Machine, MachineExit } from '../src/machine/machine.ts'
import { createMachine } from '../src/machine/microvm.ts'
import { initPath } from './build.ts'

const EPOCH = Date.UTC(2026, 0, 2, 3, 4, 5) / 1000
/** The shell's prompts, at the start of a line and at the end of what was printed. */
const PROMPT = /(?:^|\n)(?:# |> )$/
const COLUMNS = 80
const INTERRUPT = '\x03'
const SUSPEND = '\x1a'

function value<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(sentence(result.problem))
  return result.value
}

/** A booted machine and its console. */
class Session {
  readonly #machine: Machine
  #raw = ''
  exit: MachineExit | undefined

  constructor(kernel: Uint8Array) {
    const script = Buffer.from('#!/bin/sh\necho "script: $0 has $#: $*"\nexit 5\n')
    const root = value(netbsdRoot(readFileSync(initPath), { time: EPOCH, files: new Map([['/root/script', script]]) }))
    const config = {
      profile: 'microvm',
      memoryMiB: 64,
      kernel,
      cmdline: 'console=com root=ld0a',
      disks: [new MemoryDisk(root)],
      net: 'user',
      rng: true,
      virtioConsole: false,
      clock: 'icount',
      engine: 'auto',
      cpu: {},
      trace: false,
      seed: 1,
      epoch: EPOCH,
    } as const
    this.#machine = value(
      createMachine(config, nodeHost(), {
        console: (bytes) => {
          this.#raw += Buffer.from(bytes).toString('latin1')
        },
        log: () => {},
      }),
    )
  }

  /** Runs until the console shows `pattern`, and gives all that it showed since the last time. */
  until(pattern: RegExp): string {
    const deadline = performance.now() + 20_000
    for (;;) {
      const seen = this.#raw.replaceAll('\r\n', '\n')
      if (pattern.test(seen) || this.exit !== undefined) {
        this.#raw = ''
        return seen
      }
      if (performance.now() > deadline) {
        this.#raw = ''
        throw new Error(`no ${pattern} in: ${JSON.stringify(seen)}`)
      }
      this.exit = this.#machine.run(5).exit
    }
  }

  type(keys: string): void {
    this.#machine.send(Buffer.from(keys, 'latin1'))
  }

  /** Types a line and gives what comes before the next prompt, without the line's own echo. */
  say(line: string): string {
    this.type(`${line}\r`)
    const rows = Math.floor((line.length + '# '.length) / COLUMNS) + 1
    const seen = this.until(PROMPT).split('\n').slice(rows).join('\n')
    return seen.replace(/(?:# |> )$/, '')
  }
}

/** What to type, and all that it must print; several lines make one command. */
const TRANSCRIPT: readonly (readonly [string | readonly string[], string | RegExp])[] = [
  // Words
  ['echo hello world', 'hello world\n'],
  [`echo "a  b" 'c  d' e\\ f ""x`, 'a  b c  d e f x\n'],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's own
  ['x=5; y="$x$x"; echo $y ${#y} ${none:-other} ${x:+set}', '55 2 other set\n'],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's own
  ['p=/usr/lib/crt0.o; echo ${p##*/} ${p%/*} ${p%.o} ${p#/usr}', 'crt0.o /usr/lib /usr/lib/crt0 /lib/crt0.o\n'],
  ['echo $((2 + 3 * (4 - 1))) $((x << 2)) $((7 % 4 == 3 && 1))', '11 20 1\n'],
  ['echo $(echo inner | tr a-z A-Z) `echo ticks`', 'INNER ticks\n'],
  ['echo /etc/*c /b[h-j]n no*match', '/etc/rc /bin no*match\n'],
  ['set -- one "two three" 4; echo $# "$2" $3; shift; echo $#', '3 two three 4\n2\n'],
  ['for a in "$@"; do echo "<$a>"; done', '<two three>\n<4>\n'],
  ['v=old; v=new env | grep ^v=; echo $v', 'v=new\nold\n'],
  ["export KEY=1; sh -c 'echo $KEY $0 $1' a b", '1 a b\n'],
  ['unset KEY; echo [$KEY]', '[]\n'],
  // Statuses and lists
  ['true && echo and; false || echo or; ! true; echo $?', 'and\nor\n1\n'],
  ['(exit 7); echo $?', '7\n'],
  ['nosuch; echo $?', 'sh: there is no command nosuch\n127\n'],
  ['/etc/motd; echo $?', /cannot run \/etc\/motd: permission is denied\n126\n/],
  ['echo )', /sh: `\)' is not expected here\n/],
  // Compound commands
  ['if [ 3 -gt 2 ]; then echo more; else echo less; fi', 'more\n'],
  ['i=0; while [ $i -lt 9 ]; do i=$((i+1)); [ $i = 2 ] && continue; [ $i = 4 ] && break; echo $i; done', '1\n3\n'],
  ['until [ $i = 0 ]; do i=$((i-1)); done; echo $i', '0\n'],
  ['for n in 1 2 3; do echo n$n; done | tail -1', 'n3\n'],
  ['case abc in x) echo x;; a*|b) echo starts;; *) echo other;; esac', 'starts\n'],
  ['f() { local x=$1; echo "$x of $#"; return 3; }; f one two; echo $? $x', 'one of 2\n3 5\n'],
  [['if true', 'then echo later', 'fi'], 'later\n'],
  [['cat <<END', 'x is $x', 'END'], 'x is 5\n'],
  [["cat <<'END'", '$x', 'END'], '$x\n'],
  ['{ echo a; echo b; } | wc -l', '       2\n'],
  ['eval "echo \\$x"; type cd f ls', '5\ncd is built into the shell\nf is a function\nls is /bin/ls\n'],
  // Redirection
  ['echo one > /tmp/a; echo two >> /tmp/a; cat < /tmp/a', 'one\ntwo\n'],
  ['ls /nope 2> /tmp/e; echo $?; cat /tmp/e', '1\nls: cannot list /nope: there is no such file or directory\n'],
  ['ls /nope > /tmp/e 2>&1; wc -l < /tmp/e', '       1\n'],
  ['read a b < /tmp/a; echo "$a/$b"', 'one/\n'],
  ['while read line; do echo "[$line]"; done < /tmp/a', '[one]\n[two]\n'],
  ['exec 3> /tmp/three; echo via 3 >&3; exec 3>&-; cat /tmp/three', 'via 3\n'],
  ['echo x > /dev/full', /cannot write to standard output: no space is left on the device\n/],
  // Files
  [
    'ls /',
    'bin         etc         lost+found  proc        sbin        usr\ndev         kern        mnt         root        tmp         var\n',
  ],
  ['ls -l /root/script', /^-rwxr-xr-x {3}1 root {3}wheel +\d+ Jan {2}2 03:04 \/root\/script\n$/],
  ['./script a "b c"; echo $?', 'script: ./script has 2: a b c\n5\n'],
  ['mkdir -p d/e/f; touch d/e/g; cp -r d d2; find d2; rm -r d d2; ls', 'd2\nd2/e\nd2/e/f\nd2/e/g\nscript\n'],
  [
    'echo data > f1; mv f1 f2; ln f2 f3; ln -s f2 f4; ls -l f* | wc -l; cat f4; readlink f4; rm f*',
    '       3\ndata\nf2\n',
  ],
  ['cd /tmp; pwd; cd - > /dev/null; pwd', '/tmp\n/root\n'],
  ['touch m; chmod 640 m; chmod u+x,o=r m; stat m | grep mode; rm m', /mode: 0744 -rwxr--r--/],
  ['dd if=/dev/zero of=z bs=1k count=10 status=none; wc -c z; du -s z; rm z', /^ {3}10240 z\n\d+\tz\n$/],
  [
    'rm nothing; rmdir /bin; cat /',
    /cannot remove nothing: there is no such.*\n.*directory is not empty\n.*it is a directory\n/,
  ],
  ['test -d /etc -a ! -f /etc && [ -x /bin/ls ] && echo tested', 'tested\n'],
  ['df /tmp | cut -c1-5; mount | head -1', /^Files\ntmpfs\nroot_device on \/ type ext2fs \(local\)\n$/],
  // Text
  ['seq 12 | grep -E "^1|[58]$" | tr "\\n" " "; echo', '1 5 8 10 11 12 \n'],
  ['printf "%s-%03d|%-4s|%x\\n" a 7 b 255', 'a-007|b   |ff\n'],
  ['printf "b 2\\na 10\\nc 1\\n" | sort -k2 -n; echo "q r" | cut -d" " -f2', 'c 1\nb 2\na 10\nr\n'],
  ['printf "x\\nx\\ny\\n" | uniq -c; seq 5 | head -2 | tail -1', '      2 x\n      1 y\n2\n'],
  ['echo hello | hexdump -C | head -1', '00000000  68 65 6c 6c 6f 0a                                 |hello.|\n'],
  ['grep -n root /etc/passwd; grep -c . /etc/group; grep -q nobody /etc/passwd; echo $?', /^1:root:.*\n4\n0\n$/],
  ['echo a b c | xargs -n 1 echo +; expr 3 + 4 \\* 2', '+ a\n+ b\n+ c\n11\n'],
  [
    'echo tea | tee /tmp/t; cmp /tmp/t /tmp/a; basename /a/b.c .c; dirname /a/b',
    /^tea\n.*differ: byte 1, line 1\nb\n\/a\n$/,
  ],
  // The system
  ['uname -sm; hostname; id', 'NetBSD amd64\nplayground\nuid=0(root) gid=0(wheel)\n'],
  ['hostname other; sysctl kern.hostname; hostname playground', 'kern.hostname = other\n'],
  ['sysctl -n kern.ostype hw.ncpu; sysctl nope.nope', /^NetBSD\n1\nsysctl: there is no nope.nope in this kernel\n$/],
  ['date -r 86399 "+%F %T %a %j"', '1970-01-01 23:59:59 Thu 001\n'],
  ['dmesg | grep -c "root on ld0a"', '1\n'],
  ['ps', /PID STAT +TIME COMMAND\n(.*\n)* *\d+ S?s .*-sh\n/],
  ['time sleep 0.2', / 0\.2\d\d real /],
  ['uptime', /^\d\d:\d\d:\d\d up /],
  ['sleep 1; ifconfig lo0', /lo0: flags=.*UP.*\n\tinet 127\.0\.0\.1\/8\n/],
  ['ifconfig vioif0 | grep inet; route show | grep default', /inet 10\.0\.2\.15\/24 .*\ndefault +10\.0\.2\.2 +UGS\n/],
  ['ping -c 1 10.0.2.2 | tail -1', '1 sent, 1 received, 0% lost\n'],
  ['ping -c 1 127.0.0.1 | tail -1', '1 sent, 1 received, 0% lost\n'],
  ['echo x > /root/x; sync; cat /root/x; rm /root/x', 'x\n'],
  ['stty size; stty -a | grep -c icanon', '25 80\n1\n'],
  // Jobs
  ['sleep 50 & sleep 0.1; jobs', /^\[1\] \d+\n\[1\] Running {4}sleep 50\n$/],
  ['kill %1; sleep 0.1; jobs', '[1] Terminated sleep 50\n'],
  ['sh -c "kill -SEGV \\$\\$"; echo $?', 'Segmentation fault\n139\n'],
  ['sleep 0.1 & wait; echo waited', /^\[1\] \d+\nwaited\n$/],
  ['kill -0 99999; kill -FOO 1', /cannot signal 99999: there is no such process\nkill: there is no signal FOO/],
]

const path = kernelPath(cacheRoot(), 'netbsd-microvm')

describe.skipIf(!existsSync(path))(`our shell on NetBSD (skipped unless there is a kernel: ${path})`, () => {
  const session = existsSync(path) ? new Session(readFileSync(path)) : undefined!

  test('is reached, after the line that tests wait for', () => {
    const seen = session.until(PROMPT)
    expect(seen.match(/INIT: hello from NetBSD userland\n/g)).toHaveLength(1)
    expect(seen).toContain('`help` lists the commands')
  })

  for (const [typed, expected] of TRANSCRIPT) {
    const lines = typeof typed === 'string' ? [typed] : typed
    test(lines.join(' ⏎ '), () => {
      let seen = ''
      for (const line of lines) seen = session.say(line)
      if (typeof expected === 'string') expect(seen).toBe(expected)
      else expect(seen).toMatch(expected)
    })
  }

  test('ctrl-C ends a program, a loop and a line', () => {
    session.type('sleep 100\r')
    session.until(/sleep 100\n/)
    session.type(INTERRUPT)
    session.until(PROMPT)
    expect(session.say('echo $?')).toBe('130\n')
    session.type('while true; do :; done\r')
    session.until(/done\n/)
    session.type(INTERRUPT)
    session.until(PROMPT)
    session.type('echo not this')
    session.type(INTERRUPT)
    expect(session.until(PROMPT)).toMatch(/\^C\n# $/)
  })

  test('ctrl-Z stops a program, bg and fg go on with it', () => {
    session.type('sleep 100\r')
    session.until(/sleep 100\n/)
    session.type(SUSPEND)
    expect(session.until(PROMPT)).toContain('[1] Stopped    sleep 100\n')
    expect(session.say('bg')).toBe('[1] sleep 100 &\n')
    session.type('fg\r')
    session.until(/\nsleep 100\n/)
    session.type(INTERRUPT)
    session.until(PROMPT)
  })

  test('lines are edited: history, movement, completion, search', () => {
    session.say('echo first')
    expect(session.say('\x1b[A\x1b[D\x1b[D\x1b[D\x1b[D\x1b[DX\x05 end')).toBe('Xfirst end\n')
    expect(session.say('echo wrong\x17right\x01\x06\x06\x06\x06\x0b one\x15echo two')).toBe('two\n')
    expect(session.say('cat /etc/mo\t')).toContain('NetBSD')
    expect(session.say('basen\t/x/y')).toBe('y\n')
    expect(session.say('\x12two')).toBe('two\n')
  })

  test('a shell that ends is followed by another', () => {
    expect(session.say('x=gone; exit')).toBe('')
    expect(session.say('echo [$x] $PWD')).toBe('[] /root\n')
  })

  test('a long line goes over several rows', () => {
    const word = 'abcdefghi '.repeat(20).trim()
    session.type(`echo ${word} | wc -w\r`)
    expect(session.until(/\n +\d+\n# $/)).toMatch(/ 20\n# $/)
  })

  test('reboot syncs and resets the machine', () => {
    session.type('reboot\r')
    session.until(/(?!)/)
    expect(session.exit).toEqual({ reason: 'reset' })
  })
})
