/**
 * RCPPS and RSQRTPS. The manuals promise a relative error below 1.5 * 2^-12 and leave the bits to the processor; here they
 * are those of an AMD EPYC (Zen 4), recorded: both look at the 12 upper fraction bits and give 12 fraction bits.
 * A table holds what was recorded minus the truncated exact value at the middle of each of the 4096 intervals.
 */

/** Three entries of two bits per letter, each 1 more than the correction. */
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const table = (letters: string, exact: (interval: number) => number): Uint16Array => {
  const entries = new Uint16Array(4096)
  for (let i = 0; i < 4096; i++) {
    const three = LETTERS.indexOf(letters[Math.trunc(i / 3)]!)
    const correction = ((three >> (2 * (i % 3))) & 3) - 1
    entries[i] = Math.floor((2 * exact(1 + (i + 0.5) / 4096) - 1) * 4096) + correction
  }
  return entries
}
const RECIPROCAL =
  'QVVpqCVVlqapqq/rQVVpqaqq6/bpqqvqlqVpqWqqmqqqqqqqqqqpqWqWlaluqaqa6vqqqp/qqqm+qaqVqqWZVQVllmaVWaqqVZZppmqq66bWaaqq' +
  'pqqquqqq66qqqqqqqqqqqllllllqaaaauqqqp5qqqmmqqaaWqpZZV56qmmVVmqquVpqq6WlqqqaVmZqqZq6u7WlZmpamqqqqZqqqqmpqqqamqamZ' +
  'qu7uqmpqqZmqrqqaqurqqq6uqqmqrqqZllppqmqqr7bZZaqqlppqqmmqqqbaqqqqpppppWWWWWmqqqqqllllllmmmmmaaaaaqqppppmmmWWaaZZV' +
  '6qqqpVlVWqZlmaqqpqqqumqqq6aqqqqrpqqpqWqpWqpqruqrpaqpaq6qqqapWalWlapValqlWpVqWaVWlalVVp6qmqlalqaqqqq+qmWlqWpalqaq' +
  'qpqqqqmqqqqaqqaqqVqqVqWVqWluqqqqqVpqVprqqWqaVVaVqVpqVpWqqWlapqaVVVqqqWVVpqqqqqq6qqqqqWVVVpqqqqqqqqqqqWVVlqqqqqqq' +
  'qqqqqqqqqqqqqqqqqqaVVpqqqqqqqqqqqqWVVVVpqqqqlqqqVVqqVVVpqqaVlqqqaVqqqqVpqqqVlqqqVVqqWVVpaVlqqqqqWVqqWpquqqqWlqaV' +
  'qqqqqVVpVVllqqqqqqq+qWZVlWVlVVaVqrquqqqqqqqlqaqqVqWpWpuq6qqmqWqaVaVZVppqlql6qqqqVqVpVppalalqqWqWlVpVaValWpVpValW' +
  'lVZVapr6quqqqqqqlapWqValWZlqqqmqlapVapqqqpapValVmqpWaprqqpapVWVVmapVWZppmaqlqqqqaqqqmappmaqlmaqpWWaplWZZlVmqqqqq' +
  'WaqplWZZlVmmqaqpVWaZlppqmaallVWVWaaplppqmaaZppppmmmqqaaqqqqpqqqqqqqqqqqqqqqqqqqqmmmqqaaaaaaZZZZZVVlllpqqqqqppZZZ' +
  'qqqqqaaaaaaZVVVVVVWWmllpppaaqqquVVWWmllppZaaqmmqqpqqqqqqqqbVlVVZVVWWllVZVVWVlVVZqqqqqqqqqpqaqmmppZaWmllZZWmqqqqq' +
  'pZaqmmlZZWmaqmqpZZWmlpqqqaaWmlZVqpaqmlVZVWVamlZZqpaqm5qqqqaWmVZVpZWmVpmpZWWVZWlZVlZVmVZmVZWlZWlZVlZVmVVmVVmqqrqq' +
  'qqqpqmpqmZamZWmZVmZVVpqqmqampamZVmZVVpqqmZamZWlZqqmZqmZWVZmqqZmpZmVVVlqamZmqqpqqZmVVVlqamZmqqZmZq7qqqmZWVVVmZVVV' +
  'qqmZmpqamZmqqZmZqqmZmB'
