// Small numbers as types: a function that is generic over one is compiled once for each, with the number as a constant.

export class N0 {}
export class N1 {
  a: u8;
}
export class N2 {
  a: u8;
  b: u8;
}
export class N3 {
  a: u8;
  b: u8;
  c: u8;
}
export class N4 {
  a: u8;
  b: u8;
  c: u8;
  d: u8;
}
export class N5 {
  a: u8;
  b: u8;
  c: u8;
  d: u8;
  e: u8;
}

/** The number that the type stands for. */
@inline
export function numberOf<N>(): i32 {
  return <i32>offsetof<N>();
}

/** Whether it is not 0: N1 for yes, N0 for no. */
@inline
export function is<N>(): bool {
  return offsetof<N>() != 0;
}
