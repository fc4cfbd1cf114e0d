import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type NpyArray, readNpyLabels, readNpyMatrix, writeNpy } from '#softshard/main/data/index.js';
import {
  encode,
  expectNothingLeft,
  failure,
  HALF_BITS,
  type NumberCode,
  npyFile,
  useAllocator,
  useFolder,
} from '../workbench.js';

const folder = useFolder();
const allocator = useAllocator();

const fromBase64 = (text: string): Buffer => Buffer.from(text, 'base64');

// numpy 2.4.6: buffer = io.BytesIO(); numpy.save(buffer, array); base64.b64encode(buffer.getvalue())
const NUMPY = {
  // numpy.arange(6).reshape(2, 3).astype('<f4')
  float32: fromBase64(
    'k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDMpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAACAPwAAAEAAAEBAAACAQAAAoEA=',
  ),
  // The same by numpy.lib.format.write_array(buffer, array, version=(2, 0)) and (3, 0).
  version2: fromBase64(
    'k05VTVBZAgB0AAAAeydkZXNjcic6ICc8ZjQnLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMiwgMyksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAACAPwAAAEAAAEBAAACAQAAAoEA=',
  ),
  version3: fromBase64(
    'k05VTVBZAwB0AAAAeydkZXNjcic6ICc8ZjQnLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMiwgMyksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAACAPwAAAEAAAEBAAACAQAAAoEA=',
  ),
  // numpy.asfortranarray(numpy.arange(6).reshape(2, 3).astype('>f8'))
  fortran: fromBase64(
    'k05VTVBZAQB2AHsnZGVzY3InOiAnPmY4JywgJ2ZvcnRyYW5fb3JkZXInOiBUcnVlLCAnc2hhcGUnOiAoMiwgMyksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAAAAEAIAAAAAAAAP/AAAAAAAABAEAAAAAAAAEAAAAAAAAAAQBQAAAAAAAA=',
  ),
  // numpy.asfortranarray(numpy.arange(12).reshape(2, 2, 3).astype('>i2'))
  fortran3d: fromBase64(
    'k05VTVBZAQB2AHsnZGVzY3InOiAnPmkyJywgJ2ZvcnRyYW5fb3JkZXInOiBUcnVlLCAnc2hhcGUnOiAoMiwgMiwgMyksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAGAAMACQABAAcABAAKAAIACAAFAAs=',
  ),
  // numpy.array([3, 0, -100])
  labels: fromBase64(
    'k05VTVBZAQB2AHsnZGVzY3InOiAnPGk4JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDMsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoDAAAAAAAAAAAAAAAAAAAAnP////////8=',
  ),
  // numpy.float32(3)
  scalar: fromBase64(
    'k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKCksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAEBA',
  ),
  // numpy.zeros(2, dtype=[('a', '<f4'), ('b', '<i4')])
  structured: fromBase64(
    'k05VTVBZAQB2AHsnZGVzY3InOiBbKCdhJywgJzxmNCcpLCAoJ2InLCAnPGk0JyldLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMiwpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAAAAAAAAAAAAAAA',
  ),
  // numpy.array(['ab'])
  text: fromBase64(
    'k05VTVBZAQB2AHsnZGVzY3InOiAnPFUyJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDEsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAphAAAAYgAAAA==',
  ),
};

/** Values at the limits of each type that float32 holds exactly, except where rounding is the point. */
const codes: readonly [NumberCode, string, number[]][] = [
  ['b1', 'bool', [0, 1, 1, 0]],
  ['u1', 'uint8', [0, 1, 128, 255]],
  ['i1', 'int8', [0, -1, 127, -128]],
  ['u2', 'uint16', [0, 258, 32768, 65535]],
  ['i2', 'int16', [0, -1, 32767, -32768]],
  ['u4', 'uint32', [0, 16909056, 16777217, 4294967295]],
  ['i4', 'int32', [0, -1, 16777217, -2147483648]],
  ['u8', 'uint64', [0, 258, 2 ** 53, 2 ** 63]],
  ['i8', 'int64', [0, -1, 2 ** 53, -(2 ** 63)]],
  ['f2', 'float16', [...HALF_BITS.keys()]],
  ['f4', 'float32', [-0, 3.4028234663852886e38, 1.401298464324817e-45, Number.NaN]],
  ['f8', 'float64', [0.1, -1e-300, Number.NaN, -Infinity]],
];

