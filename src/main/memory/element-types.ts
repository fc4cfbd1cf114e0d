// The table of element types: the array class, the kernels' code and the operations of each. A new type is a row here, and
// kernels that read it.
import { TYPE_BFLOAT16, TYPE_FLOAT16, TYPE_FLOAT32, TYPE_FLOAT64 } from '../../kernels/loss-layout.js';

export interface TensorData {
  readonly float32: Float32Array;
  readonly float64: Float64Array;
  /** The upper half of a float32. */
  readonly bfloat16: Uint16Array;
  /** The bits of an IEEE half-precision number. */
  readonly float16: Uint16Array;
  readonly int32: Int32Array;
  readonly uint32: Uint32Array;
  readonly uint16: Uint16Array;
  readonly uint8: Uint8Array;
}

export type ElementType = keyof TensorData;

/** What kernels compute in. */
export type ComputeType = 'float32' | 'float64';

/** Logits of the row operations, operands of a linear layer, features of a classifier, class indices. */
type Use = 'logits' | 'layer' | 'features' | 'classes';

interface ArrayClass<Elements> {
  readonly name: string;
  readonly BYTES_PER_ELEMENT: number;
  new (length: number): Elements;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): Elements;
}

interface Element<Type extends ElementType> {
  readonly array: ArrayClass<TensorData[Type]>;
  readonly uses: readonly Use[];
  /** TYPE_… of loss-layout.ts. */
  readonly code?: number;
  readonly computedIn?: ComputeType;
  /** Elements are bit patterns, not numbers. */
  readonly areBits?: true;
  /** The name of a class whose elements are those numbers, with the same bits. */
  readonly numbers?: string;
}

export const ELEMENTS = {
  float32: {
    array: Float32Array,
    uses: ['logits', 'layer', 'features'],
    code: TYPE_FLOAT32,
    computedIn: 'float32',
  },
  float64: { array: Float64Array, uses: ['logits'], code: TYPE_FLOAT64, computedIn: 'float64' },
  bfloat16: {
    array: Uint16Array,
    uses: ['logits', 'layer'],
    code: TYPE_BFLOAT16,
    computedIn: 'float32',
    areBits: true,
  },
  float16: {
    array: Uint16Array,
    uses: ['logits', 'layer'],
    code: TYPE_FLOAT16,
    computedIn: 'float32',
    areBits: true,
    numbers: 'Float16Array',
  },
  int32: { array: Int32Array, uses: ['classes'] },
  uint32: { array: Uint32Array, uses: ['classes'] },
  uint16: { array: Uint16Array, uses: ['classes'] },
  uint8: { array: Uint8Array, uses: ['classes', 'features'] },
} as const satisfies { readonly [Type in ElementType]: Element<Type> };

type Elements = typeof ELEMENTS;

/** The element types that a use accepts. */
export type TypeFor<Some extends Use> = {
  [Type in ElementType]: Some extends Elements[Type]['uses'][number] ? Type : never;
}[ElementType];

export const ELEMENT_TYPES = Object.keys(ELEMENTS) as readonly ElementType[];

export const isTypeFor = <Some extends Use>(use: Some, type: unknown): type is TypeFor<Some> =>
  isElementType(type) && (ELEMENTS[type].uses as readonly Use[]).includes(use);

export const typesFor = <Some extends Use>(use: Some): readonly TypeFor<Some>[] =>
  ELEMENT_TYPES.filter((type) => isTypeFor(use, type));

/** Whether arrays of this type hold bit patterns, which could be mistaken for integers. */
export const holdsBits = (type: unknown): boolean => isElementType(type) && 'areBits' in ELEMENTS[type];

export const elementBytes = (type: ElementType): number => ELEMENTS[type].array.BYTES_PER_ELEMENT;

/** The array class of this type. */
export const arrayClass = <Type extends ElementType>(type: Type): ArrayClass<TensorData[Type]> =>
  (ELEMENTS as { readonly [Each in ElementType]: Element<Each> })[type].array;

const isElementType = (type: unknown): type is ElementType =>
  typeof type === 'string' && Object.hasOwn(ELEMENTS, type);
