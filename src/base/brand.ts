/**
 * Branded numbers: units that the compiler keeps apart. Minted here and nowhere else.
 */
declare const brand: unique symbol
export type Brand<T, Name extends string> = T & { readonly [brand]: Name }

/** Guest-physical address, an unsigned integer below 2^52. */
export type Gpa = Brand<number, 'Gpa'>
/** Nanoseconds of guest time since power-on. Exact below 2^53 (104 days). */
export type Nanoseconds = Brand<number, 'Nanoseconds'>

export const gpa = (value: number): Gpa => value as Gpa
export const nanoseconds = (value: number): Nanoseconds => value as Nanoseconds
