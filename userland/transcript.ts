/**
 * A session at our shell on NetBSD, as data: what is typed, and what it must show. Played headless (transcript.test.ts) and
 * in the page (e2e/transcript.spec.ts), on whatever real kernel there is.
 */

/** What plays it: a booted machine's console. */
export interface Console {
  type(keys: string): void | Promise<void>
  /** All that was shown since the last time, up to the end of `pattern`, with bare newlines. */
  until(pattern: RegExp): string | Promise<string>
}

/** A line whose whole output up to the next prompt is known, or keys and what they lead to. */
export type Step =
  | { readonly line: string; readonly shows: string | RegExp }
  | { readonly keys: string; readonly shows: RegExp }

export interface Scene {
  readonly name: string
  readonly steps: readonly Step[]
}

/** The shell's prompts, at the start of a line and at the end of what was printed. */
export const PROMPT = /(?:^|\n)(?:# |> )$/
const COLUMNS = 80
const INTERRUPT = '\x03'
const SUSPEND = '\x1a'

/** Types a line and gives what comes before the next prompt, without the line's own echo. */
export const say = async (console: Console, line: string): Promise<string> => {
  await console.type(`${line}\r`)
  const rows = Math.floor((line.length + '# '.length) / COLUMNS) + 1
  const shown = (await console.until(PROMPT)).split('\n').slice(rows).join('\n')
  return shown.replace(/(?:# |> )$/, '')
}

/** Plays a step and gives what it showed, to be held against `step.shows`. */
export const play = async (console: Console, step: Step): Promise<string> => {
  if ('line' in step) return await say(console, step.line)
  await console.type(step.keys)
  return await console.until(step.shows)
}

/** Several lines make one command: all but the last lead to `> `. */
const LINES: readonly (readonly [string | readonly string[], string | RegExp])[] = [
  // Words
  ['echo hello world', 'hello world\n'],
  [`echo "a  b" 'c  d' e\\ f ""x`, 'a  b c  d e f x\n'],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's own
  ['x=5; y="$x$x"; echo $y ${#y} ${none:-other} ${x:+set}', '55 2 other set\n'],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's own
  ['p=/usr/lib/crt0.o; echo ${p##*/} ${p%/*} ${p%.o} ${p#/usr}', 'crt0.o /usr/lib /usr/lib/crt0 /lib/crt0.o\n'],
  ['echo $((2 + 3 * (4 - 1))) $((x << 2)) $((7 % 4 == 3 && 1))', '11 20 1\n'],
  [
    'n=1234567890123456789; echo $((n / 987654321)) $((-n % 98765432109)) $((n / 12884901888))',
    '1249999988 -87526388898 95815078\n',
  ],
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
  [['cat > script <<"END"', '#!/bin/sh', 'echo "script: $0 has $#: $*"', 'exit 5', 'END'], ''],
  [
    'chmod 755 script; ls -l /root/script',
    /^-rwxr-xr-x {3}1 root {3}wheel {10}46 \w{3} [ \d]\d \d\d:\d\d \/root\/script\n$/,
  ],
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
  ['uname -sm; hostname; id', /^NetBSD (amd64|i386)\nplayground\nuid=0\(root\) gid=0\(wheel\)\n$/],
  ['hostname other; sysctl kern.hostname; hostname playground', 'kern.hostname = other\n'],
  ['sysctl -n kern.ostype hw.ncpu; sysctl nope.nope', /^NetBSD\n1\nsysctl: there is no nope.nope in this kernel\n$/],
  ['date -r 86399 "+%F %T %a %j"', '1970-01-01 23:59:59 Thu 001\n'],
  ['dmesg | grep -c "root on ld0a"', '1\n'],
  ['ps', /PID STAT +TIME COMMAND\n(.*\n)* *\d+ S?s .*-sh\n/],
  ['time sleep 0.2', / 0\.[2-9]\d\d real /],
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

const scene = ([typed, shows]: (typeof LINES)[number]): Scene => {
  const lines = typeof typed === 'string' ? [typed] : typed
  return {
    name: lines.join(' ⏎ '),
    steps: lines.map((line, i) => ({ line, shows: i < lines.length - 1 ? '' : shows })),
  }
}

/** Keys that lead back to a prompt. */
const prompts = (keys: string, shows = PROMPT): Step => ({ keys, shows })

export const SCENES: readonly Scene[] = [
  ...LINES.map(scene),
  {
    name: 'ctrl-C ends a program, a loop and a line',
    steps: [
      { keys: 'sleep 100\r', shows: /sleep 100\n/ },
      prompts(INTERRUPT),
      { line: 'echo $?', shows: '130\n' },
      { keys: 'while true; do :; done\r', shows: /done\n/ },
      prompts(INTERRUPT),
      { keys: 'echo not this', shows: /not this/ },
      prompts(INTERRUPT, /\^C\n# $/),
    ],
  },
  {
    name: 'ctrl-Z stops a program, bg and fg go on with it',
    steps: [
      { keys: 'sleep 100\r', shows: /sleep 100\n/ },
      prompts(SUSPEND, /\[1\] Stopped {4}sleep 100\n# $/),
      { line: 'bg', shows: '[1] sleep 100 &\n' },
      { keys: 'fg\r', shows: /\nsleep 100\n/ },
      prompts(INTERRUPT),
    ],
  },
  {
    name: 'lines are edited: history, movement, completion, search',
    steps: [
      { line: 'echo first', shows: 'first\n' },
      { line: '\x1b[A\x1b[D\x1b[D\x1b[D\x1b[D\x1b[DX\x05 end', shows: 'Xfirst end\n' },
      { line: 'echo wrong\x17right\x01\x06\x06\x06\x06\x0b one\x15echo two', shows: 'two\n' },
      { line: 'cat /etc/mo\t', shows: /NetBSD/ },
      { line: 'basen\t/x/y', shows: 'y\n' },
      { line: '\x12two', shows: 'two\n' },
    ],
  },
  {
    name: 'a shell that ends is followed by another',
    steps: [
      { line: 'x=gone; exit', shows: '' },
      { line: 'echo [$x] $PWD', shows: '[] /root\n' },
    ],
  },
  {
    name: 'a long line goes over several rows',
    steps: [prompts(`echo ${'abcdefghi '.repeat(20).trim()} | wc -w\r`, /\n +20\n# $/)],
  },
]
