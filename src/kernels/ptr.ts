// Addresses in the arena, in a type of their own: a length or a count cannot pass for one.

declare const address: unique symbol;

/** A byte address in the arena; 0 means "none" where it is optional. Only what hands out memory casts a number to it. */
export type Ptr = number & { readonly [address]: true };

export const NULL_PTR = 0 as Ptr;

export const offsetBy = (ptr: Ptr, bytes: number): Ptr => (ptr + bytes) as Ptr;

/** As offsetBy; none stays none. */
export const offsetIfAny = (ptr: Ptr, bytes: number): Ptr =>
  ptr === NULL_PTR ? NULL_PTR : offsetBy(ptr, bytes);

/** The next multiple of `bytes`. */
export const alignUp = (ptr: Ptr, bytes: number): Ptr => (Math.ceil(ptr / bytes) * bytes) as Ptr;
