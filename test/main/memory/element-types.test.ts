import { describe, expect, test } from 'vitest';
import { computeBytes } from '#softshard/kernels/loss-scratch.js';
import { isArrayOf } from '#softshard/main/memory/arrays.js';
import {
  arrayClass,
  ELEMENT_TYPES,
  ELEMENTS,
  elementBytes,
  holdsBits,
  typesFor,
} from '#softshard/main/memory/element-types.js';

describe('the table of element types', () => {
  test.each(ELEMENT_TYPES)('%s has arrays of its own class and size', (type) => {
    const array = new (arrayClass(type))(3);
    expect(isArrayOf(type, array)).toBe(true);
    expect(array.byteLength).toBe(3 * elementBytes(type));
  });

  test('gives each type of logits a number of its own, and the size of what it is computed in', () => {
    const types = typesFor('logits');
    expect(types).toEqual(['float32', 'float64', 'bfloat16', 'float16']);
    expect(new Set(types.map((type) => ELEMENTS[type].code)).size).toBe(types.length);
    for (const type of types) {
      const { code, computedIn } = ELEMENTS[type];
      expect(elementBytes(computedIn)).toBe(computeBytes(code));
    }
  });

  test('tells bits from numbers, and knows no type that is not its own', () => {
    expect(ELEMENT_TYPES.filter(holdsBits)).toEqual(['bfloat16', 'float16']);
    for (const value of ['toString', 'int64', undefined, 7]) expect(holdsBits(value)).toBe(false);
  });
});