const endians = codes.flatMap(([code, name, values]) =>
  (code[1] === '1' ? ['|'] : ['<', '>']).map((order) => [order + code, name, code, values] as const),
);

describe('readNpyMatrix', () => {
  it.each([
    ['version 1.0', NUMPY.float32, 'float32'],
    ['version 2.0', NUMPY.version2, 'float32'],
    ['version 3.0', NUMPY.version3, 'float32'],
    ['Fortran order, big-endian float64', NUMPY.fortran, 'float64'],
  ])('reads what numpy wrote: %s', async (_, content, type) => {
    const { matrix, elementType, featureDims } = await readNpyMatrix(
      allocator,
      folder.file('a.npy', content),
    );
    expect(matrix.dims).toEqual([2, 3]);
    expect([...matrix.data]).toEqual([0, 1, 2, 3, 4, 5]);
    expect({ elementType, featureDims }).toEqual({ elementType: type, featureDims: [3] });
  });

  it('flattens a Fortran array [2 × 2 × 3] as array.reshape(2, -1) does', async () => {
    const { matrix, featureDims } = await readNpyMatrix(allocator, folder.file('a.npy', NUMPY.fortran3d));
    expect(matrix.dims).toEqual([2, 6]);
    expect([...matrix.data]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(featureDims).toEqual([2, 3]);
  });

  it.each(endians)(
    'reads dtype %s (%s), each value rounded to float32',
    async (descr, name, code, values) => {
      const bytes = encode(code, values, !descr.startsWith('>'));
      const content = npyFile({ descr, shape: `(${values.length}, 1)`, values: bytes });
      for (const [name_, file] of [
        ['plain', content],
        ['gzip', gzipSync(content)],
      ] as const) {
        const { matrix, elementType } = await readNpyMatrix(allocator, folder.file(name_, file));
        expect(elementType).toBe(name);
        expect([...matrix.data]).toEqual(values.map(Math.fround));
      }
    },
  );

  it('makes one column of one dimension and reads the shapes of Python 2', async () => {
    const values = encode('f4', [1, 2, 3], true);
    const column = await readNpyMatrix(
      allocator,
      folder.file('a', npyFile({ descr: '<f4', shape: '(3,)', values })),
    );
    expect(column.matrix.dims).toEqual([3, 1]);
    const row = await readNpyMatrix(
      allocator,
      folder.file('b', npyFile({ descr: '<f4', shape: '(1L, 3L)', values })),
    );
    expect(row.matrix.dims).toEqual([1, 3]);
  });

  it('takes the header in any order and spacing', async () => {
    const dict = `{ "shape":(1,2) ,'fortran_order' : False,\n 'descr':"<f4"}`;
    const content = npyFile({ descr: '', shape: '', dict, values: encode('f4', [1, 2], true) });
    const { matrix } = await readNpyMatrix(allocator, folder.file('a', content));
    expect([...matrix.data]).toEqual([1, 2]);
  });

  it.each([false, true])(
    'reads Fortran arrays of several chunks in their places (gzip: %s)',
    async (compressed) => {
      const [rows, features] = [1009, 520]; // 2 MiB, chunks that end within a column
      const values = new Float32Array(rows * features);
      for (let row = 0; row < rows; row++) {
        for (let feature = 0; feature < features; feature++)
          values[feature * rows + row] = row * features + feature;
      }
      const content = npyFile({
        descr: '<f4',
        shape: `(${rows}, ${features})`,
        fortran: true,
        values: Buffer.from(values.buffer),
      });
      const { matrix } = await readNpyMatrix(
        allocator,
        folder.file('a', compressed ? gzipSync(content) : content),
      );
      const wrong = matrix.data.findIndex((value, index) => value !== index);
      expect(wrong, `element ${wrong}: got ${matrix.data[wrong]}`).toBe(-1);
    },
  );

  it('reports a float64 beyond float32 by row and feature, in Fortran order too, and frees', async () => {
    const values = encode('f8', [1, 2, 3, 1e39, 5, 6], true);
    for (const [fortran, place] of [
      [false, 'row 1, feature 0'],
      [true, 'row 1, feature 1'],
    ] as const) {
      const path = folder.file('a', npyFile({ descr: '<f8', shape: '(2, 3)', fortran, values }));
      await failure(readNpyMatrix(allocator, path), 'ERR_FORMAT', path, place, 'found 1e+39');
    }
    expect(allocator.allocated).toBe(2);
    expectNothingLeft(allocator, folder);
  });

  it('reports a file cut at any byte, and frees', async () => {
    for (const content of [NUMPY.float32, NUMPY.version2, NUMPY.fortran]) {
      for (let length = 0; length < content.length; length++) {
        const path = folder.file('cut', content.subarray(0, length));
        await failure(
          readNpyMatrix(allocator, path),
          'ERR_FORMAT',
          path,
          `byte ${length} of the file`,
          'truncated',
        );
      }
    }
    expect(allocator.allocated, 'found before allocating').toBe(0);
  });

  it('reports gzip content cut within header or values, and frees', async () => {
    for (let length = 0; length < NUMPY.fortran.length; length += 3) {
      const path = folder.file('cut', gzipSync(NUMPY.fortran.subarray(0, length)));
      await failure(
        readNpyMatrix(allocator, path),
        'ERR_FORMAT',
        path,
        `byte ${length} of its uncompressed content`,
      );
    }
    expect(allocator.allocated).toBeGreaterThan(0);
    expectNothingLeft(allocator, folder);
  });

  it.each([false, true])('reports trailing bytes (gzip: %s)', async (compressed) => {
    const content = Buffer.concat([NUMPY.float32, Buffer.from([0])]);
    const path = folder.file('a', compressed ? gzipSync(content) : content);
    await failure(
      readNpyMatrix(allocator, path),
      'ERR_FORMAT',
      path,
      'byte 152: expected the end of the file',
    );
    expectNothingLeft(allocator, folder);
  });

  it.each([
    ['a single number', NUMPY.scalar, 'shape of 1 or more dimensions, found ()'],
    ['a structured dtype', NUMPY.structured, "found {'descr': [("],
    ['text', NUMPY.text, 'found text (<U2)'],
    ['a complex dtype', npyFile({ descr: '<c8', shape: '(1,)', values: Buffer.alloc(8) }), "found '<c8'"],
    ['a negative dim', npyFile({ descr: '<f4', shape: '(-1,)', values: Buffer.alloc(4) }), 'found (-1,)'],
    ['an empty dim', npyFile({ descr: '<f4', shape: '(0, 3)', values: Buffer.alloc(0) }), 'dims [0, 3]'],
    ['no dict', npyFile({ descr: '', shape: '', dict: '[1, 2]', values: Buffer.alloc(0) }), 'found [1, 2]'],
    [
      'a repeated key',
      npyFile({
        descr: '',
        shape: '',
        dict: "{'descr': '<f8', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}",
        values: Buffer.alloc(4),
      }),
      'expected a dict',
    ],
    ['another version', Buffer.from('\x93NUMPY\x04\x00\x00\x00', 'latin1'), 'found 93 4e 55 4d 50 59 04 00'],
    ['another magic number', Buffer.from('NUMPY\x01\x00\x00\x00'), 'byte 0: expected 93 4e'],
    ['a header of 4 GiB', Buffer.from('\x93NUMPY\x02\x00\xff\xff\xff\xff', 'latin1'), 'found 4294967295'],
  ])('refuses %s', async (_, content, finding) => {
    const path = folder.file('a.npy', content);
    await failure(readNpyMatrix(allocator, path), 'ERR_FORMAT', path, finding);
    expect(allocator.allocated).toBe(0);
  });

  it('an abort midway rejects with the reason and frees', async () => {
    const content = npyFile({ descr: '<f4', shape: '(1048576, 2)', values: Buffer.alloc(8 << 20) });
    const controller = new AbortController();
    const reading = readNpyMatrix(allocator, folder.file('a', content), {
      signal: controller.signal,
      onProgress: (fraction) => fraction > 0.5 && controller.abort('stop'),
    });
    await expect(reading).rejects.toBe('stop');
    expect(allocator.allocated).toBe(1);
    expectNothingLeft(allocator, folder);
  });
});

describe('readNpyLabels', () => {
  it('reads what numpy wrote', async () => {
    expect(await readNpyLabels(folder.file('a', NUMPY.labels))).toEqual(Int32Array.of(3, 0, -100));
  });

  it.each(endians.filter(([, , code]) => !code.startsWith('f')))(
    'reads dtype %s (%s)',
    async (descr, _, code) => {
      const values = encode(code, [1, 0, 1], !descr.startsWith('>'));
      const path = folder.file('a', npyFile({ descr, shape: '(3,)', values }));
      expect(await readNpyLabels(path)).toEqual(Int32Array.of(1, 0, 1));
    },
  );

  it('refuses a file of no labels and says what belongs there', async () => {
    const path = folder.file('a', npyFile({ descr: '<i4', shape: '(0,)', values: Buffer.alloc(0) }));
    await failure(readNpyLabels(path), 'ERR_FORMAT', path, 'found dims [0]', 'one label for each row');
  });

  it.each([
    ['<f2', 'f2', [0, 1, -2]],
    ['<f4', 'f4', [0, 1, -2]],
    ['>f8', 'f8', [0, 1, 2147483647]],
  ] as const)('takes whole numbers of %s for classes (F5)', async (descr, code, labels) => {
    const values = encode(code, labels, !descr.startsWith('>'));
    const path = folder.file('a', npyFile({ descr, shape: '(3,)', values }));
    expect(await readNpyLabels(path)).toEqual(Int32Array.from(labels));
  });

  it.each([false, true])(
    'takes a column [rows, 1] for one label a row (Fortran order: %s)',
    async (fortran) => {
      const values = encode('i4', [2, 0, 1], true);
      const path = folder.file('a', npyFile({ descr: '<i4', shape: '(3, 1)', fortran, values }));
      expect(await readNpyLabels(path)).toEqual(Int32Array.of(2, 0, 1));
    },
  );

  it.each([
    [0.5, 'the continuous value 0.5', 'predicts classes'],
    [Number.NaN, 'expected a label, found NaN', 'Leave rows without a label out'],
    [Number.POSITIVE_INFINITY, 'expected a label, found Infinity', 'ignoreIndex'],
  ])('refuses the label %d by row (F5)', async (label, finding, remedy) => {
    const values = encode('f8', [1, label], true);
    const path = folder.file('a', npyFile({ descr: '<f8', shape: '(2,)', values }));
    const error = await failure(readNpyLabels(path), 'ERR_FORMAT', path, 'row 1', finding, remedy);
    expect([error.row, error.value]).toEqual([1, label]);
  });

  it.each([
    ['|u1', '(2, 1, 1)', 2, 'ravel'],
    ['<f4', '(2, 3)', 24, 'one_hot.argmax(axis=1)'],
    ['|u1', '(2, 3)', 6, 'one_hot.argmax(axis=1)'],
  ])('refuses %s values of dims %s and says how to convert (F19)', async (descr, shape, bytes, remedy) => {
    const path = folder.file('a', npyFile({ descr, shape, values: Buffer.alloc(bytes) }));
    await failure(readNpyLabels(path), 'ERR_FORMAT', path, `dims [${shape.slice(1, -1)}]`, remedy);
  });

  it.each([
    ['<u4', 'u4', 2 ** 31],
    ['<i8', 'i8', -(2 ** 31) - 1],
    ['>u8', 'u8', 2 ** 63],
  ] as const)('reports a %s label beyond int32 by row and value', async (descr, code, label) => {
    const values = encode(code, [0, label], !descr.startsWith('>'));
    const path = folder.file('a', npyFile({ descr, shape: '(2,)', values }));
    const error = await failure(readNpyLabels(path), 'ERR_FORMAT', path, 'row 1', `found ${label}`);
    expect([error.row, error.value]).toEqual([1, label]);
  });
});

describe('writeNpy', () => {
  it("writes numpy's own bytes", async () => {
    const path = join(folder.path, 'a.npy');
    await writeNpy(path, { dims: [2, 3], data: Float32Array.of(0, 1, 2, 3, 4, 5) });
    expect(readFileSync(path)).toEqual(NUMPY.float32);
  });

  it('round-trips any array of float32, bit for bit', async () => {
    const shapes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 });
    const arrays = shapes.chain((dims) => {
      const length = dims.reduce((product, dim) => product * dim, 1);
      return fc.tuple(fc.constant(dims), fc.float32Array({ minLength: length, maxLength: length }));
    });
    await fc.assert(
      fc.asyncProperty(arrays, async ([dims, data]) => {
        const path = join(folder.path, 'a.npy');
        await writeNpy(path, { dims, data });
        const { matrix, featureDims } = await readNpyMatrix(allocator, path);
        expect([matrix.dims[0], ...featureDims]).toEqual(dims);
        expect(Buffer.from(matrix.data.slice().buffer)).toEqual(Buffer.from(data.slice().buffer));
      }),
      { numRuns: 50 },
    );
  });

  it('round-trips int32 labels, which may be views on shared memory', async () => {
    const data = new Int32Array(new SharedArrayBuffer(24), 8, 3);
    data.set([3, -2147483648, 2147483647]);
    const path = join(folder.path, 'a.npy');
    await writeNpy(path, { dims: [3], data });
    expect([...(await readNpyLabels(path))]).toEqual([...data]);
  });

  it('writes float64 with dtype <f8', async () => {
    const path = join(folder.path, 'a.npy');
    await writeNpy(path, { dims: [1, 2], data: Float64Array.of(0.1, -Infinity) });
    const bytes = readFileSync(path);
    expect(bytes.toString('latin1')).toContain("'descr': '<f8'");
    expect(bytes.subarray(-16)).toEqual(encode('f8', [0.1, -Infinity], true));
  });

  it('writes 20 MiB, more than one block, in order', async () => {
    const data = Float32Array.from({ length: 5 << 20 }, (_, index) => index);
    const path = join(folder.path, 'a.npy');
    await writeNpy(path, { dims: [5, 1 << 20], data });
    const { matrix } = await readNpyMatrix(allocator, path);
    expect(matrix.data.findIndex((value, index) => value !== index)).toBe(-1);
  });

  it('refuses dims that do not fit the data, before touching the file', async () => {
    const path = folder.file('a.npy', 'former');
    for (const dims of [[2, 2], [], [-1, -3], [1.5, 2]]) {
      await failure(writeNpy(path, { dims, data: new Float32Array(3) }), 'ERR_SHAPE', 'data.length 3');
    }
    await failure(writeNpy(path, { dims: [3], data: new Uint8Array(3) as unknown as NpyArray }), 'ERR_TYPE');
    expect(readFileSync(path, 'utf8')).toBe('former');
  });

  it('reports a missing folder and a folder in the way, leaving no temporary file', async () => {
    const content = { dims: [1], data: Float32Array.of(1) };
    const path = join(folder.path, 'none', 'a.npy');
    const error = await failure(writeNpy(path, content), 'ERR_FILE', path, 'cannot be written');
    expect(error.cause).toMatchObject({ code: 'ENOENT' });
    const inTheWay = join(folder.path, 'taken');
    mkdirSync(inTheWay);
    await failure(writeNpy(inTheWay, content), 'ERR_FILE', inTheWay);
    expect(folder.names()).toEqual(['taken']);
  });
});
