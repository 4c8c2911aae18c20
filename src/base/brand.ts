/** Types that the compiler keeps apart though they are the same underneath. */
declare const brand: unique symbol
export type Brand<T, Name extends string> = T & { readonly [brand]: Name }
