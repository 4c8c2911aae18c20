/** Registers as people read them: 16 hexadecimal digits each, by the same names. */
export const registerText = (registers: Readonly<Record<string, bigint>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(registers).map(([name, value]) => [name, value.toString(16).padStart(16, '0')]))