/** Of numbers from 1 to 2. */
const ROOT_ODD =
  'VVlqqWVVqqaVVpqqqalqqWVVqqaVVpWVVVlqqqqWqqaVVpaVVVlqqVVVqqaVVpqqVVlqqVVVqWVVVZVVqalqqalqqqaVqVlqapqqqWlVVpWVqWlq' +
  'WpqWqqmqqpqaqqqqqqqaqqmqqpqWqalqWpaVqVlWVVlaqqlqVpWVWpqqapalapapaqqqqWZVaValWpWpWqlqlapWqWqlqpapWqlalWpWqValWpVZ' +
  'qqqqmqpaqWalWpVVqqqqlapVaVlqqpapVWqpmapqqqaVlVWZVVaplWZplWallWapVWaplWZplWallWapVVWZlpqqqqqmmaqpVWaZlpqqqqqlmWap' +
  'qqrqqWlVVWWaappppqmqqmlVVWWWaZZppplmmmqaaaqqqppqqqmmqqqaaqqqqppppqmmmmmWWWWWaZZZuuqqqqqaaaaZZZaaqqqqqWWWmmmqqqrq' +
  'lllpppaaqqaZVVWWmmlpppaaqqqqqqrqllVZZZWWmllpZZaWmmlpZZaWmmlpZZaWqq6qqqmqqqaamqqpZZqmmlVZWWmqquqqpZqmmlVZWWlaqqqp' +
  'ZZmmlpqqrqaWmpZZqqqqmmlZWWlamqpZqq6qmmpamqZqqpqqq6qqrWZWlZVmZZmlZmmZamZampZmqZmmZqmZamZamZZmpZmlZmVZWVZWVZlquqqm' +
  'qqmpamZamZlqqq6umZqqqWlZmZmqqqqumZmZqqqqqurZmZqqqqqq7amZmZqqqqqqVZmZmZmZqqqqqqqqVZmZmZmZmZmZqqqqZmZmZmZmZmZmqqqq' +
  'qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqamZmZmZmZmZmZ6u7qqqqqqqqqqqqZmZmqqamZZmZqq6urmZmqqamVZmZqqqqqmZmmZmqquqq' +
  'ZmpampqqrqamZamZqqpqqmZVmZmmZqqZqq6qqmZWmZmVZmZZmpampqmqqmqquqquWlZWlZWmZmmZqmZqmpqmpqmqqmqqqqaqqqqqqqqqqqqquqqq' +
  'qqqqqqqqqmqqqqaqZZmmZWlZZmVVWlZVqqqrqqpqqqamqpqmZZmmZWlVZWlqqqqqZqmqZmlZZmlqq6qqZqmqZWlZZWlqqqqmZammZpaqqqbmlZZq' +
  'qqqq6mZZWmmqqqquZWmlppaqmqaWlVZZammppqqqqqbmlZZaammppqqqqqbmlVZZammpppaqmqaVWlVZZZWmlppZammmqpaaqqqqpq6qqqqrr6qq' +
  'ZZWWlllZZWWmmlZZZaWmllpZaWmmmpZZaaWmllpZZWWmmlZZppaaqmmqppZaammmlpZZZWWmllluuqqrqqqqqmqqppaaammmllZZZprrqqqqqmqq' +
  'ppZaaWWmlllqqqqqppaaaC'
/** Of numbers from 2 to 4. */
const ROOT_EVEN =
  'lllmmaaaqqqpqqqqVVVllVVVVWmqqquuqqqqqqqqqqqppppplllllpqqqqqppppplllllpqqaaaZZZZZmmmmmmlpppZaqqqmqqrqqmVZZVVWmllV' +
  'ZZWWWllZZZVWmllVZVWWVpquqqpqqqmmpZaaWmlZZVlqqqmmpZaWW5quqpZamqpqZVlVZmlZamqaqqqqZVlVZmlZWmZampZmqZqmpqmqaqqqqqpq' +
  'qqqmqqqqaqqaqqZqqZqmZqmZWmZWmZVlZVVZmpmqqqaamZmqZVVZmpmZqqaWVZmZqZmqqmVVlZmamZmquqqqqmVZmZmamZmZuqqqqmVVVVVWVVmZ' +
  'qZmZmpqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqamZmZmZmZmZmZmVVVVlqqqqqZmZmZmZmVVlqqqqmZmZmZqqqqqqlZmZqmqqq6aZmZmmpqqqq' +
  'VmZWlZqmZmqqqqqqVmZVlZamZmmpqqZqqqqqqWZWVVWlZWVZWmZWlZamZWmpZmZZqqqqqqqqqqqqpqqqqmqaqqZqmpampZmmZWmZZmVZWlpqqqqq' +
  'qmqaqmZamlZWlZVWqqqaqqZamlZWlVVWqmqZqmZZWmlqqqqqZWmlZpqqqqamlZZWqmqpamVZVWlmpZamqqqqqmZZVWlmpZamqqqpamVZVWVmlZZW' +
  'ammpZpaqmmZZWWmlpZZammmppaaqmmqppaqqmqqpqaqqmqqpqaqqmqqpqaqqmmqppaaqmmmppZaaWmmllZZZVWWllVluqqqpaaaqqmlpppZVWWWm' +
  'qqqquqppppaWWWmmVVVVZpppppaWWWWWqqqqqmlpppZVVVVWaaaaaWVllllmmmmmVVVZZppppppqqqqqZZZZaqqqqqaWWWWWaaaaaqqqqqaWWWWW' +
  'aaaaaqqqqqaWWWWVZZZZZppppppqqqqmqqqqqmlllllVVVVWWWWWaZZZZppplllmmmmWaaaaaqqppppqqmmmqqaaaqqqpppqqmmmqqaaaqqppppm' +
  'mmmmaaaaZppplllmVVVWWpqqqqqaaqqqpppmmmWWaaZZZlllVVVWVpqmqqaaaqpplllWWWVVZVlqaqqppplmWWWVZZlqaqqppplmWWWVZVlaaqqp' +
  'pllWWqqqqqaaappllVVWVpmmaaaZZlVVqppmmWWWZVlaaqppllVWVpmmaaZZVlVVpplmWqqqqaaWZplWaqpmqWVVZlVWaplmaqpqqWVWZlVWaplm' +
  'aqpqqWVVZlVWZplWappmaqpqqqaVZlVWZplWaplmaqpmaqqqVVVVVlVWZlVWZplWaplWaqpmaqpmaqpqqqqqqWVVVVVWZlVWZlVWZlVWZlVWZplW' +
  'aplWaplWaplWaplWaplWaB'
const reciprocals = table(RECIPROCAL, (x) => 1 / x)
const rootsOdd = table(ROOT_ODD, (x) => 1 / Math.sqrt(x))
const rootsEven = table(ROOT_EVEN, (x) => 1 / Math.sqrt(2 * x))

const SIGN = 0x80000000
const QUIET = 0x00400000
const INFINITY = 0x7f800000
const INDEFINITE = 0xffc00000

/** 1/x on binary32 bits. Denormals count as zero, tiny results become zero; no flags. */
export const reciprocal = (bits: number): number => {
  const sign = bits & SIGN
  const exponent = (bits >>> 23) & 0xff
  const fraction = bits & 0x7fffff
  if (exponent === 0xff) return (fraction === 0 ? sign : bits | QUIET) >>> 0
  if (exponent === 0) return (sign | INFINITY) >>> 0
  const result = 253 - exponent
  if (result <= 0) return sign >>> 0
  return (sign | (result << 23) | (reciprocals[fraction >> 11]! << 11)) >>> 0
}

/** 1/sqrt(x), likewise. Negative numbers give the default NaN. */
export const reciprocalSquareRoot = (bits: number): number => {
  const sign = bits & SIGN
  const exponent = (bits >>> 23) & 0xff
  const fraction = bits & 0x7fffff
  if (exponent === 0xff && fraction !== 0) return (bits | QUIET) >>> 0
  if (exponent === 0) return (sign | INFINITY) >>> 0
  if (sign !== 0) return INDEFINITE
  if (exponent === 0xff) return 0
  // An odd biased exponent is an even power of two.
  const entry = ((exponent & 1) === 1 ? rootsOdd : rootsEven)[fraction >> 11]!
  return ((((380 - exponent) >> 1) << 23) | (entry << 11)) >>> 0
}
